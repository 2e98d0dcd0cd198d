use std::collections::BTreeMap;

use clap::Args;
use operator_api::UserService;
use operator_core::{Recorded, Release, is_outdated};

const REPOSITORY: &str = "ghcr.io/usersvc/user-service";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The service that resources without `spec.version` or `spec.image` get.
#[derive(Args, Clone, Debug)]
pub struct ReleaseArgs {
    /// Image repository of the user service.
    #[arg(long, env = "USER_SERVICE_IMAGE_REPOSITORY", default_value = REPOSITORY)]
    service_repository: String,
    /// Version, and image tag, of the user service that new resources are pinned to.
    #[arg(long, env = "USER_SERVICE_IMAGE_TAG", default_value = VERSION)]
    service_version: String,
    /// Annotation of all pods of all resources, KEY=VALUE, such as one that a mesh or a scraper asks
    /// for; may be given several times. A resource's own of the same key wins. As with a newer
    /// operator, a changed one reaches pods with the next revision of their resource.
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    pod_annotation: Vec<(String, String)>,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl From<ReleaseArgs> for Release {
    fn from(args: ReleaseArgs) -> Self {
        let pod_annotations: BTreeMap<_, _> = args.pod_annotation.into_iter().collect();
        Self {
            operator: Release::operator_with(VERSION, &pod_annotations),
            repository: args.service_repository,
            version: args.service_version,
            pod_annotations,
            renews: false,
        }
    }
}

/// As [`ReleaseArgs`], where a resource of the cluster may tell what its operator ships.
#[derive(Args, Clone, Debug, Default)]
pub struct DiffReleaseArgs {
    /// Image repository of the user service [default: that of the running resource].
    #[arg(long, env = "USER_SERVICE_IMAGE_REPOSITORY")]
    service_repository: Option<String>,
    /// Version, and image tag, of the user service that a new resource would be pinned to.
    #[arg(long, env = "USER_SERVICE_IMAGE_TAG", default_value = VERSION)]
    service_version: Option<String>,
    /// Annotation that the operator gives all pods, KEY=VALUE; may be given several times [default:
    /// those of the pods of the running resource].
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    pod_annotation: Vec<(String, String)>,
}

impl DiffReleaseArgs {
    /// The operator for `resource`: what is said here, else what is told by `live`, as it is in the cluster, and by the
    /// revision that it `runs`. It is taken to be of this version, and to be the very one that made this revision if
    /// that was of this version too.
    pub(crate) fn release(
        &self,
        resource: &UserService,
        live: Option<&UserService>,
        runs: Option<&Recorded>,
    ) -> Release {
        let told = runs.filter(|_| self.pod_annotation.is_empty());
        let pod_annotations = told.map_or_else(
            || self.pod_annotation.iter().cloned().collect(),
            |revision| revision.pod_annotations.clone(),
        );
        let same = told
            .map(|revision| &revision.operator)
            .filter(|operator| Release::is_of(operator, VERSION));
        let operator = same
            .cloned()
            .unwrap_or_else(|| Release::operator_with(VERSION, &pod_annotations));
        let version = self.service_version.clone().unwrap_or(VERSION.to_owned());
        let release = Release {
            repository: self
                .service_repository
                .clone()
                .or_else(|| repository_of(live?, &version))
                .unwrap_or_else(|| REPOSITORY.to_owned()),
            version,
            operator,
            pod_annotations,
            renews: false,
        };
        Release {
            // What it would come to, whenever its turn is.
            renews: is_outdated(resource, &release),
            ..release
        }
    }
}

/// The repository of the operator that runs `live`, as far as its image tells: one that the spec
/// names does not. It is of the version in force, or of the one that the pods wait for: that of the
/// spec, or the one that is `shipped`.
fn repository_of(live: &UserService, shipped: &str) -> Option<String> {
    let status = live.status.as_ref().filter(|_| live.spec.image.is_none())?;
    let (repository, tag) = status.image.as_ref()?.rsplit_once(':')?;
    let spec = live.spec.version.as_deref();
    let versions = [status.version.as_deref(), spec, Some(shipped)];
    versions.contains(&Some(tag)).then(|| repository.to_owned())
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
