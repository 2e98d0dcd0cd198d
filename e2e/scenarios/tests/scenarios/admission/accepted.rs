//! Specs that the API server has to accept.

use serde_json::{Value, json};

use super::refused::{certificate, kafka, mongodb, pod, tls, volume};

/// Specs at the edge of what is allowed.
pub(super) fn accepted() -> Vec<(&'static str, Value)> {
    let mut cases = accepted_tls();
    cases.extend([
        ("users", json!({})),
        ("users", json!({"replicas": 0})),
        ("users", json!({"replicas": 100})),
        (
            "users",
            json!({"server": {"requestTimeout": "100ms", "drainTimeout": "10m"}}),
        ),
        (
            "users",
            json!({"server": {"requestTimeout": "0.1m", "drainTimeout": "1m30s"}}),
        ),
        (
            "users",
            json!({"storage": {"memory": {}}, "events": {"stdout": {}}}),
        ),
        (
            "users",
            json!({"pod": {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": 1}}}}),
        ),
        (
            "users",
            json!({"pod": {"resources": {"requests": {"cpu": "1000m", "memory": "0.125Gi"}}}}),
        ),
        (
            "users",
            json!({"version": "1.2.3-rc.1", "image": "registry.example:5000/team/user-service@sha256:0123"}),
        ),
        ("a-name-of-exactly-forty-characters-xxxxx", json!({})),
        (
            "users",
            mongodb(json!({"minPoolSize": 8, "maxPoolSize": 8, "outboxRetention": "0s"})),
        ),
        (
            "users",
            kafka(
                json!({"securityProtocol": "SASL_SSL", "credentials": {"secret": "users-kafka"}}),
            ),
        ),
        (
            "users",
            kafka(
                json!({"topics": {"minInSyncReplicas": 1, "replicationFactor": 1, "retention": "1m", "overrides": [
                    {"name": "user.deleted.dlq", "reclaimPolicy": "Delete"},
                ]}}),
            ),
        ),
        (
            "users",
            pod(json!({
                "labels": {"team": "identity", "example.com/tier": ""},
                "annotations": {"sidecar.istio.io/inject": "not a label value"},
                "nodeSelector": {"kubernetes.io/arch": "arm64"},
                "tolerations": [{"operator": "Exists"}],
                "topologySpreadConstraints": [],
                "env": [{"name": "A", "value": ""}, {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}],
            })),
        ),
        ("users", json!({"pause": {}})),
        (
            "users",
            json!({"pause": {"reason": "déménagement: 引っ越し 🚚"}}),
        ),
        ("users", json!({"network": {"clients": [], "egress": [{}]}})),
        (
            "users",
            json!({"network": {
                "clients": [{"cidr": "2001:db8::/32"}, {"cidr": "192.0.2.7/32"}, {"pods": {}}],
                "monitoring": [{"namespace": "monitoring", "pods": {"app.kubernetes.io/name": "prometheus"}}],
                "mongodb": {"ports": [1, 65535]},
                "schemaRegistry": {"peers": [{"namespace": "registry"}]},
            }}),
        ),
        (
            "users",
            json!({"rollout": {"maxSurge": 0, "maxUnavailable": "1%", "progressDeadline": "1h"}, "disruption": {"maxUnavailable": "100%"}}),
        ),
        (
            "users",
            json!({"rollout": {"maxSurge": "100%", "maxUnavailable": 0}, "disruption": {"maxUnavailable": 100}}),
        ),
        (
            "users",
            json!({"pause": {"until": "2026-11-26T18:00:00Z", "reason": "x".repeat(256)}}),
        ),
        ("users", volume(json!({"mountPath": "/etc/ssl/certs"}))),
        ("users", volume(json!({"mountPath": "/usr/share/..a"}))),
        (
            "users",
            json!({"autoscaling": {"min": 1, "max": 1, "memory": 1000, "scaleDownDelay": "0s"}}),
        ),
        (
            "users",
            json!({"autoscaling": {"min": 100, "max": 100, "cpu": 1, "memory": 1, "scaleDownDelay": "1h"}}),
        ),
    ]);
    cases
}

fn accepted_tls() -> Vec<(&'static str, Value)> {
    vec![
        (
            "users",
            tls(
                json!({"clientCa": {"secret": "a"}, "allowedClients": ["*.example", "spiffe://a/b_c~d%20e"]}),
            ),
        ),
        ("users", certificate(json!({}))),
        (
            "users",
            certificate(json!({"duration": "1h", "renewBefore": "59.9m"})),
        ),
        (
            "users",
            certificate(json!({
                "issuerRef": {"name": "a", "kind": "AWSPCAIssuer", "group": "awspca.cert-manager.io"},
                "duration": "87600h", "renewBefore": "5m",
            })),
        ),
    ]
}
