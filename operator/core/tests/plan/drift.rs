//! What somebody adds to a child: taken away where the API server lets a selector or a rule be replaced as a whole
//! alone, and left where it merges, or completes by itself.

use operator_api::UserService;
use operator_core::{ChildKind, Plan, World};
use serde_json::{Value, json};

use super::{carry_out, kinds, planned, rolled_out, settled};

/// A child of [`surrounded`], a map in it, and a key with what it gets there.
type Addition = (ChildKind, &'static str, &'static str, Value);

/// A resource with a policy, an autoscaler and a place for its pods, and its world at rest.
fn surrounded() -> (UserService, World) {
    let (mut resource, mut world) = settled();
    let autoscaling = json!({"min": 2, "max": 4, "cpu": 70});
    resource.spec.autoscaling = Some(serde_json::from_value(autoscaling).unwrap());
    resource.spec.network = Some(serde_json::from_value(json!({})).unwrap());
    resource.spec.pod.node_selector = [("disk".to_owned(), "fast".to_owned())].into();
    for _ in 0..3 {
        carry_out(&mut world, &mut resource);
        super::deployment(&mut world)["spec"]["replicas"] = json!(2);
        rolled_out(&mut world);
    }
    assert_eq!(planned(&world, &resource), Plan::default());
    (resource, world)
}

fn add(world: &mut World, (kind, map, key, value): &Addition) {
    let live = world.live.get_mut(&(*kind, "users".to_owned())).unwrap();
    let map = live.pointer_mut(map).and_then(Value::as_object_mut);
    map.unwrap().insert((*key).to_owned(), value.clone());
}

#[test]
fn what_is_added_to_a_selector_or_a_rule_is_taken_away_again() {
    let (resource, settled) = surrounded();
    let canary = || json!("canary");
    let spread = "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels";
    let additions: [Addition; 9] = [
        (ChildKind::Service, "/spec/selector", "track", canary()),
        (
            ChildKind::NetworkPolicy,
            "/spec/podSelector/matchLabels",
            "track",
            canary(),
        ),
        (
            ChildKind::NetworkPolicy,
            "/spec/ingress/0/from/0",
            "namespaceSelector",
            json!({}),
        ),
        (
            ChildKind::NetworkPolicy,
            "/spec/ingress/0/from/0/podSelector",
            "matchLabels",
            json!({"track": "canary"}),
        ),
        (
            ChildKind::NetworkPolicy,
            "/spec/ingress/0/ports/0",
            "endPort",
            json!(9000),
        ),
        (
            ChildKind::NetworkPolicy,
            "/spec/egress/0",
            "to",
            json!([{"podSelector": {}}]),
        ),
        (
            ChildKind::PodDisruptionBudget,
            "/spec/selector/matchLabels",
            "track",
            canary(),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec/nodeSelector",
            "track",
            canary(),
        ),
        (ChildKind::Deployment, spread, "track", canary()),
    ];
    for addition in additions {
        let mut world = settled.clone();
        add(&mut world, &addition);
        let written = kinds(&planned(&world, &resource));
        assert_eq!(written, [addition.0], "{addition:?}");
    }
}

#[test]
fn terms_of_an_affinity_are_told_apart_and_one_more_is_taken_away_again() {
    let (mut resource, mut world) = settled();
    let away_from = |app: &str| {
        let selector = json!({"matchLabels": {"app": app}});
        json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": selector})
    };
    let terms = json!([away_from("batch"), away_from("search")]);
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": terms});
    let affinity = json!({"podAntiAffinity": required});
    resource.spec.pod.affinity = Some(serde_json::from_value(affinity).unwrap());
    for _ in 0..3 {
        carry_out(&mut world, &mut resource);
        rolled_out(&mut world);
    }
    assert_eq!(planned(&world, &resource), Plan::default());

    let terms = "/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let terms = super::deployment(&mut world).pointer_mut(terms);
    terms
        .and_then(Value::as_array_mut)
        .unwrap()
        .push(json!({"topologyKey": "zone"}));
    assert_eq!(kinds(&planned(&world, &resource)), [ChildKind::Deployment]);
}

#[test]
fn what_the_api_server_completes_and_others_add_elsewhere_is_left_alone() {
    let (resource, mut world) = surrounded();
    let additions: [Addition; 17] = [
        (ChildKind::Service, "/spec", "clusterIP", json!("10.0.0.1")),
        (ChildKind::Service, "/spec", "type", json!("ClusterIP")),
        (
            ChildKind::Service,
            "/spec",
            "sessionAffinity",
            json!("None"),
        ),
        (
            ChildKind::Service,
            "/spec/ports/0",
            "protocol",
            json!("TCP"),
        ),
        (
            ChildKind::NetworkPolicy,
            "/metadata/labels",
            "theirs",
            json!("kept"),
        ),
        (
            ChildKind::PodDisruptionBudget,
            "/metadata/annotations",
            "theirs",
            json!("kept"),
        ),
        (
            ChildKind::HorizontalPodAutoscaler,
            "/spec/behavior/scaleUp",
            "tolerance",
            json!("0"),
        ),
        (ChildKind::Deployment, "/spec", "minReadySeconds", json!(5)),
        (
            ChildKind::Deployment,
            "/spec/template/metadata/labels",
            "theirs",
            json!("kept"),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/metadata",
            "creationTimestamp",
            Value::Null,
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec",
            "dnsPolicy",
            json!("ClusterFirst"),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec",
            "schedulerName",
            json!("default-scheduler"),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec/topologySpreadConstraints/0",
            "nodeTaintsPolicy",
            json!("Honor"),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec/containers/0",
            "imagePullPolicy",
            json!("IfNotPresent"),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec/containers/0/ports/0",
            "protocol",
            json!("TCP"),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec/containers/0/startupProbe",
            "successThreshold",
            json!(1),
        ),
        (
            ChildKind::Deployment,
            "/spec/template/spec/securityContext",
            "supplementalGroupsPolicy",
            json!("Merge"),
        ),
    ];
    for addition in &additions {
        add(&mut world, addition);
    }
    assert_eq!(planned(&world, &resource), Plan::default());
}
