//! Each class of fields, seen in the live children while it is there and not any more once it is taken away.

mod answered;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, PersistentVolume, PersistentVolumeClaim},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    scheduling::v1::PriorityClass,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use scenarios::{
    Scenario,
    wait::{Seen, until},
};
use serde_json::{Value, json};

use crate::scenario;

/// Bound for a change of the spec to show in the children.
const SHOWN: Duration = Duration::from_secs(15);

/// Fields that belong together.
struct Class {
    /// Where they are in the spec.
    field: &'static str,
    /// What is written there.
    value: Value,
    /// What of the children then holds.
    seen: Vec<Value>,
}

fn class(field: &'static str, value: Value, seen: Value) -> Class {
    Class {
        field,
        value,
        seen: vec![seen],
    }
}

/// A part of the children that is about the pods.
fn pods(part: &Value) -> Value {
    json!({"deployment": {"template": {"spec": part}}})
}

fn container(part: &Value) -> Value {
    pods(&json!({"containers": [part]}))
}

fn pod_metadata(part: &Value) -> Value {
    json!({"deployment": {"template": {"metadata": part}}})
}

fn around_the_pods() -> Vec<Class> {
    vec![
        class(
            "/replicas",
            json!(1),
            json!({"deployment": {"replicas": 1}}),
        ),
        Class {
            field: "/server",
            value: json!({"requestTimeout": "2s", "drainTimeout": "30s"}),
            seen: vec![
                json!({"settings": {"USERSVC_REQUEST_TIMEOUT": "2s", "USERSVC_DRAIN_TIMEOUT": "30s"}}),
                pods(&json!({"terminationGracePeriodSeconds": 43})),
            ],
        },
        class(
            "/telemetry",
            json!({"logLevel": "debug", "sampling": "5%"}),
            json!({"settings": {"USERSVC_LOG_LEVEL": "debug"}}),
        ),
        class(
            "/rollout",
            json!({"maxSurge": 2, "maxUnavailable": 1, "progressDeadline": "5m", "historyLimit": 3}),
            json!({"deployment": {
                "strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}},
                "progressDeadlineSeconds": 300, "revisionHistoryLimit": 3,
            }}),
        ),
        class(
            "/disruption",
            json!({"maxUnavailable": 2}),
            json!({"budget": {"maxUnavailable": 2}}),
        ),
        class(
            "/network",
            json!({"clients": [{"pods": {"app": "web"}}]}),
            json!({"policy": {"ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}}),
        ),
    ]
}

fn of_the_pods(priority: &str) -> Vec<Class> {
    let cores = json!({"cpu": "300m", "memory": "96Mi"});
    let expression = json!({"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]});
    let term = json!({"weight": 1, "preference": {"matchExpressions": [expression]}});
    let affinity =
        json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}});
    let toleration =
        json!({"key": "dedicated", "operator": "Equal", "value": "users", "effect": "NoSchedule"});
    let spread = json!({"topologyKey": "kubernetes.io/hostname", "maxSkew": 3, "whenUnsatisfiable": "DoNotSchedule"});
    let pull = json!([{"name": "registry"}]);
    vec![
        class(
            "/pod/resources",
            json!({"requests": {"cpu": "10m"}, "limits": cores}),
            container(&json!({"resources": {"requests": {"cpu": "10m"}, "limits": cores}})),
        ),
        class(
            "/pod/labels",
            json!({"team": "identity"}),
            pod_metadata(&json!({"labels": {"team": "identity"}})),
        ),
        class(
            "/pod/annotations",
            json!({"example.com/owner": "identity"}),
            pod_metadata(&json!({"annotations": {"example.com/owner": "identity"}})),
        ),
        class(
            "/pod/nodeSelector",
            json!({"kubernetes.io/os": "linux"}),
            pods(&json!({"nodeSelector": {"kubernetes.io/os": "linux"}})),
        ),
        class(
            "/pod/tolerations",
            json!([toleration]),
            pods(&json!({"tolerations": [toleration]})),
        ),
        class(
            "/pod/affinity",
            affinity.clone(),
            pods(&json!({"affinity": affinity})),
        ),
        class(
            "/pod/topologySpreadConstraints",
            json!([spread]),
            pods(&json!({"topologySpreadConstraints": [spread]})),
        ),
        class(
            "/pod/priorityClassName",
            json!(priority),
            pods(&json!({"priorityClassName": priority})),
        ),
        class(
            "/pod/imagePullSecrets",
            pull.clone(),
            pods(&json!({"imagePullSecrets": pull})),
        ),
    ]
}

fn beside_the_service() -> Vec<Class> {
    let licence = json!({"name": "LICENCE", "valueFrom": {"secretKeyRef": {"name": "licence", "key": "text"}}});
    let region = json!({"name": "REGION", "valueFrom": {"configMapKeyRef": {"name": "places", "key": "region"}}});
    let variables = json!([{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, licence, region]);
    vec![
        Class {
            field: "/pod/env",
            value: variables.clone(),
            seen: vec![container(&json!({"env": variables}))],
        },
        Class {
            field: "/pod/volumes",
            value: json!([
                {"name": "scratch", "mountPath": "/tmp", "emptyDir": {"sizeLimit": "16Mi"}},
                {"name": "licence", "mountPath": "/etc/licence", "readOnly": true, "secret": {"secretName": "licence"}},
                {"name": "places", "mountPath": "/etc/places", "configMap": {"name": "places"}},
                {"name": "kept", "mountPath": "/var/lib/kept", "persistentVolumeClaim": {"claimName": "kept"}},
            ]),
            seen: vec![
                pods(&json!({"volumes": [
                    {"name": "extra-scratch", "emptyDir": {"sizeLimit": "16Mi"}},
                    {"name": "extra-licence", "secret": {"secretName": "licence"}},
                    {"name": "extra-places", "configMap": {"name": "places"}},
                    {"name": "extra-kept", "persistentVolumeClaim": {"claimName": "kept"}},
                ]})),
                container(&json!({"volumeMounts": [
                    {"name": "extra-scratch", "mountPath": "/tmp"},
                    {"name": "extra-licence", "mountPath": "/etc/licence", "readOnly": true},
                    {"name": "extra-places", "mountPath": "/etc/places"},
                    {"name": "extra-kept", "mountPath": "/var/lib/kept"},
                ]})),
            ],
        },
    ]
}

/// Writes a value into a spec, or takes it away.
fn set(spec: &mut Value, field: &str, value: Option<&Value>) {
    let (parent, name) = field.rsplit_once('/').unwrap_or(("", field));
    let parent = spec.pointer_mut(parent).and_then(Value::as_object_mut);
    let Some(fields) = parent else { return };
    match value {
        Some(value) => _ = fields.insert(name.to_owned(), value.clone()),
        None => _ = fields.remove(name),
    }
}

/// Whether everything that is expected is there. Items of a list may be anywhere in it.
fn holds(expected: &Value, live: &Value) -> bool {
    match (expected, live) {
        (Value::Object(expected), Value::Object(live)) => expected
            .iter()
            .all(|(field, expected)| live.get(field).is_some_and(|live| holds(expected, live))),
        (Value::Array(expected), Value::Array(live)) => expected
            .iter()
            .all(|expected| live.iter().any(|live| holds(expected, live))),
        _ => expected == live,
    }
}

/// Specs of the live children, and the settings that the pods of the Deployment begin with.
async fn children(s: &Scenario) -> Result<Value> {
    let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(s.client(), &s.namespace);
    let policies: Api<NetworkPolicy> = Api::namespaced(s.client(), &s.namespace);
    let maps: Api<ConfigMap> = Api::namespaced(s.client(), &s.namespace);
    let deployment = deployments.get_opt("users").await?;
    let deployment = serde_json::to_value(deployment.and_then(|live| live.spec))?;
    let settings =
        match deployment.pointer("/template/spec/containers/0/envFrom/0/configMapRef/name") {
            Some(Value::String(name)) => maps.get_opt(name).await?.and_then(|map| map.data),
            _ => None,
        };
    Ok(json!({
        "deployment": deployment,
        "settings": settings,
        "budget": budgets.get_opt("users").await?.and_then(|live| live.spec),
        "policy": policies.get_opt("users").await?.and_then(|live| live.spec),
    }))
}

async fn become_so(s: &Scenario, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    until(what, SHOWN, || async {
        let children = children(s).await?;
        Ok(Seen::when(is_so(&children), (), children.to_string()))
    })
    .await
}

#[tokio::test]
async fn every_class_of_fields_shows_in_the_live_children_and_is_gone_once_it_is_taken_away() {
    scenario("fields", async |s| {
        let classes: Api<PriorityClass> = Api::all(s.client());
        let priority: PriorityClass = serde_json::from_value(json!({
            "metadata": {"name": s.namespace}, "value": 1, "description": "of a scenario",
        }))?;
        classes.create(&PostParams::default(), &priority).await?;
        let outcome = match disk(s).await {
            Ok(()) => come_and_go(s).await,
            Err(error) => Err(error),
        };
        let volumes: Api<PersistentVolume> = Api::all(s.client());
        let params = DeleteParams::default();
        let volume = volumes.delete(&s.namespace, &params).await;
        let class = classes.delete(&s.namespace, &params).await;
        // What went wrong first is what it was.
        outcome?;
        volume?;
        class?;
        Ok(())
    })
    .await;
}

/// A disk of the nodes and a claim of it, whatever makes disks in the cluster.
async fn disk(s: &Scenario) -> Result<()> {
    let size = json!({"storage": "1Mi"});
    let volume: PersistentVolume = serde_json::from_value(json!({
        "metadata": {"name": s.namespace},
        "spec": {
            "capacity": size, "accessModes": ["ReadWriteMany"],
            "hostPath": {"path": format!("/var/local/{}", s.namespace), "type": "DirectoryOrCreate"},
            "claimRef": {"namespace": s.namespace, "name": "kept"},
        },
    }))?;
    let volumes: Api<PersistentVolume> = Api::all(s.client());
    volumes.create(&PostParams::default(), &volume).await?;
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": "kept"},
        "spec": {
            "volumeName": s.namespace, "storageClassName": "",
            "accessModes": ["ReadWriteMany"], "resources": {"requests": size},
        },
    }))?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(s.client(), &s.namespace);
    claims.create(&PostParams::default(), &claim).await?;
    Ok(())
}

async fn come_and_go(s: &Scenario) -> Result<()> {
    s.write_secret("licence", &json!({"text": "granted"}))
        .await?;
    let places: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "places"}, "data": {"region": "north"},
    }))?;
    let maps: Api<ConfigMap> = Api::namespaced(s.client(), &s.namespace);
    maps.create(&PostParams::default(), &places).await?;
    s.apply(json!({})).await?;
    become_so(s, "there are children", |children| {
        ["deployment", "budget", "settings"]
            .iter()
            .all(|child| children.get(child).is_some_and(|child| !child.is_null()))
    })
    .await?;
    let before = children(s).await?;

    let mut classes = around_the_pods();
    classes.extend(of_the_pods(&s.namespace));
    classes.extend(beside_the_service());
    let mut spec = json!({"pod": {}});
    for class in &classes {
        ensure!(
            !class.seen.iter().any(|seen| holds(seen, &before)),
            "{} shows before it is there",
            class.field
        );
        set(&mut spec, class.field, Some(&class.value));
    }
    s.ready_with(spec.clone()).await?;
    let all = children(s).await?;
    for class in &classes {
        for seen in &class.seen {
            ensure!(holds(seen, &all), "{}: {seen} is not in {all}", class.field);
        }
    }
    let pods = s.pods().await?;
    let shown = json!({"spec": {"priority": 1}, "metadata": {"labels": {"team": "identity"}}});
    let pod = serde_json::to_value(pods.first().context("a pod")?)?;
    ensure!(holds(&shown, &pod), "{pod}");

    for class in &classes {
        set(&mut spec, class.field, None);
        s.apply(spec.clone()).await?;
        become_so(s, &format!("{} is gone", class.field), |children| {
            !class.seen.iter().any(|seen| holds(seen, children))
        })
        .await?;
    }
    become_so(s, "the children are as before", |children| {
        *children == before
    })
    .await?;
    s.ready().await?;
    println!("{} classes of fields came and went", classes.len());
    Ok(())
}
