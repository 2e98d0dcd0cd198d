//! Pure core of the operator.
//!
//! `validate` turns a resource into values after which nothing can be "maybe"; [`plan`] compares
//! what should be with what is and says which writes and deletes bring the two together and what
//! the status is. No async, no client, no clock, ordered maps only: the same function answers the
//! reconcile loop and `userservice-operator render`.

mod certificate;
pub mod children;
mod contained;
mod diagnosis;
mod diff;
mod explain;
mod hash;
mod hold;
mod pause;
mod plan;
mod quantity;
mod removal;
mod revision;
mod rollback;
mod scaling;
mod secrets;
mod status;
mod topics;
mod transition;
mod turn;
mod validate;
mod world;
mod writes;

pub use diagnosis::{awaits_containers, awaits_pods, needs_pods, signs};
pub use diff::{Action, Change, Diff, FieldChange, Rule, Standing, diff};
pub use explain::{
    ExplainedChild, ExplainedKey, ExplainedSecret, ExplainedTopic, Explanation, explain,
};
pub use plan::{
    Delete, Plan, RESYNC, RenderError, WRITE_RECHECK, child_names, plan, refused, render,
};
pub use removal::{Removal, has_finalizer, has_pods, removal};
pub use revision::FIELDS_OF_PODS;
pub use rollback::Recorded;
pub use secrets::{SecretKeys, secret_digest, secret_names};
pub use topics::{
    DesiredTopic, KafkaAccess, OWNED_CONFIGS, SeenTopics, Topic, TopicChange, claims, in_use,
    merged_topics, plan_topics,
};
pub use transition::{Transition, shortened, transitions};
pub use turn::{is_its_turn, is_outdated};
pub use validate::{Release, Validated, Violation, validate};
pub use world::{Child, ChildKind, World};
