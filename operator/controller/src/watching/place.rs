//! Where resources are looked for, and what is known of them there.

use std::{collections::BTreeSet, fmt, sync::Arc};

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource, api::DynamicObject, runtime::reflector::Store};
use operator_cluster::api_resource;
use operator_core::ChildKind;
use tokio::sync::watch;

use super::{Children, Guarded};

/// One namespace, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place(Option<String>);

impl Place {
    /// Each namespace that is named; all of them as one where none is.
    pub(crate) fn of(namespaces: BTreeSet<String>) -> Vec<Self> {
        if namespaces.is_empty() {
            return vec![Self(None)];
        }
        namespaces
            .into_iter()
            .map(|name| Self(Some(name)))
            .collect()
    }

    /// Lists and watches of a kind ask for no more than the place.
    pub(crate) fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.0 {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    /// The same for a kind of child.
    pub(super) fn children(&self, client: &Client, kind: ChildKind) -> Api<DynamicObject> {
        let kind = api_resource(kind);
        match &self.0 {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
            None => Api::all_with(client.clone(), &kind),
        }
    }

    fn covers(&self, namespace: &str) -> bool {
        self.0.as_ref().is_none_or(|name| name == namespace)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(namespace) => write!(out, "namespace {namespace}"),
            None => out.write_str("all namespaces"),
        }
    }
}

/// Every resource and its children, as last seen, and whether that is all of them.
#[derive(Clone, Default)]
pub(crate) struct Known {
    stores: Vec<Store<Guarded>>,
    children: Vec<(Place, Children)>,
    ready: Vec<watch::Receiver<bool>>,
}

impl Known {
    /// Adds what a place has. `ready` becomes true once that is known.
    pub(crate) fn add(
        &mut self,
        place: Place,
        store: Store<Guarded>,
        children: Children,
        ready: watch::Receiver<bool>,
    ) {
        self.stores.push(store);
        self.children.push((place, children));
        self.ready.push(ready);
    }

    pub(crate) fn state(&self) -> Vec<Arc<Guarded>> {
        self.stores.iter().flat_map(Store::state).collect()
    }

    /// The children that are known in a namespace; none of a kind where it is not watched.
    pub(crate) fn children(&self, namespace: &str) -> Children {
        let covering = self
            .children
            .iter()
            .find(|(place, _)| place.covers(namespace));
        covering
            .map(|(_, children)| children.clone())
            .unwrap_or_default()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.iter().all(|ready| *ready.borrow())
    }
}

#[cfg(test)]
mod tests {
    use kube::{
        core::DeserializeGuard,
        runtime::{reflector, watcher},
    };
    use operator_api::{UserService, UserServiceSpec};

    use super::*;

    #[test]
    fn named_namespaces_are_places_of_their_own() {
        let named = Place::of(["b", "a"].map(str::to_owned).into());
        let told: Vec<String> = named.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["namespace a", "namespace b"]);
        assert_eq!(Place::of(BTreeSet::new()), [Place(None)]);
    }

    #[test]
    fn what_is_known_is_that_of_all_places_and_ready_when_each_is() {
        let mut known = Known::default();
        let mut senders = Vec::new();
        for namespace in ["team-a", "team-b"] {
            let (reader, mut writer) = reflector::store();
            let mut resource = UserService::new("users", UserServiceSpec::default());
            resource.metadata.namespace = Some(namespace.into());
            writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(resource))));
            let (sender, ready) = watch::channel(false);
            let place = Place(Some(namespace.into()));
            known.add(place, reader, Children::default(), ready);
            senders.push(sender);
        }
        assert_eq!(known.state().len(), 2);
        senders[0].send_replace(true);
        assert!(!known.is_ready());
        senders[1].send_replace(true);
        assert!(known.is_ready());
    }
}
