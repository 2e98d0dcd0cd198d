//! MongoDB's wire over the `DocumentDB` engine, for tests on machines where no mongod can be had. It is a double of the
//! wire and not MongoDB: one server without replication behind the face of a replica set.

mod command;
mod commands;
mod concerns;
mod cursors;
mod duplicate;
mod engine;
mod failure;
mod handshake;
mod operation;
mod pool;
mod serve;
mod server;
mod sessions;
mod sqlstate;
mod transactions;
mod wire;

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::pool::Pool;
use crate::server::Server;

/// Speaks MongoDB's wire over the `DocumentDB` engine. A test double: NOT MongoDB.
#[derive(Debug, Parser)]
#[command(name = "mongodb-gateway", version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where clients are told to find the only member of the replica set.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: String,
    /// Where `PostgreSQL` with the extension is, as libpq writes it.
    #[arg(long, value_name = "CONNINFO")]
    postgres: String,
    /// Most connections of clients at a time.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Most connections to `PostgreSQL` at a time; three quarters may be held by transactions. Those of a client that died
    /// are held for a minute, which nobody else is to wait for: four pods' pools, 64 each, may be held.
    #[arg(long, default_value_t = 344)]
    engine_connections: usize,
}

/// Why it could not run.
#[derive(Debug, thiserror::Error)]
enum GatewayError {
    #[error("--postgres cannot be read: {0}")]
    Config(tokio_postgres::Error),
    #[error("the engine cannot be reached")]
    Engine(#[source] tokio_postgres::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "stopped");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), GatewayError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let config = engine::config(&arguments.postgres).map_err(GatewayError::Config)?;
        // To tell at once that the engine is not there, instead of at the first command.
        let probe = engine::Engine::connect(&config).await;
        drop(probe.map_err(GatewayError::Engine)?);
        let listener = TcpListener::bind(arguments.listen).await?;
        let pool = Arc::new(Pool::new(config, arguments.engine_connections));
        let server = Arc::new(Server::new(pool, arguments.advertise));
        tracing::warn!("{}", handshake::NOTICE);
        tracing::info!(address = %listener.local_addr()?, "listening");
        let stop = CancellationToken::new();
        let serving = serve::serve(listener, server, arguments.connections, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => return Ok(()),
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        stop.cancel();
        serving.await;
        Ok(())
    })
}
