//! Credentials that change while the publisher is in use.

use std::fs::File;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use user_settings::SecurityProtocol;

use crate::config::KafkaOptions;
use crate::observer::ProducerObserver;
use crate::producers::Producers;

/// All that is read of the folder, by whatever protocol.
const FILES: [&str; 5] = ["username", "password", "ca.crt", "tls.crt", "tls.key"];

/// Most bytes of a file: what a Secret holds at most.
const MAX_SIZE: u64 = 1024 * 1024;

/// Looks at the files. What they hold is compared by a digest, so that no copy of a secret is kept for it.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    options: KafkaOptions,
    hasher: RandomState,
    in_force: u64,
    seen: u64,
    /// Whether something was done about what was seen.
    settled: bool,
}

impl Watch {
    /// What the files hold now is what comes into force.
    pub(crate) fn begin(options: &KafkaOptions) -> Self {
        let hasher = RandomState::new();
        let now = digest(&hasher, &options.credentials_directory);
        Self {
            options: options.clone(),
            hasher,
            in_force: now,
            seen: now,
            settled: true,
        }
    }

    /// Looks as long as there are producers; at once over where there are no files.
    pub(crate) async fn run<W: ProducerObserver>(
        mut self,
        producers: Weak<Producers<W>>,
        every: Duration,
    ) {
        if self.options.protocol == SecurityProtocol::Plaintext {
            return;
        }
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let producers = producers.clone();
            let look = tokio::task::spawn_blocking(move || {
                let producers = producers.upgrade()?;
                self.look(&producers);
                Some(self)
            });
            let Ok(Some(watch)) = look.await else { return };
            self = watch;
        }
    }

    /// Acts on what is read twice in a row: files that are read one after the other while somebody writes them may not
    /// belong together.
    fn look<W: ProducerObserver>(&mut self, producers: &Producers<W>) {
        let now = digest(&self.hasher, &self.options.credentials_directory);
        if self.seen != now {
            self.seen = now;
            self.settled = false;
            return;
        }
        if std::mem::replace(&mut self.settled, true) || now == self.in_force {
            return;
        }
        let renewed = self
            .options
            .producer()
            .and_then(|properties| producers.renew(&properties));
        producers.observer().reloaded(renewed.is_ok());
        match renewed {
            Ok(()) => {
                self.in_force = now;
                tracing::info!("changed credentials of the brokers are in force");
            }
            Err(error) => tracing::warn!(
                %error,
                "changed credentials of the brokers cannot be used, the old ones stay in force"
            ),
        }
    }
}

fn digest(hasher: &RandomState, directory: &Path) -> u64 {
    let mut state = hasher.build_hasher();
    for name in FILES {
        read(&directory.join(name)).hash(&mut state);
    }
    state.finish()
}

fn read(path: &Path) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SIZE).read_to_end(&mut bytes))
        .map_err(|error: io::Error| error.kind())?;
    Ok(bytes)
}
