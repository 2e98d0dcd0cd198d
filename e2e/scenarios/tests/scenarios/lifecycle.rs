//! From an applied resource to a removed one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, Pod, ResourceQuota, Service, ServiceAccount},
    events::v1::Event,
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams,
        PostParams,
    },
};
use scenarios::{
    Scenario, once,
    wait::{Seen, until},
};
use serde_json::json;

use crate::{examples::example, scenario};

#[tokio::test]
async fn an_applied_resource_becomes_ready_and_answers_calls() {
    scenario("answers", async |s| {
        let resource = s.ready_with(example("userservice.yaml")?).await?;
        let status = resource.status.context("status")?;
        let endpoint = status.endpoint.context("endpoint")?;
        ensure!(
            endpoint == format!("users.{}.svc:8080", s.namespace),
            "{endpoint}"
        );
        ensure!(
            (status.replicas, status.available_replicas) == (2, 2),
            "two pods by default"
        );
        ensure!(
            status
                .conditions
                .iter()
                .any(|c| c.type_ == "StorageDurable" && c.status == "False")
        );
        ensure!(
            !status
                .conditions
                .iter()
                .any(|c| c.type_ == "Reconciling" || c.type_ == "Stalled")
        );

        let version = status.version.context("version")?;
        let image = status.image.context("image")?;
        for (selector, found) in [
            (format!("status.version={version}"), 1),
            (format!("status.version={version}-other"), 0),
            (format!("status.image={image}"), 1),
        ] {
            let selected = ListParams::default().fields(&selector);
            let selected = s.resources().list(&selected).await?.items.len();
            ensure!(selected == found, "{selector} selects {selected}");
        }

        until("an Event tells it", Duration::from_secs(10), || async {
            let events: Api<Event> = Api::namespaced(s.client(), &s.namespace);
            let about = ListParams::default().fields("regarding.name=users,reason=Available");
            let told = events.list(&about).await?.items;
            Ok(Seen::when(!told.is_empty(), (), &told))
        })
        .await?;

        let arguments = [
            "demo",
            // The network of the node may learn a moment later where the pods are.
            "--wait",
            "--target",
            endpoint.as_str(),
            "--name",
            "Ada",
            "--email",
            "ada@example.com",
        ];
        let log = once::client(s, "caller", &arguments).await?;
        ensure!(
            log.matches("ada@example.com").count() >= 2,
            "created and read back: {log}"
        );

        let pods: Api<Pod> = Api::namespaced(s.client(), &s.namespace);
        for pod in s.pods().await? {
            let log = pods.logs(&pod.name_any(), &LogParams::default()).await?;
            ensure!(
                !log.contains("ada@example.com") && !log.contains("Ada"),
                "personal data in the log of a pod: {log}"
            );
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_foreign_edit_of_an_owned_field_is_reverted_and_an_unowned_annotation_stays() {
    scenario("drift", async |s| {
        s.ready_with(json!({})).await?;
        let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
        let edit = json!({
            "metadata": {"annotations": {"team-a.example/note": "ours"}},
            "spec": {"replicas": 5, "template": {"spec": {"terminationGracePeriodSeconds": 90}}},
        });
        deployments
            .patch("users", &PatchParams::default(), &Patch::Merge(&edit))
            .await?;
        let services: Api<Service> = Api::namespaced(s.client(), &s.namespace);
        let edit = json!({"spec": {"selector": {"app.kubernetes.io/instance": "elsewhere"}}});
        services
            .patch("users", &PatchParams::default(), &Patch::Merge(&edit))
            .await?;

        let deployment = until(
            "the edits are reverted",
            Duration::from_secs(10),
            || async {
                let deployment = deployments.get("users").await?;
                let service = services.get("users").await?;
                let spec = deployment.spec.as_ref().context("spec")?;
                let grace = spec
                    .template
                    .spec
                    .as_ref()
                    .and_then(|pod| pod.termination_grace_period_seconds);
                let instance = service
                    .spec
                    .and_then(|spec| spec.selector?.get("app.kubernetes.io/instance").cloned());
                let state = (spec.replicas, grace, instance);
                let reverted = state == (Some(2), Some(33), Some("users".to_owned()));
                Ok(Seen::when(reverted, deployment, state))
            },
        )
        .await?;
        ensure!(
            deployment
                .annotations()
                .get("team-a.example/note")
                .map(String::as_str)
                == Some("ours")
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_reported_and_left_alone() {
    scenario("conflict", async |s| {
        let services: Api<Service> = Api::namespaced(s.client(), &s.namespace);
        let foreign: Service = serde_json::from_value(json!({
            "metadata": {"name": "users"},
            "spec": {"ports": [{"port": 1234}], "selector": {"app": "theirs"}},
        }))?;
        let before = services.create(&PostParams::default(), &foreign).await?;
        s.apply(json!({})).await?;
        until(
            "the conflict is reported",
            Duration::from_secs(20),
            || async {
                let status = s.resources().get("users").await?.status;
                let message = status
                    .iter()
                    .flat_map(|status| &status.conditions)
                    .find(|c| c.type_ == "Stalled");
                let named = message.is_some_and(|c| {
                    c.reason == "NameConflict" && c.message.contains("Service users")
                });
                Ok(Seen::when(named, (), &status))
            },
        )
        .await?;
        let after = services.get("users").await?;
        ensure!(
            before.resource_version() == after.resource_version(),
            "the foreign Service was written"
        );
        let deployments: Api<Deployment> = Api::namespaced(s.client(), &s.namespace);
        ensure!(
            deployments.get_opt("users").await?.is_none(),
            "nothing runs behind a name that is not ours"
        );

        services.delete("users", &DeleteParams::default()).await?;
        s.ready().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_child_is_reported_in_the_words_of_the_api_server_and_made_once_it_may_be() {
    scenario("quota", async |s| {
        let quotas: Api<ResourceQuota> = Api::namespaced(s.client(), &s.namespace);
        let quota: ResourceQuota = serde_json::from_value(json!({
            "metadata": {"name": "one-service"},
            "spec": {"hard": {"services": "1"}},
        }))?;
        quotas.create(&PostParams::default(), &quota).await?;
        until("the quota is in force", Duration::from_secs(20), || async {
            let status = quotas.get("one-service").await?.status;
            let counted = status.as_ref().is_some_and(|status| status.hard.is_some());
            Ok(Seen::when(counted, (), status))
        })
        .await?;

        s.apply(json!({})).await?;
        until(
            "the refusal is reported",
            Duration::from_secs(20),
            || async {
                let status = s.resources().get("users").await?.status;
                let reported = status
                    .iter()
                    .flat_map(|status| &status.conditions)
                    .any(|c| {
                        c.reason == "WriteRefused"
                            && c.message.contains("exceeded quota: one-service")
                    });
                Ok(Seen::when(reported, (), &status))
            },
        )
        .await?;

        quotas
            .delete("one-service", &DeleteParams::default())
            .await?;
        s.ready().await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn deleting_the_resource_removes_all_children() {
    scenario("removal", async |s| {
        s.ready_with(json!({"autoscaling": {"max": 2, "cpu": 70}, "network": {}}))
            .await?;
        ensure!(
            left(s).await?.len() >= 10,
            "children are found by their label: {:?}",
            left(s).await?
        );
        s.resources()
            .delete("users", &DeleteParams::default())
            .await?;
        until("all children are gone", Duration::from_secs(90), || async {
            let left = left(s).await?;
            Ok(Seen::when(left.is_empty(), (), left))
        })
        .await
    })
    .await;
}

/// Everything in the namespace that carries the resource's label, as `kind/name`.
async fn left(s: &Scenario) -> Result<Vec<String>> {
    let kinds = [
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<ReplicaSet>(&()),
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<Pod>(&()),
    ];
    let mut found = Vec::new();
    for kind in kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(s.client(), &s.namespace, &kind);
        let params = ListParams::default().labels("app.kubernetes.io/instance=users");
        found.extend(
            api.list(&params)
                .await?
                .iter()
                .map(|object| format!("{}/{}", kind.plural, object.name_any())),
        );
    }
    Ok(found)
}
