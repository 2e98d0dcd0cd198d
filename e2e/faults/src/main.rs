//! The proxy as a process.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use mongodb_faults::{Rules, router, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Stands between clients and MongoDB's wire, and breaks the calls that its rules name. For tests only.
#[derive(Debug, Parser)]
#[command(name = "mongodb-faults", version)]
struct Arguments {
    /// Where clients connect, with directConnection=true.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where the database is.
    #[arg(long, value_name = "HOST:PORT")]
    upstream: String,
    /// Where the rules are set over HTTP: PUT, GET and DELETE of /faults.
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: SocketAddr,
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
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let clients = TcpListener::bind(arguments.listen).await?;
        let control = TcpListener::bind(arguments.control).await?;
        tracing::info!(
            listen = %clients.local_addr()?,
            control = %control.local_addr()?,
            upstream = arguments.upstream,
            "breaking what the rules name"
        );
        let rules = Arc::new(Rules::default());
        let stop = CancellationToken::new();
        let proxy = serve(
            clients,
            arguments.upstream,
            Arc::clone(&rules),
            stop.clone(),
        );
        tokio::select! {
            () = proxy => Ok(()),
            served = async { axum::serve(control, router(rules)).await } => served,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    });
    runtime.shutdown_background();
    ended
}
