//! Errors that are not ours, such as those of the transport library about a message that is too long.

use std::collections::HashMap;

use http::{HeaderMap, Response};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{ERROR_DOMAIN, reason};

/// The library says in it what it could read, where it cannot read how a request is compressed.
const ACCEPTED: &str = "grpc-accept-encoding";

/// Gives an error that comes without details an `ErrorInfo`, as every error of this service has one (AIP-193).
///
/// What the library refuses is the client's doing. It says `INTERNAL` of what it cannot decode, as the libraries of gRPC do;
/// here that is `INVALID_ARGUMENT`, since `INTERNAL` counts as a defect of the server.
pub fn complete<B>(mut response: Response<B>) -> Response<B> {
    add_info(response.headers_mut(), |headers, code| match code {
        Code::OutOfRange | Code::ResourceExhausted => (code, reason::MESSAGE_TOO_LARGE),
        Code::Unimplemented if headers.contains_key(ACCEPTED) => {
            (code, reason::ENCODING_NOT_SUPPORTED)
        }
        Code::Unimplemented => (code, reason::METHOD_NOT_FOUND),
        Code::NotFound => (code, reason::SERVICE_NOT_FOUND),
        Code::Internal => (Code::InvalidArgument, reason::MALFORMED_REQUEST),
        _ => (code, reason::MALFORMED_REQUEST),
    });
    response
}

/// The same for an error in place of a message of a stream. The library's own is then about an answer.
pub(crate) fn complete_trailers(trailers: &mut HeaderMap) {
    add_info(trailers, |_, code| match code {
        Code::NotFound => (code, reason::DESCRIPTOR_NOT_FOUND),
        Code::InvalidArgument => (code, reason::MALFORMED_REQUEST),
        _ => (code, reason::INTERNAL),
    });
}

fn add_info(headers: &mut HeaderMap, named: fn(&HeaderMap, Code) -> (Code, &'static str)) {
    // Most end well, and reading a status copies all that is there.
    let is_error = headers
        .get(Status::GRPC_STATUS)
        .is_some_and(|code| Code::from_bytes(code.as_bytes()) != Code::Ok);
    if !is_error || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    let (code, reason) = named(headers, status.code());
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, ERROR_DOMAIN, HashMap::new());
    let complete = Status::with_error_details(code, status.message(), details);
    // Its message was a header already: there is nothing that could not be one.
    let _ = complete.add_header(headers);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::error_info;

    fn completed(status: &Status) -> Status {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).expect("is a header");
        complete_trailers(&mut trailers);
        Status::from_header_map(&trailers).expect("has a status")
    }

    #[test]
    fn an_answer_that_cannot_be_written_is_a_defect_of_the_server() {
        let status = completed(&Status::internal("cannot be encoded"));
        assert_eq!(
            (status.code(), status.message()),
            (Code::Internal, "cannot be encoded")
        );
        assert_eq!(error_info(&status).reason, reason::INTERNAL);
    }

    #[test]
    fn a_good_end_stays_as_it_is() {
        let status = completed(&Status::ok(""));
        assert_eq!((status.code(), status.details()), (Code::Ok, &[][..]));
    }
}
