//! Passes that delete what is not wanted any more.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use kube::{api::DynamicObject, runtime::watcher::Event};
use operator_core::ChildKind;
use serde_json::{Value, json};

use super::{
    tests::{cluster, context_of, plain, taken},
    *,
};
use crate::{
    testing::{Asked, failure, server},
    watching::Children,
};

/// A child of the resource, of a name that is not wanted any more.
pub(super) fn left_over(version: &str) -> DynamicObject {
    let object = json!({"metadata": {
        "namespace": "team-a", "name": "old", "uid": "uid-of-old", "resourceVersion": version,
        "labels": {"app.kubernetes.io/instance": "users"},
        "ownerReferences": [{
            "apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "name": "users",
            "uid": "uid-of-users", "controller": true,
        }],
    }});
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn what_was_changed_before_its_delete_holds_up_nothing_else_and_is_deleted_soon() {
    let is_changed = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&is_changed);
    let (client, log) = server(move |asked| {
        let is_refused = asked.method == http::Method::DELETE
            && asked.path.contains("/serviceaccounts/")
            && refuses.load(Ordering::Relaxed);
        if is_refused {
            failure(409, "Conflict")
        } else {
            taken(asked)
        }
    })
    .await;
    let context = context_of(client, 2);
    let children = Children::default();
    for kind in ChildKind::ALL {
        children.note(kind, Event::Init);
        children.note(kind, Event::InitDone);
    }
    let cluster = cluster(&context, &children);
    let Ok(resource) = plain("users").0 else {
        unreachable!("a resource that can be read");
    };
    let pass = || keep(&cluster, &resource, &context, "team-a/users");
    pass().await.unwrap();

    for kind in [ChildKind::ServiceAccount, ChildKind::NetworkPolicy] {
        children.note(kind, Event::Apply(left_over("7")));
    }
    log.lock().unwrap().clear();
    let action = pass().await.unwrap();
    assert_eq!(action, Action::requeue(WRITE_RECHECK));
    assert!(!context.backoff.has_failed("team-a/users"));
    let asked = std::mem::take(&mut *log.lock().unwrap());
    let of_account = deleted(&asked, "/serviceaccounts/old").unwrap();
    assert_eq!(of_account["preconditions"]["resourceVersion"], "7");
    assert!(deleted(&asked, "/networkpolicies/old").is_some());
    let is_report = |asked: &Asked| asked.path.contains("/userservices/users/status");
    assert!(asked.iter().any(is_report), "{asked:?}");

    is_changed.store(false, Ordering::Relaxed);
    children.note(ChildKind::ServiceAccount, Event::Apply(left_over("8")));
    let action = pass().await.unwrap();
    assert_ne!(action, Action::requeue(WRITE_RECHECK));
    let asked = std::mem::take(&mut *log.lock().unwrap());
    let of_account = deleted(&asked, "/serviceaccounts/old").unwrap();
    assert_eq!(of_account["preconditions"]["resourceVersion"], "8");
}

#[tokio::test]
async fn a_child_whose_change_was_refused_is_still_deleted_when_it_is_not_wanted_any_more() {
    let is_closed = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&is_closed);
    let policy = Arc::new(Mutex::new(Value::Null));
    let (client, log) = server(move |asked| {
        let is_write = asked.method == http::Method::PATCH;
        let mut policy = policy.lock().unwrap();
        if !asked.path.contains("/networkpolicies") {
            return taken(asked);
        }
        if is_write && refuses.load(Ordering::Relaxed) {
            return failure(422, "Invalid");
        }
        if is_write {
            *policy = taken(asked).1;
            return (200, policy.clone());
        }
        if asked.path.contains("labelSelector") {
            return (200, json!({"metadata": {}, "items": [policy.clone()]}));
        }
        taken(asked)
    })
    .await;
    let context = context_of(client, 2);
    let children = Children::default();
    for kind in ChildKind::ALL {
        children.note(kind, Event::Init);
        children.note(kind, Event::InitDone);
    }
    let cluster = cluster(&context, &children);
    let pass = async |network: Value| {
        let Ok(mut resource) = plain("users").0 else {
            unreachable!("a resource that can be read");
        };
        resource.spec.network = serde_json::from_value(network).unwrap();
        keep(&cluster, &resource, &context, "team-a/users").await
    };
    pass(json!({"clients": []})).await.unwrap();
    is_closed.store(true, Ordering::Relaxed);
    pass(json!({})).await.unwrap_err();

    log.lock().unwrap().clear();
    pass(Value::Null).await.unwrap();
    let asked = std::mem::take(&mut *log.lock().unwrap());
    let of_policy = deleted(&asked, "/networkpolicies/users").unwrap();
    assert_eq!(of_policy["preconditions"]["uid"], "uid");
}

/// With what a delete came, if there was one.
fn deleted<'a>(asked: &'a [Asked], path: &str) -> Option<&'a Value> {
    let mut deletes = asked
        .iter()
        .filter(|asked| asked.method == http::Method::DELETE);
    let delete = deletes.find(|asked| asked.path.split('?').next().unwrap().ends_with(path));
    delete.map(|delete| &delete.body)
}
