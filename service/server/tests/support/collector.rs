//! A collector of spans and metrics.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Keeps what it is sent.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    senders: Vec<Option<SocketAddr>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().traces.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut taken = self.0.lock().unwrap();
        let sender = request.remote_addr();
        if !taken.senders.contains(&sender) {
            taken.senders.push(sender);
        }
        taken.metrics.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    pub async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self::default();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (collector, address)
    }

    pub fn spans(&self) -> Vec<Span> {
        let taken = self.0.lock().unwrap();
        let resources = taken
            .traces
            .iter()
            .flat_map(|request| &request.resource_spans);
        resources
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| scope.spans.clone())
            .collect()
    }

    /// The metric of this name as it was sent last.
    pub fn last(&self, name: &str) -> Option<Metric> {
        let taken = self.0.lock().unwrap();
        let resources = taken
            .metrics
            .iter()
            .flat_map(|request| &request.resource_metrics);
        resources
            .flat_map(|resource| &resource.scope_metrics)
            .flat_map(|scope| &scope.metrics)
            .rfind(|metric| metric.name == name)
            .cloned()
    }

    /// From how many connections metrics came.
    pub fn senders(&self) -> usize {
        self.0.lock().unwrap().senders.len()
    }

    /// What spans and metrics are said to be from, where all say the same.
    pub fn resource(&self, key: &str) -> Option<String> {
        let taken = self.0.lock().unwrap();
        let traces = taken
            .traces
            .iter()
            .flat_map(|request| &request.resource_spans);
        let metrics = taken
            .metrics
            .iter()
            .flat_map(|request| &request.resource_metrics);
        let mut said: Vec<_> = traces
            .map(|resource| &resource.resource)
            .chain(metrics.map(|resource| &resource.resource))
            .map(|resource| text(&resource.as_ref()?.attributes, key))
            .collect();
        said.dedup();
        match &said[..] {
            [same] => same.clone(),
            differ => panic!("{key}: {differ:?}"),
        }
    }

    pub fn everything(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

/// What an attribute says.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        other => panic!("{key} is no text: {other:?}"),
    }
}
