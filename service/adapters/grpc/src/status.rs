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
    /// The storage holds as many users as it may.
    pub const CAPACITY_REACHED: &str = "CAPACITY_REACHED";
    /// The storage holds as many events not yet published as it may.
    pub const OUTBOX_FULL: &str = "OUTBOX_FULL";
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
    /// The request is compressed, in a way that the server cannot read.
    pub const ENCODING_NOT_SUPPORTED: &str = "ENCODING_NOT_SUPPORTED";
    /// Reflection was asked for a file, a name or an extension that the server does not describe.
    pub const DESCRIPTOR_NOT_FOUND: &str = "DESCRIPTOR_NOT_FOUND";
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
        if passes(&error) {
            details.set_retry_info(Some(RETRY_AFTER));
        }
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
            ApiError::Overloaded => (
                Code::ResourceExhausted,
                reason::SERVER_OVERLOADED,
                "the server has too many calls in flight",
            ),
            ApiError::UseCase(error) => {
                if let UseCaseError::UserOfManyNotFound(id) = &error {
                    metadata.insert("user_id".to_owned(), id.to_string());
                }
                of_use_case(&error)
            }
        };
        details.set_error_info(reason, ERROR_DOMAIN, metadata);
        Self::with_error_details(code, message, details)
    }
}

/// Code, reason and message; what is behind an error of the storage goes into the log.
fn of_use_case(error: &UseCaseError) -> (Code, &'static str, &'static str) {
    match error {
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
        UseCaseError::UserOfManyNotFound(_) => (
            Code::NotFound,
            reason::USER_NOT_FOUND,
            "one of the users is not there",
        ),
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
        UseCaseError::Contended => (
            Code::Aborted,
            reason::USER_CHANGED,
            "others changed the user time and again",
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
        UseCaseError::OutboxFull => (
            Code::ResourceExhausted,
            reason::OUTBOX_FULL,
            "too many events are not yet published",
        ),
        UseCaseError::Unavailable(_) => {
            telemetry::storage_unavailable(error);
            (
                Code::Unavailable,
                reason::STORAGE_UNAVAILABLE,
                "the storage is unavailable",
            )
        }
        UseCaseError::Internal(_) => {
            telemetry::internal_error(error);
            (Code::Internal, reason::INTERNAL, "internal error")
        }
    }
}

/// Whether the same call may go through a little later.
const fn passes(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::Overloaded
            | ApiError::UseCase(
                UseCaseError::Contended | UseCaseError::OutboxFull | UseCaseError::Unavailable(_)
            )
    )
}

#[cfg(test)]
mod tests {
    use user_application::RepositoryError;
    use user_domain::UserId;
    use uuid::Uuid;

    use super::*;
    use crate::testkit::error_info;

    #[test]
    fn every_error_has_its_code_and_one_error_info() {
        let storage = || RepositoryError::Unavailable("connection refused".into());
        let lasting = [
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
                UseCaseError::Internal(storage()).into(),
                Code::Internal,
                reason::INTERNAL,
            ),
        ];
        let passing = [
            (
                ApiError::Overloaded,
                Code::ResourceExhausted,
                reason::SERVER_OVERLOADED,
            ),
            (
                UseCaseError::Contended.into(),
                Code::Aborted,
                reason::USER_CHANGED,
            ),
            (
                UseCaseError::OutboxFull.into(),
                Code::ResourceExhausted,
                reason::OUTBOX_FULL,
            ),
            (
                UseCaseError::Unavailable(storage()).into(),
                Code::Unavailable,
                reason::STORAGE_UNAVAILABLE,
            ),
        ];
        let lasting = lasting.into_iter().map(|case| (case, false));
        let passing = passing.into_iter().map(|case| (case, true));
        for ((error, code, reason), passes) in lasting.chain(passing) {
            let status = Status::from(error);
            let reason_given = error_info(&status).reason;
            assert_eq!((status.code(), reason_given.as_str()), (code, reason));
            let says_when = status.get_error_details().retry_info().is_some();
            assert_eq!(says_when, passes, "{}", status.message());
            assert!(!status.message().contains("refused"), "causes stay inside");
        }
    }
}
