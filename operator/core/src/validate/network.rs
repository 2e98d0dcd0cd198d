use std::{collections::BTreeSet, ops::RangeInclusive};

use http::Uri;
use ipnet::IpNet;
use operator_api::{NetworkDestination, NetworkPeer, NetworkSpec};
use user_settings::{Events, Settings, Storage};

use super::{Broken, names, pod};

/// Port of MongoDB, where the spec does not say otherwise: the connection string is in a Secret.
const MONGODB_PORT: u16 = 27017;
const PORT: RangeInclusive<i32> = 1..=65535;

/// Whom the pods may speak to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Who may call; `None` for all pods of the namespace.
    pub(crate) clients: Option<Vec<NetworkPeer>>,
    pub(crate) monitoring: Vec<NetworkPeer>,
    /// What the pods may reach, beside DNS.
    pub(crate) egress: Vec<Destination>,
}

/// What the pods may reach: no peers are all, no ports are all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) peers: Vec<NetworkPeer>,
    pub(crate) ports: BTreeSet<u16>,
}

/// Reads `spec.network`, after what the settings say of the database, the brokers and the registry.
pub(super) fn read(spec: &NetworkSpec, settings: &Settings, broken: &mut Broken) -> Network {
    const CLIENTS: &str = "spec.network.clients";
    const EGRESS: &str = "spec.network.egress";
    let clients = spec.clients.as_deref().unwrap_or_default();
    check_peers(CLIENTS, clients, 32, broken);
    check_peers("spec.network.monitoring", &spec.monitoring, 16, broken);
    if spec.egress.len() > 8 {
        broken.add(EGRESS, "must hold at most 8 destinations");
    }
    let needs = [
        ("spec.network.mongodb", &spec.mongodb, database(settings)),
        ("spec.network.kafka", &spec.kafka, brokers(settings)),
        (
            "spec.network.schemaRegistry",
            &spec.schema_registry,
            registry(settings),
        ),
        (
            "spec.network.telemetry",
            &spec.telemetry,
            collector(settings),
        ),
    ];
    let mut egress = Vec::new();
    for (field, given, ports) in needs {
        let destination = destination(field, given.as_ref(), broken);
        if let Some(ports) = ports {
            egress.push(Destination {
                ports: if destination.ports.is_empty() {
                    ports
                } else {
                    destination.ports
                },
                ..destination
            });
        }
    }
    let further = spec.egress.iter();
    egress.extend(further.map(|further| destination(EGRESS, Some(further), broken)));
    Network {
        clients: spec.clients.clone(),
        monitoring: spec.monitoring.clone(),
        egress,
    }
}

fn database(settings: &Settings) -> Option<BTreeSet<u16>> {
    (settings.storage == Storage::Mongodb).then(|| [MONGODB_PORT].into())
}

fn brokers(settings: &Settings) -> Option<BTreeSet<u16>> {
    let servers = settings.kafka.bootstrap_servers.split(',');
    let ports = servers.filter_map(|server| server.rsplit_once(':')?.1.parse().ok());
    (settings.events == Events::Kafka).then(|| ports.collect())
}

fn registry(settings: &Settings) -> Option<BTreeSet<u16>> {
    let url = &settings.kafka.schema_registry_url;
    if settings.events != Events::Kafka || url.is_empty() {
        return None;
    }
    let url: Uri = url.parse().ok()?;
    let usual = if url.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    Some([url.port_u16().unwrap_or(usual)].into())
}

fn collector(settings: &Settings) -> Option<BTreeSet<u16>> {
    let endpoint = &settings.telemetry.otlp_endpoint;
    Some([endpoint.rsplit_once(':')?.1.parse().ok()?].into())
}

fn destination(
    field: &'static str,
    given: Option<&NetworkDestination>,
    broken: &mut Broken,
) -> Destination {
    let given = given.cloned().unwrap_or_default();
    check_peers(field, &given.peers, 16, broken);
    if given.ports.len() > 16 || given.ports.iter().any(|port| !PORT.contains(port)) {
        broken.add(field, "ports must be at most 16 numbers from 1 to 65535");
    }
    let ports = given.ports.into_iter();
    Destination {
        ports: ports.filter_map(|port| port.try_into().ok()).collect(),
        peers: given.peers,
    }
}

fn check_peers(field: &'static str, peers: &[NetworkPeer], most: usize, broken: &mut Broken) {
    if peers.len() > most {
        broken.add(field, format!("must hold at most {most} peers"));
    }
    for peer in peers {
        let is_of_pods = peer.namespace.is_some() || peer.pods.is_some();
        if peer.cidr.is_some() == is_of_pods {
            broken.add(
                field,
                "a peer is either cidr, or namespace and pods, or one of these two",
            );
        }
        if let Some(cidr) = peer.cidr.as_ref().filter(|cidr| !is_range(cidr)) {
            broken.add(
                field,
                format!("{cidr:?} is no range of addresses by its first address"),
            );
        }
        if let Some(name) = peer
            .namespace
            .as_ref()
            .filter(|name| !names::is_dns_label(name))
        {
            broken.add(field, format!("{name:?} is no name of a namespace"));
        }
        let labels = peer.pods.as_ref();
        if labels.is_some_and(|labels| labels.len() > 8) {
            broken.add(field, "pods must hold at most 8 labels");
        }
        if let Some(labels) = labels {
            pod::check_labels(field, labels, broken);
        }
    }
}

fn is_range(cidr: &str) -> bool {
    cidr.parse::<IpNet>()
        .is_ok_and(|range| range.trunc() == range)
}
