//! Takes changed files into force while the process runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use user_settings::Tls;

use super::files::{Files, TlsError, Usable};
use crate::telemetry::{Event, Journal};

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
    journal: Journal,
}

impl Reloader {
    /// Reads the files for the first time; with the receiver comes what is in force at any moment.
    pub(super) fn start(
        settings: &Tls,
        journal: Journal,
    ) -> Result<(Self, watch::Receiver<Arc<ServerConfig>>), TlsError> {
        let in_force = Files::read(settings)?;
        let usable = in_force.usable(settings)?;
        journal.tell(Event::CertificateInForce(usable.expires));
        let (config, receiver) = watch::channel(usable.config);
        let reloader = Self {
            settings: settings.clone(),
            seen: Ok(in_force.clone()),
            in_force,
            settled: true,
            config,
            journal,
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
                self.journal.tell(Event::CertificateRestored);
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
            Err(problem) => self.journal.tell(Event::CertificateRefused(&problem)),
        }
    }

    fn take(&mut self, files: Files, usable: Usable) {
        self.in_force = files;
        self.journal
            .tell(Event::CertificateReloaded(usable.expires));
        self.config.send_replace(usable.config);
    }
}
