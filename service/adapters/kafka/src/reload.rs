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
use crate::error::ConfigError;
use crate::observer::ProducerObserver;
use crate::producers::Producers;
use crate::telemetry;

/// All that is read of the folder, by whatever protocol.
const FILES: [&str; 5] = ["username", "password", "ca.crt", "tls.crt", "tls.key"];

/// Most bytes of a file: what a Secret holds at most.
const MAX_SIZE: u64 = 1024 * 1024;

/// Most looks between two attempts with the same files, which may have failed for a reason that passes, as when they were
/// read while somebody wrote them.
const LONGEST_PAUSE: u32 = 64;

/// Looks at the files. What they hold is compared by a digest, so that no copy of a secret is kept for it.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    options: KafkaOptions,
    hasher: RandomState,
    in_force: u64,
    seen: u64,
    /// How many looks to let pass before something is done about what was seen; none if nothing is to be done.
    pause: Option<u32>,
    /// How often what was seen could not be used.
    failures: u32,
    /// Why not, as was last told of it.
    told: Option<String>,
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
            pause: None,
            failures: 0,
            told: None,
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
                let renew = |options: &KafkaOptions| producers.renew(&options.producer()?);
                if let Some(outcome) = self.look(renew) {
                    self.tell(producers.observer(), outcome);
                }
                Some(self)
            });
            let Ok(Some(watch)) = look.await else { return };
            self = watch;
        }
    }

    /// Acts on what is read twice in a row: files that are read one after the other while somebody writes them may not
    /// belong together. What came of it, if it did.
    fn look(
        &mut self,
        renew: impl FnOnce(&KafkaOptions) -> Result<(), ConfigError>,
    ) -> Option<Result<(), ConfigError>> {
        let now = digest(&self.hasher, &self.options.credentials_directory);
        if self.seen != now {
            self.seen = now;
            self.pause = Some(0);
            self.failures = 0;
            self.told = None;
            return None;
        }
        let pause = self.pause?;
        self.pause = pause.checked_sub(1);
        if pause > 0 || now == self.in_force {
            return None;
        }
        let renewed = renew(&self.options);
        if renewed.is_ok() {
            self.in_force = now;
        } else {
            self.failures = self.failures.saturating_add(1);
            let pause = 2_u32.saturating_pow(self.failures).min(LONGEST_PAUSE);
            self.pause = Some(pause);
        }
        Some(renewed)
    }

    /// Says once of the same files that they cannot be used, and again only if it is for another reason.
    fn tell(&mut self, observer: &impl ProducerObserver, outcome: Result<(), ConfigError>) {
        match outcome {
            Ok(()) => telemetry::credentials_in_force(observer),
            Err(error) => {
                let why = error.to_string();
                if self.told.as_ref() == Some(&why) {
                    return;
                }
                self.told = Some(why);
                telemetry::credentials_refused(observer, &error);
            }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use user_settings::Kafka;

    use super::*;

    /// A folder of its own for each test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("reload-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, text: &str) {
            std::fs::write(self.0.join("password"), text).unwrap();
        }

        fn watch(&self) -> Watch {
            let settings = Kafka {
                credentials_directory: self.0.clone(),
                ..Kafka::default()
            };
            Watch::begin(&KafkaOptions::new(&settings, "test".to_owned()))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn unusable(_: &KafkaOptions) -> Result<(), ConfigError> {
        Err(ConfigError::File {
            path: PathBuf::from("tls.crt"),
            source: ErrorKind::UnexpectedEof.into(),
        })
    }

    #[derive(Default)]
    struct Told(Cell<u32>, Cell<u32>);

    impl Told {
        fn look(&self, watch: &mut Watch, is_usable: bool) {
            let renew = if is_usable { |_: &_| Ok(()) } else { unusable };
            match watch.look(renew) {
                Some(Ok(())) => self.0.set(self.0.get() + 1),
                Some(Err(_)) => self.1.set(self.1.get() + 1),
                None => {}
            }
        }

        fn times(&self) -> (u32, u32) {
            (self.0.get(), self.1.get())
        }
    }

    #[test]
    fn files_that_could_not_be_used_are_tried_again_without_another_change() {
        let folder = Folder::new("again");
        folder.write("old");
        let (mut watch, told) = (folder.watch(), Told::default());
        told.look(&mut watch, true);
        assert_eq!(told.times(), (0, 0), "nothing has changed");
        folder.write("new");
        told.look(&mut watch, false);
        assert_eq!(told.times(), (0, 0), "it may still be written");
        told.look(&mut watch, false);
        assert_eq!(told.times(), (0, 1));
        for _ in 0..3 {
            told.look(&mut watch, true);
        }
        assert_eq!(told.times(), (1, 1));
        for _ in 0..1000 {
            told.look(&mut watch, true);
        }
        assert_eq!(told.times(), (1, 1), "what is in force stays");
    }

    #[test]
    fn attempts_with_the_same_files_become_rarer_and_do_not_cease() {
        let folder = Folder::new("rarer");
        folder.write("old");
        let (mut watch, told) = (folder.watch(), Told::default());
        folder.write("new");
        let looks = 2000;
        for _ in 0..looks {
            told.look(&mut watch, false);
        }
        let (_, failed) = told.times();
        let most = looks / LONGEST_PAUSE + 6;
        assert!(failed > looks / (LONGEST_PAUSE + 2), "{failed}");
        assert!(failed < most, "{failed}");

        folder.write("old");
        for _ in 0..looks {
            told.look(&mut watch, false);
        }
        assert_eq!(told.times(), (0, failed), "what is in force is there again");
    }

    #[derive(Default)]
    struct Observer(AtomicU32);

    impl ProducerObserver for Observer {
        fn reloaded(&self, in_force: bool) {
            assert!(!in_force);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Observer {
        fn looks(&self, watch: &mut Watch, why: fn(&KafkaOptions) -> Result<(), ConfigError>) {
            for _ in 0..2000 {
                if let Some(outcome) = watch.look(why) {
                    watch.tell(self, outcome);
                }
            }
        }

        fn told(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_failure_is_told_once_until_its_reason_or_the_files_change() {
        let folder = Folder::new("told");
        folder.write("old");
        let (mut watch, observer) = (folder.watch(), Observer::default());
        folder.write("new");
        observer.looks(&mut watch, unusable);
        assert_eq!(observer.told(), 1);
        let refused = |_: &KafkaOptions| Err(ConfigError::Property("sasl.password".to_owned()));
        observer.looks(&mut watch, refused);
        assert_eq!(observer.told(), 2, "another reason");
        folder.write("newer");
        observer.looks(&mut watch, refused);
        assert_eq!(observer.told(), 3, "other files");
    }
}
