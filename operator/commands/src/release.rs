use std::collections::BTreeMap;

use clap::Args;
use operator_api::UserService;
use operator_core::Release;

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
}

impl DiffReleaseArgs {
    /// What is said here, else what `live` runs.
    pub(crate) fn release(&self, live: Option<&UserService>) -> Release {
        let repository = self.service_repository.clone();
        Release {
            repository: repository
                .or_else(|| repository_of(live?))
                .unwrap_or_else(|| REPOSITORY.to_owned()),
            version: self.service_version.clone().unwrap_or(VERSION.to_owned()),
            operator: VERSION.to_owned(),
            // What it would come to, whenever its turn is.
            renews: true,
            ..Release::default()
        }
    }
}

/// The repository of the operator that runs `live`, as far as its image tells: one that the spec
/// names does not.
fn repository_of(live: &UserService) -> Option<String> {
    let status = live.status.as_ref().filter(|_| live.spec.image.is_none())?;
    let tag = format!(":{}", status.version.as_ref()?);
    Some(status.image.as_ref()?.strip_suffix(&tag)?.to_owned())
}

#[cfg(test)]
mod tests {
    use operator_api::{UserServiceSpec, UserServiceStatus};

    use super::*;

    fn running(image: &str) -> UserService {
        let mut live = UserService::new("users", UserServiceSpec::default());
        live.status = Some(UserServiceStatus {
            version: Some("1.2".to_owned()),
            image: Some(image.to_owned()),
            ..UserServiceStatus::default()
        });
        live
    }

    #[test]
    fn a_running_resource_tells_the_repository_of_its_operator() {
        let args = DiffReleaseArgs::default();
        let live = running("registry.example:5000/users:1.2");
        let release = args.release(Some(&live));
        assert_eq!(release.repository, "registry.example:5000/users");
    }

    #[test]
    fn an_image_that_the_spec_names_and_one_of_another_version_tell_nothing() {
        let args = DiffReleaseArgs::default();
        let mut live = running("elsewhere.example/users:1.2");
        live.spec.image = Some("elsewhere.example/users:1.2".to_owned());
        assert_eq!(args.release(Some(&live)).repository, REPOSITORY);
        let live = running("elsewhere.example/users:2");
        assert_eq!(args.release(Some(&live)).repository, REPOSITORY);
    }
}
