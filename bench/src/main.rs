//! What the way of a user and its event costs, beside what the database and the broker cost by themselves, and what a
//! call costs beside a bare server.
//!
//! Runs against real servers and processes on loopback. Every figure stands next to a baseline from the same run, since
//! absolute numbers move with the machine.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod delay;
mod figures;
mod grpc;
mod load;
mod machine;
mod operator;
mod outbox;
mod plan;
mod process;
mod servers;
mod writes;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tokio::runtime::{Builder, Runtime};

use crate::servers::Servers;

/// Measures what the user service costs, each figure beside a baseline of the same run.
///
/// `make bench` builds what is measured and starts the database and the broker that the first three parts need.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; without any, everything in this order.
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Creating users in the database, beside the bare driver
    Writes,
    /// Emptying an outbox into Kafka, beside a bare producer
    Outbox,
    /// From the commit of an event to its acknowledgement
    Delay,
    /// One pass of the operator over a resource, beside the JSON of its children
    Plan,
    /// The operator's memory and time to start with thousands of resources, on the bed's cluster
    Operator,
    /// A thousand resources from nothing to pods that run, on the bed's cluster, beside a loop that only writes
    Converge,
    /// Passes, reads and writes of the operator for each kind of change, on the bed's cluster, beside the fewest writes
    Change,
    /// Calls of the service, beside a bare server and one in Go
    Grpc,
    /// More calls than it can answer, in half a minute
    Overload,
}

fn main() -> Result<()> {
    let parts = Arguments::parse().parts;
    machine::show()?;
    for part in Part::value_variants() {
        if parts.is_empty() || parts.contains(part) {
            run(*part)?;
        }
    }
    Ok(())
}

fn run(part: Part) -> Result<()> {
    match part {
        Part::Writes => Runtime::new()?.block_on(writes::run(&servers()?)),
        Part::Outbox => Runtime::new()?.block_on(outbox::run(&servers()?)),
        Part::Delay => Runtime::new()?.block_on(delay::run(&servers()?)),
        Part::Plan => plan::run(),
        Part::Operator => Runtime::new()?.block_on(operator::footprint()),
        Part::Converge => Runtime::new()?.block_on(operator::converge()),
        Part::Change => Runtime::new()?.block_on(operator::change()),
        // Last, since it leaves a core to the servers for good. The generator is this thread and no other.
        Part::Grpc => one_thread()?.block_on(grpc::run()),
        Part::Overload => one_thread()?.block_on(grpc::overload()),
    }
}

fn one_thread() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn servers() -> Result<Servers> {
    let servers = Servers::from_environment()?;
    println!("\ndatabase: {}", servers.database_name);
    Ok(servers)
}
