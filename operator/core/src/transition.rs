//! Which changes of a status are worth an Event of Kubernetes.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use operator_api::{
    UserServiceStatus,
    condition::{PAUSED, READY, TOPICS_READY, reason},
};

use crate::status::FALSE;

/// Bytes of a message, as the API server bounds the note of an Event.
const MAX_NOTE: usize = 1024;

/// A condition that became another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whether something is not as it should be.
    pub is_warning: bool,
    /// Type of the condition, such as `Ready`.
    pub condition: String,
    /// Its reason now, such as `RolloutInProgress`.
    pub reason: String,
    /// Its message now, at most 1,024 bytes.
    pub message: String,
}

/// What `after` says that `before` did not: conditions with another status or reason. A message
/// alone is no news, nor is what two conditions say for the same reason, nor that children are
/// being written, which lasts moments and ends in another condition or in the same as before.
pub fn transitions(
    before: Option<&UserServiceStatus>,
    after: &UserServiceStatus,
) -> Vec<Transition> {
    let mut told = BTreeSet::new();
    [READY, TOPICS_READY, PAUSED]
        .iter()
        .filter_map(|type_| {
            let now = of_type(Some(after), type_)?;
            let was = of_type(before, type_);
            let is_news = was
                .is_none_or(|was| was.status != now.status || was.reason != now.reason)
                && now.reason != reason::APPLYING;
            (is_news && told.insert(&now.reason)).then(|| Transition {
                is_warning: now.status == FALSE,
                condition: now.type_.clone(),
                reason: now.reason.clone(),
                message: shortened(&now.message),
            })
        })
        .collect()
}

fn of_type<'a>(status: Option<&'a UserServiceStatus>, type_: &str) -> Option<&'a Condition> {
    status?
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

/// A message, within what the API server takes as the note of an Event.
pub fn shortened(message: &str) -> String {
    within(MAX_NOTE, message.to_owned())
}

/// A text of at most so many bytes, which ends in a mark where something was left out.
pub(crate) fn within(most: usize, text: String) -> String {
    const MORE: &str = " …";
    if text.len() <= most {
        return text;
    }
    let end = text.floor_char_boundary(most.saturating_sub(MORE.len()));
    format!("{}{MORE}", text.get(..end).unwrap_or_default())
}
