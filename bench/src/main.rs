//! What the way of a user and its event costs, beside what the database and the broker cost by themselves.
//!
//! Runs against the real servers on loopback. Every figure stands next to a baseline from the same run, since absolute
//! numbers move with the machine.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod delay;
mod figures;
mod outbox;
mod servers;
mod writes;

use anyhow::Result;

use crate::servers::Servers;

#[tokio::main]
async fn main() -> Result<()> {
    let servers = Servers::from_environment()?;
    println!("database: {}", servers.database_name);
    writes::run(&servers).await?;
    outbox::run(&servers).await?;
    delay::run(&servers).await?;
    Ok(())
}
