use std::collections::{BTreeMap, BTreeSet};

use operator_api::{EnvVar, ExtraVolume, PodSpec};
use user_settings::PREFIX;

use super::{Broken, checks, names};
use crate::quantity;

/// Labels by which pods are found.
const OWN_LABELS: [&str; 4] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "pod-template-hash",
];
const OWN_PREFIX: &str = "usersvc.dev/";

/// Checks what the pods are given beside their resources. The bounds of what is taken over from
/// Kubernetes whole, tolerations and affinity, are the schema's and the API server's alone.
pub(super) fn check(pod: &PodSpec, broken: &mut Broken) {
    check_metadata(pod, broken);
    check_placement(pod, broken);
    if pod.env.len() > 64 {
        broken.add("spec.pod.env", "must hold at most 64 variables");
    }
    let mut seen = BTreeSet::new();
    for variable in &pod.env {
        check_variable(variable, broken);
        if !seen.insert(&variable.name) {
            broken.add("spec.pod.env", format!("{} is there twice", variable.name));
        }
    }
    check_volumes(&pod.volumes, broken);
}

fn check_metadata(pod: &PodSpec, broken: &mut Broken) {
    const LABELS: &str = "spec.pod.labels";
    const ANNOTATIONS: &str = "spec.pod.annotations";
    let is_own = |key: &str| key.starts_with(OWN_PREFIX) || OWN_LABELS.contains(&key);
    for key in pod.labels.keys().filter(|key| is_own(key)) {
        broken.add(LABELS, format!("{key} is the operator's own"));
    }
    for key in pod.annotations.keys() {
        if key.starts_with(OWN_PREFIX) {
            broken.add(ANNOTATIONS, format!("{key} is the operator's own"));
        }
        if !names::is_qualified(key) {
            broken.add(ANNOTATIONS, format!("{key:?} is no name of an annotation"));
        }
    }
    check_labels(LABELS, &pod.labels, broken);
    for (field, map) in [(LABELS, &pod.labels), (ANNOTATIONS, &pod.annotations)] {
        if map.len() > 32 {
            broken.add(field, "must hold at most 32");
        }
    }
}

pub(super) fn check_labels(
    field: &'static str,
    labels: &BTreeMap<String, String>,
    broken: &mut Broken,
) {
    for (key, value) in labels {
        if !names::is_qualified(key) || !names::is_label_value(value) {
            broken.add(
                field,
                format!("{key:?} with {value:?} is no label with its value"),
            );
        }
    }
}

fn check_placement(pod: &PodSpec, broken: &mut Broken) {
    check_labels("spec.pod.nodeSelector", &pod.node_selector, broken);
    let mut seen = BTreeSet::new();
    for spread in pod.topology_spread_constraints.iter().flatten() {
        const FIELD: &str = "spec.pod.topologySpreadConstraints";
        if !names::is_qualified(&spread.topology_key) {
            broken.add(FIELD, format!("{:?} is no label", spread.topology_key));
        }
        if !seen.insert(&spread.topology_key) {
            broken.add(FIELD, format!("{} is there twice", spread.topology_key));
        }
        checks::count(FIELD, spread.max_skew, &(1..=100), broken);
    }
    if let Some(name) = &pod.priority_class_name
        && !names::is_subdomain(name)
    {
        broken.add(
            "spec.pod.priorityClassName",
            format!("{name:?} is no name of a PriorityClass"),
        );
    }
    for secret in &pod.image_pull_secrets {
        checks::secret("spec.pod.imagePullSecrets", &secret.name, broken);
    }
}

fn check_variable(variable: &EnvVar, broken: &mut Broken) {
    const FIELD: &str = "spec.pod.env";
    let name = &variable.name;
    if name.starts_with(PREFIX) {
        broken.add(
            FIELD,
            format!("{name}: names that begin with {PREFIX} are the operator's"),
        );
    }
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !checks::text(name, 1..=128, known) || name.starts_with(|c: char| c.is_ascii_digit()) {
        broken.add(
            FIELD,
            format!("{name:?} must be 1 to 128 letters, digits or '_' and not begin with a digit"),
        );
    }
    let sources = variable.value_from.as_ref().map(|source| {
        [&source.secret_key_ref, &source.config_map_key_ref]
            .into_iter()
            .flatten()
    });
    match (&variable.value, sources) {
        (Some(value), None) if value.len() <= 4096 => {}
        (None, Some(sources)) if sources.clone().count() == 1 => {
            for reference in sources {
                let key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                if !names::is_subdomain(&reference.name)
                    || !checks::text(&reference.key, 1..=253, key)
                {
                    broken.add(FIELD, format!("{name}: no name or key of an object"));
                }
            }
        }
        _ => broken.add(
            FIELD,
            format!("{name}: exactly one of value, secretKeyRef and configMapKeyRef must be named"),
        ),
    }
}

fn check_volumes(volumes: &[ExtraVolume], broken: &mut Broken) {
    const FIELD: &str = "spec.pod.volumes";
    if volumes.len() > 16 {
        broken.add(FIELD, "must hold at most 16 volumes");
    }
    let mut seen_names = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for volume in volumes {
        let name = &volume.name;
        if !names::is_dns_label(name) || name.len() > 57 {
            broken.add(
                FIELD,
                format!("{name:?} must be 1 to 57 lower-case letters, digits or '-'"),
            );
        }
        if !is_mountable(&volume.mount_path) {
            let path = &volume.mount_path;
            broken.add(
                FIELD,
                format!("{name}: mountPath {path:?} must be a folder from the root that hides nothing of the service or the system"),
            );
        }
        if !seen_names.insert(name) || !paths.insert(&volume.mount_path) {
            broken.add(FIELD, format!("{name}: name or mountPath is there twice"));
        }
        check_source(volume, broken);
    }
}

fn check_source(volume: &ExtraVolume, broken: &mut Broken) {
    const FIELD: &str = "spec.pod.volumes";
    let secret = volume.secret.as_ref().map(|secret| &secret.secret_name);
    let config_map = volume.config_map.as_ref().map(|map| &map.name);
    let claim = volume.persistent_volume_claim.as_ref();
    let named: Vec<&String> = [secret, config_map, claim.map(|claim| &claim.claim_name)]
        .into_iter()
        .flatten()
        .collect();
    if named.len() + usize::from(volume.empty_dir.is_some()) != 1 {
        broken.add(
            FIELD,
            format!(
                "{}: exactly one source must be named: secret, configMap, emptyDir or persistentVolumeClaim",
                volume.name
            ),
        );
    }
    for name in named.into_iter().filter(|name| !names::is_subdomain(name)) {
        broken.add(FIELD, format!("{name:?} is no name of an object"));
    }
    let limit = volume
        .empty_dir
        .as_ref()
        .and_then(|dir| dir.size_limit.as_ref());
    if let Some(limit) = limit.filter(|limit| quantity::value(limit).is_none()) {
        let rule = format!("{:?} is no quantity such as 64Mi", limit.0);
        broken.add(FIELD, rule);
    }
}

/// Whether a volume may be mounted there without hiding what the service or the system needs.
fn is_mountable(path: &str) -> bool {
    const KEPT: [&str; 5] = [
        "/etc/user-service",
        "/usr/local/bin",
        "/proc",
        "/sys",
        "/dev",
    ];
    let Some(steps) = path.strip_prefix('/') else {
        return false;
    };
    let character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_path = path.len() <= 253
        && steps
            .split('/')
            .all(|step| !matches!(step, "" | "." | "..") && step.chars().all(character));
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_path
        && !KEPT
            .iter()
            .any(|kept| within(path, kept) || within(kept, path))
}
