//! The `UserService` custom resource, `usersvc.dev/v1alpha1`.
//!
//! This crate holds types and their schema alone, so that clients can depend on it without an
//! operator or a Kubernetes client. Field documentation here is user documentation:
//! `kubectl explain userservice` prints it.

mod autoscaling;
mod certificate;
mod container;
mod crd;
mod events;
mod int_or_percent;
mod network;
mod pause;
mod pod;
mod quantity;
pub mod reason;
mod references;
mod rollout;
mod schema;
mod spec;
mod status;
mod storage;
mod telemetry;
mod tls;

pub use autoscaling::AutoscalingSpec;
pub use certificate::{CertificateSpec, IssuerReference};
pub use container::{
    ClaimVolume, ConfigMapVolume, EmptyDirVolume, EnvSource, EnvVar, ExtraVolume, KeyReference,
    Medium, SecretVolume,
};
pub use crd::crd;
pub use events::{
    EventsSpec, GrowPartitions, KafkaEvents, ReclaimPolicy, SaslMechanism, SchemaId,
    SchemaRegistry, SecurityProtocol, StdoutEvents, TopicName, TopicOverride, TopicsSpec,
};
pub use int_or_percent::IntOrPercent;
pub use network::{NetworkDestination, NetworkPeer, NetworkSpec};
pub use pause::PauseSpec;
pub use pod::{
    ImagePullSecret, PodSpec, ResourceLimits, ResourceRequests, ResourcesSpec, TopologySpread,
    WhenUnsatisfiable,
};
pub use quantity::Quantity;
pub use references::{SecretKeyReference, SecretReference};
pub use rollout::{DisruptionSpec, RolloutSpec};
pub use schema::DURATION_PATTERN;
pub use spec::{Reflection, ServerSpec, UpgradePolicy, UserService, UserServiceSpec};
pub use status::{
    CreatedTopic, PAUSED_ANNOTATION, SKIP_TOPIC_DELETION, TOPICS_FINALIZER, UserServiceStatus,
    condition,
};
pub use storage::{MemoryStorage, MongodbStorage, ReadPreference, StorageSpec};
pub use telemetry::{LogLevel, OtlpMetrics, TelemetrySpec};
pub use tls::{ClientCaReference, TlsSpec};
