//! Specs that the API server has to refuse.

use serde_json::{Value, json};

/// Name, spec, and what the refusal must name.
pub(super) fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let names = [
        "has.dots",
        "1st",
        "a-name-of-forty-one-characters-xxxxxxxxxxx",
    ];
    let names = names.map(|name| (name, json!({}), "metadata.name"));
    refused_shapes()
        .into_iter()
        .chain(refused_connections())
        .chain(refused_autoscaling())
        .chain(refused_tls())
        .chain(refused_rollouts())
        .chain(refused_networks())
        .chain(refused_servers())
        .chain(refused_pods())
        .map(|(spec, field)| ("users", spec, field))
        .chain(names)
        .collect()
}

/// Users in a database, with this besides.
pub(super) fn mongodb(more: Value) -> Value {
    json!({"storage": {"mongodb": merged(json!({"connection": {"secret": "users-mongodb"}}), more)}})
}

/// TLS, with this besides.
pub(super) fn tls(more: Value) -> Value {
    json!({"tls": merged(json!({"secret": "users-tls"}), more)})
}

/// TLS with a certificate of cert-manager, with this besides.
pub(super) fn certificate(more: Value) -> Value {
    json!({"tls": {"certificate": merged(json!({"issuerRef": {"name": "internal"}}), more)}})
}

/// Events to Kafka, with this besides.
pub(super) fn kafka(more: Value) -> Value {
    json!({"events": {"kafka": merged(json!({"bootstrapServers": ["kafka:9092"]}), more)}})
}

fn merged(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}

fn refused_tls() -> Vec<(Value, &'static str)> {
    let issuer = |issuer: Value| certificate(json!({"issuerRef": issuer}));
    let clients = "spec.tls.allowedClients";
    let reference = "spec.tls.certificate.issuerRef";
    let duration = "spec.tls.certificate.duration";
    let renewal = "spec.tls.certificate.renewBefore";
    let two_names = json!({"clientCa": {"secret": "a"}, "allowedClients": ["two names"]});
    let lasting =
        |time: &str, before: &str| certificate(json!({"duration": time, "renewBefore": before}));
    vec![
        (json!({"tls": {}}), "spec.tls"),
        (
            tls(json!({"certificate": {"issuerRef": {"name": "a"}}})),
            "spec.tls",
        ),
        (tls(json!({"secret": "a b"})), "spec.tls.secret"),
        (tls(json!({"allowedClients": ["web.example"]})), clients),
        (tls(two_names), clients),
        (
            tls(json!({"clientCa": {"secret": "a", "key": "a/b"}})),
            "spec.tls.clientCa",
        ),
        (issuer(json!({"name": "a b"})), reference),
        (issuer(json!({"name": "a", "kind": "Secret"})), reference),
        (issuer(json!({"name": "a", "kind": "issuer"})), reference),
        (issuer(json!({"name": "a", "group": "UPPER"})), reference),
        (certificate(json!({"duration": "59m"})), duration),
        (certificate(json!({"duration": "87601h"})), duration),
        (lasting("1h", "4m"), renewal),
        (lasting("1h", "1h"), renewal),
        (certificate(json!({"renewBefore": "1h"})), renewal),
    ]
}

/// Spec, and what the refusal must name.
fn refused_connections() -> Vec<(Value, &'static str)> {
    let topics = |more: Value| kafka(json!({"topics": more}));
    vec![
        (
            json!({"storage": {"memory": {}, "mongodb": {"connection": {"secret": "a"}}}}),
            "spec.storage",
        ),
        (
            json!({"events": {"stdout": {}, "kafka": {"bootstrapServers": ["kafka:9092"]}}}),
            "spec.events",
        ),
        (
            mongodb(json!({"minPoolSize": 9, "maxPoolSize": 8})),
            "spec.storage.mongodb.minPoolSize",
        ),
        (
            mongodb(json!({"outboxRetention": "721h"})),
            "spec.storage.mongodb.outboxRetention",
        ),
        (
            kafka(json!({"securityProtocol": "SASL_SSL"})),
            "spec.events.kafka.credentials",
        ),
        (
            kafka(json!({"credentials": {"secret": "users-kafka"}})),
            "spec.events.kafka.credentials",
        ),
        (
            topics(json!({"minInSyncReplicas": 3, "replicationFactor": 2})),
            "spec.events.kafka.topics.minInSyncReplicas",
        ),
        (
            topics(json!({"retention": "1s"})),
            "spec.events.kafka.topics.retention",
        ),
        (
            topics(json!({"partitions": 0})),
            "spec.events.kafka.topics.partitions",
        ),
        (
            topics(json!({"overrides": [
                {"name": "user.created", "reclaimPolicy": "Delete"},
                {"name": "user.created", "reclaimPolicy": "Retain"},
            ]})),
            "spec.events.kafka.topics.overrides",
        ),
    ]
}

fn refused_autoscaling() -> Vec<(Value, &'static str)> {
    let autoscaling =
        |more: Value| json!({"autoscaling": merged(json!({"max": 3, "cpu": 70}), more)});
    vec![
        (autoscaling(json!({"min": 0})), "spec.autoscaling.min"),
        (autoscaling(json!({"min": 4})), "spec.autoscaling.min"),
        (autoscaling(json!({"max": 101})), "spec.autoscaling.max"),
        (autoscaling(json!({"cpu": 0})), "spec.autoscaling.cpu"),
        (
            autoscaling(json!({"memory": 1001})),
            "spec.autoscaling.memory",
        ),
        (
            autoscaling(json!({"scaleDownDelay": "61m"})),
            "spec.autoscaling.scaleDownDelay",
        ),
        (json!({"autoscaling": {"max": 3}}), "spec.autoscaling"),
        (json!({"autoscaling": {"cpu": 70}}), "spec.autoscaling.max"),
    ]
}

fn refused_rollouts() -> Vec<(Value, &'static str)> {
    let rollout = |more: Value| json!({"rollout": more});
    let evicted = |pods: Value| json!({"disruption": {"maxUnavailable": pods}});
    vec![
        (rollout(json!({"maxSurge": 0})), "spec.rollout.maxSurge"),
        (
            rollout(json!({"maxSurge": "0%", "maxUnavailable": "0%"})),
            "spec.rollout.maxSurge",
        ),
        (rollout(json!({"maxSurge": 101})), "spec.rollout.maxSurge"),
        (
            rollout(json!({"maxUnavailable": "01%"})),
            "spec.rollout.maxUnavailable",
        ),
        (
            rollout(json!({"maxUnavailable": "some"})),
            "spec.rollout.maxUnavailable",
        ),
        (
            rollout(json!({"progressDeadline": "59s"})),
            "spec.rollout.progressDeadline",
        ),
        (evicted(json!(0)), "spec.disruption.maxUnavailable"),
        (evicted(json!("0%")), "spec.disruption.maxUnavailable"),
        (evicted(json!("101%")), "spec.disruption.maxUnavailable"),
    ]
}

fn refused_networks() -> Vec<(Value, &'static str)> {
    let clients = |peer: Value| json!({"network": {"clients": [peer]}});
    let kafka = |more: Value| json!({"network": {"kafka": more}});
    let mut cases = Vec::new();
    for peer in [
        json!({}),
        json!({"cidr": "10.0.0.0/8", "namespace": "shop"}),
        json!({"cidr": "10.0.0.1/8"}),
        json!({"cidr": "10.0.0.0"}),
        json!({"cidr": "2001:db8::1/32"}),
        json!({"namespace": "has.dots"}),
        json!({"pods": {"app": "not a value"}}),
        json!({"pods": {"not a key": "web"}}),
    ] {
        cases.push((clients(peer), "spec.network.clients"));
    }
    for more in [
        json!({"ports": [0]}),
        json!({"ports": [65536]}),
        json!({"peers": [{}]}),
    ] {
        cases.push((kafka(more), "spec.network.kafka"));
    }
    cases
}

/// A pod with this besides its resources.
pub(super) fn pod(more: Value) -> Value {
    merged(json!({}), [("pod".to_owned(), more)].into_iter().collect())
}

/// A pod with this volume.
pub(super) fn volume(more: Value) -> Value {
    pod(json!({"volumes": [merged(json!({"name": "a", "mountPath": "/a", "emptyDir": {}}), more)]}))
}

fn refused_pods() -> Vec<(Value, &'static str)> {
    let mut cases = vec![
        (
            pod(json!({"labels": {"app.kubernetes.io/name": "x"}})),
            "spec.pod.labels",
        ),
        (
            pod(json!({"labels": {"team": "not a value"}})),
            "spec.pod.labels",
        ),
        (pod(json!({"labels": {"a/b/c": "x"}})), "spec.pod.labels"),
        (
            pod(json!({"annotations": {"usersvc.dev/x": "y"}})),
            "spec.pod.annotations",
        ),
        (
            pod(json!({"annotations": {"not a name": "y"}})),
            "spec.pod.annotations",
        ),
        (
            pod(json!({"nodeSelector": {"disk": "s s d"}})),
            "spec.pod.nodeSelector",
        ),
        (
            pod(json!({"topologySpreadConstraints": [{"topologyKey": "a", "maxSkew": 0}]})),
            "spec.pod.topologySpreadConstraints",
        ),
        (
            pod(json!({"topologySpreadConstraints": [{"topologyKey": "a"}, {"topologyKey": "a"}]})),
            "spec.pod.topologySpreadConstraints",
        ),
        (
            pod(json!({"priorityClassName": "High"})),
            "spec.pod.priorityClassName",
        ),
        (
            pod(json!({"imagePullSecrets": [{"name": "a b"}]})),
            "spec.pod.imagePullSecrets",
        ),
    ];
    let key = json!({"name": "a", "key": "b"});
    for variable in [
        json!({"name": "USERSVC_STORAGE", "value": "memory"}),
        json!({"name": "1ST", "value": "a"}),
        json!({"name": "A"}),
        json!({"name": "A", "valueFrom": {}}),
        json!({"name": "A", "value": "a", "valueFrom": {"secretKeyRef": key}}),
        json!({"name": "A", "valueFrom": {"secretKeyRef": key, "configMapKeyRef": key}}),
    ] {
        cases.push((pod(json!({"env": [variable]})), "spec.pod.env"));
    }
    for more in [
        json!({"secret": {"secretName": "a"}}),
        json!({"mountPath": "relative"}),
        json!({"mountPath": "/"}),
        json!({"mountPath": "/etc"}),
        json!({"mountPath": "/etc/user-service/tls"}),
        json!({"mountPath": "/usr/local/bin"}),
        json!({"mountPath": "/proc/1"}),
        json!({"mountPath": "/a/../etc/user-service"}),
        json!({"name": "Upper"}),
    ] {
        cases.push((volume(more), "spec.pod.volumes"));
    }
    let twice = |a: &str, b: &str| {
        let of = |name: &str, path: &str| json!({"name": name, "mountPath": path, "emptyDir": {}});
        pod(json!({"volumes": [of("a", "/a"), of(a, b)]}))
    };
    cases.push((twice("b", "/a"), "spec.pod.volumes"));
    cases.push((twice("a", "/b"), "spec.pod.volumes"));
    cases
}

fn refused_servers() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"server": {"requestTimeout": "2h"}}),
            "spec.server.requestTimeout",
        ),
        (
            json!({"server": {"requestTimeout": "99ms"}}),
            "spec.server.requestTimeout",
        ),
        (
            json!({"server": {"requestTimeout": "5 seconds"}}),
            "spec.server.requestTimeout",
        ),
        (
            json!({"server": {"drainTimeout": "0s"}}),
            "spec.server.drainTimeout",
        ),
        (
            json!({"server": {"maxConcurrentStreams": 0}}),
            "spec.server.maxConcurrentStreams",
        ),
        (
            json!({"server": {"maxConcurrentCalls": 0}}),
            "spec.server.maxConcurrentCalls",
        ),
        (
            json!({"server": {"maxConnectionAge": "59s"}}),
            "spec.server.maxConnectionAge",
        ),
    ]
}

fn refused_shapes() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"replicas": -1}), "spec.replicas"),
        (json!({"replicas": 101}), "spec.replicas"),
        (json!({"replicas": "two"}), "spec.replicas"),
        (
            json!({"telemetry": {"logLevel": "loud"}}),
            "spec.telemetry.logLevel",
        ),
        (
            json!({"telemetry": {"otlpEndpoint": "https://collector:4317"}}),
            "spec.telemetry.otlpEndpoint",
        ),
        (
            json!({"telemetry": {"otlpEndpoint": "http://collector"}}),
            "spec.telemetry.otlpEndpoint",
        ),
        (
            json!({"telemetry": {"otlpMetrics": "Scraped"}}),
            "spec.telemetry.otlpMetrics",
        ),
        (
            json!({"telemetry": {"sampling": "101%"}}),
            "spec.telemetry.sampling",
        ),
        (
            json!({"telemetry": {"sampling": "10"}}),
            "spec.telemetry.sampling",
        ),
        (json!({"storage": {}}), "spec.storage"),
        (json!({"storage": null}), "spec.storage"),
        (json!({"events": {}}), "spec.events"),
        (
            json!({"pod": {"resources": {"requests": {"cpu": "3"}}}}),
            "spec.pod.resources.requests.cpu",
        ),
        (
            json!({"pod": {"resources": {"requests": {"memory": "129Mi"}}}}),
            "spec.pod.resources.requests.memory",
        ),
        (
            json!({"pod": {"resources": {"requests": {"cpu": -1}}}}),
            "spec.pod.resources.requests.cpu",
        ),
        (
            json!({"pod": {"resources": {"limits": {"memory": "lots"}}}}),
            "spec.pod.resources.limits.memory",
        ),
        (json!({"pause": {"until": "tomorrow"}}), "spec.pause.until"),
        (
            json!({"pause": {"reason": "x".repeat(257)}}),
            "spec.pause.reason",
        ),
        (
            json!({"pause": {"reason": "\u{1b}[2Jgone"}}),
            "spec.pause.reason",
        ),
        (
            json!({"pause": {"reason": "a\u{202e}b"}}),
            "spec.pause.reason",
        ),
        (json!({"version": "not a tag"}), "spec.version"),
        (json!({"image": "UPPER:1"}), "spec.image"),
        (json!({"replica": 3}), "spec.replica"),
    ]
}
