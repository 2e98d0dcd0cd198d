use k8s_openapi::api::core::v1::ServiceAccount;

use super::named;
use crate::Validated;

/// An identity of its own without rights; the service never talks to the API server, so no token.
pub(super) fn build(resource: &Validated) -> ServiceAccount {
    ServiceAccount {
        metadata: named(resource.name.clone()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
