use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, stream};
use kube::runtime::{Controller, controller, reflector, reflector::ObjectRef, watcher};
use operator_api::UserServiceSpec;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::{
    testing::{Asked, Log, server},
    watching::Children,
};

/// Bound of a wait for what takes milliseconds.
const BOUND: Duration = Duration::from_secs(10);

/// A resource with events in a Kafka where nobody listens.
pub(super) fn resource() -> UserService {
    let object = json!({
        "apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService",
        "metadata": {"name": "users", "namespace": "team-a", "uid": "uid-of-users"},
        "spec": {"events": {"kafka": {"bootstrapServers": ["127.0.0.1:1"]}}},
    });
    serde_json::from_value(object).unwrap()
}

/// An API server that has no object at all, and what a pass needs beside it.
pub(super) async fn context(concurrency: u16) -> (Context, Log) {
    let (client, log) = server(|asked| {
        let name = asked
            .path
            .split('?')
            .next()
            .and_then(|path| path.rsplit('/').next());
        if name.is_some_and(|name| name.starts_with("users")) {
            return crate::testing::failure(404, "NotFound");
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []});
        (200, list)
    })
    .await;
    (context_of(client, concurrency), log)
}

pub(super) fn context_of(client: Client, concurrency: u16) -> Context {
    Context {
        client,
        known: Known::default(),
        release: Release {
            repository: "registry.example/user-service".into(),
            version: "1.2.3".into(),
            ..Release::default()
        },
        metrics: Arc::new(Metrics::new()),
        backoff: Backoff::default(),
        queue: Queue::default(),
        claim: Claim::new(),
        throttle: Throttle::default(),
        passes: Semaphore::new(usize::from(concurrency)),
        kafka: Permits::of(concurrency),
    }
}

/// The view of the resource `users`.
pub(super) fn cluster<'a>(context: &'a Context, children: &Children) -> Cluster<'a> {
    Cluster {
        client: context.client.clone(),
        metrics: &context.metrics,
        children: children.clone(),
        namespace: "team-a",
        name: "users",
    }
}

/// What an API server answers that has no object and takes every one.
pub(super) fn nothing_there(method: &http::Method, path: &str) -> (u16, serde_json::Value) {
    if method == http::Method::GET && !path.contains("labelSelector") {
        return crate::testing::failure(404, "NotFound");
    }
    (200, json!({"metadata": {}, "spec": {}, "items": []}))
}

/// A client for which the API server has no object, and that panics over one resource.
fn panicking_over(name: &'static str) -> Client {
    let answer = move |request: http::Request<kube::client::Body>| async move {
        let about = request.uri().to_string();
        assert!(!about.contains(name), "over a resource");
        let (code, body) = nothing_there(request.method(), &about);
        let answer = http::Response::builder().status(code);
        answer.body(kube::client::Body::from(body.to_string().into_bytes()))
    };
    Client::new(tower::service_fn(answer), "team-a")
}

type Guarded = DeserializeGuard<UserService>;

/// Another resource than [`resource`], without Kafka.
pub(super) fn plain(name: &str) -> Guarded {
    let mut plain = resource();
    plain.metadata.name = Some(name.to_owned());
    plain.spec = UserServiceSpec::default();
    DeserializeGuard(Ok(plain))
}

/// Lets a controller look at the resources until it has at each, and tells which failed, and how.
async fn looked_at<const N: usize>(
    context: &Arc<Context>,
    known: [Guarded; N],
) -> BTreeMap<String, Option<String>> {
    let lead = tokio::time::Instant::now() + Duration::from_secs(60);
    context.claim.extend(lead);
    let (reader, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Init);
    for resource in &known {
        writer.apply_watcher_event(&watcher::Event::InitApply(resource.clone()));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    let changed = stream::iter(known.map(Ok)).chain(stream::pending());
    let results =
        Controller::for_stream(changed, reader).run(reconcile, on_error, Arc::clone(context));
    let mut results = std::pin::pin!(results);
    let mut looked_at = BTreeMap::new();
    while looked_at.len() < N {
        let result = timeout(BOUND, results.next()).await.unwrap().unwrap();
        let (name, error) = match result {
            Ok((resource, _)) => (resource.name, None),
            Err(controller::Error::ReconcilerFailed(error, resource)) => {
                (resource.name, Some(error.to_string()))
            }
            Err(other) => panic!("{other}"),
        };
        looked_at.insert(name, error);
    }
    looked_at
}

#[tokio::test]
async fn a_pass_that_panics_fails_alone_and_is_tried_again_later_each_time() {
    let context = Arc::new(context_of(panicking_over("poison"), 2));
    let results = looked_at(&context, [plain("poison"), plain("users")]).await;
    assert_eq!(results["users"], None);
    let error = results["poison"].as_deref().unwrap();
    assert!(error.contains("over a resource"), "{error}");
    assert!(
        context.backoff.next("team-a/poison") > backoff::FIRST,
        "not the first failure"
    );
    let told = context.metrics.encode().unwrap();
    assert!(
        told.contains(r#"reconciles_total{outcome="Panic"}"#),
        "{told}"
    );
}

#[tokio::test]
async fn no_more_passes_than_permitted_go_on_at_the_same_time() {
    const PERMITS: u16 = 2;
    let under_way: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, peak) = (Arc::clone(&under_way), Arc::clone(&most));
    let server = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let about = request.uri().to_string();
        let name: Option<String> = about
            .find("users-")
            .and_then(|at| about.get(at..at + "users-0".len()).map(ToOwned::to_owned));
        let (counted, peak) = (Arc::clone(&counted), Arc::clone(&peak));
        async move {
            if let Some(name) = &name {
                let mut counted = counted.lock().unwrap();
                *counted.entry(name.clone()).or_default() += 1;
                peak.fetch_max(counted.len(), Ordering::Relaxed);
            }
            // Whatever may go on does.
            tokio::task::yield_now().await;
            if let Some(name) = name {
                let mut counted = counted.lock().unwrap();
                let requests = counted.get_mut(&name).unwrap();
                *requests -= 1;
                if *requests == 0 {
                    counted.remove(&name);
                }
            }
            let (code, body) = nothing_there(request.method(), &about);
            let answer = http::Response::builder().status(code);
            answer.body(kube::client::Body::from(body.to_string().into_bytes()))
        }
    });
    let context = Arc::new(context_of(Client::new(server, "team-a"), PERMITS));
    let known = [0, 1, 2].map(|number| plain(&format!("users-{number}")));
    let results = looked_at(&context, known).await;
    assert!(results.values().all(Option::is_none), "{results:?}");
    assert_eq!(most.load(Ordering::Relaxed), usize::from(PERMITS));
}

#[tokio::test]
async fn a_resource_waits_in_the_queue_until_a_pass_over_it_begins() {
    let (client, _log) = server(|asked| nothing_there(&asked.method, &asked.path)).await;
    let context = Arc::new(context_of(client, 2));
    let due = ["users", "others"].map(|name| ObjectRef::new(name).within("team-a"));
    context.queue.noted(due);
    assert_eq!(context.queue.depth(), 2);
    looked_at(&context, [plain("users")]).await;
    assert_eq!(context.queue.depth(), 1);
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_is_told_once_and_others_go_on() {
    let (client, log) = server(|asked| nothing_there(&asked.method, &asked.path)).await;
    let context = Arc::new(context_of(client, 2));
    let malformed: Guarded = serde_json::from_value(json!({
        "metadata": {"name": "old", "namespace": "team-a", "uid": "uid-of-old"},
        "spec": {"replicas": "many"},
    }))
    .unwrap();
    let known = [malformed.clone(), plain("users")];
    let results = looked_at(&context, known).await;
    assert_eq!(results["users"], None);
    let error = results["old"].as_deref().unwrap();
    assert!(error.contains("many"), "{error}");

    let again = reconcile(Arc::new(malformed), Arc::clone(&context)).await;
    assert!(matches!(again, Err(Error::Malformed(_))), "{again:?}");
    let log = log.lock().unwrap();
    let of_old = |asked: &&Asked| asked.body["regarding"]["name"] == "old";
    let events: Vec<_> = log.iter().filter(of_old).collect();
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0].body;
    assert_eq!(event["reason"], "Malformed");
    assert_eq!(event["regarding"]["uid"], "uid-of-old");
    assert!(event["note"].as_str().unwrap().contains("many"), "{event}");
}

/// What an API server answers that has nothing but what it is given, as which it answers it.
pub(super) fn taken(asked: &Asked) -> (u16, serde_json::Value) {
    if asked.method != http::Method::PATCH {
        return nothing_there(&asked.method, &asked.path);
    }
    let mut object = asked.body.clone();
    object["metadata"]["namespace"] = json!("team-a");
    object["metadata"]["uid"] = json!("uid");
    object["metadata"]["resourceVersion"] = json!("1");
    if asked.path.contains("/userservices/") {
        object["spec"] = json!({});
    }
    (200, object)
}

#[tokio::test]
async fn a_pass_sees_what_the_one_before_wrote_and_asks_for_no_child_that_is_known() {
    let (client, log) = server(taken).await;
    let context = context_of(client, 2);
    let children = Children::default();
    for kind in operator_core::ChildKind::ALL {
        children.note(kind, watcher::Event::Init);
        children.note(kind, watcher::Event::InitDone);
    }
    let cluster = cluster(&context, &children);
    let Guarded { 0: Ok(resource) } = plain("users") else {
        unreachable!("a resource that can be read");
    };
    let about_children = || {
        let asked = std::mem::take(&mut *log.lock().unwrap());
        let of_others = |asked: &Asked| {
            let others = ["/userservices/", "/events?", "/pods?"];
            others.iter().any(|other| asked.path.contains(other))
        };
        let about: Vec<_> = asked
            .into_iter()
            .filter(|asked| !of_others(asked))
            .collect();
        about
    };
    keep(&cluster, &resource, &context, "team-a/users")
        .await
        .unwrap();
    let first = about_children();
    let (written, read): (Vec<_>, Vec<_>) = first
        .iter()
        .partition(|asked| asked.method == http::Method::PATCH);
    assert!(written.len() > 4, "{written:?}");
    assert_eq!(
        read.len(),
        written.len(),
        "one look each whether the name is taken: {read:?}"
    );
    keep(&cluster, &resource, &context, "team-a/users")
        .await
        .unwrap();
    let second = about_children();
    assert!(second.is_empty(), "nothing has changed: {second:?}");
}

#[tokio::test]
async fn nobody_is_asked_for_as_long_as_the_api_server_wants_to_be_left_alone() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let throttled = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let answer = http::Response::builder().status(429);
        let answer = answer.header(http::header::RETRY_AFTER, "30");
        std::future::ready(answer.body(kube::client::Body::from(b"too many".to_vec())))
    });
    let throttle = Throttle::default();
    let client = Client::new(
        tower::Layer::layer(&throttle.listening(), throttled),
        "team-a",
    );
    let context = Arc::new(Context {
        throttle,
        ..context_of(client, 2)
    });
    let results = looked_at(&context, [plain("users")]).await;
    assert!(results["users"].is_some(), "the first one is refused");
    let before = asked.load(Ordering::Relaxed);
    let later = reconcile(Arc::new(plain("users")), Arc::clone(&context)).await;
    assert_ne!(later.unwrap(), Action::requeue(Duration::ZERO));
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

#[tokio::test]
async fn only_a_kind_of_another_operator_may_be_one_that_the_cluster_does_not_know() {
    for (group, code, is_fatal) in [
        ("/apis/cert-manager.io/", 404, false),
        // Who may not look, where nothing is asked for.
        ("/apis/cert-manager.io/", 403, false),
        ("/apis/apps/", 404, true),
        ("/apis/apps/", 403, true),
    ] {
        let (client, _log) = server(move |asked| {
            if asked.path.starts_with(group) {
                return crate::testing::failure(code, "Refused");
            }
            nothing_there(&asked.method, &asked.path)
        })
        .await;
        let context = context_of(client, 2);
        let cluster = cluster(&context, &Children::default());
        let read = cluster.dereference(&resource(), &context.release).await;
        let unknown = read.map(|(world, _)| world.unknown);
        assert_eq!(unknown.is_err(), is_fatal, "{group} {code}");
        if let Ok(unknown) = unknown {
            assert_eq!(unknown, [operator_core::ChildKind::Certificate].into());
        }
    }
}

#[tokio::test]
async fn why_a_job_has_no_pods_is_asked_of_the_very_job_that_is_wanted() {
    let mut resource = resource();
    let kafka = resource.spec.events.as_mut().unwrap().kafka.as_mut();
    kafka.unwrap().schema_registry =
        serde_json::from_value(json!({"url": "http://registry:8081"})).unwrap();
    let release = context(1).await.0.release;
    let names = operator_core::child_names(&operator_core::World::default(), &resource, &release);
    let is_job = |(kind, _): &&(_, _)| *kind == operator_core::ChildKind::Job;
    let wanted = names.iter().find(is_job).unwrap().1.clone();
    let job = |name: &str, uid: &str| {
        json!({"metadata": {"name": name, "uid": uid, "ownerReferences": [{
            "apiVersion": "usersvc.dev/v1alpha1", "kind": "UserService", "name": "users",
            "uid": "uid-of-users", "controller": true,
        }]}})
    };
    let jobs = json!([
        job("users-prepare-0", "uid-of-former"),
        job(&wanted, "uid-of-wanted")
    ]);
    let (client, _log) = server(move |asked| {
        let of_wanted = asked.path.contains("involvedObject.uid%3Duid-of-wanted");
        let items = match asked.path.split('?').next().unwrap() {
            path if path.ends_with("/jobs") => jobs.clone(),
            path if path.ends_with("/events") && of_wanted => {
                json!([{"metadata": {}, "involvedObject": {}, "message": "Error creating: quota"}])
            }
            path if path.ends_with("/events") => {
                json!([{"metadata": {}, "involvedObject": {}, "message": "of another Job"}])
            }
            _ => return nothing_there(&asked.method, &asked.path),
        };
        (200, json!({"metadata": {}, "items": items}))
    })
    .await;
    let context = context_of(client, 2);
    let cluster = cluster(&context, &Children::default());
    let (world, _) = cluster.dereference(&resource, &release).await.unwrap();
    assert_eq!(world.refused_job.as_deref(), Some("quota"));
}
