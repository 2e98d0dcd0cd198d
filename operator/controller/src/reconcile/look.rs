//! What is read for one pass.

use operator_api::UserService;
use operator_core::{Release, SeenTopics, World, claims, has_pods, in_use, validate};

use super::{Context, Error};
use crate::{
    cluster::Cluster,
    kafka::{self, Busy, Permit, Session},
};

/// What was read for one pass.
pub(super) struct Looked<'a> {
    pub(super) world: World,
    /// The way to Kafka, if it answered.
    pub(super) session: Option<Session>,
    /// Why Kafka was not asked although it was to be.
    pub(super) busy: Option<Busy>,
    pub(super) permit: Option<Permit<'a>>,
}

impl Looked<'_> {
    fn without_kafka(world: World, busy: Option<Busy>) -> Self {
        Self {
            world,
            session: None,
            busy,
            permit: None,
        }
    }
}

/// Reads what the resource refers to: the cluster, then Kafka, which has a bound of its own and
/// whose absence is part of the answer.
pub(super) async fn look<'a>(
    cluster: &Cluster<'_>,
    resource: &UserService,
    context: &'a Context,
    release: &Release,
) -> Result<Looked<'a>, Error> {
    let (mut world, secrets) = cluster.dereference(resource, release).await?;
    let created = resource
        .status
        .as_ref()
        .map(|status| status.topics.as_slice())
        .unwrap_or_default();
    let access = validate(resource, release)
        .ok()
        .filter(|validated| validated.has_kafka_secret(&world.secrets))
        .and_then(|validated| validated.kafka(created));
    let mut all = Vec::new();
    let is_leaving = resource.metadata.deletion_timestamp.is_some();
    if is_leaving || access.is_some() {
        if !context.known.is_ready() {
            // Whose a topic is, resources of any place may decide.
            return Ok(Looked::without_kafka(world, Some(Busy::Others)));
        }
        // As many as there are in the cluster: looked through only where topics are at stake.
        all = context.known.state();
    }
    let others = all.iter().filter_map(|other| other.0.as_ref().ok());
    if is_leaving {
        world.in_use = in_use(resource, others.clone());
        if has_pods(&world, resource) {
            // Topics have to wait for them.
            return Ok(Looked::without_kafka(world, None));
        }
    }
    let Some(access) = access else {
        return Ok(Looked::without_kafka(world, None));
    };
    let permit = match context.kafka.take(&access.kafka.bootstrap_servers) {
        Ok(permit) => permit,
        Err(busy) => return Ok(Looked::without_kafka(world, Some(busy))),
    };
    world.claims = claims(resource, others);
    let (topics, session) = kafka::look(access, &secrets).await;
    permit.answered(!matches!(topics, SeenTopics::Unreachable(_)));
    world.topics = topics;
    Ok(Looked {
        world,
        session,
        busy: None,
        permit: Some(permit),
    })
}
