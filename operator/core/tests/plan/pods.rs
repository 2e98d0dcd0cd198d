//! What the spec gives the pods beside what the operator gives them.

use operator_core::{ChildKind, Plan, World};
use serde_json::{Value, json};

use super::{
    add_secret, carry_out, condition, connected, planned, reachable, resource, settled,
    settled_connected,
};

fn knobs() -> Value {
    json!({
        "labels": {"team": "identity"},
        "annotations": {"sidecar.istio.io/inject": "false"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "registry"}],
        "env": [
            {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "EMPTY", "value": ""},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "users-mongodb", "key": "token", "optional": true}}},
        ],
        "volumes": [
            {"name": "authorities", "mountPath": "/etc/ssl/certs", "configMap": {"name": "authorities"}},
            {"name": "scratch", "mountPath": "/tmp", "emptyDir": {"sizeLimit": "16Mi"}},
        ],
    })
}

fn template(plan: &Plan, kind: ChildKind) -> &Value {
    let child = plan.writes.iter().find(|child| child.kind == kind).unwrap();
    child.object.pointer("/spec/template").unwrap()
}

#[test]
fn the_pods_of_the_service_and_those_that_prepare_for_them_get_the_same() {
    let (mut resource, mut world) = (connected(), reachable());
    resource.spec.pod = serde_json::from_value(knobs()).unwrap();
    let first = carry_out(&mut world, &mut resource);
    super::finish_job(&mut world, "Complete");
    let second = carry_out(&mut world, &mut resource);
    let job = template(&first, ChildKind::Job);
    let deployment = template(&second, ChildKind::Deployment);
    for template in [job, deployment] {
        assert_eq!(template["metadata"]["labels"]["team"], "identity");
        assert_eq!(
            template["metadata"]["annotations"]["sidecar.istio.io/inject"],
            "false"
        );
        let spec = &template["spec"];
        assert_eq!(spec["nodeSelector"]["kubernetes.io/arch"], "arm64");
        assert_eq!(spec["tolerations"][0]["key"], "dedicated");
        assert_eq!(spec["priorityClassName"], "high");
        assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
        let container = &spec["containers"][0];
        assert_eq!(container["env"][0]["value"], "http://proxy:3128");
        let volumes: Vec<&Value> = spec["volumes"].as_array().unwrap().iter().collect();
        let mounts: Vec<&Value> = container["volumeMounts"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        for (name, path) in [
            ("extra-authorities", "/etc/ssl/certs"),
            ("extra-scratch", "/tmp"),
        ] {
            assert!(volumes.iter().any(|volume| volume["name"] == name));
            assert!(
                mounts
                    .iter()
                    .any(|mount| mount["name"] == name && mount["mountPath"] == path)
            );
        }
    }
    assert!(
        job["metadata"]["labels"]["app.kubernetes.io/name"] == "user-service-prepare",
        "no Service sends calls to the pods that prepare"
    );
    assert!(job["spec"].get("topologySpreadConstraints").is_none());
}

#[test]
fn what_the_api_server_leaves_out_or_adds_is_no_drift() {
    let (mut resource, mut world) = settled();
    resource.spec.pod = serde_json::from_value(knobs()).unwrap();
    super::add_secret(&mut world, "mongodb://one");
    for _ in 0..3 {
        carry_out(&mut world, &mut resource);
        super::rolled_out(&mut world);
    }
    let deployment = super::deployment(&mut world);
    let container = deployment
        .pointer_mut("/spec/template/spec/containers/0")
        .unwrap();
    container["env"][1] = json!({"name": "EMPTY"});
    container["env"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "THEIRS", "value": "1"}));
    container["volumeMounts"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "theirs", "mountPath": "/theirs"}));
    deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["defaultMode"] = json!(420);
    assert_eq!(planned(&world, &resource), Plan::default());
}

#[test]
fn a_secret_that_a_variable_or_a_volume_names_is_asked_for_and_a_changed_variable_rolls_the_pods() {
    let (mut resource, mut world) = settled_connected();
    let key = |optional| {
        json!({"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef":
            {"name": "users-mongodb", "key": "token", "optional": optional}}}]})
    };
    resource.spec.pod = serde_json::from_value(key(false)).unwrap();
    let status = planned(&world, &resource).status.unwrap();
    let stalled = condition(&status, "Stalled").unwrap();
    assert_eq!(stalled.reason, "SecretMissing");
    assert!(
        stalled
            .message
            .starts_with("spec.pod.env: Secret users-mongodb has no key token")
    );

    resource.spec.pod = serde_json::from_value(key(true)).unwrap();
    let hash = |world: &World| {
        let written = planned(world, &resource).writes;
        let job = written.iter().find(|child| child.kind == ChildKind::Job);
        job.map(|job| job.name.clone())
    };
    let without = hash(&world);
    add_secret(&mut world, "mongodb://one");
    let keys = world.secrets.get_mut("users-mongodb").unwrap();
    keys.insert("token".into(), "digest".into());
    assert_ne!(hash(&world), without, "the pods are prepared for anew");

    let volume = json!({"volumes": [{"name": "more", "mountPath": "/more", "secret": {"secretName": "more"}}]});
    resource.spec.pod = serde_json::from_value(volume).unwrap();
    let status = planned(&world, &resource).status.unwrap();
    let message = &condition(&status, "Stalled").unwrap().message;
    assert!(
        message.starts_with("spec.pod.volumes: Secret more does not exist"),
        "{message}"
    );
    assert!(operator_core::secret_names(&resource).contains("more"));
}

#[test]
fn pods_are_spread_over_nodes_and_zones_unless_the_spec_says_otherwise() {
    let spread = |pod: Value| {
        let mut resource = resource();
        resource.spec.pod = serde_json::from_value(pod).unwrap();
        let plan = planned(&World::default(), &resource);
        let spec = template(&plan, ChildKind::Deployment)["spec"].clone();
        let keys: Vec<String> = spec["topologySpreadConstraints"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|constraint| constraint["topologyKey"].as_str().unwrap().to_owned())
            .collect();
        (keys, spec["affinity"].clone())
    };
    let zone = "/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/topologyKey";

    let (keys, affinity) = spread(json!({}));
    assert_eq!(keys, ["kubernetes.io/hostname"]);
    assert_eq!(
        affinity.pointer(zone).unwrap(),
        "topology.kubernetes.io/zone"
    );

    let (keys, affinity) = spread(json!({"affinity": {"nodeAffinity": {}}}));
    assert_eq!(keys.len(), 1);
    assert!(affinity.get("nodeAffinity").is_some() && affinity.pointer(zone).is_some());

    let (keys, affinity) = spread(json!({"affinity": {"podAntiAffinity": {}}}));
    assert_eq!((keys.len(), affinity.pointer(zone)), (1, None));

    let rack = json!({"topologySpreadConstraints": [{"topologyKey": "example.com/rack"}]});
    assert_eq!(
        spread(rack),
        (vec!["example.com/rack".to_owned()], Value::Null)
    );
    assert_eq!(
        spread(json!({"topologySpreadConstraints": []})),
        (vec![], Value::Null)
    );
}

#[test]
fn what_would_take_the_place_of_something_of_the_operators_is_refused_by_name() {
    for (pod, named) in [
        (
            json!({"env": [{"name": "USERSVC_STORAGE", "value": "memory"}]}),
            "spec.pod.env: USERSVC_STORAGE",
        ),
        (
            json!({"env": [{"name": "A"}]}),
            "spec.pod.env: A: exactly one",
        ),
        (
            json!({"labels": {"app.kubernetes.io/instance": "other"}}),
            "spec.pod.labels: app.kubernetes.io/instance",
        ),
        (
            json!({"annotations": {"usersvc.dev/secrets-hash": "0"}}),
            "spec.pod.annotations: usersvc.dev/secrets-hash",
        ),
        (
            json!({"volumes": [{"name": "a", "mountPath": "/etc/user-service/kafka", "emptyDir": {}}]}),
            "spec.pod.volumes: a: mountPath",
        ),
        (
            json!({"volumes": [{"name": "a", "mountPath": "/usr", "emptyDir": {}}]}),
            "spec.pod.volumes: a: mountPath",
        ),
        (
            json!({"volumes": [{"name": "a", "mountPath": "/a/../etc", "emptyDir": {}}]}),
            "spec.pod.volumes: a: mountPath",
        ),
        (
            json!({"volumes": [{"name": "a", "mountPath": "/a"}]}),
            "spec.pod.volumes: a: exactly one",
        ),
    ] {
        let mut resource = resource();
        resource.spec.pod = serde_json::from_value(pod.clone()).unwrap();
        let status = planned(&World::default(), &resource).status.unwrap();
        let message = &condition(&status, "Stalled").unwrap().message;
        assert!(message.contains(named), "{pod}: {message}");
    }
}
