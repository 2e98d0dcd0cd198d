//! What the spec gives the pods beside what the operator gives them.

use k8s_openapi::{
    api::core::v1::{
        ConfigMapKeySelector, ConfigMapVolumeSource, EmptyDirVolumeSource, EnvVar, EnvVarSource,
        LocalObjectReference, PersistentVolumeClaimVolumeSource, PodSpec, SecretKeySelector,
        SecretVolumeSource, Volume, VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use operator_api::{ExtraVolume, Medium};

use super::pod::SECRET_MODE;
use crate::Validated;

/// What holds for every pod of the resource: where it may run and how its image is pulled. Fields
/// that the spec does not have are left out.
pub(super) fn place(resource: &Validated, pod: PodSpec) -> PodSpec {
    let spec = &resource.pod;
    let pull = spec
        .image_pull_secrets
        .iter()
        .map(|secret| LocalObjectReference {
            name: secret.name.clone(),
        });
    PodSpec {
        node_selector: (!spec.node_selector.is_empty()).then(|| spec.node_selector.clone()),
        tolerations: some(spec.tolerations.clone()),
        affinity: pod.affinity.or_else(|| spec.affinity.clone()),
        priority_class_name: spec.priority_class_name.clone(),
        image_pull_secrets: some(pull.collect()),
        ..pod
    }
}

/// The variables of the spec.
pub(super) fn env(resource: &Validated) -> Option<Vec<EnvVar>> {
    let variables = resource.pod.env.iter().map(|variable| {
        let source = variable.value_from.as_ref();
        EnvVar {
            name: variable.name.clone(),
            // An empty value is what a variable without one has: the API server leaves it out.
            value: variable.value.clone().filter(|value| !value.is_empty()),
            value_from: source.map(|source| EnvVarSource {
                secret_key_ref: source.secret_key_ref.as_ref().map(|key| SecretKeySelector {
                    name: key.name.clone(),
                    key: key.key.clone(),
                    optional: key.optional.then_some(true),
                }),
                config_map_key_ref: source.config_map_key_ref.as_ref().map(|key| {
                    ConfigMapKeySelector {
                        name: key.name.clone(),
                        key: key.key.clone(),
                        optional: key.optional.then_some(true),
                    }
                }),
                ..EnvVarSource::default()
            }),
        }
    });
    some(variables.collect())
}

/// The volumes of the spec.
pub(super) fn volumes(resource: &Validated) -> impl Iterator<Item = Volume> {
    resource.pod.volumes.iter().map(|volume| Volume {
        name: name(volume),
        secret: volume.secret.as_ref().map(|secret| SecretVolumeSource {
            secret_name: Some(secret.secret_name.clone()),
            optional: secret.optional.then_some(true),
            default_mode: Some(SECRET_MODE),
            ..SecretVolumeSource::default()
        }),
        config_map: volume.config_map.as_ref().map(|map| ConfigMapVolumeSource {
            name: map.name.clone(),
            optional: map.optional.then_some(true),
            ..ConfigMapVolumeSource::default()
        }),
        empty_dir: volume.empty_dir.as_ref().map(|dir| EmptyDirVolumeSource {
            medium: dir.medium.map(|Medium::Memory| "Memory".to_owned()),
            size_limit: dir.size_limit.clone().map(|limit| Quantity(limit.0)),
        }),
        persistent_volume_claim: volume.persistent_volume_claim.as_ref().map(|claim| {
            PersistentVolumeClaimVolumeSource {
                claim_name: claim.claim_name.clone(),
                ..PersistentVolumeClaimVolumeSource::default()
            }
        }),
        ..Volume::default()
    })
}

/// Where they are mounted.
pub(super) fn mounts(resource: &Validated) -> impl Iterator<Item = VolumeMount> {
    resource.pod.volumes.iter().map(|volume| VolumeMount {
        name: name(volume),
        mount_path: volume.mount_path.clone(),
        read_only: volume.read_only.then_some(true),
        ..VolumeMount::default()
    })
}

/// Not one that the operator has, whatever volumes later versions of it add.
fn name(volume: &ExtraVolume) -> String {
    format!("extra-{}", volume.name)
}

/// The API server leaves out lists that are empty.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
