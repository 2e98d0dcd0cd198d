//! Driving adapter: the user.v1 gRPC API over the use cases.
//!
//! Transport only: messages become commands, results and errors become messages and statuses. The layers hold what
//! every call needs: [`DeadlineLayer`], [`OverloadLayer`], [`TelemetryLayer`] and [`Turns`].

mod complete;
mod context;
mod deadline;
mod held;
mod overload;
mod placed;
mod status;
mod telemetry;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod turns;
mod unread;
mod v1;

pub use complete::complete;
pub use deadline::DeadlineLayer;
pub use held::Held;
pub use overload::OverloadLayer;
pub use placed::Placed;
pub use status::{ERROR_DOMAIN, reason};
pub use telemetry::{Observed, RpcMetrics, RpcTracer, TelemetryLayer, is_fault_of_server};
pub use turns::Turns;
pub use v1::UserApi;

/// Largest request message, in bytes: many times what the longest name and address need.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
