//! What the pods of the service and those that prepare for them have in common.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapEnvSource, EnvFromSource, KeyToPath, PodSecurityContext,
        ProjectedVolumeSource, SeccompProfile, SecretProjection, SecurityContext, Volume,
        VolumeMount, VolumeProjection,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::extras;
use crate::{
    Validated,
    secrets::{Need, SecretFile, SecretMount},
};

/// User and group `nonroot` of distroless images.
const NONROOT: i64 = 65532;
/// Files from Secrets: for their owner, root, and the pod's group alone.
pub(super) const SECRET_MODE: i32 = 0o440;

/// Pod Security `restricted`. The group reads what is mounted from Secrets.
pub(super) fn security_context(resource: &Validated) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(NONROOT),
        run_as_group: Some(NONROOT),
        fs_group: (!resource.mounts.is_empty() || !resource.pod.volumes.is_empty())
            .then_some(NONROOT),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

/// Pod Security `restricted`, and nothing to write to.
pub(super) fn container_security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

/// Metadata of pods with these labels and annotations of the operator's, and those of the spec.
pub(super) fn metadata(
    resource: &Validated,
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
) -> ObjectMeta {
    let spec = &resource.pod;
    let mut all = spec.labels.clone();
    all.extend(labels);
    let mut of_all = resource.pod_annotations.clone();
    of_all.extend(annotations.unwrap_or_default());
    of_all.extend(spec.annotations.clone());
    ObjectMeta {
        labels: Some(all),
        annotations: (!of_all.is_empty()).then_some(of_all),
        ..ObjectMeta::default()
    }
}

/// The settings.
pub(super) fn env_from(config_map: &str) -> Vec<EnvFromSource> {
    vec![EnvFromSource {
        config_map_ref: Some(ConfigMapEnvSource {
            name: config_map.to_owned(),
            ..ConfigMapEnvSource::default()
        }),
        ..EnvFromSource::default()
    }]
}

/// What a pod is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It answers calls.
    Serve,
    /// It prepares for those that do.
    Prepare,
}

/// What such a pod gets from Secrets.
fn mounts(resource: &Validated, purpose: Purpose) -> impl Iterator<Item = &SecretMount> {
    resource
        .mounts
        .iter()
        .filter(move |mount| purpose == Purpose::Serve || !mount.serves_only)
}

/// The Secrets, and the volumes of the spec; absent if there are none.
pub(super) fn volumes(resource: &Validated, purpose: Purpose) -> Option<Vec<Volume>> {
    let volumes: Vec<Volume> = mounts(resource, purpose)
        .map(volume)
        .chain(extras::volumes(resource))
        .collect();
    (!volumes.is_empty()).then_some(volumes)
}

/// Where they are mounted; absent if there are none.
pub(super) fn volume_mounts(resource: &Validated, purpose: Purpose) -> Option<Vec<VolumeMount>> {
    let mounts: Vec<VolumeMount> = mounts(resource, purpose)
        .map(|mount| VolumeMount {
            name: mount.volume.to_owned(),
            mount_path: mount.directory.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        })
        .chain(extras::mounts(resource))
        .collect();
    (!mounts.is_empty()).then_some(mounts)
}

/// Only the keys that the service reads. Those that may be missing are a source of their own, since
/// a source is optional as a whole.
fn volume(mount: &SecretMount) -> Volume {
    let (required, optional): (Vec<&SecretFile>, Vec<&SecretFile>) = mount
        .files
        .iter()
        .partition(|file| file.need == Need::Always);
    let sources = [(required, None), (optional, Some(true))]
        .into_iter()
        .filter(|(files, _)| !files.is_empty())
        .map(|(files, optional)| VolumeProjection {
            secret: Some(SecretProjection {
                name: mount.secret.clone(),
                items: Some(files.into_iter().map(item).collect()),
                optional,
            }),
            ..VolumeProjection::default()
        })
        .collect();
    Volume {
        name: mount.volume.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(SECRET_MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}

fn item(file: &SecretFile) -> KeyToPath {
    KeyToPath {
        key: file.key.clone(),
        path: file.path.to_owned(),
        ..KeyToPath::default()
    }
}
