//! The user service: composition root.
//!
//! [`Service::bind`] wires adapters to use cases and takes the ports; [`Service::run`] serves until it is told to stop
//! and then stops in order. The binary adds the command line, the environment, signals and the log.

mod admin;
mod build;
mod calls;
pub mod cli;
mod commands;
mod config;
mod connection;
mod database;
mod descriptors;
mod environment;
mod error;
mod grpc;
mod health;
mod kafka;
mod lifecycle;
mod limits;
mod listener;
mod metrics;
mod peers;
mod relay;
mod rewind;
mod routes;
mod serve;
mod signals;
mod streams;
mod task;
mod telemetry;
mod tls;
mod wiring;
mod workers;

pub use error::ServiceError;
pub use lifecycle::{Service, Stopped};
pub use tls::TlsError;
