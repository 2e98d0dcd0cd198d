//! Takes changed files into force while the process runs.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use user_settings::Tls;

use super::files::{Files, TlsError, Usable};
use super::since_1970;
use crate::telemetry::{Event, Journal};

/// How often the files are read: a few kilobytes from memory where Secrets are mounted. Looking says the same on every
/// file system, and of a folder that is swapped by a symbolic link, as the kubelet does it.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the files again and again.
pub(super) struct Reloader {
    settings: Tls,
    in_force: Files,
    /// When its certificate is valid.
    validity: RangeInclusive<Duration>,
    /// Whether it was told that this is over.
    has_expired: bool,
    /// What was read last; a problem in its words.
    seen: Result<Files, String>,
    /// Whether something was done about it.
    settled: bool,
    /// When it is valid, if it was refused for nothing else than the time.
    untimely: Option<RangeInclusive<Duration>>,
    config: watch::Sender<Arc<ServerConfig>>,
    journal: Journal,
}

impl Reloader {
    /// Reads the files for the first time; with the receiver comes what is in force at any moment.
    pub(super) fn start(
        settings: &Tls,
        now: Duration,
        journal: Journal,
    ) -> Result<(Self, watch::Receiver<Arc<ServerConfig>>), TlsError> {
        let in_force = Files::read(settings)?;
        let usable = in_force.usable(settings)?.at(now)?;
        journal.tell(Event::CertificateInForce(*usable.validity.end()));
        let (config, receiver) = watch::channel(usable.config);
        let reloader = Self {
            settings: settings.clone(),
            seen: Ok(in_force.clone()),
            in_force,
            validity: usable.validity,
            has_expired: false,
            settled: true,
            untimely: None,
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
                let files = files.map_err(|problem| problem.to_string());
                self.look(files, since_1970());
            }
        }
    }

    /// Acts on what is read twice in a row: files that are read one after the other while somebody writes them may not
    /// belong together. And on the time.
    fn look(&mut self, files: Result<Files, String>, now: Duration) {
        let is_timely = self.untimely.as_ref().is_some_and(|at| at.contains(&now));
        if self.seen != files {
            self.seen = files;
            self.settled = false;
        } else if is_timely || !self.settled {
            self.settle(now);
        }
        self.look_at_expiry(now);
    }

    /// Takes what was read into force, or says why not.
    fn settle(&mut self, now: Duration) {
        self.settled = true;
        self.untimely = None;
        self.has_expired = false;
        let files = match &self.seen {
            Ok(files) => files.clone(),
            Err(problem) => return self.journal.tell(Event::CertificateRefused(problem)),
        };
        if files == self.in_force {
            return self.journal.tell(Event::CertificateRestored);
        }
        let usable = files.usable(&self.settings);
        // One that expired in force keeps no changed authorities out.
        let usable = if files.show_the_same(&self.in_force) {
            usable
        } else {
            usable.and_then(|usable| usable.at(now))
        };
        match usable {
            Ok(usable) => self.take(files, usable),
            Err(problem) => {
                self.journal
                    .tell(Event::CertificateRefused(&problem.to_string()));
                if let TlsError::NotValid { validity } = problem {
                    self.untimely = Some(validity);
                }
            }
        }
    }

    fn take(&mut self, files: Files, usable: Usable) {
        self.in_force = files;
        self.validity = usable.validity;
        self.config.send_replace(usable.config);
        self.journal
            .tell(Event::CertificateReloaded(*self.validity.end()));
    }

    /// Tells when what is in force expires. It stays in force, for there is nothing better.
    fn look_at_expiry(&mut self, now: Duration) {
        let expires = *self.validity.end();
        let has_expired = expires < now;
        if self.has_expired == has_expired {
            return;
        }
        self.has_expired = has_expired;
        if has_expired {
            self.journal.tell(Event::CertificateExpired(expires));
        } else {
            // By a clock that was ahead: what is true is found out anew.
            self.settled = false;
        }
    }
}

#[cfg(test)]
mod tests;
