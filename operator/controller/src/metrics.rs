//! What the operator tells about itself, with label sets that cannot grow.

mod calls;

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use kube::core::DeserializeGuard;
use operator_api::{
    UserService,
    condition::{OURS, READY},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

pub(crate) use self::calls::Calls;
use crate::{queue::Queue, watching::Known};

/// How a pass over a resource ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Panic,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    outcome: Outcome,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    verb: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    code: Cow<'static, str>,
}

/// Status of the condition `Ready`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
enum Ready {
    True,
    False,
    Unknown,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReadyLabels {
    ready: Ready,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct ConditionLabels {
    condition: &'static str,
    status: &'static str,
}

/// What a condition's status can be.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

/// The operator's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    duration: Histogram,
    writes: Family<WriteLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    resources: Family<ReadyLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    queue: Gauge,
    oldest: Seconds,
    cache_age: Seconds,
    /// When the API server last answered a list or a watch of resources.
    heard: Mutex<Instant>,
    leader: Gauge,
}

type Seconds = Gauge<f64, AtomicU64>;

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("userservice_operator");
        let reconciles = Family::default();
        let duration = Histogram::new([
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
        ]);
        let writes = Family::default();
        let calls = Family::default();
        let resources = Family::default();
        let conditions = Family::default();
        let queue = Gauge::default();
        let oldest = Seconds::default();
        let cache_age = Seconds::default();
        let leader = Gauge::default();
        registry.register(
            "reconciles",
            "Passes over a resource, by outcome",
            reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a pass took",
            Unit::Seconds,
            duration.clone(),
        );
        registry.register(
            "writes",
            "Writes to the API server, by verb and kind",
            writes.clone(),
        );
        registry.register(
            "api_calls",
            "Requests to the API server, by verb and code of the answer",
            calls.clone(),
        );
        registry.register(
            "resources",
            "Resources, by status of their condition Ready",
            resources.clone(),
        );
        registry.register(
            "conditions",
            "Resources that have a condition, by its type and status",
            conditions.clone(),
        );
        registry.register(
            "queue_depth",
            "Resources that something happened to and that wait for a pass",
            queue.clone(),
        );
        registry.register_with_unit(
            "queue_oldest",
            "Time that the first of them has been waiting",
            Unit::Seconds,
            oldest.clone(),
        );
        registry.register_with_unit(
            "cache_age",
            "Time since the API server last answered a list or a watch of resources",
            Unit::Seconds,
            cache_age.clone(),
        );
        registry.register(
            "leader",
            "Whether this replica leads: 1 or 0",
            leader.clone(),
        );
        Self {
            registry,
            reconciles,
            duration,
            writes,
            calls,
            resources,
            conditions,
            queue,
            oldest,
            cache_age,
            heard: Mutex::new(Instant::now()),
            leader,
        }
    }

    pub(crate) fn reconciled(&self, outcome: Outcome, took: Duration) {
        self.reconciles
            .get_or_create(&ReconcileLabels { outcome })
            .inc();
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn written(&self, verb: &'static str, kind: &'static str) {
        self.writes.get_or_create(&WriteLabels { verb, kind }).inc();
    }

    /// Counts a request to the API server; without a code if no answer came.
    fn called(&self, verb: &'static str, code: Option<http::StatusCode>) {
        let code = code.map_or(Cow::Borrowed("none"), |code| {
            Cow::Owned(code.as_u16().to_string())
        });
        self.calls.get_or_create(&CallLabels { verb, code }).inc();
    }

    /// The API server tells which resources there are.
    fn heard_of_resources(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Counts the resources that are known now, and those that wait. Where another replica leads,
    /// all of them wait for that, which says nothing.
    pub(crate) fn count(&self, known: &Known, queue: &Queue) {
        let leads = self.leader.get() == 1;
        let depth = if leads { queue.depth() } else { 0 };
        self.queue.set(gauge(depth));
        let oldest = if leads {
            queue.oldest()
        } else {
            Duration::ZERO
        };
        self.oldest.set(oldest.as_secs_f64());
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        self.cache_age.set(heard.elapsed().as_secs_f64());
        self.count_resources(&known.state());
    }

    fn count_resources(&self, known: &[Arc<DeserializeGuard<UserService>>]) {
        for ready in [Ready::True, Ready::False, Ready::Unknown] {
            let are_so = known.iter().filter(|resource| of(resource) == ready);
            self.resources
                .get_or_create(&ReadyLabels { ready })
                .set(gauge(are_so.count()));
        }
        for condition in OURS {
            let told: Vec<&str> = known
                .iter()
                .filter_map(|resource| status_of(resource, condition))
                .collect();
            for status in STATUSES {
                let are_so = told.iter().filter(|told| **told == status);
                self.conditions
                    .get_or_create(&ConditionLabels { condition, status })
                    .set(gauge(are_so.count()));
            }
        }
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The `OpenMetrics` text of everything.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn of(resource: &DeserializeGuard<UserService>) -> Ready {
    match status_of(resource, READY) {
        Some("True") => Ready::True,
        Some("False") => Ready::False,
        _ => Ready::Unknown,
    }
}

/// The status of a condition, if the resource can be read and has it.
fn status_of<'a>(resource: &'a DeserializeGuard<UserService>, type_: &str) -> Option<&'a str> {
    let status = resource.0.as_ref().ok()?.status.as_ref()?;
    let mut conditions = status.conditions.iter();
    let condition = conditions.find(|condition| condition.type_ == type_)?;
    Some(condition.status.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kube::runtime::{reflector, reflector::ObjectRef, watcher};
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;
    use crate::watching::{Children, Place};

    #[test]
    fn resources_are_counted_by_their_conditions_as_of_now() {
        let (reader, mut writer) = reflector::store();
        let mut apply = |name: &str, status: serde_json::Value| {
            let resource = json!({
                "metadata": {"namespace": "team-a", "name": name}, "spec": {}, "status": status,
            });
            let resource: UserService = serde_json::from_value(resource).unwrap();
            writer.apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(resource))));
        };
        let condition = |type_: &str, status: &str| {
            json!({
                "type": type_, "status": status, "reason": "R", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let ready = |status: &str| json!({"conditions": [condition("Ready", status)]});
        apply("one", ready("True"));
        apply("two", ready("False"));
        apply("three", ready("True"));
        apply("new", json!(null));
        let (metrics, queue) = (Metrics::new(), Queue::default());
        let mut known = Known::default();
        let everywhere = Place::of(BTreeSet::new()).remove(0);
        known.add(
            everywhere,
            reader,
            Children::default(),
            watch::channel(true).1,
        );
        metrics.count(&known, &queue);
        let many = ["Ready", "Stalled", "example.com/Theirs"].map(|type_| condition(type_, "True"));
        apply("two", json!({"conditions": many}));
        metrics.count(&known, &queue);
        let told = metrics.encode().unwrap();
        let tells = |line: &str| assert!(told.contains(line), "{line} in {told}");
        for (status, count) in [("True", 3), ("False", 0), ("Unknown", 1)] {
            tells(&format!(
                "userservice_operator_resources{{ready=\"{status}\"}} {count}\n"
            ));
        }
        for (condition, status, count) in [
            ("Ready", "True", 3),
            ("Stalled", "True", 1),
            ("Stalled", "False", 0),
            ("TopicsReady", "False", 0),
        ] {
            let labels = format!("condition=\"{condition}\",status=\"{status}\"");
            tells(&format!(
                "userservice_operator_conditions{{{labels}}} {count}\n"
            ));
        }
        assert!(!told.contains("Theirs"), "{told}");
    }

    #[test]
    fn the_queue_is_told_of_by_who_leads() {
        let (metrics, queue) = (Metrics::new(), Queue::default());
        queue.noted([ObjectRef::new("users").within("team-a")]);
        for (leads, line) in [
            (false, "queue_depth 0\n"),
            (false, "queue_oldest_seconds 0.0\n"),
            (true, "queue_depth 1\n"),
        ] {
            metrics.leads(leads);
            metrics.count(&Known::default(), &queue);
            let told = metrics.encode().unwrap();
            assert!(told.contains(line), "{told}");
        }
        let told = metrics.encode().unwrap();
        assert!(!told.contains("queue_oldest_seconds 0.0\n"), "{told}");
    }
}
