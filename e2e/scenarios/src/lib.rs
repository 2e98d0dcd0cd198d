//! What every end-to-end scenario stands on: a real cluster, a namespace of its own, load, the
//! API server's audit log, and a bundle of evidence when something fails.

#![allow(clippy::print_stdout, reason = "figures belong to a scenario's output")]

pub mod audit;
pub mod backing;
pub mod bundle;
pub mod cert_manager;
pub mod chance;
pub mod cluster;
pub mod kubectl;
pub mod load;
pub mod once;
pub mod prove;
pub mod release;
pub mod scenario;
pub mod signal;
pub mod tls;
pub mod wait;
pub mod weather;

pub use scenario::{Scenario, scenario};
