//! Driving adapter: the user.v1 gRPC API over the use cases.
//!
//! Transport only: messages become commands, results and errors become messages and statuses. The layers hold what
//! every call needs: [`DeadlineLayer`], [`MetricsLayer`] and [`OverloadLayer`].

mod context;
mod deadline;
mod metrics;
mod overload;
mod status;
mod v1;

pub use deadline::DeadlineLayer;
pub use metrics::{Measured, MetricsLayer, RpcMetrics};
pub use overload::OverloadLayer;
pub use status::{ERROR_DOMAIN, reason};
pub use v1::UserApi;

/// Largest request message, in bytes: many times what the longest name and address need.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
