//! Errors that are not ours, such as those of the transport library about a message that is too long.

use std::collections::HashMap;

use http::Response;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{ERROR_DOMAIN, reason};

/// Gives an error that comes without details an `ErrorInfo`, as every error of this service has one (AIP-193). Errors
/// that come after messages are all ours.
pub fn complete<B>(mut response: Response<B>) -> Response<B> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return response;
    }
    let mut details = ErrorDetails::new();
    details.set_error_info(reason_of(status.code()), ERROR_DOMAIN, HashMap::new());
    let complete = Status::with_error_details(status.code(), status.message(), details);
    // Its message was a header already: there is nothing that could not be one.
    let _ = complete.add_header(response.headers_mut());
    response
}

const fn reason_of(code: Code) -> &'static str {
    match code {
        Code::OutOfRange | Code::ResourceExhausted => reason::MESSAGE_TOO_LARGE,
        Code::Unimplemented => reason::METHOD_NOT_FOUND,
        Code::NotFound => reason::SERVICE_NOT_FOUND,
        _ => reason::MALFORMED_REQUEST,
    }
}
