//! Why nothing could be written.

use operator_api::condition::reason;

use super::Stage;
use crate::{Child, Violation};

/// Why nothing could be written.
pub(crate) enum Obstacle<'a> {
    /// The spec breaks these rules.
    InvalidSpec(&'a [Violation]),
    /// The child's name is taken by an object of somebody else.
    NameConflict(&'a Child),
    /// The Secret of this name, which cert-manager would write, is somebody else's.
    SecretConflict(String),
    /// The child's name is taken by that of a deleted resource of the same name.
    AwaitingRemoval(&'a Child),
    /// The API server refused a child, in its own words.
    WriteRefused(String),
    /// The resource is being deleted, and its topics before it, with what there is to say of them.
    DeletingTopics(String),
}

impl Obstacle<'_> {
    pub(super) fn stage(self) -> Stage {
        match self {
            Self::InvalidSpec(violations) => {
                let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
                Stage::stuck(reason::INVALID_SPEC, listed.join("; "))
            }
            Self::NameConflict(child) => taken(child.kind.name(), &child.name),
            Self::SecretConflict(name) => taken("Secret", &name),
            Self::AwaitingRemoval(child) => {
                let message = format!(
                    "{} {} of a deleted resource of this name is still being removed.",
                    child.kind.name(),
                    child.name
                );
                Stage::impaired(reason::AWAITING_REMOVAL, message)
            }
            Self::WriteRefused(refusal) => Stage::stuck(reason::WRITE_REFUSED, refusal),
            Self::DeletingTopics(message) => Stage::impaired(reason::DELETING_TOPICS, message),
        }
    }
}

fn taken(kind: &str, name: &str) -> Stage {
    let message = format!(
        "{kind} {name} exists and does not belong to this resource; it is left alone. Rename or delete one of the two."
    );
    Stage::stuck(reason::NAME_CONFLICT, message)
}
