//! The operator's own check of what stands outside the cluster, and that it says what the schema
//! says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use operator_api::{UserService, UserServiceSpec, crd};
use operator_core::{Release, Violation, validate};
use serde_json::{Value, json};

fn violations(spec: &Value) -> Vec<Violation> {
    let spec: UserServiceSpec = serde_json::from_value(spec.clone()).unwrap();
    let release = Release {
        repository: "registry.example/user-service".into(),
        version: "1.2.3".into(),
        ..Release::default()
    };
    validate(&UserService::new("users", spec), &release)
        .err()
        .unwrap_or_default()
}

fn mongodb(fields: Value) -> Value {
    let mut mongodb = json!({"connection": {"secret": "users-mongodb"}});
    merge(&mut mongodb, fields);
    json!({"storage": {"mongodb": mongodb}})
}

fn kafka(fields: Value) -> Value {
    let mut kafka = json!({"bootstrapServers": ["kafka:9092"]});
    merge(&mut kafka, fields);
    json!({"events": {"kafka": kafka}})
}

fn merge(into: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else {
        panic!("{fields} is no object");
    };
    into.as_object_mut().unwrap().extend(fields);
}

#[test]
fn what_is_within_bounds_is_accepted() {
    for spec in [
        json!({"storage": {"memory": {}}, "events": {"stdout": {}}}),
        json!({"tls": {"secret": "users-tls"}}),
        json!({"tls": {"secret": "users-tls", "clientCa": {"secret": "clients", "key": "ca.pem"},
            "allowedClients": ["web.example", "spiffe://shop/ns/web/sa/api"]}}),
        mongodb(json!({})),
        mongodb(json!({"maxPoolSize": 1})),
        mongodb(json!({"minPoolSize": 0, "outboxRetention": "0s", "readPreference": "nearest"})),
        kafka(json!({})),
        kafka(json!({"bootstrapServers": ["kafka:1", "10.0.0.1:65535", "[::1]:9092"]})),
        kafka(json!({"securityProtocol": "SSL"})),
        kafka(json!({"securityProtocol": "SASL_SSL", "credentials": {"secret": "users-kafka"}})),
        kafka(
            json!({"topics": {"partitions": 1, "replicationFactor": 1, "minInSyncReplicas": 1, "retention": "1m"}}),
        ),
        kafka(json!({"schemaRegistry": {"url": "https://registry:8443/apis"}})),
    ] {
        assert_eq!(violations(&spec), [], "{spec}");
    }
}

fn refused_by(cases: Vec<(Value, &str)>) {
    for (spec, field) in cases {
        let broken = violations(&spec);
        let fields: Vec<&str> = broken.iter().map(|violation| violation.field).collect();
        assert_eq!(fields, [field], "{spec}");
    }
}

#[test]
fn none_and_two_of_what_excludes_each_other_are_refused() {
    let mongodb = json!({"connection": {"secret": "a"}});
    let kafka = json!({"bootstrapServers": ["kafka:9092"]});
    refused_by(vec![
        (json!({"storage": {}}), "spec.storage"),
        (
            json!({"storage": {"memory": {}, "mongodb": mongodb}}),
            "spec.storage",
        ),
        (json!({"events": {}}), "spec.events"),
        (
            json!({"events": {"stdout": {}, "kafka": kafka}}),
            "spec.events",
        ),
    ]);
}

#[test]
fn tls_that_cannot_be_is_refused_by_its_field() {
    let clients = |clients: Value| json!({"tls": {"secret": "a", "clientCa": {"secret": "b"}, "allowedClients": clients}});
    refused_by(vec![
        (json!({"tls": {"secret": "UPPER"}}), "spec.tls.secret"),
        (
            json!({"tls": {"secret": "a", "clientCa": {"secret": "b", "key": "a/b"}}}),
            "spec.tls.clientCa",
        ),
        (
            json!({"tls": {"secret": "a", "allowedClients": ["web.example"]}}),
            "spec.tls.allowedClients",
        ),
        (clients(json!(["web example"])), "spec.tls.allowedClients"),
        (clients(json!([""])), "spec.tls.allowedClients"),
        (clients(json!(vec!["a"; 65])), "spec.tls.allowedClients"),
    ]);
}

#[test]
fn a_certificate_that_cannot_be_is_refused_by_its_field() {
    let certificate = |issuer: Value, more: Value| {
        let mut certificate = more;
        certificate["issuerRef"] = issuer;
        json!({"tls": {"certificate": certificate}})
    };
    let named = json!({"name": "internal"});
    refused_by(vec![
        (json!({"tls": {}}), "spec.tls"),
        (
            json!({"tls": {"secret": "a", "certificate": {"issuerRef": named}}}),
            "spec.tls",
        ),
        (
            certificate(json!({"name": "UPPER"}), json!({})),
            "spec.tls.certificate.issuerRef.name",
        ),
        (
            certificate(json!({"name": "a", "group": ""}), json!({})),
            "spec.tls.certificate.issuerRef.group",
        ),
        (
            certificate(json!({"name": "a", "kind": "Secret"}), json!({})),
            "spec.tls.certificate.issuerRef.kind",
        ),
        (
            certificate(
                json!({"name": "a", "kind": "issuer", "group": "example.com"}),
                json!({}),
            ),
            "spec.tls.certificate.issuerRef.kind",
        ),
        (
            certificate(named.clone(), json!({"duration": "59m"})),
            "spec.tls.certificate.duration",
        ),
        (
            certificate(named.clone(), json!({"renewBefore": "1h"})),
            "spec.tls.certificate.renewBefore",
        ),
        (
            certificate(
                named.clone(),
                json!({"duration": "2h", "renewBefore": "2h"}),
            ),
            "spec.tls.certificate.renewBefore",
        ),
        (
            certificate(named, json!({"duration": "2h", "renewBefore": "299s"})),
            "spec.tls.certificate.renewBefore",
        ),
    ]);
}

#[test]
fn a_storage_that_is_out_of_bounds_is_refused_by_its_field() {
    let connection = "spec.storage.mongodb.connection";
    refused_by(vec![
        (
            mongodb(json!({"connection": {"secret": "UPPER"}})),
            connection,
        ),
        (
            mongodb(json!({"connection": {"secret": "a/b"}})),
            connection,
        ),
        (
            mongodb(json!({"connection": {"secret": "a", "key": ""}})),
            connection,
        ),
        (
            mongodb(json!({"database": "a.b"})),
            "spec.storage.mongodb.database",
        ),
        (
            mongodb(json!({"maxPoolSize": 0})),
            "spec.storage.mongodb.maxPoolSize",
        ),
        (
            mongodb(json!({"maxPoolSize": 1, "minPoolSize": 2})),
            "spec.storage.mongodb.minPoolSize",
        ),
        (
            mongodb(json!({"outboxRetention": "721h"})),
            "spec.storage.mongodb.outboxRetention",
        ),
    ]);
}

#[test]
fn a_broker_that_is_out_of_bounds_is_refused_by_its_field() {
    let servers = "spec.events.kafka.bootstrapServers";
    let credentials = "spec.events.kafka.credentials";
    let url = "spec.events.kafka.schemaRegistry.url";
    refused_by(vec![
        (kafka(json!({"bootstrapServers": []})), servers),
        (kafka(json!({"bootstrapServers": ["kafka"]})), servers),
        (kafka(json!({"bootstrapServers": ["kafka:0"]})), servers),
        (kafka(json!({"bootstrapServers": ["kafka:65536"]})), servers),
        (kafka(json!({"bootstrapServers": ["a:1,b:2"]})), servers),
        (kafka(json!({"securityProtocol": "SASL_SSL"})), credentials),
        (kafka(json!({"credentials": {"secret": "a"}})), credentials),
        (
            kafka(json!({"topicPrefix": "a b"})),
            "spec.events.kafka.topicPrefix",
        ),
        (kafka(json!({"schemaRegistry": {"url": "registry"}})), url),
        (
            kafka(json!({"schemaRegistry": {"url": "http://u:p@registry"}})),
            url,
        ),
    ]);
}

#[test]
fn a_topic_that_is_out_of_bounds_is_refused_by_its_field() {
    let partitions = "spec.events.kafka.topics.partitions";
    let topics = |fields: Value| kafka(json!({"topics": fields}));
    refused_by(vec![
        (topics(json!({"partitions": 0})), partitions),
        (topics(json!({"partitions": 1001})), partitions),
        (
            topics(json!({"replicationFactor": 1})),
            "spec.events.kafka.topics.minInSyncReplicas",
        ),
        (
            topics(json!({"retention": "59s"})),
            "spec.events.kafka.topics.retention",
        ),
        (
            topics(json!({"overrides": [
                {"name": "user.created", "reclaimPolicy": "Delete"},
                {"name": "user.created", "reclaimPolicy": "Retain"},
            ]})),
            "spec.events.kafka.topics.overrides",
        ),
    ]);
}

#[test]
fn a_long_reason_of_a_pause_names_its_field() {
    let reason = |characters: usize| json!({"pause": {"reason": "ä".repeat(characters)}});
    refused_by(vec![(reason(257), "spec.pause.reason")]);
    assert_eq!(violations(&reason(256)), []);
}

#[test]
fn a_rollout_that_could_replace_no_pod_and_a_budget_that_blocks_every_drain_are_refused() {
    let rollout = |rollout: Value| json!({"rollout": rollout});
    let evicted = |pods: Value| json!({"disruption": {"maxUnavailable": pods}});
    refused_by(vec![
        (rollout(json!({"maxSurge": 0})), "spec.rollout.maxSurge"),
        (
            rollout(json!({"maxSurge": "0%", "maxUnavailable": "0%"})),
            "spec.rollout.maxSurge",
        ),
        (rollout(json!({"maxSurge": "07%"})), "spec.rollout.maxSurge"),
        (
            rollout(json!({"maxUnavailable": 101})),
            "spec.rollout.maxUnavailable",
        ),
        (
            rollout(json!({"progressDeadline": "61m"})),
            "spec.rollout.progressDeadline",
        ),
        (evicted(json!(0)), "spec.disruption.maxUnavailable"),
        (evicted(json!("0%")), "spec.disruption.maxUnavailable"),
    ]);
    for spec in [
        rollout(json!({"maxSurge": 0, "maxUnavailable": 1, "progressDeadline": "1m"})),
        rollout(json!({"maxSurge": "100%"})),
        evicted(json!("1%")),
    ] {
        assert_eq!(violations(&spec), [], "{spec}");
    }
}

#[test]
fn peers_and_ports_that_no_policy_could_have_are_refused() {
    let clients = |peer: Value| json!({"network": {"clients": [peer]}});
    let kafka = |destination: Value| json!({"network": {"kafka": destination}});
    let field = "spec.network.clients";
    refused_by(vec![
        (clients(json!({})), field),
        (clients(json!({"cidr": "10.0.0.0/8", "pods": {}})), field),
        (clients(json!({"cidr": "10.0.0.1/8"})), field),
        (clients(json!({"cidr": "10.0.0.0"})), field),
        (clients(json!({"cidr": "2001:db8::1/32"})), field),
        (clients(json!({"namespace": "has.dots"})), field),
        (clients(json!({"pods": {"app": "not a value"}})), field),
        (kafka(json!({"ports": [0]})), "spec.network.kafka"),
        (kafka(json!({"ports": [65536]})), "spec.network.kafka"),
        (
            json!({"network": {"egress": [{"peers": [{}]}]}}),
            "spec.network.egress",
        ),
    ]);
    for spec in [
        json!({"network": {}}),
        json!({"network": {"clients": [], "egress": [{}]}}),
        clients(json!({"cidr": "2001:db8::/32"})),
        clients(json!({"cidr": "192.0.2.7/32"})),
        clients(json!({"namespace": "shop", "pods": {"app.kubernetes.io/name": "web"}})),
        kafka(json!({"ports": [1, 65535], "peers": [{"pods": {}}]})),
    ] {
        assert_eq!(violations(&spec), [], "{spec}");
    }
}

#[test]
fn collectors_and_shares_that_cannot_be_are_refused() {
    let endpoint = |text: &str| json!({"telemetry": {"otlpEndpoint": text}});
    let sampling = |text: &str| json!({"telemetry": {"sampling": text}});
    let (at_endpoint, at_sampling) = ("spec.telemetry.otlpEndpoint", "spec.telemetry.sampling");
    refused_by(vec![
        (endpoint("https://collector:4317"), at_endpoint),
        (endpoint("http://collector"), at_endpoint),
        (endpoint("http://ada:hunter2@collector:4317"), at_endpoint),
        (sampling("10"), at_sampling),
        (sampling("101%"), at_sampling),
        (sampling("0.00001%"), at_sampling),
    ]);
    for spec in [
        endpoint("http://collector.telemetry:4317"),
        endpoint("http://[2001:db8::7]:4317"),
        sampling("0%"),
        sampling("99.9999%"),
        sampling("100%"),
    ] {
        assert_eq!(violations(&spec), [], "{spec}");
    }
}

#[test]
fn a_rule_that_the_schema_states_is_stated_in_the_same_words() {
    let schema = serde_json::to_string(&crd()).unwrap();
    for spec in [
        json!({"storage": {}}),
        json!({"events": {}}),
        mongodb(json!({"maxPoolSize": 1, "minPoolSize": 2})),
        kafka(json!({"securityProtocol": "SASL_SSL"})),
        kafka(json!({"credentials": {"secret": "a"}})),
        kafka(json!({"topics": {"replicationFactor": 1}})),
        json!({"rollout": {"maxSurge": 0}}),
        json!({"disruption": {"maxUnavailable": 0}}),
        json!({"network": {"clients": [{}]}}),
    ] {
        let broken = violations(&spec);
        assert!(schema.contains(&broken[0].rule), "{}", broken[0].rule);
    }
}

#[test]
fn a_minimum_of_connections_that_nobody_asked_for_gives_way_to_a_small_maximum() {
    let spec: UserServiceSpec = serde_json::from_value(mongodb(json!({"maxPoolSize": 3}))).unwrap();
    let release = Release {
        repository: "r".into(),
        version: "1".into(),
        ..Release::default()
    };
    let children = operator_core::render(&UserService::new("users", spec), &release).unwrap();
    let settings = &children[1].object["data"];
    assert_eq!(settings["USERSVC_MONGODB_MIN_POOL_SIZE"], "3");
}

#[test]
fn a_reason_of_a_pause_that_a_terminal_would_act_on_is_refused() {
    let reason = |reason: &str| json!({"pause": {"reason": reason}});
    let bad = [
        "\u{1b}[2J",
        "two\nlines",
        "a\u{202e}b",
        "a\u{2066}b",
        "\u{9b}1m",
    ];
    refused_by(bad.map(|text| (reason(text), "spec.pause.reason")).to_vec());
    assert_eq!(violations(&reason("déménagement: 引っ越し")), []);
}
