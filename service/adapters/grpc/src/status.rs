//! Errors as the caller sees them: code, message and details, all decided in one place.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};
use user_application::UseCaseError;

use crate::telemetry;

/// `domain` of every `google.rpc.ErrorInfo` that this service sends (AIP-193).
pub const ERROR_DOMAIN: &str = "usersvc.dev";

/// Every `reason` of `google.rpc.ErrorInfo` that this service sends.
pub mod reason {
    /// Fields break their rules; `google.rpc.BadRequest` names them.
    pub const INVALID_FIELDS: &str = "INVALID_FIELDS";
    /// The page token belongs to a listing with other arguments.
    pub const PAGE_TOKEN_MISMATCH: &str = "PAGE_TOKEN_MISMATCH";
    /// Another user has this e-mail address.
    pub const EMAIL_TAKEN: &str = "EMAIL_TAKEN";
    /// The user is at another state than the caller has seen.
    pub const USER_CHANGED: &str = "USER_CHANGED";
    /// The request id was used before, for another request.
    pub const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";
    /// There is a user with the identifier that was asked for.
    pub const USER_ID_TAKEN: &str = "USER_ID_TAKEN";
    /// There is no such user.
    pub const USER_NOT_FOUND: &str = "USER_NOT_FOUND";
    /// The user is deleted.
    pub const USER_DELETED: &str = "USER_DELETED";
    /// The user is not deleted.
    pub const USER_NOT_DELETED: &str = "USER_NOT_DELETED";
    /// The storage is full.
    pub const CAPACITY_REACHED: &str = "CAPACITY_REACHED";
    /// The storage cannot be reached.
    pub const STORAGE_UNAVAILABLE: &str = "STORAGE_UNAVAILABLE";
    /// The server has as many calls in flight as it may.
    pub const SERVER_OVERLOADED: &str = "SERVER_OVERLOADED";
    /// The deadline has passed.
    pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
    /// The message is longer than [`MAX_REQUEST_BYTES`](crate::MAX_REQUEST_BYTES).
    pub const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
    /// The server has no such method.
    pub const METHOD_NOT_FOUND: &str = "METHOD_NOT_FOUND";
    /// The health of a service was asked for that the server does not have.
    pub const SERVICE_NOT_FOUND: &str = "SERVICE_NOT_FOUND";
    /// The call is not what gRPC or the method's message asks for.
    pub const MALFORMED_REQUEST: &str = "MALFORMED_REQUEST";
    /// A defect of the server.
    pub const INTERNAL: &str = "INTERNAL";
}

/// When a caller may try again where that may help.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whatever can go wrong with a call.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Fields break their rules.
    InvalidFields(Vec<FieldViolation>),
    /// The page token belongs to a listing with other arguments.
    PageTokenMismatch(Vec<FieldViolation>),
    /// The deadline has passed.
    DeadlineExceeded,
    /// The server has as many calls in flight as it may.
    Overloaded,
    /// The use case did not do it.
    UseCase(UseCaseError),
}

impl From<UseCaseError> for ApiError {
    fn from(error: UseCaseError) -> Self {
        Self::UseCase(error)
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut details = ErrorDetails::new();
        let mut metadata = HashMap::new();
        let (code, reason, message) = match error {
            ApiError::InvalidFields(violations) => {
                details.set_bad_request(violations);
                (
                    Code::InvalidArgument,
                    reason::INVALID_FIELDS,
                    "some fields are invalid",
                )
            }
            ApiError::PageTokenMismatch(violations) => {
                details.set_bad_request(violations);
                (
                    Code::InvalidArgument,
                    reason::PAGE_TOKEN_MISMATCH,
                    "the page token belongs to another listing",
                )
            }
            ApiError::DeadlineExceeded => (
                Code::DeadlineExceeded,
                reason::DEADLINE_EXCEEDED,
                "the deadline has passed",
            ),
            ApiError::Overloaded => {
                details.set_retry_info(Some(RETRY_AFTER));
                (
                    Code::ResourceExhausted,
                    reason::SERVER_OVERLOADED,
                    "the server has too many calls in flight",
                )
            }
            ApiError::UseCase(error) => match error {
                UseCaseError::EmailTaken => (
                    Code::AlreadyExists,
                    reason::EMAIL_TAKEN,
                    "another user has this e-mail address",
                ),
                UseCaseError::UserIdTaken => (
                    Code::AlreadyExists,
                    reason::USER_ID_TAKEN,
                    "there is a user with this identifier",
                ),
                UseCaseError::UserNotFound => (
                    Code::NotFound,
                    reason::USER_NOT_FOUND,
                    "there is no such user",
                ),
                UseCaseError::UserOfManyNotFound(id) => {
                    metadata.insert("user_id".to_owned(), id.to_string());
                    (
                        Code::NotFound,
                        reason::USER_NOT_FOUND,
                        "one of the users is not there",
                    )
                }
                UseCaseError::UserDeleted => (
                    Code::FailedPrecondition,
                    reason::USER_DELETED,
                    "the user is deleted",
                ),
                UseCaseError::UserNotDeleted => (
                    Code::AlreadyExists,
                    reason::USER_NOT_DELETED,
                    "the user is not deleted",
                ),
                UseCaseError::Changed => (
                    Code::Aborted,
                    reason::USER_CHANGED,
                    "the user was changed in between",
                ),
                UseCaseError::RequestIdReused => (
                    Code::InvalidArgument,
                    reason::REQUEST_ID_REUSED,
                    "the request id was used for another request",
                ),
                UseCaseError::CapacityReached => (
                    Code::ResourceExhausted,
                    reason::CAPACITY_REACHED,
                    "the storage is full",
                ),
                UseCaseError::Unavailable(_) => {
                    telemetry::storage_unavailable(&error);
                    details.set_retry_info(Some(RETRY_AFTER));
                    (
                        Code::Unavailable,
                        reason::STORAGE_UNAVAILABLE,
                        "the storage is unavailable",
                    )
                }
                UseCaseError::Internal(_) => {
                    telemetry::internal_error(&error);
                    (Code::Internal, reason::INTERNAL, "internal error")
                }
            },
        };
        details.set_error_info(reason, ERROR_DOMAIN, metadata);
        Self::with_error_details(code, message, details)
    }
}

#[cfg(test)]
mod tests {
    use user_application::RepositoryError;
    use user_domain::UserId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_error_has_its_code_and_one_error_info() {
        let storage = || RepositoryError::Unavailable("connection refused".into());
        let cases = [
            (
                ApiError::InvalidFields(vec![]),
                Code::InvalidArgument,
                reason::INVALID_FIELDS,
            ),
            (
                ApiError::PageTokenMismatch(vec![]),
                Code::InvalidArgument,
                reason::PAGE_TOKEN_MISMATCH,
            ),
            (
                ApiError::DeadlineExceeded,
                Code::DeadlineExceeded,
                reason::DEADLINE_EXCEEDED,
            ),
            (
                ApiError::Overloaded,
                Code::ResourceExhausted,
                reason::SERVER_OVERLOADED,
            ),
            (
                UseCaseError::EmailTaken.into(),
                Code::AlreadyExists,
                reason::EMAIL_TAKEN,
            ),
            (
                UseCaseError::UserIdTaken.into(),
                Code::AlreadyExists,
                reason::USER_ID_TAKEN,
            ),
            (
                UseCaseError::UserNotFound.into(),
                Code::NotFound,
                reason::USER_NOT_FOUND,
            ),
            (
                UseCaseError::UserOfManyNotFound(UserId::new(Uuid::nil())).into(),
                Code::NotFound,
                reason::USER_NOT_FOUND,
            ),
            (
                UseCaseError::UserDeleted.into(),
                Code::FailedPrecondition,
                reason::USER_DELETED,
            ),
            (
                UseCaseError::UserNotDeleted.into(),
                Code::AlreadyExists,
                reason::USER_NOT_DELETED,
            ),
            (
                UseCaseError::Changed.into(),
                Code::Aborted,
                reason::USER_CHANGED,
            ),
            (
                UseCaseError::RequestIdReused.into(),
                Code::InvalidArgument,
                reason::REQUEST_ID_REUSED,
            ),
            (
                UseCaseError::CapacityReached.into(),
                Code::ResourceExhausted,
                reason::CAPACITY_REACHED,
            ),
            (
                UseCaseError::Unavailable(storage()).into(),
                Code::Unavailable,
                reason::STORAGE_UNAVAILABLE,
            ),
            (
                UseCaseError::Internal(storage()).into(),
                Code::Internal,
                reason::INTERNAL,
            ),
        ];
        for (error, code, reason) in cases {
            let status = Status::from(error);
            let details = status.get_error_details();
            let info = details.error_info().expect("has ErrorInfo");
            assert_eq!((status.code(), info.reason.as_str()), (code, reason));
            assert_eq!(info.domain, ERROR_DOMAIN);
            let may_help =
                [reason::STORAGE_UNAVAILABLE, reason::SERVER_OVERLOADED].contains(&reason);
            assert_eq!(details.retry_info().is_some(), may_help, "{reason}");
            assert!(!status.message().contains("refused"), "causes stay inside");
        }
    }
}
