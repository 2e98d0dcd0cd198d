//! What the gRPC port serves.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tonic::body::Body;
use tonic::service::Routes;
use tower::util::MapResponse;
use tower::{Layer as _, Service};
use user_adapter_grpc::{
    DeadlineLayer, Observed, OverloadLayer, Placed, RpcMetrics, RpcTracer, TelemetryLayer, Turns,
    UserApi, complete,
};
use user_application::{
    BatchGetUsers, CreateUser, DeleteUser, GetUser, ListUsers, UndeleteUser, UpdateUser,
    UserRepository,
};
use user_settings::{Reflection, Settings};

use crate::ServiceError;
use crate::environment::{SystemClock, TimeOrderedIds};
use crate::health::Health;
use crate::routes::Direct;

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

/// The user API over one repository.
fn user_api<R: UserRepository + Clone>(
    repository: R,
    purge_delay: Duration,
) -> UserApi<R, SystemClock, TimeOrderedIds> {
    UserApi {
        create: CreateUser::new(repository.clone(), SystemClock, TimeOrderedIds),
        get: GetUser::new(repository.clone(), SystemClock),
        batch_get: BatchGetUsers::new(repository.clone(), SystemClock),
        list: ListUsers::new(repository.clone(), SystemClock),
        update: UpdateUser::new(repository.clone(), SystemClock, TimeOrderedIds),
        delete: DeleteUser::new(repository.clone(), SystemClock, TimeOrderedIds, purge_delay),
        undelete: UndeleteUser::new(repository, SystemClock, TimeOrderedIds),
    }
}

/// The user API, health and reflection, behind the layers that every call passes.
pub(crate) fn service<R: UserRepository + Clone>(
    settings: &Settings,
    repository: R,
    health: &Health,
    metrics: RpcMetrics,
) -> Result<
    impl Service<
        Request<hyper::body::Incoming>,
        Response = Response<Observed<Placed<Body>>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + use<R>
    + Send
    + 'static,
    ServiceError,
> {
    let api = user_api(repository, settings.purge_delay);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(user_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // No service of ours: with it, tools can show the details of an error.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let descriptors =
        |error: tonic_reflection::server::Error| ServiceError::Descriptors(error.into());
    let server = &settings.server;
    let mut others = Routes::new(health.api_server());
    if server.reflection == Reflection::Enabled {
        others = others
            .add_service(reflection().build_v1().map_err(descriptors)?)
            // Older clients, grpcurl before 1.9 among them, ask for the version before.
            .add_service(reflection().build_v1alpha().map_err(descriptors)?);
    }
    let threads = Handle::current().metrics().num_workers();
    let api = Turns::new(api.into_server(), threads);
    let routes = Direct::new(api, others.prepare());
    let routes = MapResponse::new(routes, complete);
    let timed = DeadlineLayer::new(server.request_timeout).layer(routes);
    let most = usize::try_from(server.max_concurrent_calls).unwrap_or(usize::MAX);
    let tracer = if settings.telemetry.records() {
        RpcTracer::on()
    } else {
        RpcTracer::off()
    };
    Ok(TelemetryLayer::new(metrics, tracer).layer(OverloadLayer::new(most).layer(timed)))
}
