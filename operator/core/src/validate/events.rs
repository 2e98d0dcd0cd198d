use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use operator_api::{EventsSpec, GrowPartitions, KafkaEvents, SchemaId, SchemaRegistry, TopicsSpec};
use user_settings::{
    Events, KAFKA_CREDENTIALS_DIRECTORY, SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY, SaslMechanism,
    SchemaIdLocation, SecurityProtocol, Settings,
};

use super::{Broken, checks};
use crate::{
    secrets::{Need, SecretFile, SecretMount},
    topics::{self, DesiredTopics},
};

/// Volume with the credentials of the brokers.
pub(super) const VOLUME: &str = "kafka";

const SERVERS: RangeInclusive<usize> = 1..=16;
const SERVER_LENGTH: RangeInclusive<usize> = 1..=127;
const PREFIX_LENGTH: RangeInclusive<usize> = 0..=200;
const URL_LENGTH: RangeInclusive<usize> = 1..=2048;
const PARTITIONS: RangeInclusive<u32> = 1..=1000;
const REPLICAS: RangeInclusive<u32> = 1..=32;
const RETENTION: RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(24 * 3650);

/// Reads `spec.events` into the settings, and what the pods need from Secrets into `mounts`.
/// Answers which topics there shall be, if events go to Kafka.
pub(super) fn read(
    events: Option<&EventsSpec>,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) -> Option<DesiredTopics> {
    let events = events?;
    match (&events.stdout, &events.kafka) {
        (Some(_), None) => None,
        (None, Some(kafka)) => {
            settings.events = Events::Kafka;
            read_connection(kafka, settings, broken);
            read_credentials(kafka, mounts, broken);
            if let Some(registry) = &kafka.schema_registry {
                read_registry(registry, settings, mounts, broken);
            }
            Some(read_topics(&kafka.topics, settings, broken))
        }
        _ => {
            broken.add(
                "spec.events",
                "exactly one publisher must be named: stdout or kafka",
            );
            None
        }
    }
}

fn read_connection(spec: &KafkaEvents, settings: &mut Settings, broken: &mut Broken) {
    const SERVERS_FIELD: &str = "spec.events.kafka.bootstrapServers";
    if !SERVERS.contains(&spec.bootstrap_servers.len()) {
        broken.add(SERVERS_FIELD, "1 to 16 brokers must be named");
    }
    for server in &spec.bootstrap_servers {
        if !is_server(server) {
            broken.add(
                SERVERS_FIELD,
                format!("{server:?} is no host:port with at most 127 characters"),
            );
        }
    }
    let prefix = spec.topic_prefix.clone().unwrap_or_default();
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !checks::text(&prefix, PREFIX_LENGTH, accepted) {
        broken.add(
            "spec.events.kafka.topicPrefix",
            "must be at most 200 letters, digits, '.', '_' or '-'",
        );
    }
    let kafka = &mut settings.kafka;
    kafka.bootstrap_servers = spec.bootstrap_servers.join(",");
    kafka.topic_prefix = prefix;
    kafka.security_protocol = match spec.security_protocol {
        operator_api::SecurityProtocol::Plaintext => SecurityProtocol::Plaintext,
        operator_api::SecurityProtocol::Ssl => SecurityProtocol::Ssl,
        operator_api::SecurityProtocol::SaslSsl => SecurityProtocol::SaslSsl,
    };
    kafka.sasl_mechanism = match spec.sasl_mechanism {
        operator_api::SaslMechanism::ScramSha512 => SaslMechanism::ScramSha512,
        operator_api::SaslMechanism::ScramSha256 => SaslMechanism::ScramSha256,
        operator_api::SaslMechanism::Plain => SaslMechanism::Plain,
    };
}

/// `host:port` or `[address]:port`.
fn is_server(server: &str) -> bool {
    let Some((host, port)) = server.rsplit_once(':') else {
        return false;
    };
    let is_port = !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    let edge = |c: char| c.is_ascii_alphanumeric();
    let is_name = host.starts_with(edge)
        && host.ends_with(edge)
        && host.chars().all(|c| edge(c) || matches!(c, '.' | '-'));
    let is_address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| {
            !address.is_empty()
                && address
                    .chars()
                    .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'))
        });
    SERVER_LENGTH.contains(&server.len()) && is_port && (is_name || is_address)
}

fn read_credentials(spec: &KafkaEvents, mounts: &mut Vec<SecretMount>, broken: &mut Broken) {
    use operator_api::SecurityProtocol::{Plaintext, SaslSsl, Ssl};
    const FIELD: &str = "spec.events.kafka.credentials";
    let mut files = vec![
        SecretFile::reloaded("ca.crt", Need::Optional),
        SecretFile::reloaded("tls.crt", Need::With("tls.key")),
        SecretFile::reloaded("tls.key", Need::With("tls.crt")),
    ];
    let credentials = match (spec.security_protocol, &spec.credentials) {
        (Plaintext, Some(_)) => {
            broken.add(
                FIELD,
                "credentials are of no use with PLAINTEXT: set securityProtocol",
            );
            return;
        }
        (SaslSsl, None) => {
            broken.add(FIELD, "credentials must be named with SASL_SSL");
            return;
        }
        (Plaintext | Ssl, None) => return,
        (Ssl, Some(credentials)) => credentials,
        (SaslSsl, Some(credentials)) => {
            files.push(SecretFile::named("username", Need::Always));
            files.push(SecretFile::named("password", Need::Always));
            credentials
        }
    };
    checks::secret(FIELD, &credentials.secret, broken);
    mounts.push(SecretMount {
        field: FIELD,
        volume: VOLUME,
        secret: credentials.secret.clone(),
        directory: KAFKA_CREDENTIALS_DIRECTORY,
        files,
        serves_only: true,
        is_issued: false,
    });
}

fn read_registry(
    spec: &SchemaRegistry,
    settings: &mut Settings,
    mounts: &mut Vec<SecretMount>,
    broken: &mut Broken,
) {
    let scheme = ["http://", "https://"]
        .iter()
        .find_map(|scheme| spec.url.strip_prefix(scheme));
    let accepted = |c: char| c != '@' && !c.is_whitespace();
    if scheme.is_none_or(str::is_empty) || !checks::text(&spec.url, URL_LENGTH, accepted) {
        broken.add(
            "spec.events.kafka.schemaRegistry.url",
            "must be an address that begins with http:// or https:// and holds no credentials",
        );
    }
    settings.kafka.schema_registry_url.clone_from(&spec.url);
    settings.kafka.schema_id = match spec.schema_id {
        SchemaId::Prefix => SchemaIdLocation::Prefix,
        SchemaId::Header => SchemaIdLocation::Header,
    };
    if let Some(credentials) = &spec.credentials {
        const FIELD: &str = "spec.events.kafka.schemaRegistry.credentials";
        checks::secret(FIELD, &credentials.secret, broken);
        mounts.push(SecretMount {
            field: FIELD,
            volume: "schema-registry",
            secret: credentials.secret.clone(),
            directory: SCHEMA_REGISTRY_CREDENTIALS_DIRECTORY,
            files: vec![
                // Pods that run need the registry no more, and who waits for it reads its files anew.
                SecretFile::reloaded("ca.crt", Need::Optional),
                SecretFile::named("username", Need::With("password")),
                SecretFile::named("password", Need::With("username")),
            ],
            serves_only: false,
            is_issued: false,
        });
    }
}

fn read_topics(spec: &TopicsSpec, settings: &Settings, broken: &mut Broken) -> DesiredTopics {
    const MIN_IN_SYNC: &str = "spec.events.kafka.topics.minInSyncReplicas";
    let partitions = checks::count(
        "spec.events.kafka.topics.partitions",
        spec.partitions,
        &PARTITIONS,
        broken,
    );
    let replication_factor = checks::count(
        "spec.events.kafka.topics.replicationFactor",
        spec.replication_factor,
        &REPLICAS,
        broken,
    );
    let min_in_sync_replicas =
        checks::count(MIN_IN_SYNC, spec.min_in_sync_replicas, &REPLICAS, broken);
    if spec.min_in_sync_replicas > spec.replication_factor {
        broken.add(
            MIN_IN_SYNC,
            "minInSyncReplicas must not exceed replicationFactor",
        );
    }
    let retention = checks::duration(
        "spec.events.kafka.topics.retention",
        spec.retention,
        &RETENTION,
        broken,
    );
    let mut named = BTreeSet::new();
    for one in &spec.overrides {
        let name = one.name.as_str();
        if !named.insert(name) {
            broken.add(
                "spec.events.kafka.topics.overrides",
                format!("{name} is there twice"),
            );
        }
    }
    let topics = topics::desired(&settings.kafka, |name| topics::DesiredTopic {
        name,
        partitions,
        replication_factor,
        min_in_sync_replicas,
        retention,
    });
    DesiredTopics {
        reclaimed: topics
            .iter()
            .map(|topic| topic.name.clone())
            .filter(|name| topics::is_reclaimed(spec, name))
            .collect(),
        topics,
        bootstrap_servers: topics::servers(&settings.kafka.bootstrap_servers),
        may_grow: spec.grow_partitions == GrowPartitions::RemapKeys,
    }
}
