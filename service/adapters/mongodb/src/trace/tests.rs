use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::sync::oneshot;
use user_application::UserRepository as _;
use user_domain::UserId;
use uuid::Uuid;

use super::*;
use crate::bounded::Bounded;
use crate::{MongoStorage, StorageOptions};

const LONG: Duration = Duration::from_secs(30);

/// The spans of all tests that have ended: there is one provider in a process.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Ended {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.extend(batch);
        Ok(())
    }
}

static ENDED: LazyLock<Ended> = LazyLock::new(|| {
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(ended.clone());
    global::set_tracer_provider(provider.build());
    ended
});

/// A call that somebody records, in a trace of its own.
struct Recorded(Context);

impl Recorded {
    fn begin() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        LazyLock::force(&ENDED);
        let id = TraceId::from(u128::from(COUNT.fetch_add(1, Ordering::Relaxed)));
        let caller = SpanContext::new(
            id,
            SpanId::from(1),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        Self(Context::new().with_remote_span_context(caller))
    }

    async fn run<F: Future>(&self, call: F) -> F::Output {
        call.with_context(self.0.clone()).await
    }

    /// Begins a call and leaves it alone.
    async fn polled_once<F: Future>(&self, call: F) -> Pin<Box<impl Future<Output = F::Output>>> {
        let mut call = Box::pin(call.with_context(self.0.clone()));
        let is_pending =
            std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending()));
        assert!(is_pending.await);
        call
    }

    /// The span of the call; none while it lasts.
    fn span(&self) -> Option<SpanData> {
        let trace = self.0.span().span_context().trace_id();
        let ended = ENDED.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = ended
            .iter()
            .filter(|span| span.span_context.trace_id() == trace);
        let span = own.next().cloned();
        assert_eq!(own.next().map(|another| &another.name), None);
        span
    }

    /// Whether it is said to have failed, and all that is said beside what was done to what.
    fn told(&self) -> (Status, Vec<(String, String)>) {
        let span = self.span().expect("the span has ended");
        let attributes = span.attributes.iter();
        let mut told: Vec<_> = attributes
            .map(|said| (said.key.to_string(), said.value.to_string()))
            .collect();
        let known: Vec<_> = told.drain(..3).map(|(key, _)| key).collect();
        assert_eq!(
            known,
            ["db.system.name", "db.operation.name", "db.collection.name"]
        );
        (span.status, told)
    }
}

fn failed(said: &[(&str, &str)]) -> (Status, Vec<(String, String)>) {
    let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    (Status::error(""), said.iter().map(owned).collect())
}

fn calls() -> Bounded {
    Bounded::new(1, Arc::new(()))
}

async fn told_of(outcome: Result<(), RepositoryError>) -> (Status, Vec<(String, String)>) {
    let recorded = Recorded::begin();
    let deadline = Instant::now() + LONG;
    let calls = calls();
    let call = calls.queued(Operation::Insert, deadline, async { outcome });
    let _ = recorded.run(call).await;
    recorded.told()
}

#[tokio::test]
async fn the_span_of_a_call_that_failed_names_the_kind_of_failure_and_nothing_else() {
    for (error, kind) in [
        (DatabaseError::NoServer, "no_server"),
        (
            DatabaseError::Connection(io::ErrorKind::ConnectionReset),
            "connection",
        ),
        (DatabaseError::PoolCleared, "pool_cleared"),
        (DatabaseError::Authentication, "authentication"),
        (DatabaseError::TimedOut, "timed_out"),
        (DatabaseError::Unsuitable("too old"), "unsuitable"),
        (DatabaseError::Closed, "closed"),
        (
            DatabaseError::Unreadable {
                collection: USERS,
                field: "email",
            },
            "unreadable",
        ),
        (DatabaseError::Driver("transaction"), "other"),
    ] {
        let told = told_of(Err(error.into())).await;
        assert_eq!(told, failed(&[("error.type", kind)]));
    }
}

#[tokio::test]
async fn the_span_of_a_call_that_the_server_refused_has_the_number_of_the_error() {
    let refused = DatabaseError::Refused {
        code: 11_600,
        name: "InterruptedAtShutdown".to_owned(),
    };
    let said = [
        ("db.response.status_code", "11600"),
        ("error.type", "11600"),
    ];
    assert_eq!(told_of(Err(refused.into())).await, failed(&said));
}

#[tokio::test]
async fn an_answer_is_no_error_whatever_it_says() {
    for answer in [
        Ok(()),
        Err(RepositoryError::EmailTaken),
        Err(RepositoryError::IdTaken),
        Err(RepositoryError::NotFound),
        Err(RepositoryError::Changed),
        Err(RepositoryError::RequestIdReused),
    ] {
        assert_eq!(told_of(answer).await, (Status::Unset, Vec::new()));
    }
}

#[tokio::test]
async fn a_call_that_is_not_begun_failed_as_well() {
    let recorded = Recorded::begin();
    let calls = calls();
    assert!(calls.close(LONG).await);
    let deadline = Instant::now() + LONG;
    let call = calls.queued(Operation::Find, deadline, async { Ok(()) });
    recorded.run(call).await.unwrap_err();
    assert_eq!(recorded.told(), failed(&[("error.type", "closed")]));
}

#[tokio::test]
async fn a_call_that_is_dropped_at_its_deadline_failed_by_it_though_its_work_goes_on() {
    let recorded = Recorded::begin();
    let calls = calls();
    let deadline = Instant::now() + Duration::from_millis(500);
    let (_release, released) = oneshot::channel::<()>();
    let work = async {
        let _ = released.await;
        Ok(())
    };
    let call = calls.queued(Operation::Update, deadline, work);
    let call = recorded.polled_once(call).await;
    tokio::time::sleep_until(deadline.into()).await;
    drop(call);
    assert_eq!(recorded.told(), failed(&[("error.type", "timed_out")]));
}

#[tokio::test]
async fn of_a_call_whose_caller_went_away_the_span_says_how_its_work_ended() {
    for (outcome, status) in [
        (Ok(()), Status::Unset),
        (Err(DatabaseError::NoServer), Status::error("")),
    ] {
        let recorded = Recorded::begin();
        let calls = calls();
        let (release, released) = oneshot::channel();
        let work = async {
            let outcome: Result<(), DatabaseError> = released.await.unwrap();
            Ok(outcome?)
        };
        let call = calls.queued(Operation::Update, Instant::now() + LONG, work);
        drop(recorded.polled_once(call).await);
        assert_eq!(recorded.span().map(|span| span.status), None);
        release.send(outcome).unwrap();
        assert!(calls.close(LONG).await);
        assert_eq!(recorded.told().0, status);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_in_the_span_without_its_address() {
    let uri = "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=100";
    let storage = MongoStorage::connect(uri, StorageOptions::default());
    let storage = storage.await.unwrap();
    let recorded = Recorded::begin();
    let call = pin!(storage.get(UserId::new(Uuid::from_u128(1)), Instant::now() + LONG));
    recorded.run(call).await.unwrap_err();
    assert_eq!(recorded.told(), failed(&[("error.type", "no_server")]));
    let span = recorded.span().unwrap();
    assert_eq!(
        (&*span.name, &span.span_kind),
        ("find users", &SpanKind::Client)
    );
}
