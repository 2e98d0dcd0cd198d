//! End-to-end scenarios. They need the environment of `make e2e` and run one after the other:
//! some of them drain nodes and restart the operator.

#![allow(clippy::print_stdout, reason = "figures belong to a scenario's output")]

mod admission;
mod apiserver;
mod away;
mod certificate;
mod chart;
mod diagnosis;
mod events;
mod examples;
mod fields;
mod gitops;
mod leadership;
mod lifecycle;
mod loss;
mod network;
mod operator;
mod pause;
mod plugin;
mod poison;
mod removal;
mod rights;
mod scaling;
mod tls;
mod topics;
mod tracing;
mod traffic;
mod upgrade;

/// Runs the body in a namespace of its own; see [`scenarios::scenario()`].
async fn scenario(name: &str, body: impl AsyncFnOnce(&scenarios::Scenario) -> anyhow::Result<()>) {
    scenarios::scenario(name, env!("CARGO_TARGET_TMPDIR"), body).await;
}
