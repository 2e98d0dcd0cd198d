//! For tests only: what every error of the API has.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

use tonic::Status;
use tonic_types::{ErrorDetail, ErrorInfo, StatusExt as _};

use crate::ERROR_DOMAIN;

/// The one `ErrorInfo` of an error, which is as AIP-193 asks.
pub fn error_info(status: &Status) -> ErrorInfo {
    let details = status.check_error_details_vec().expect("can be read");
    let mut infos = details.into_iter().filter_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let info = infos.next().expect("has an ErrorInfo");
    assert!(infos.next().is_none(), "has one alone");
    assert_eq!(info.domain, ERROR_DOMAIN);
    let upper_snake = |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    assert!(info.reason.bytes().all(upper_snake), "{}", info.reason);
    let first = info.reason.chars().next();
    assert!(first.is_some_and(|first| first.is_ascii_uppercase()));
    info
}
