//! Termination signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use user_settings::exit_code;

/// SIGTERM and SIGINT from the moment this exists: a process that is PID 1 in a container would otherwise ignore them.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both signals over.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the first signal. A second one ends the process at once.
    pub(crate) async fn first(mut self) {
        let number = self.next().await;
        tracing::info!(signal = number, "asked to stop");
        tokio::spawn(async move {
            let number = self.next().await;
            tracing::warn!(signal = number, "asked to stop again: ending at once");
            let code = i32::from(exit_code::SIGNAL_BASE) + number;
            std::process::exit(code);
        });
    }

    /// The number of the next signal.
    async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        kind.as_raw_value()
    }
}
