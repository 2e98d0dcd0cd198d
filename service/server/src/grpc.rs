//! What the gRPC port serves.

use std::convert::Infallible;

use http::{Request, Response};
use prometheus_client::registry::Registry;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Layer as _, Service};
use user_adapter_grpc::{DeadlineLayer, MetricsLayer, RpcMetrics, UserApi};
use user_application::{CreateUser, GetUser, UpdateUser, UserRepository};
use user_settings::Server;

use crate::ServiceError;
use crate::environment::{SystemClock, TimeOrderedIds};
use crate::health::Health;

/// Registers the RPC metrics for every service of the gRPC port.
pub(crate) fn register_metrics(registry: &mut Registry) -> Result<RpcMetrics, ServiceError> {
    let descriptors = [
        user_proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    RpcMetrics::register(registry, &descriptors)
        .map_err(|error| ServiceError::Descriptors(error.into()))
}

/// The user API, health and reflection, behind the layers that every call passes.
pub(crate) fn service<R: UserRepository + Clone>(
    server: &Server,
    repository: R,
    health: &Health,
    metrics: RpcMetrics,
) -> Result<
    impl Service<
        Request<hyper::body::Incoming>,
        Response = Response<user_adapter_grpc::Measured<Body>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + use<R>
    + Send
    + 'static,
    ServiceError,
> {
    let api = UserApi::new(
        CreateUser::new(repository.clone(), SystemClock, TimeOrderedIds),
        GetUser::new(repository.clone()),
        UpdateUser::new(repository, SystemClock, TimeOrderedIds),
    );
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(user_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // No service of ours: with it, tools can show the details of an error.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let descriptors =
        |error: tonic_reflection::server::Error| ServiceError::Descriptors(error.into());
    let routes = Routes::new(api.into_server())
        .add_service(health.api_server())
        .add_service(reflection().build_v1().map_err(descriptors)?)
        // Older clients, grpcurl before 1.9 among them, ask for the version before.
        .add_service(reflection().build_v1alpha().map_err(descriptors)?)
        .prepare();
    let bounded = DeadlineLayer::new(server.request_timeout).layer(routes);
    Ok(MetricsLayer::new(metrics).layer(bounded))
}
