use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use user_settings::{GRPC_PORT, TlsMode};

use super::{named, selector_labels};
use crate::Validated;

/// The address that most clients use. One connection stays on one pod.
pub(super) fn build(resource: &Validated) -> Service {
    service(resource, resource.name.clone(), None)
}

/// The addresses of all ready pods, for clients that balance calls themselves (gRPC's `round_robin`).
pub(super) fn build_headless(resource: &Validated) -> Service {
    service(resource, headless(&resource.name), Some("None".to_owned()))
}

/// In-cluster address of the gRPC API, host and port.
pub fn endpoint(name: &str, namespace: &str) -> String {
    format!("{name}.{namespace}.svc:{GRPC_PORT}")
}

/// Names by which clients in the cluster may call, for a certificate.
pub(super) fn names(resource: &Validated) -> impl Iterator<Item = String> {
    let Validated {
        name, namespace, ..
    } = resource;
    [name.clone(), headless(name)]
        .into_iter()
        .flat_map(move |service| {
            let within = ["", ".svc", ".svc.cluster.local"];
            let full = within.map(|end| format!("{service}.{namespace}{end}"));
            std::iter::once(service).chain(full)
        })
}

pub(super) fn headless(name: &str) -> String {
    format!("{name}-headless")
}

/// HTTP/2 without TLS by the name of KEP-3726; with TLS, which tells the version itself, by IANA's.
fn app_protocol(resource: &Validated) -> &'static str {
    if resource.settings.tls.mode == TlsMode::Off {
        "kubernetes.io/h2c"
    } else {
        "https"
    }
}

fn service(resource: &Validated, name: String, cluster_ip: Option<String>) -> Service {
    Service {
        metadata: named(name),
        spec: Some(ServiceSpec {
            cluster_ip,
            selector: Some(selector_labels(&resource.name)),
            ports: Some(vec![ServicePort {
                name: Some("grpc".to_owned()),
                port: i32::from(GRPC_PORT),
                target_port: Some(IntOrString::String("grpc".to_owned())),
                app_protocol: Some(app_protocol(resource).to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
