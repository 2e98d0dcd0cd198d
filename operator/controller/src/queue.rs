//! How many resources wait for a pass: kube's controller does not tell.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{core::DeserializeGuard, runtime::reflector::ObjectRef};
use operator_api::UserService;

/// Resources that something happened to since a pass began to look at them. Those that are due by
/// time alone are not among them.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<HashSet<String>>>);

impl Queue {
    /// Passes on what is to be looked at, and remembers it.
    pub(crate) fn noted(
        &self,
        due: impl IntoIterator<Item = ObjectRef<DeserializeGuard<UserService>>>,
    ) -> Vec<ObjectRef<DeserializeGuard<UserService>>> {
        let due: Vec<_> = due.into_iter().collect();
        let mut waiting = self.lock();
        for object in &due {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            waiting.insert(format!("{namespace}/{}", object.name));
        }
        due
    }

    /// A pass over `key`, namespace and name, begins, or there is no such resource.
    pub(crate) fn taken(&self, key: &str) {
        self.lock().remove(key);
    }

    pub(crate) fn depth(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
