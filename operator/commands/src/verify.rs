use std::{
    io::Write,
    time::{Duration, Instant},
};

use anstyle::AnsiColor;
use clap::Args;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, PostParams, Preconditions, PropagationPolicy},
};
use operator_api::{UserService, condition::READY};
use operator_cluster::bounded;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Connection, ConnectionArgs, Error, paint};

/// How often the resource is looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Bound for the resource and what belongs to it to be gone.
const GONE: Duration = Duration::from_secs(60);
/// What the definition has to say of [`broken`].
const RULE: &str = "min must not exceed max";
const KIND: &str = "UserService";
/// What the name of the resource begins with.
const PREFIX: &str = "verify-";

/// Prove on a cluster that the operator works: the API server refuses a broken resource in words, a
/// minimal one becomes ready, and once deleted it is gone with its pods. `helm test` runs it. The
/// exit code is 0 if all of that is so, 1 if not.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Seconds within which the resource has to be ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// A Secret in that namespace with credentials for the registry of the user service's image. May be repeated.
    #[arg(long = "image-pull-secret", value_name = "NAME")]
    image_pull_secrets: Vec<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What does not work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The definition in the cluster has no rules, or those of another operator.
    #[error("the API server takes a broken resource: is the definition that of this operator?")]
    Accepted,
    /// The definition in the cluster has other rules.
    #[error("the API server refuses a broken resource, but not because {RULE}: {0}")]
    Otherwise(String),
    /// Nobody made it ready.
    #[error("{name} is not ready within {bound:?}; {standing}")]
    NotReady {
        /// Name of the resource.
        name: String,
        /// How long it was waited for.
        bound: Duration,
        /// What its status says, last.
        standing: Standing,
    },
    /// Somebody stopped it.
    #[error("interrupted before the resource was ready")]
    Interrupted,
    /// It, or its Deployment, is still there.
    #[error("{name} is deleted, but {left} is not gone within {GONE:?}")]
    Stays {
        /// Name of the resource.
        name: String,
        /// Kind of what is left.
        left: &'static str,
    },
}

/// What a status says of readiness, in the generation that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has said anything yet.
    Unknown,
    /// Not ready, with reason and message.
    Waits(String, String),
    /// Ready, at this address.
    Ready(String),
}

impl std::fmt::Display for Standing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => write!(out, "nobody has looked at it: does an operator run?"),
            Self::Waits(reason, message) => write!(out, "{reason}: {message}"),
            Self::Ready(endpoint) => write!(out, "ready at {endpoint}"),
        }
    }
}

impl Standing {
    fn of(resource: &UserService) -> Self {
        let generation = resource.metadata.generation;
        let Some(status) = &resource.status else {
            return Self::Unknown;
        };
        let ready = status.conditions.iter().find(|condition| {
            condition.type_ == READY && condition.observed_generation == generation
        });
        match ready {
            None => Self::Unknown,
            Some(ready) if ready.status == "True" => {
                Self::Ready(status.endpoint.clone().unwrap_or_default())
            }
            Some(ready) => Self::Waits(ready.reason.clone(), ready.message.clone()),
        }
    }
}

impl VerifyArgs {
    /// Makes the resource, looks at what becomes of it, and deletes it, whatever became of it, also when interrupted.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub async fn run(self) -> Result<(), Error> {
        let Connection { client, namespace } = self.connection.connect().await?;
        let cluster = Cluster { client, namespace };
        let refusal = cluster.refuses_the_broken().await?;
        passed(format_args!("a broken resource is refused: {refusal}"))?;
        let minimal = minimal(&self.image_pull_secrets);
        // From before it is made: whoever interrupts this is not to find it left behind.
        let interrupted = interrupted()?;
        let created = cluster.create(minimal, false).await?;
        let name = created.name_any();
        let tried = async {
            say(format_args!(
                "created {KIND} {name} in namespace {}",
                cluster.namespace
            ))?;
            let bound = Duration::from_secs(self.timeout);
            cluster.becomes_ready(&name, bound).await
        };
        let ready = tokio::select! {
            ready = tried => ready,
            () = interrupted => Err(Failure::Interrupted.into()),
        };
        let gone = cluster.goes(&created).await;
        ready.and(gone)
    }
}

/// Ends at the first SIGINT or SIGTERM from now on.
fn interrupted() -> Result<impl Future<Output = ()>, Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    fn resources(&self) -> Api<UserService> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The text as it stands, without the defaults that our types would fill in.
    async fn create(&self, manifest: Value, dry_run: bool) -> Result<DynamicObject, Error> {
        let object: DynamicObject = serde_json::from_value(manifest)?;
        let resource = ApiResource::erase::<UserService>(&());
        let api = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let params = PostParams {
            dry_run,
            ..PostParams::default()
        };
        let request = api.create(&params, &object);
        Ok(bounded("create", KIND, PREFIX, request).await?)
    }

    async fn refuses_the_broken(&self) -> Result<String, Error> {
        match self.create(broken(), true).await {
            Ok(_) => Err(Failure::Accepted.into()),
            Err(Error::Cluster(error)) if error.code() == Some(422) => {
                let words = error.to_string();
                if words.contains(RULE) {
                    Ok(words)
                } else {
                    Err(Failure::Otherwise(words).into())
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn becomes_ready(&self, name: &str, bound: Duration) -> Result<(), Error> {
        let start = Instant::now();
        let mut last = Standing::Unknown;
        loop {
            let resource = bounded("get", KIND, name, self.resources().get(name)).await?;
            let standing = Standing::of(&resource);
            if matches!(standing, Standing::Ready(_)) {
                let after = start.elapsed().as_secs();
                return passed(format_args!("{name} is {standing}, after {after} s"));
            }
            if standing != last {
                say(format_args!("{name} waits: {standing}"))?;
                last = standing;
            }
            if start.elapsed() > bound {
                let name = name.to_owned();
                return Err(Failure::NotReady {
                    name,
                    bound,
                    standing: last,
                }
                .into());
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// In the foreground: the resource goes last.
    async fn goes(&self, created: &DynamicObject) -> Result<(), Error> {
        let name = created.name_any();
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            preconditions: Some(Preconditions {
                uid: created.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        bounded(
            "delete",
            KIND,
            &name,
            self.resources().delete(&name, &params),
        )
        .await?;
        let start = Instant::now();
        while let Some(left) = self.left(&name).await? {
            if start.elapsed() > GONE {
                return Err(Failure::Stays { name, left }.into());
            }
            tokio::time::sleep(PERIOD).await;
        }
        let after = start.elapsed().as_secs();
        passed(format_args!(
            "{name} is gone and its Deployment with it, after {after} s"
        ))
    }

    async fn left(&self, name: &str) -> Result<Option<&'static str>, Error> {
        let resource = bounded("get", KIND, name, self.resources().get_opt(name)).await?;
        if resource.is_some() {
            return Ok(Some(KIND));
        }
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let left = bounded("get", "Deployment", name, deployments.get_opt(name)).await?;
        Ok(left.map(|_| "Deployment"))
    }
}

fn manifest(spec: &Value) -> Value {
    json!({
        "apiVersion": "usersvc.dev/v1alpha1",
        "kind": KIND,
        "metadata": {"generateName": PREFIX},
        "spec": spec,
    })
}

/// Nothing but defaults, and what its image cannot be had without.
fn minimal(image_pull_secrets: &[String]) -> Value {
    if image_pull_secrets.is_empty() {
        return manifest(&json!({}));
    }
    let secrets: Vec<Value> = image_pull_secrets
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    manifest(&json!({"pod": {"imagePullSecrets": secrets}}))
}

/// A rule that no type can say.
fn broken() -> Value {
    manifest(&json!({"autoscaling": {"min": 3, "max": 2, "cpu": 70}}))
}

fn passed(what: std::fmt::Arguments<'_>) -> Result<(), Error> {
    say(format_args!("{}: {what}", paint(AnsiColor::Green, "ok")))
}

fn say(what: std::fmt::Arguments<'_>) -> Result<(), Error> {
    Ok(writeln!(anstream::stdout(), "{what}")?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use operator_core::{Release, validate};

    use super::*;

    fn standing(status: &Value) -> Standing {
        let mut resource = minimal(&[]);
        resource["metadata"]["generation"] = json!(2);
        resource["status"] = status.clone();
        Standing::of(&serde_json::from_value(resource).unwrap())
    }

    fn condition(kind: &str, status: &str, generation: i64) -> Value {
        json!({
            "type": kind, "status": status, "observedGeneration": generation,
            "reason": "Why", "message": "since", "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    }

    fn wrong(mut resource: Value) -> Vec<&'static str> {
        resource["metadata"]["name"] = json!("verify-1");
        let resource: UserService = serde_json::from_value(resource).unwrap();
        let violations = validate(&resource, &Release::default()).err();
        let wrong = violations.unwrap_or_default().into_iter();
        wrong.map(|violation| violation.field).collect()
    }

    #[test]
    fn ready_counts_in_the_generation_that_is_in_force() {
        let current =
            json!({"endpoint": "users:8080", "conditions": [condition("Ready", "True", 2)]});
        assert_eq!(standing(&current), Standing::Ready("users:8080".to_owned()));
        let former = json!({"conditions": [condition("Ready", "True", 1)]});
        assert_eq!(standing(&former), Standing::Unknown);
    }

    #[test]
    fn what_it_waits_for_is_told_as_the_status_says_it() {
        let conditions = [
            condition("Stalled", "True", 2),
            condition("Ready", "False", 2),
        ];
        let waits = standing(&json!({"conditions": conditions}));
        assert_eq!(waits.to_string(), "Why: since");
    }

    #[test]
    fn without_a_status_it_asks_for_the_operator() {
        let silent = Standing::Unknown.to_string();
        assert!(silent.contains("does an operator run?"), "{silent}");
    }

    #[test]
    fn the_broken_resource_is_broken_in_one_place_and_the_minimal_one_in_none() {
        assert_eq!(wrong(broken()), ["spec.autoscaling.min"]);
        assert!(wrong(minimal(&[])).is_empty());
    }

    #[test]
    fn the_image_of_the_minimal_resource_is_pulled_with_the_secrets_that_are_named() {
        let minimal = minimal(&["mirror".to_owned(), "other".to_owned()]);
        let secrets = json!([{"name": "mirror"}, {"name": "other"}]);
        assert_eq!(minimal["spec"]["pod"]["imagePullSecrets"], secrets);
        assert!(wrong(minimal).is_empty());
    }

    #[test]
    fn the_rule_is_one_of_the_definition() {
        let definition = serde_json::to_string(&operator_api::crd()).unwrap();
        assert!(definition.contains(RULE));
    }
}
