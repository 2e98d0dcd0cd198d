//! How many resources wait for a pass: kube's controller does not tell.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::{core::DeserializeGuard, runtime::reflector::ObjectRef};
use operator_api::UserService;

/// Resources that something happened to since a pass began to look at them, and since when. Those
/// that are due by time alone are not among them.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<HashMap<String, Instant>>>);

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
            let key = format!("{namespace}/{}", object.name);
            waiting.entry(key).or_insert_with(Instant::now);
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

    /// How long the first of them has been waiting; zero if none waits.
    pub(crate) fn oldest(&self) -> Duration {
        let first = self.lock().values().min().copied();
        first.map_or(Duration::ZERO, |first| first.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_waits_from_the_first_that_happened_to_it() {
        let queue = Queue::default();
        let users = || [ObjectRef::new("users").within("team-a")];
        assert_eq!(queue.oldest(), Duration::ZERO);
        queue.noted(users());
        let since = *queue.lock().get("team-a/users").unwrap();
        queue.noted(users());
        assert_eq!(queue.lock().get("team-a/users"), Some(&since));
        assert!(queue.oldest() > Duration::ZERO);
        queue.taken("team-a/users");
        assert_eq!(queue.oldest(), Duration::ZERO);
    }
}
