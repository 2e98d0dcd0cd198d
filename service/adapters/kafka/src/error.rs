//! What goes wrong, and whose fault it is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use user_application::PublishError;

/// Why a client of the broker or of the registry cannot be made. No secret is in the text.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file with a credential cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The Kafka library does not take a property; its value is left out, since it may be a secret.
    #[error("the Kafka client does not take this value of {0}")]
    Property(String),
    /// The Kafka library cannot make a producer of the properties.
    #[error("the Kafka client cannot be made: {0}")]
    Client(String),
    /// The address of the registry is none.
    #[error("the schema registry's address must be http:// or https://, a host and a path: {0}")]
    RegistryUrl(&'static str),
    /// A certificate or the trust in one cannot be set up.
    #[error("TLS to the schema registry cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<KafkaError> for ConfigError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, _, key, _) => Self::Property(key),
            KafkaError::ClientCreation(text) => Self::Client(text),
            other => Self::Client(
                other
                    .rdkafka_error_code()
                    .map_or_else(|| "invalid property".to_owned(), |code| code.to_string()),
            ),
        }
    }
}

/// Why a record was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The library or the broker says so.
    #[error("{code}{}", Meanwhile(.connection))]
    Failed {
        /// What it says.
        code: Code,
        /// What last went wrong with the client's connections, since the last acknowledgement, in the library's words.
        /// Without it a time-out would hide that, say, the password is wrong.
        connection: Option<String>,
    },
    /// Nobody said anything for as long as an attempt may take.
    #[error("no answer within {within:?}{}", Meanwhile(.connection))]
    Silent {
        /// How long that is.
        within: Duration,
        /// As above.
        connection: Option<String>,
    },
    /// The producer was replaced while the record waited in it.
    #[error("the producer was replaced")]
    Replaced,
    /// The producer has to be replaced, and cannot be.
    #[error("the producer cannot be replaced: {0}")]
    Irreplaceable(String),
}

struct Meanwhile<'a>(&'a Option<String>);

impl fmt::Display for Meanwhile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(trouble) => write!(f, "; the connection: {trouble}"),
            None => Ok(()),
        }
    }
}

/// The error as the port knows it.
///
/// Only what belongs to the record counts against it, since an event that fails often enough is given up. In doubt it is
/// an outage: that costs time and never an event. So a topic that does not exist, or that we may not write to, is an
/// outage of what was set up.
pub(crate) fn classified(error: DeliveryError) -> PublishError {
    let belongs = error.fault();
    let error = Box::new(error);
    match belongs {
        Fault::Elsewhere => PublishError::Unavailable(error),
        Fault::RecordForNow => PublishError::Refused(error),
        Fault::Record => PublishError::Unpublishable(error),
    }
}

impl DeliveryError {
    fn fault(&self) -> Fault {
        match self {
            Self::Failed { code, .. } => fault(*code),
            _ => Fault::Elsewhere,
        }
    }

    /// A word for it, one of [`FAILURES`].
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Failed { code, .. } => class(*code),
            Self::Silent { .. } | Self::Replaced => "timed_out",
            Self::Irreplaceable(_) => "fatal",
        }
    }

    /// Whether the record was refused, or another one of its batch: brokers mostly refuse a batch as a whole.
    pub(crate) fn is_refusal(&self) -> bool {
        self.fault() != Fault::Elsewhere
    }
}

/// All words for why a record was not acknowledged.
pub const FAILURES: [&str; 11] = [
    "authentication",
    "authorization",
    "connection",
    "fatal",
    "other",
    "queue_full",
    "refused",
    "timed_out",
    "too_few_replicas",
    "too_large",
    "unknown_topic",
];

/// Where an error belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Elsewhere,
    RecordForNow,
    Record,
}

const fn fault(code: Code) -> Fault {
    match code {
        // By the library's own check, or by the broker's.
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => Fault::Record,
        // The broker looked at the records and refused. Its own checks can be changed (the topic's configuration), and
        // a broker that does not say which of a batch it means has the whole batch refused.
        Code::InvalidRecord
        | Code::InvalidMessage
        | Code::MessageBatchTooLarge
        | Code::PolicyViolation => Fault::RecordForNow,
        // The time of a record is this machine's when it is sent, and its format the topic's: no fault of an event.
        // Time-outs, connections, authentication, authorization, leaders, replicas, quotas, queues, what is not known
        // yet; and `InvalidDifferentRecord`, which says that another record of the batch was refused.
        _ => Fault::Elsewhere,
    }
}

const fn class(code: Code) -> &'static str {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => "authentication",
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => "authorization",
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve => "connection",
        Code::Fatal => "fatal",
        Code::QueueFull => "queue_full",
        Code::InvalidRecord
        | Code::InvalidMessage
        | Code::InvalidDifferentRecord
        | Code::PolicyViolation => "refused",
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut => "timed_out",
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => "too_few_replicas",
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
            "too_large"
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            "unknown_topic"
        }
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::error::Error as _;

    use rdkafka::types::{RDKafkaConfRes, RDKafkaRespErr};

    use super::*;

    #[test]
    fn only_these_of_all_codes_belong_to_the_record() {
        let codes = (-200..=200).filter_map(|number| RDKafkaRespErr::try_from(number).ok());
        let mut seen = 0;
        let belonging: Vec<(Code, Fault)> = codes
            .inspect(|_| seen += 1)
            .map(Code::from)
            .map(|code| (code, fault(code)))
            .filter(|(_, fault)| *fault != Fault::Elsewhere)
            .collect();
        assert!(seen > 150, "{seen}");
        assert_eq!(
            belonging,
            [
                (Code::InvalidMessage, Fault::RecordForNow),
                (Code::InvalidMessageSize, Fault::Record),
                (Code::MessageSizeTooLarge, Fault::Record),
                (Code::MessageBatchTooLarge, Fault::RecordForNow),
                (Code::PolicyViolation, Fault::RecordForNow),
                (Code::InvalidRecord, Fault::RecordForNow),
            ]
        );
    }

    #[test]
    fn every_code_has_a_word_from_the_list_and_every_word_a_code() {
        let codes = (-200..=200).filter_map(|number| RDKafkaRespErr::try_from(number).ok());
        let words: BTreeSet<&str> = codes.map(|code| class(code.into())).collect();
        assert!(words.into_iter().eq(FAILURES));
    }

    #[test]
    fn a_time_out_says_what_the_connection_suffers_from() {
        let error = DeliveryError::Failed {
            code: Code::MessageTimedOut,
            connection: Some("SASL authentication error: Authentication failed".to_owned()),
        };
        let text = error.to_string();
        assert!(
            text.contains("timed out") && text.contains("Authentication"),
            "{text}"
        );
        let error = classified(error);
        assert!(matches!(error, PublishError::Unavailable(_)), "{error}");
        assert!(error.source().is_some());
    }

    #[test]
    fn a_refused_property_does_not_show_its_value() {
        let secret = || "hunter2".to_owned();
        let error = ConfigError::from(KafkaError::ClientConfig(
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            secret(),
            "sasl.password".to_owned(),
            secret(),
        ));
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains("sasl.password") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
