//! The children of every resource, as the watches tell of them and as writes answered, so that a pass asks only for what
//! is not known.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{ResourceExt, api::DynamicObject, runtime::watcher::Event};
use operator_cluster::{Listed, pruned};
use operator_core::{
    ChildKind,
    children::{INSTANCE_LABEL, condense},
};
use serde_json::Value;

/// What one place holds, shared by its watches and passes.
#[derive(Clone, Default)]
pub(crate) struct Children(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    objects: HashMap<Arc<Id>, Object>,
    of: HashMap<Instance, Vec<Arc<Id>>>,
    kinds: BTreeMap<ChildKind, Told>,
}

#[derive(PartialEq, Eq, Hash)]
struct Id {
    kind: ChildKind,
    namespace: String,
    name: String,
}

/// Namespace and name of a resource.
type Instance = (String, String);

struct Object {
    /// Its resourceVersion. Those of one kind can be compared as numbers (KEP-5504).
    version: u64,
    /// The list of its kind that it was seen in last, or after which.
    round: u32,
    /// Whether a write told of it and no watch has since.
    is_written: bool,
    /// Whether a request found another state of it, or none, and nobody has told of it since.
    is_doubted: bool,
    instance: Instance,
    /// As JSON, which takes a fraction of the room that it takes once it is read; without the resourceVersion,
    /// so that another one is news.
    json: Box<[u8]>,
    resource_version: Option<String>,
}

/// What the watch of one kind has told.
#[derive(Default)]
struct Told {
    round: u32,
    /// Up to where it has told of what there is.
    version: u64,
    /// Nothing, for as long as no list has ended.
    knowledge: Option<Knowledge>,
}

#[derive(Clone, Copy, PartialEq)]
enum Knowledge {
    /// Every object was told of.
    All,
    /// The cluster does not know the kind.
    NoSuchKind,
}

/// Who tells of an object.
#[derive(Clone, Copy, PartialEq)]
enum Teller {
    List,
    Watch,
    Write,
}

impl Children {
    /// Takes note of what a watch tells. The answer are the objects that are others by it than they were
    /// known to be, as by the write that it echoes, or gone, be it without a word of their own.
    pub(crate) fn note(&self, kind: ChildKind, event: Event<DynamicObject>) -> Vec<DynamicObject> {
        let mut held = self.lock();
        let (is_news, object) = match event {
            Event::Init => {
                held.told(kind).round += 1;
                return Vec::new();
            }
            Event::InitDone => {
                held.told(kind).knowledge = Some(Knowledge::All);
                return held.forget_unseen(kind);
            }
            Event::InitApply(object) => (held.put(kind, &object, Teller::List), object),
            Event::Apply(object) => (held.put(kind, &object, Teller::Watch), object),
            Event::Delete(object) => {
                held.remove(kind, &object);
                (true, object)
            }
        };
        is_news.then_some(object).into_iter().collect()
    }

    /// Takes note that the cluster does not know a kind.
    pub(super) fn no_such_kind(&self, kind: ChildKind) {
        let mut held = self.lock();
        held.told(kind).round += 1;
        held.forget_unseen(kind);
        held.told(kind).knowledge = Some(Knowledge::NoSuchKind);
    }

    /// Takes note that it cannot be told whether the cluster knows a kind: it has to be asked for.
    pub(super) fn unsure(&self, kind: ChildKind) {
        self.lock().told(kind).knowledge = None;
    }

    /// Takes note of what a write answered, ahead of the watch, so that the next pass sees what this
    /// one wrote.
    pub(crate) fn wrote(&self, kind: ChildKind, object: &DynamicObject) {
        self.lock().put(kind, object, Teller::Write);
    }

    /// Takes note that an object may be another than the one that was known, or gone. It is not forgotten: it would be
    /// missed where it is not wanted any more.
    pub(crate) fn doubt(&self, kind: ChildKind, namespace: &str, name: &str) {
        let id = Id {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        if let Some(object) = self.lock().objects.get_mut(&id) {
            object.is_doubted = true;
        }
    }

    /// The children of a resource, of the kinds that all is known of and nothing of it doubted.
    pub(crate) fn of(&self, namespace: &str, name: &str) -> BTreeMap<ChildKind, Listed> {
        let held = self.lock();
        let mut known: BTreeMap<ChildKind, Listed> = held
            .kinds
            .iter()
            .filter_map(|(kind, told)| {
                let is_known = told.knowledge? == Knowledge::All;
                Some((*kind, is_known.then(Vec::new)))
            })
            .collect();
        let instance = (namespace.to_owned(), name.to_owned());
        for id in held.of.get(&instance).into_iter().flatten() {
            let Some(object) = held.objects.get(id) else {
                continue;
            };
            if object.is_doubted {
                known.remove(&id.kind);
            }
            let Some(Some(listed)) = known.get_mut(&id.kind) else {
                continue;
            };
            if let Some(value) = object.read() {
                listed.push(((id.kind, id.name.clone()), value));
            }
        }
        known
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn told(&mut self, kind: ChildKind) -> &mut Told {
        self.kinds.entry(kind).or_default()
    }

    /// Keeps an object, unless a later state of it is known. Answers whether it is another than was known.
    fn put(&mut self, kind: ChildKind, object: &DynamicObject, teller: Teller) -> bool {
        let id = Arc::new(Id::of(kind, object));
        let (version, told) = (version(object), self.told(kind));
        let round = told.round;
        match teller {
            // What the watch has told by now is no older, be it that the object is gone.
            Teller::Write if version <= told.version => return false,
            Teller::Write => {}
            Teller::List | Teller::Watch => told.version = told.version.max(version),
        }
        if let Some(known) = self.objects.get_mut(&id)
            && known.version >= version
            // A list is the truth but for what was written meanwhile: versions go back where a backup
            // of the cluster is restored.
            && (teller != Teller::List || (known.is_written && known.round == round))
        {
            known.round = round;
            known.is_written &= teller == Teller::Write;
            return false;
        }
        let before = self.forget(&id);
        let Some(name) = object.labels().get(INSTANCE_LABEL) else {
            return true;
        };
        // What came as JSON can be written as such.
        let Ok(json) = serde_json::to_vec(&kept(kind, object)) else {
            return true;
        };
        let instance = (id.namespace.clone(), name.clone());
        self.of
            .entry(instance.clone())
            .or_default()
            .push(Arc::clone(&id));
        let object = Object {
            version,
            round,
            is_written: teller == Teller::Write,
            is_doubted: false,
            instance,
            json: json.into(),
            resource_version: object.resource_version(),
        };
        let is_news = before.is_none_or(|before| before.is_doubted || before.json != object.json);
        self.objects.insert(id, object);
        is_news
    }

    fn remove(&mut self, kind: ChildKind, object: &DynamicObject) {
        let (id, version) = (Id::of(kind, object), version(object));
        let told = self.told(kind);
        told.version = told.version.max(version);
        let is_later = |known: &Object| known.version > version;
        if !self.objects.get(&id).is_some_and(is_later) {
            self.forget(&id);
        }
    }

    /// Lets go of what a list that has ended did not tell of. That includes what was written while it
    /// was made, which may be gone again: it has to be asked for.
    fn forget_unseen(&mut self, kind: ChildKind) -> Vec<DynamicObject> {
        let round = self.told(kind).round;
        let unseen = self
            .objects
            .iter()
            .filter(|(id, object)| id.kind == kind && (object.round != round || object.is_written));
        let unseen: Vec<Arc<Id>> = unseen.map(|(id, _)| Arc::clone(id)).collect();
        let gone = unseen.into_iter().filter_map(|id| self.forget(&id));
        gone.filter_map(|object| serde_json::from_value(object.read()?).ok())
            .collect()
    }

    fn forget(&mut self, id: &Id) -> Option<Object> {
        let object = self.objects.remove(id)?;
        if let Some(siblings) = self.of.get_mut(&object.instance) {
            siblings.retain(|sibling| **sibling != *id);
            if siblings.is_empty() {
                self.of.remove(&object.instance);
            }
        }
        Some(object)
    }
}

impl Object {
    /// With its resourceVersion.
    fn read(&self) -> Option<Value> {
        let mut object: Value = serde_json::from_slice(&self.json).ok()?;
        if let Some(version) = &self.resource_version
            && let Some(Value::Object(metadata)) = object.get_mut("metadata")
        {
            metadata.insert("resourceVersion".to_owned(), version.as_str().into());
        }
        Some(object)
    }
}

impl Id {
    fn of(kind: ChildKind, object: &DynamicObject) -> Self {
        Self {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        }
    }
}

/// What is kept of an object but for its resourceVersion: all of it that can be news.
fn kept(kind: ChildKind, object: &DynamicObject) -> DynamicObject {
    let mut kept = pruned(kind, object.clone());
    condense(kind, &object.name_any(), &mut kept.data);
    kept.metadata.resource_version = None;
    kept
}

fn version(object: &DynamicObject) -> u64 {
    object
        .resource_version()
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "children_tests.rs"]
mod tests;
