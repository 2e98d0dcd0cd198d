//! How the producer is set up.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use secrecy::ExposeSecret as _;
use user_settings::{Kafka, SaslMechanism, SecurityProtocol};

use crate::{ConfigError, PerEvent, credentials};

/// How long a record may wait for others to go with it.
const LINGER: Duration = Duration::from_millis(5);

/// Largest batch. A broker that finds a batch too large refuses all its records, and each is tried again alone, so a
/// batch is kept far below what topics usually take (Kafka's default is 1 MiB).
const BATCH_BYTES: usize = 64 * 1024;

/// Most records in the queue, five times what a relay has in hand, and what they may take together. The library's own
/// default is 1 GiB.
const QUEUE_RECORDS: usize = 10_000;
const QUEUE_KIBIBYTES: usize = 16 * 1024;

/// Between two reports of statistics.
const STATISTICS_EVERY: Duration = Duration::from_secs(10);

/// What the library's own clock may add to the delivery timeout, which it looks at once a second.
const SLACK: Duration = Duration::from_secs(2);

/// Names for one type of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// Where events go; its subject at the registry is `NAME-value`.
    pub events: String,
    /// Where events go that are given up.
    pub dead_letters: String,
}

/// The topics of each type of event.
pub type Topics = PerEvent<TopicNames>;

/// How to reach the broker, and what to say to it.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// What this client is called in the broker's logs, metrics and quotas: the pod's name.
    pub client_id: String,
    /// How the connection is protected.
    pub protocol: SecurityProtocol,
    /// How we say who we are, with [`SecurityProtocol::SaslSsl`].
    pub mechanism: SaslMechanism,
    /// Folder with `username`, `password`, `ca.crt`, `tls.crt`, `tls.key`, as far as the protocol needs them. Without
    /// `ca.crt` the system's authorities are trusted; `tls.crt` and `tls.key` make TLS mutual.
    pub credentials_directory: PathBuf,
    /// How long an attempt may take; below the lease of the relay.
    pub delivery_timeout: Duration,
    /// Where events go.
    pub topics: Topics,
}

impl KafkaOptions {
    /// The options that these settings mean.
    pub fn new(settings: &Kafka, client_id: String) -> Self {
        Self {
            bootstrap_servers: settings.bootstrap_servers.clone(),
            client_id,
            protocol: settings.security_protocol,
            mechanism: settings.sasl_mechanism,
            credentials_directory: settings.credentials_directory.clone(),
            delivery_timeout: settings.delivery_timeout,
            topics: PerEvent::from_fn(|event_type| TopicNames {
                events: settings.topic(event_type),
                dead_letters: settings.dead_letter_topic(event_type),
            }),
        }
    }

    /// After how long an attempt to publish has ended, whatever happens: the delivery timeout and a little more. A
    /// relay's lease has to be longer.
    pub fn publish_within(&self) -> Duration {
        self.delivery_timeout.saturating_add(SLACK)
    }

    /// The properties of a producer, by the names of librdkafka's `CONFIGURATION.md`.
    ///
    /// # Errors
    /// A file is missing or unreadable.
    pub(crate) fn producer(&self) -> Result<Properties, ConfigError> {
        let timeout = self.delivery_timeout.as_millis();
        let mut properties = ClientConfig::new();
        properties
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", &self.client_id)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            // As clients in Java choose; the library's default is another hash.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", LINGER.as_millis().to_string())
            .set("batch.size", BATCH_BYTES.to_string())
            .set("message.timeout.ms", timeout.to_string())
            .set("request.timeout.ms", timeout.to_string())
            .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIBIBYTES.to_string())
            // Topics are the operator's.
            .set("allow.auto.create.topics", "false")
            // After an outage, and after a topic was made, go on within seconds.
            .set("reconnect.backoff.max.ms", "2000")
            .set("topic.metadata.refresh.interval.ms", "15000")
            .set("topic.metadata.propagation.max.ms", "5000")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false")
            // Brokers get no telemetry of ours.
            .set("enable.metrics.push", "false")
            .set(
                "statistics.interval.ms",
                STATISTICS_EVERY.as_millis().to_string(),
            )
            .set("security.protocol", self.protocol.as_str());
        match self.protocol {
            SecurityProtocol::Plaintext => {}
            SecurityProtocol::Ssl => self.tls(&mut properties)?,
            SecurityProtocol::SaslSsl => {
                self.tls(&mut properties)?;
                self.sasl(&mut properties)?;
            }
        }
        Ok(Properties(properties))
    }

    fn tls(&self, properties: &mut ClientConfig) -> Result<(), ConfigError> {
        let directory = &self.credentials_directory;
        let mut set = |key: &str, path: PathBuf| {
            properties.set(key, path.to_string_lossy());
        };
        if let Some(path) = credentials::existing(directory, "ca.crt")? {
            set("ssl.ca.location", path);
        }
        let certificate = credentials::existing(directory, "tls.crt")?;
        let key = credentials::existing(directory, "tls.key")?;
        if certificate.is_some() || key.is_some() {
            set(
                "ssl.certificate.location",
                credentials::required(directory, "tls.crt")?,
            );
            set(
                "ssl.key.location",
                credentials::required(directory, "tls.key")?,
            );
        }
        Ok(())
    }

    fn sasl(&self, properties: &mut ClientConfig) -> Result<(), ConfigError> {
        let directory = &self.credentials_directory;
        credentials::required(directory, "username")?;
        if let Some(login) = credentials::login(directory)? {
            properties
                .set("sasl.mechanism", self.mechanism.as_str())
                .set("sasl.username", login.username)
                .set("sasl.password", login.password.expose_secret());
        }
        Ok(())
    }
}

/// The properties of a producer. `Debug` shows none of them, since one is a password.
#[derive(Clone)]
pub(crate) struct Properties(pub(crate) ClientConfig);

impl Properties {
    /// The same, with each record in a batch of its own. It reports no statistics, which would be taken for those of the
    /// producer beside it.
    pub(crate) fn one_by_one(&self) -> Self {
        let mut properties = self.0.clone();
        properties
            .set("batch.num.messages", "1")
            .set("linger.ms", "0")
            .set("statistics.interval.ms", "0");
        Self(properties)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A folder of its own for each test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("kafka-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            for (file, text) in files {
                std::fs::write(path.join(file), text).unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn options(protocol: SecurityProtocol, directory: &Path) -> KafkaOptions {
        let settings = Kafka {
            bootstrap_servers: "a:9092,b:9092".to_owned(),
            topic_prefix: "users.".to_owned(),
            security_protocol: protocol,
            credentials_directory: directory.to_owned(),
            ..Kafka::default()
        };
        KafkaOptions::new(&settings, "users-0".to_owned())
    }

    #[test]
    fn what_is_sent_is_durable_ordered_and_bounded() {
        let options = options(SecurityProtocol::Plaintext, Path::new("/nowhere"));
        let Properties(properties) = options.producer().unwrap();
        for (key, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("partitioner", "murmur2_random"),
            ("message.timeout.ms", "8000"),
            ("allow.auto.create.topics", "false"),
            ("security.protocol", "PLAINTEXT"),
        ] {
            assert_eq!(properties.get(key), Some(value), "{key}");
        }
        properties.create_native_config().expect("known properties");
        assert_eq!(options.publish_within(), Duration::from_secs(10));
    }

    #[test]
    fn topics_come_from_the_settings() {
        let topics = options(SecurityProtocol::Plaintext, Path::new("/nowhere")).topics;
        assert_eq!(topics.created.events, "users.user.created");
        assert_eq!(topics.updated.dead_letters, "users.user.updated.dlq");
    }

    #[test]
    fn credentials_come_from_files_and_are_in_no_debug_output() {
        let files = [
            ("username", "users\n"),
            ("password", "hunter2\n"),
            ("ca.crt", "x"),
        ];
        let folder = Folder::with("credentials", &files);
        let options = options(SecurityProtocol::SaslSsl, &folder.0);
        let properties = options.producer().unwrap();
        assert_eq!(properties.0.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(properties.0.get("sasl.username"), Some("users"));
        assert_eq!(properties.0.get("sasl.password"), Some("hunter2"));
        let authority = folder.0.join("ca.crt");
        assert_eq!(properties.0.get("ssl.ca.location"), authority.to_str());
        let shown = format!("{options:?} {properties:?} {:?}", properties.0);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_missing_file_is_named() {
        for (name, files, missing) in [
            ("nobody", &[("password", "x")][..], "username"),
            ("silent", &[("username", "x")], "password"),
            (
                "keyless",
                &[("username", "x"), ("password", "x"), ("tls.crt", "x")],
                "tls.key",
            ),
        ] {
            let folder = Folder::with(name, files);
            let error = options(SecurityProtocol::SaslSsl, &folder.0)
                .producer()
                .unwrap_err();
            let ConfigError::File { path, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(path, folder.0.join(missing));
        }
    }
}
