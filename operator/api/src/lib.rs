//! The `UserService` custom resource, `usersvc.dev/v1alpha1`.
//!
//! This crate holds types and their schema alone, so that clients can depend on it without an
//! operator or a Kubernetes client. Field documentation here is user documentation:
//! `kubectl explain userservice` prints it.

mod crd;
mod quantity;
mod spec;
mod status;

pub use crd::crd;
pub use quantity::Quantity;
pub use spec::{
    EventsSpec, LogLevel, MemoryStorage, PodSpec, ResourceLimits, ResourceRequests, ResourcesSpec,
    ServerSpec, StdoutEvents, StorageSpec, TelemetrySpec, UserService, UserServiceSpec,
};
pub use status::{UserServiceStatus, condition};
