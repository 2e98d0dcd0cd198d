//! Takes changed files into force while the process runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use user_settings::Tls;

use super::files::{Files, TlsError, Usable};
use crate::metrics::TlsMetrics;

/// How often the files are read: a few kilobytes from memory where Secrets are mounted. Looking says the same on every
/// file system, and of a folder that is swapped by a symbolic link, as the kubelet does it.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the files again and again.
pub(super) struct Reloader {
    settings: Tls,
    in_force: Files,
    /// What was read last; a problem in its words.
    seen: Result<Files, String>,
    /// Whether something was done about it.
    settled: bool,
    config: watch::Sender<Arc<ServerConfig>>,
    metrics: TlsMetrics,
}

impl Reloader {
    /// Reads the files for the first time; with the receiver comes what is in force at any moment.
    pub(super) fn start(
        settings: &Tls,
        metrics: TlsMetrics,
    ) -> Result<(Self, watch::Receiver<Arc<ServerConfig>>), TlsError> {
        let in_force = Files::read(settings)?;
        let usable = in_force.usable(settings)?;
        metrics.in_force(usable.expires);
        tracing::info!(expires = %expiry(&usable), "TLS certificate in force");
        let (config, receiver) = watch::channel(usable.config);
        let reloader = Self {
            settings: settings.clone(),
            seen: Ok(in_force.clone()),
            in_force,
            settled: true,
            config,
            metrics,
        };
        Ok((reloader, receiver))
    }

    /// Looks until stopped.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let settings = self.settings.clone();
            // Fails only while the runtime goes down.
            if let Ok(files) = tokio::task::spawn_blocking(move || Files::read(&settings)).await {
                self.look(files.map_err(|problem| problem.to_string()));
            }
        }
    }

    /// Acts on what is read twice in a row: files that are read one after the other while somebody writes them may not
    /// belong together.
    fn look(&mut self, files: Result<Files, String>) {
        if self.seen != files {
            self.seen = files;
            self.settled = false;
            return;
        }
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let usable = match &self.seen {
            Ok(files) if *files == self.in_force => {
                self.metrics.restored();
                return;
            }
            Ok(files) => files
                .usable(&self.settings)
                .map(|usable| (files.clone(), usable))
                .map_err(|problem| problem.to_string()),
            Err(problem) => Err(problem.clone()),
        };
        match usable {
            Ok((files, usable)) => self.take(files, usable),
            Err(problem) => {
                tracing::warn!(
                    problem,
                    "changed TLS files cannot be used, the old ones stay in force"
                );
                self.metrics.refused();
            }
        }
    }

    fn take(&mut self, files: Files, usable: Usable) {
        self.in_force = files;
        self.metrics.reloaded(usable.expires);
        tracing::info!(expires = %expiry(&usable), "changed TLS files are in force");
        self.config.send_replace(usable.config);
    }
}

fn expiry(usable: &Usable) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(std::time::SystemTime::UNIX_EPOCH + usable.expires)
}
