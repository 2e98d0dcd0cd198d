use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::http::Method;
use k8s_openapi::api::{coordination::v1::LeaseSpec, core::v1::ConfigMap};
use kube::{
    api::{Patch, PatchParams},
    client::{Body, ClientBuilder},
};
use serde_json::{Value, json};

use super::{fence::WRITE_TIMEOUT, *};
use crate::testing::{Asked, Log, failure, listening};

fn lease(holder: Option<&str>, version: &str) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.resource_version = Some(version.into());
    lease.spec = Some(LeaseSpec {
        holder_identity: holder.map(Into::into),
        lease_duration_seconds: Some(15),
        lease_transitions: Some(3),
        ..LeaseSpec::default()
    });
    lease
}

/// What is written by a step, if it writes.
fn written(step: Step) -> Option<LeaseSpec> {
    match step {
        Step::Create(spec) | Step::Replace(spec) => Some(spec(MicroTime(Timestamp::UNIX_EPOCH))),
        Step::Wait(_) => None,
    }
}

fn me() -> Election {
    Election::new("me".into(), DURATION)
}

#[test]
fn a_lease_that_is_missing_or_released_is_taken_at_once() {
    let now = Instant::now();
    let made = written(me().step(None, now)).unwrap();
    assert_eq!(made.holder_identity.as_deref(), Some("me"));
    assert_eq!(made.lease_transitions, Some(0));
    for released in [None, Some("")] {
        let taken = written(me().step(Some(&lease(released, "1")), now)).unwrap();
        assert_eq!(taken.holder_identity.as_deref(), Some("me"));
        assert_eq!(taken.lease_transitions, Some(4), "one more");
    }
}

#[test]
fn a_lease_of_ones_own_is_renewed() {
    let renewed = written(me().step(Some(&lease(Some("me"), "1")), Instant::now())).unwrap();
    assert_eq!(renewed.lease_transitions, Some(3));
    assert_eq!(renewed.renew_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
}

#[test]
fn a_lease_of_another_is_taken_only_once_it_was_seen_unchanged_for_as_long_as_it_lasts() {
    let (mut me, start) = (me(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    let (first, renewed) = (lease(Some("other"), "1"), lease(Some("other"), "2"));
    assert!(written(me.step(Some(&first), at(0))).is_none());
    assert!(written(me.step(Some(&first), at(14))).is_none());
    assert!(
        written(me.step(Some(&renewed), at(15))).is_none(),
        "renewed"
    );
    assert!(written(me.step(Some(&renewed), at(29))).is_none());
    assert!(written(me.step(Some(&renewed), at(30))).is_some());
}

#[test]
fn what_the_clock_of_another_machine_says_makes_no_lease_run_out_nor_last() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    for renewed in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let mut theirs = lease(Some("other"), "1");
        let spec = theirs.spec.as_mut().unwrap();
        spec.renew_time = Some(MicroTime(renewed.parse().unwrap()));
        let mut me = me();
        assert!(written(me.step(Some(&theirs), at(0))).is_none());
        assert!(written(me.step(Some(&theirs), at(14))).is_none());
        assert!(written(me.step(Some(&theirs), at(15))).is_some());
    }
}

#[tokio::test]
async fn a_write_begins_only_while_the_claim_outlasts_it() {
    let claim = Claim::new();
    assert!(claim.begin(WRITE_TIMEOUT).is_err(), "not yet");
    let now = Instant::now();
    claim.extend(now + WRITE_TIMEOUT + Duration::from_secs(60));
    assert!(claim.begin(WRITE_TIMEOUT).is_ok());
    claim.extend(now + WRITE_TIMEOUT);
    assert!(
        claim.is_held() && claim.begin(WRITE_TIMEOUT).is_err(),
        "too short"
    );
    claim.extend(now);
    assert!(
        !claim.is_held() && claim.begin(WRITE_TIMEOUT).is_err(),
        "run out"
    );
}

#[tokio::test]
async fn the_longest_write_begins_where_a_renewal_failed_once() {
    let claim = Claim::new();
    claim.extend(Instant::now() + DURATION - RENEW - ATTEMPT);
    assert!(claim.begin(LONGEST_WRITE).is_ok());
}

#[tokio::test]
async fn a_write_that_is_late_goes_no_step_further() {
    let claim = Claim::new();
    claim.extend(Instant::now() + Duration::from_secs(60));
    let mut began = false;
    let write = claim.begin(Duration::ZERO).unwrap();
    write.in_time(async { began = true }).await.unwrap_err();
    assert!(!began);
    let write = claim.begin(Duration::from_millis(1)).unwrap();
    let endless = write.in_time(std::future::pending::<()>());
    assert!(endless.await.is_err(), "without being woken by its work");
}

#[tokio::test]
async fn who_resigns_waits_for_the_writes_that_have_begun() {
    let claim = Claim::new();
    claim.extend(Instant::now() + Duration::from_secs(60));
    let write = claim.begin(WRITE_TIMEOUT).unwrap();
    let mut closed = std::pin::pin!(claim.close());
    assert!(futures::poll!(closed.as_mut()).is_pending());
    assert!(claim.begin(WRITE_TIMEOUT).is_err(), "none begins any more");
    drop(write);
    closed.await;
}

#[tokio::test]
async fn only_reads_pass_the_fence_of_a_replica_that_does_not_lead() {
    let (config, log) = listening(|_| (200, json!({"metadata": {"name": "users"}}))).await;
    let claim = Claim::new();
    let fenced = ClientBuilder::try_from(config)
        .unwrap()
        .with_layer(&Fence(claim.clone()))
        .build();
    let maps: Api<ConfigMap> = Api::default_namespaced(fenced);
    let write = || async {
        let patch = Patch::Merge(json!({}));
        maps.patch("users", &PatchParams::default(), &patch).await
    };
    maps.get("users").await.unwrap();
    let refused = write().await.unwrap_err();
    assert!(refused.to_string().contains("does not lead"), "{refused}");
    claim.extend(Instant::now());
    write().await.unwrap_err();
    assert_eq!(methods(&log), [Method::GET]);

    claim.extend(Instant::now() + Duration::from_secs(60));
    write().await.unwrap();
    assert_eq!(methods(&log), [Method::GET, Method::PATCH]);
    let path = log.lock().unwrap()[1].path.clone();
    assert!(path.ends_with("timeout=5s"), "{path}");
}

fn methods(log: &Log) -> Vec<Method> {
    let log = log.lock().unwrap();
    log.iter().map(|asked| asked.method.clone()).collect()
}

/// An API server that keeps one Lease, and lets only writes of its current version through.
fn keeper() -> impl Fn(&Asked) -> (u16, Value) + Clone + Send + Sync + 'static {
    let kept: Arc<Mutex<(u64, Option<Value>)>> = Arc::default();
    move |asked| {
        let mut kept = kept.lock().unwrap();
        let version = kept
            .1
            .as_ref()
            .map(|lease| &lease["metadata"]["resourceVersion"]);
        match (&asked.method, version) {
            (&Method::GET, None) => return failure(404, "NotFound"),
            (&Method::GET, Some(_)) => {}
            (_, Some(version)) if asked.body["metadata"]["resourceVersion"] != *version => {
                return failure(409, "Conflict");
            }
            _ => {
                kept.0 += 1;
                let mut lease = asked.body.clone();
                lease["metadata"]["resourceVersion"] = json!(kept.0.to_string());
                kept.1 = Some(lease);
            }
        }
        (200, kept.1.clone().unwrap())
    }
}

/// A client of such a server with nothing in between, so that time can be paused.
fn asking(answer: impl Fn(&Asked) -> (u16, Value) + Clone + Send + Sync + 'static) -> Client {
    let server = tower::service_fn(move |request: http::Request<Body>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let asked = Asked {
                method: parts.method,
                path: parts.uri.to_string(),
                content: String::new(),
                body: serde_json::from_slice(&body.collect_bytes().await?).unwrap_or_default(),
            };
            let (code, value) = answer(&asked);
            let answer = http::Response::builder().status(code);
            answer
                .body(Body::from(value.to_string().into_bytes()))
                .map_err(kube::Error::HttpError)
        }
    });
    Client::new(server, "operator")
}

/// A replica once it leads, and its claim.
async fn leader(client: &Client) -> (Candidate, Claim) {
    let claim = Claim::new();
    let metrics = Arc::new(Metrics::new());
    let mut leader = Candidate::new(client.clone(), claim.clone(), metrics);
    tokio::select! {
        lost = leader.lead() => panic!("{lost}"),
        _ = claim.held() => {}
    }
    (leader, claim)
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_not_taken_before_it_lasted_from_when_its_answer_came() {
    const SLOW: Duration = Duration::from_secs(2);
    let theirs = serde_json::to_vec(&lease(Some("other"), "1")).unwrap();
    let first = Arc::new(AtomicBool::new(true));
    // Its holder may renew it just before the first answer.
    let server = tower::service_fn(move |_: http::Request<Body>| {
        let (theirs, is_first) = (theirs.clone(), first.swap(false, Ordering::Relaxed));
        async move {
            if is_first {
                sleep(SLOW).await;
            }
            http::Response::builder().body(Body::from(theirs))
        }
    });
    let client = Client::new(server, "operator");
    let start = Instant::now();
    leader(&client).await;
    let took = start.elapsed();
    assert!(took >= SLOW + DURATION, "{took:?}");
    assert!(took < SLOW + DURATION + LOOK * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_resigns_is_followed_within_a_second() {
    let client = asking(keeper());
    let (first, leads) = leader(&client).await;
    let follows = Claim::new();
    let mut second = Candidate::new(client, follows.clone(), Arc::new(Metrics::new()));
    let following = tokio::spawn(async move { second.lead().await });
    let look = tokio::time::timeout(LOOK * 3, follows.held()).await;
    assert!(look.is_err(), "one leads at a time");
    let start = Instant::now();
    first.resign().await;
    assert!(leads.begin(WRITE_TIMEOUT).is_err());
    tokio::time::timeout(DURATION, follows.held())
        .await
        .unwrap();
    let took = start.elapsed();
    assert!(took <= Duration::from_secs(1), "{took:?}");
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_written_while_its_leader_resigns_does_not_keep_the_lease() {
    let keep = keeper();
    let is_under_way = Arc::new(AtomicBool::new(false));
    let under_way = Arc::clone(&is_under_way);
    let client = asking(move |asked| {
        if asked.method == Method::PUT && under_way.swap(false, Ordering::Relaxed) {
            let look = Asked {
                method: Method::GET,
                ..asked.clone()
            };
            let renewal = Asked {
                body: keep(&look).1,
                ..asked.clone()
            };
            keep(&renewal);
        }
        keep(asked)
    });
    let (leader, _) = leader(&client).await;
    is_under_way.store(true, Ordering::Relaxed);
    leader.resign().await;
    assert!(!is_under_way.load(Ordering::Relaxed));
    let leases: Api<Lease> = Api::default_namespaced(client);
    let released = leases.get(LEASE).await.unwrap().spec.unwrap();
    assert_eq!(released.holder_identity, None);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_says_so_and_writes_no_more() {
    let client = asking(keeper());
    let (mut leader, _) = leader(&client).await;
    let leases: Api<Lease> = Api::default_namespaced(client);
    let mut taken = leases.get(LEASE).await.unwrap();
    taken.spec.as_mut().unwrap().holder_identity = Some("other".into());
    let params = PostParams::default();
    leases.replace(LEASE, &params, &taken).await.unwrap();
    let lost = tokio::time::timeout(DURATION, leader.lead()).await.unwrap();
    assert!(matches!(lost, Lost::Taken(holder) if holder == "other"));
}
