//! Who decides on the number of pods, as a sequence of worlds: at no point are there fewer than
//! before and after, wherever the operator is stopped.

use std::collections::BTreeSet;

use operator_api::{AutoscalingSpec, UserService};
use operator_core::{Child, ChildKind, Plan, World};
use serde_json::{Value, json};

use super::{condition, planned, resource, settled};

const OURS: &str = "ours";
const HANDED_OVER: &str = "handed over";
const AUTOSCALER: &str = "autoscaler";

/// A cluster that keeps the number of pods as an API server does: by its owners. A number that
/// nobody owns any more is 1, its default.
#[derive(Clone)]
struct Cluster {
    world: World,
    resource: UserService,
    owners: BTreeSet<&'static str>,
    /// Every number of pods so far.
    seen: Vec<i64>,
}

impl Cluster {
    /// A resource with five pods.
    fn with_five() -> Self {
        let (mut resource, mut world) = settled();
        resource.spec.replicas = 5;
        world.live.extend(
            planned(&world, &resource)
                .writes
                .into_iter()
                .map(|child| ((child.kind, child.name.clone()), stored(child.object))),
        );
        let mut cluster = Self {
            world,
            resource,
            owners: [OURS].into(),
            seen: Vec::new(),
        };
        cluster.rest();
        cluster.seen.clear();
        cluster
    }

    fn autoscale(&mut self, autoscaling: Option<Value>) {
        self.resource.spec.autoscaling =
            autoscaling.map(|spec| serde_json::from_value::<AutoscalingSpec>(spec).unwrap());
    }

    fn deployment(&mut self) -> &mut Value {
        super::deployment(&mut self.world)
    }

    fn replicas(&mut self) -> i64 {
        self.deployment()["spec"]["replicas"].as_i64().unwrap()
    }

    /// Somebody sets the number of pods and owns it from then on.
    fn set(&mut self, owner: &'static str, replicas: i64) {
        if self.replicas() != replicas {
            self.owners.clear();
        }
        self.owners.insert(owner);
        self.deployment()["spec"]["replicas"] = json!(replicas);
        self.seen.push(replicas);
    }

    fn write(&mut self, child: &Child) {
        let key = (child.kind, child.name.clone());
        if child.kind != ChildKind::Deployment || !self.world.live.contains_key(&key) {
            self.world.live.insert(key, stored(child.object.clone()));
            return;
        }
        let replicas = self.replicas();
        let mut object = stored(child.object.clone());
        let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64);
        object["spec"]["replicas"] = json!(replicas);
        object["status"] = self.deployment()["status"].clone();
        self.world.live.insert(key, object);
        if let Some(wanted) = wanted {
            return self.set(OURS, wanted);
        }
        self.owners.remove(OURS);
        if self.owners.is_empty() {
            self.set("nobody", 1);
        }
    }

    /// One pass, stopped after this many steps.
    fn pass(&mut self, steps: usize) -> Plan {
        let plan = planned(&self.world, &self.resource);
        let mut left = steps;
        let mut step = || {
            let goes_on = left > 0;
            left = left.saturating_sub(1);
            goes_on
        };
        if let Some(child) = plan.hand_over.as_ref().filter(|_| step()) {
            let replicas = child.object["spec"]["replicas"].as_i64().unwrap();
            self.set(HANDED_OVER, replicas);
        }
        for child in &plan.writes {
            if step() {
                self.write(child);
            }
        }
        for delete in &plan.deletes {
            if step() {
                self.world.live.remove(&(delete.kind, delete.name.clone()));
            }
        }
        if let Some(status) = plan.status.as_ref().filter(|_| step()) {
            self.resource.status = Some(status.clone());
        }
        super::rolled_out(&mut self.world);
        plan
    }

    /// Passes until there is nothing left to do.
    fn rest(&mut self) {
        for _ in 0..10 {
            if self.pass(usize::MAX) == Plan::default() {
                return;
            }
        }
        panic!("no rest after ten passes: {:?}", self.pass(usize::MAX));
    }

    fn has_autoscaler(&self) -> bool {
        self.world
            .get(ChildKind::HorizontalPodAutoscaler, "users")
            .is_some()
    }
}

fn stored(mut object: Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    object["metadata"]["uid"] = json!(format!("uid-of-{name}"));
    object["metadata"]["resourceVersion"] = json!("1");
    object["metadata"]["generation"] = json!(1);
    object
}

fn autoscaling() -> Value {
    json!({"min": 2, "max": 10, "cpu": 70})
}

/// Every way to get from five pods to an autoscaler, stopped once on the way.
fn handed_over() -> Vec<Cluster> {
    let mut start = Cluster::with_five();
    start.autoscale(Some(autoscaling()));
    (0..8)
        .map(|stop| {
            let mut cluster = start.clone();
            cluster.pass(stop);
            cluster.rest();
            cluster
        })
        .collect()
}

#[test]
fn the_number_of_pods_is_handed_over_to_the_autoscaler_without_a_dip() {
    for cluster in &mut handed_over() {
        assert!(
            cluster.seen.iter().all(|seen| *seen == 5),
            "{:?}",
            cluster.seen
        );
        assert_eq!(cluster.replicas(), 5);
        assert!(!cluster.owners.contains(OURS), "{:?}", cluster.owners);
        assert!(cluster.has_autoscaler());
    }
}

#[test]
fn what_the_autoscaler_sets_stays() {
    for cluster in &mut handed_over() {
        for replicas in [10, 2] {
            cluster.set(AUTOSCALER, replicas);
            cluster.rest();
            assert_eq!(cluster.replicas(), replicas);
        }
        cluster.resource.spec.replicas = 7;
        cluster.resource.spec.server.max_concurrent_streams = 64;
        cluster.rest();
        assert_eq!(
            cluster.replicas(),
            2,
            "the resource's own number is ignored"
        );
    }
}

#[test]
fn the_number_of_pods_is_taken_back_once_the_autoscaler_is_gone() {
    for (scaled, least) in [(8, 5), (5, 5), (3, 3)] {
        for stop in 0..8 {
            let mut cluster = handed_over().swap_remove(0);
            cluster.set(AUTOSCALER, scaled);
            cluster.seen.clear();
            cluster.autoscale(None);
            let first = cluster.pass(stop);
            let status = first.status.unwrap();
            assert_eq!(condition(&status, "Ready").unwrap().reason, "Applying");
            if cluster.has_autoscaler() {
                // It turns back what is not its own number.
                cluster.set(AUTOSCALER, scaled);
            }
            cluster.rest();
            assert!(
                cluster.seen.iter().all(|seen| *seen >= least),
                "{:?}",
                cluster.seen
            );
            assert!(!cluster.has_autoscaler());
            assert_eq!(cluster.replicas(), 5);
            assert!(cluster.owners.contains(OURS));
        }
    }
}

#[test]
fn without_an_autoscaler_a_foreign_number_of_pods_is_reverted() {
    let mut cluster = Cluster::with_five();
    cluster.set("somebody", 9);
    cluster.rest();
    assert_eq!(cluster.replicas(), 5);
}

#[test]
fn an_autoscaler_starts_with_its_least_number_where_there_was_no_pod() {
    let mut none = Cluster::with_five();
    none.resource.spec.replicas = 0;
    none.rest();
    none.autoscale(Some(autoscaling()));
    none.rest();
    assert_eq!(
        none.replicas(),
        2,
        "no autoscaler acts on a Deployment without pods"
    );

    let mut stopped = handed_over().swap_remove(0);
    stopped.set("somebody", 0);
    stopped.rest();
    assert_eq!(stopped.replicas(), 2);

    let mut new = resource();
    new.spec.autoscaling = Some(serde_json::from_value(autoscaling()).unwrap());
    let plan = planned(&World::default(), &new);
    let deployment = plan
        .writes
        .iter()
        .find(|child| child.kind == ChildKind::Deployment)
        .unwrap();
    assert_eq!(deployment.object["spec"]["replicas"], 2);
    let mut cluster = Cluster {
        world: super::applied(&plan.writes),
        resource: new,
        owners: [OURS].into(),
        seen: Vec::new(),
    };
    cluster.rest();
    assert_eq!(cluster.replicas(), 2);
    assert!(!cluster.owners.contains(OURS), "{:?}", cluster.owners);
}

#[test]
fn a_number_that_moved_since_it_was_seen_is_not_handed_over() {
    let mut cluster = Cluster::with_five();
    cluster.deployment()["metadata"]["resourceVersion"] = json!("7");
    cluster.autoscale(Some(autoscaling()));
    let plan = planned(&cluster.world, &cluster.resource);
    let metadata = &plan.hand_over.unwrap().object["metadata"];
    assert_eq!(metadata["resourceVersion"], "7");
    assert_eq!(metadata["uid"], "uid-of-users");
}

#[test]
fn the_autoscaler_looks_at_the_container_of_the_service_and_goes_down_in_steps() {
    let mut cluster = Cluster::with_five();
    cluster.autoscale(Some(
        json!({"max": 9, "memory": 90, "cpu": 50, "scaleDownDelay": "90s"}),
    ));
    cluster.rest();
    let live = cluster
        .world
        .get(ChildKind::HorizontalPodAutoscaler, "users")
        .unwrap();
    let spec = &live["spec"];
    assert_eq!(
        (&spec["minReplicas"], &spec["maxReplicas"]),
        (&json!(2), &json!(9))
    );
    let resources: Vec<(&Value, &Value)> = spec["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| &metric["containerResource"])
        .map(|metric| (&metric["name"], &metric["target"]["averageUtilization"]))
        .collect();
    assert_eq!(
        resources,
        [(&json!("cpu"), &json!(50)), (&json!("memory"), &json!(90))]
    );
    assert_eq!(
        spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"],
        90
    );
}
