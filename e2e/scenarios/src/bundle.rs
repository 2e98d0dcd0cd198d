//! Evidence of a failure: resources, events and logs, in files.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    batch::v1::Job,
    core::v1::{ConfigMap, Event, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, LogParams},
};
use operator_api::UserService;

use crate::cluster::OPERATOR_NAMESPACE;

/// Writes what can be had of the namespace, the operator and the nodes into `folder`.
///
/// # Errors
/// If the folder cannot be written or the cluster does not answer at all.
pub async fn collect(client: &Client, namespace: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let kinds = [
        ApiResource::erase::<UserService>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<ReplicaSet>(&()),
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<Pod>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<EndpointSlice>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<Event>(&()),
    ];
    for kind in kinds {
        let api = Api::namespaced_with(client.clone(), namespace, &kind);
        dump(api, &folder.join(format!("{}.yaml", kind.plural))).await?;
    }
    let nodes = ApiResource::erase::<Node>(&());
    dump(
        Api::all_with(client.clone(), &nodes),
        &folder.join("nodes.yaml"),
    )
    .await?;
    for namespace in [namespace, OPERATOR_NAMESPACE] {
        logs(client, namespace, folder).await?;
    }
    Ok(())
}

async fn dump(api: Api<DynamicObject>, file: &Path) -> Result<()> {
    let mut items = api.list(&ListParams::default()).await?.items;
    for item in &mut items {
        item.metadata.managed_fields = None;
    }
    fs::write(file, serde_yaml::to_string(&items)?)?;
    Ok(())
}

async fn logs(client: &Client, namespace: &str, folder: &Path) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await? {
        for previous in [false, true] {
            let params = LogParams {
                previous,
                tail_lines: Some(5000),
                ..LogParams::default()
            };
            // A pod that never started, or never restarted, has no such log.
            if let Ok(text) = pods.logs(&pod.name_any(), &params).await {
                let suffix = if previous { ".previous" } else { "" };
                fs::write(
                    folder.join(format!("{namespace}-{}{suffix}.log", pod.name_any())),
                    text,
                )?;
            }
        }
    }
    Ok(())
}
