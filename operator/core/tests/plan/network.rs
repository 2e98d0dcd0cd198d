//! The policy that says whom the pods may speak to.

use operator_api::UserService;
use operator_core::{ChildKind, World};
use serde_json::{Value, json};

use super::{
    carry_out, connected, finish_job, kinds, planned, reachable, ready_reason, resource, settle,
};

fn with_network(mut resource: UserService, network: Value) -> UserService {
    resource.spec.network = serde_json::from_value(network).unwrap();
    resource
}

/// Rules of the policy in one direction: peers as they stand, and ports.
fn rules(resource: &UserService, direction: &str, peers: &str) -> Vec<(Value, Vec<u64>)> {
    let plan = planned(&reachable(), resource);
    let policy = plan
        .writes
        .iter()
        .find(|write| write.kind == ChildKind::NetworkPolicy)
        .unwrap();
    policy.object["spec"][direction]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let ports = rule["ports"].as_array().into_iter().flatten();
            let ports = ports.map(|port| port["port"].as_u64().unwrap());
            (rule[peers].clone(), ports.collect())
        })
        .collect()
}

fn ingress(resource: &UserService) -> Vec<(Value, Vec<u64>)> {
    rules(resource, "ingress", "from")
}

fn egress(resource: &UserService) -> Vec<(Value, Vec<u64>)> {
    rules(resource, "egress", "to")
}

#[test]
fn without_network_there_is_no_policy() {
    let plan = planned(&World::default(), &resource());
    assert!(!kinds(&plan).contains(&ChildKind::NetworkPolicy));
}

#[test]
fn the_policy_comes_before_any_pod_and_goes_when_network_does() {
    let (mut resource, mut world) = (with_network(connected(), json!({})), reachable());
    let plan = carry_out(&mut world, &mut resource);
    let written = kinds(&plan);
    let at = |kind| written.iter().position(|written| *written == kind);
    assert!(
        at(ChildKind::NetworkPolicy) < at(ChildKind::Job),
        "{written:?}"
    );
    resource.spec.network = None;
    let plan = carry_out(&mut world, &mut resource);
    let deleted: Vec<_> = plan.deletes.iter().map(|delete| delete.kind).collect();
    assert_eq!(deleted, [ChildKind::NetworkPolicy]);
}

#[test]
fn by_default_the_own_namespace_calls_and_nobody_reads_metrics() {
    let own = json!([{"podSelector": {}}]);
    let resource = with_network(resource(), json!({}));
    assert_eq!(ingress(&resource), [(own, vec![8080])]);
    assert_eq!(
        egress(&resource),
        [(Value::Null, vec![53, 53])],
        "DNS alone"
    );
}

#[test]
fn an_empty_list_of_clients_lets_nobody_call() {
    let resource = with_network(resource(), json!({"clients": []}));
    assert_eq!(ingress(&resource), []);
}

#[test]
fn what_the_spec_names_can_be_reached() {
    let resource = with_network(connected(), json!({}));
    assert_eq!(
        egress(&resource),
        [
            (Value::Null, vec![53, 53]),
            (Value::Null, vec![27017]),
            (Value::Null, vec![9092]),
            (Value::Null, vec![8080]),
        ]
    );
}

#[test]
fn peers_and_ports_of_the_spec_narrow_and_add() {
    let network = json!({
        "clients": [{"namespace": "shop", "pods": {"app": "web"}}, {"cidr": "10.0.0.0/8"}],
        "monitoring": [{"namespace": "monitoring"}],
        "mongodb": {"peers": [{"cidr": "192.0.2.0/24"}], "ports": [27018, 27019]},
        "kafka": {"peers": [{"pods": {"app": "kafka"}}]},
        "egress": [{"peers": [{"namespace": "proxies"}]}],
    });
    let resource = with_network(connected(), network);
    let of = |namespace: &str, labels: Value| {
        json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": labels,
        })
    };
    assert_eq!(
        ingress(&resource),
        [
            (
                json!([
                    of("shop", json!({"matchLabels": {"app": "web"}})),
                    {"ipBlock": {"cidr": "10.0.0.0/8"}},
                ]),
                vec![8080]
            ),
            (json!([of("monitoring", json!({}))]), vec![9090]),
        ]
    );
    assert_eq!(
        egress(&resource)[1..],
        [
            (
                json!([{"ipBlock": {"cidr": "192.0.2.0/24"}}]),
                vec![27018, 27019]
            ),
            (
                json!([{"podSelector": {"matchLabels": {"app": "kafka"}}}]),
                vec![9092]
            ),
            (Value::Null, vec![8080]),
            (json!([of("proxies", json!({}))]), vec![]),
        ]
    );
}

#[test]
fn a_registry_without_a_port_in_its_address_is_at_the_usual_one() {
    for (url, port) in [("https://registry/apis", 443), ("http://registry", 80)] {
        let mut resource = with_network(connected(), json!({}));
        let kafka = resource.spec.events.as_mut().unwrap().kafka.as_mut();
        kafka.unwrap().schema_registry.as_mut().unwrap().url = url.to_owned();
        assert_eq!(egress(&resource)[3].1, [port], "{url}");
    }
}

/// Ports of the policy that is in force.
fn open(world: &World) -> Vec<u64> {
    let policy = &world.live[&(ChildKind::NetworkPolicy, "users".to_owned())];
    let rules = policy["spec"]["egress"].as_array().unwrap();
    let ports = rules
        .iter()
        .flat_map(|rule| rule["ports"].as_array().unwrap());
    ports.map(|port| port["port"].as_u64().unwrap()).collect()
}

#[test]
fn pods_that_are_left_as_they_are_keep_their_ways_until_they_follow() {
    let (mut resource, mut world) = (with_network(connected(), json!({})), reachable());
    settle(&mut world, &mut resource);
    let before = open(&world);
    assert_eq!(before, [53, 53, 27017, 9092, 8080]);

    let was = resource.spec.clone();
    let kafka = resource.spec.events.as_mut().unwrap().kafka.as_mut();
    let kafka = kafka.unwrap();
    kafka.bootstrap_servers = vec!["kafka-0.kafka.team-a.svc:9093".into()];
    kafka.security_protocol = serde_json::from_value(json!("SASL_SSL")).unwrap();
    kafka.credentials = serde_json::from_value(json!({"secret": "users-kafka"})).unwrap();
    carry_out(&mut world, &mut resource);
    assert_eq!(ready_reason(&resource), "SecretMissing");
    assert_eq!(open(&world), [53, 53, 27017, 9093, 8080, 9092]);
    assert_eq!(planned(&world, &resource).writes, [], "once");

    let (mut back, mut world_back) = (resource.clone(), world.clone());
    back.spec = was;
    carry_out(&mut world_back, &mut back);
    assert_eq!(open(&world_back), before);

    let keys = ["username", "password"].map(|key| (key.to_owned(), "digest".to_owned()));
    world.secrets.insert("users-kafka".into(), keys.into());
    while kinds(&carry_out(&mut world, &mut resource)).contains(&ChildKind::Job) {
        finish_job(&mut world, "Complete");
    }
    assert_eq!(open(&world), [53, 53, 27017, 9093, 8080]);
    assert_eq!(planned(&world, &resource).writes, []);
}

#[test]
fn a_policy_that_is_new_closes_nothing_to_pods_that_are_left_as_they_are() {
    let (mut resource, mut world) = (connected(), reachable());
    settle(&mut world, &mut resource);
    let mut resource = with_network(resource, json!({}));
    let kafka = resource.spec.events.as_mut().unwrap().kafka.as_mut();
    let kafka = kafka.unwrap();
    kafka.security_protocol = serde_json::from_value(json!("SASL_SSL")).unwrap();
    kafka.credentials = serde_json::from_value(json!({"secret": "users-kafka"})).unwrap();
    carry_out(&mut world, &mut resource);
    assert_eq!(ready_reason(&resource), "SecretMissing");
    let policy = world.get(ChildKind::NetworkPolicy, "users").unwrap();
    let rules = policy["spec"]["egress"].as_array().unwrap();
    assert!(rules.contains(&json!({})), "{rules:?}");
    assert_eq!(planned(&world, &resource).writes, [], "once");
}
