//! That nothing tells whom calls are about.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/collector.rs"]
mod collector;
#[path = "support/personal.rs"]
mod personal;
#[path = "support/process.rs"]
mod process;
mod support;

#[tokio::test]
async fn whatever_is_called_and_however_it_ends_no_line_metric_span_or_error_holds_a_name_or_an_address()
 {
    personal::is_told_nowhere(&[]).await;
}
