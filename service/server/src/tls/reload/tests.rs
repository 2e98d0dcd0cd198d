//! With files that are looked at when the tests say, at times that they say.

#![allow(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use user_settings::TlsMode;
use uuid::Uuid;

use super::*;

const NOW: Duration = Duration::from_hours(500_000);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

/// A folder with files for TLS, and what looks at them.
struct Watched {
    folder: PathBuf,
    reloader: Reloader,
    config: watch::Receiver<Arc<ServerConfig>>,
    journal: Journal,
}

impl Watched {
    /// Started a minute after a certificate became valid that is for a day.
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("user-service-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let settings = Tls {
            mode: TlsMode::Mutual,
            certificate_file: folder.join("tls.crt"),
            key_file: folder.join("tls.key"),
            client_ca_file: folder.join("ca.crt"),
            ..Tls::default()
        };
        write(&settings, NOW - MINUTE..=NOW + DAY);
        write_authority(&settings);
        let journal = Journal::of_command().unwrap();
        let (reloader, config) = Reloader::start(&settings, NOW, journal.clone()).unwrap();
        Self {
            folder,
            reloader,
            config,
            journal,
        }
    }

    /// Looks at the files as often as it takes to act on them.
    fn look(&mut self, now: Duration) {
        for _ in 0..2 {
            let files = Files::read(&self.reloader.settings);
            let files = files.map_err(|problem| problem.to_string());
            self.reloader.look(files, now);
        }
    }

    /// Whether others are in force than when this was asked before.
    fn is_replaced(&mut self) -> bool {
        let is_replaced = self.config.has_changed().unwrap();
        self.config.mark_unchanged();
        is_replaced
    }

    /// What the readiness says of it.
    fn told(&self) -> Value {
        self.journal.dependencies().detail()["tls"].clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes a certificate that is valid in this time.
fn write(settings: &Tls, validity: RangeInclusive<Duration>) {
    let (certificate, key) = issued(validity);
    fs::write(&settings.certificate_file, certificate).unwrap();
    fs::write(&settings.key_file, key).unwrap();
}

/// Writes a new authority of clients.
fn write_authority(settings: &Tls) {
    let (certificate, _) = issued(NOW..=NOW + DAY);
    fs::write(&settings.client_ca_file, certificate).unwrap();
}

/// A certificate and its key, in PEM form.
fn issued(validity: RangeInclusive<Duration>) -> (String, String) {
    let (from, to) = validity.into_inner();
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1970, 1, 1) + from;
    params.not_after = date_time_ymd(1970, 1, 1) + to;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn ready() -> Value {
    json!({"ready": true})
}

#[tokio::test]
async fn a_certificate_refused_for_its_time_is_taken_as_soon_as_it_is_valid() {
    let not_yet = NOW + MINUTE..=NOW + DAY;
    let not_any_more = NOW - DAY..=NOW - MINUTE;
    for (validity, refused, valid) in [
        (not_yet, NOW + MINUTE - SECOND, NOW + MINUTE),
        // By a clock that was ahead and is set right.
        (not_any_more, NOW - MINUTE + SECOND, NOW - MINUTE),
    ] {
        let mut watched = Watched::start();
        write(&watched.reloader.settings, validity);
        for now in [NOW, refused] {
            watched.look(now);
            assert!(!watched.is_replaced());
            let why = watched.told()["why"].to_string();
            assert!(why.contains("which is not now"), "{why}");
        }
        watched.look(valid);
        assert!(watched.is_replaced());
        assert_eq!(watched.told(), ready());
        watched.look(valid);
        assert!(!watched.is_replaced(), "once");
    }
}

#[tokio::test]
async fn what_can_never_be_used_is_not_tried_again_as_time_goes_by() {
    let mut watched = Watched::start();
    let settings = watched.reloader.settings.clone();
    write(&settings, NOW + MINUTE..=NOW + DAY);
    let other = KeyPair::generate().unwrap();
    fs::write(&settings.key_file, other.serialize_pem()).unwrap();
    watched.look(NOW);
    let why = watched.told()["why"].to_string();
    assert!(
        why.contains("certificate and key cannot be used"),
        "the key is wrong, whenever: {why}"
    );
    assert!(watched.reloader.untimely.is_none());
}

#[tokio::test]
async fn a_certificate_that_expires_in_force_stays_and_is_told_until_another_takes_its_place() {
    let mut watched = Watched::start();
    watched.look(NOW + DAY);
    assert_eq!(watched.told(), ready(), "its last second");
    let expired = json!({
        "ready": false,
        "why": format!("the certificate in force expired at {}", crate::telemetry::date(NOW + DAY)),
    });
    let late = NOW + DAY + SECOND;
    watched.look(late);
    assert_eq!(watched.told(), expired);

    let settings = watched.reloader.settings.clone();
    let before =
        [&settings.certificate_file, &settings.key_file].map(|file| fs::read(file).unwrap());
    write(&settings, NOW - DAY..=NOW - MINUTE);
    watched.look(late);
    assert_eq!(
        watched.told(),
        expired,
        "another that has expired does not help"
    );
    fs::write(&settings.certificate_file, &before[0]).unwrap();
    fs::write(&settings.key_file, &before[1]).unwrap();
    watched.look(late);
    assert_eq!(watched.told(), expired, "nor does the same");
    assert!(!watched.is_replaced());
    write_authority(&settings);
    watched.look(late);
    assert!(watched.is_replaced(), "it keeps no changed authorities out");
    assert_eq!(watched.told(), expired);

    write(&settings, NOW..=NOW + 2 * DAY);
    watched.look(late);
    assert!(watched.is_replaced());
    assert_eq!(watched.told(), ready());
}

#[tokio::test]
async fn a_certificate_that_expired_by_a_clock_that_was_ahead_is_well_when_that_is_set_right() {
    let mut watched = Watched::start();
    watched.look(NOW + 2 * DAY);
    assert_eq!(watched.told()["ready"], json!(false));
    watched.look(NOW);
    assert_eq!(watched.told(), ready());
    assert!(!watched.is_replaced());
}
