use std::collections::BTreeSet;

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule,
        NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};
use operator_api::NetworkPeer;
use user_settings::{ADMIN_PORT, GRPC_PORT};

use super::{INSTANCE_LABEL, NAME_LABEL, SERVICE_NAME, named, prepare::PREPARE_NAME};
use crate::{Validated, validate::Destination};

/// Label of a namespace that holds its name, set by the API server (KEP-2161).
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const DNS_PORT: u16 = 53;

/// Whom the pods, those that prepare included, may speak to, if not everybody.
pub(super) fn build(resource: &Validated) -> Option<NetworkPolicy> {
    let network = resource.network.as_ref()?;
    let own_namespace = vec![NetworkPolicyPeer {
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }];
    let clients = network.clients.as_deref().map_or(own_namespace, peers);
    let ingress = [
        (clients, GRPC_PORT),
        (peers(&network.monitoring), ADMIN_PORT),
    ];
    let ingress = ingress
        .into_iter()
        // No peers would be all of them.
        .filter(|(from, _)| !from.is_empty())
        .map(|(from, number)| NetworkPolicyIngressRule {
            from: Some(from),
            ports: Some(vec![port("TCP", number)]),
        });
    let egress = network.egress.iter().map(reachable);
    Some(NetworkPolicy {
        metadata: named(resource.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(all_pods(resource)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress.collect()),
            egress: Some([dns()].into_iter().chain(egress).collect()),
        }),
    })
}

fn all_pods(resource: &Validated) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(INSTANCE_LABEL.to_owned(), resource.name.clone())].into()),
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: NAME_LABEL.to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![SERVICE_NAME.to_owned(), PREPARE_NAME.to_owned()]),
        }]),
    }
}

/// Anywhere: a resolver may be a pod, or an address of the node.
fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
        to: None,
    }
}

fn reachable(destination: &Destination) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: ports(&destination.ports),
        to: (!destination.peers.is_empty()).then(|| peers(&destination.peers)),
    }
}

fn ports(numbers: &BTreeSet<u16>) -> Option<Vec<NetworkPolicyPort>> {
    let ports = numbers.iter().map(|number| port("TCP", *number));
    (!numbers.is_empty()).then(|| ports.collect())
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
    }
}

fn peers(peers: &[NetworkPeer]) -> Vec<NetworkPolicyPeer> {
    peers.iter().map(peer).collect()
}

fn peer(peer: &NetworkPeer) -> NetworkPolicyPeer {
    if let Some(cidr) = &peer.cidr {
        return NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: cidr.clone(),
                except: None,
            }),
            ..NetworkPolicyPeer::default()
        };
    }
    let namespace = peer.namespace.as_ref().map(|name| LabelSelector {
        match_labels: Some([(NAMESPACE_NAME.to_owned(), name.clone())].into()),
        ..LabelSelector::default()
    });
    NetworkPolicyPeer {
        namespace_selector: namespace,
        pod_selector: Some(LabelSelector {
            match_labels: peer.pods.clone().filter(|labels| !labels.is_empty()),
            ..LabelSelector::default()
        }),
        ip_block: None,
    }
}
