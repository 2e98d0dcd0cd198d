//! Which calls break, and how.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Most rules at a time.
const MOST: usize = 64;
/// What clients send by themselves, and only a rule that names it breaks.
const BACKGROUND: [&str; 4] = ["hello", "ismaster", "isMaster", "ping"];

/// Calls that break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// The command's name, or `*` for every one but hello and ping.
    pub command: String,
    /// Only calls about this collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Only calls that carry this mode of read preference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_preference: Option<String>,
    /// How many calls go through first.
    #[serde(default)]
    pub after: u64,
    /// How many calls break then; all of them without.
    #[serde(default)]
    pub times: Option<u64>,
    /// How they break.
    pub action: Action,
}

/// A call, as far as rules ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The command's name.
    pub command: String,
    /// What it is about, if that is a collection.
    pub collection: Option<String>,
    /// The mode of its read preference, if it carries one.
    pub read_preference: Option<String>,
}

/// How a call breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is carried out, its answer is swallowed, and the connection ends: the client cannot know the outcome.
    DropAnswer,
    /// It is not carried out, and answered with a failure.
    Error(Failure),
    /// It is not carried out, and the connection ends.
    Cut,
    /// It is carried out after this many milliseconds.
    DelayMs(u64),
    /// It is not carried out, and never answered.
    Hang,
}

/// A failure as MongoDB answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Failure {
    /// The number, such as 112.
    pub code: i32,
    /// Its name, such as `WriteConflict`.
    pub code_name: String,
    /// What the client may do about it, such as `TransientTransactionError`.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// A rule with what it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// Calls that it is about.
    pub calls: u64,
    /// Calls that it broke.
    pub hits: u64,
}

/// There are more rules than are kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} rules; at most {MOST} are kept")]
pub struct TooMany(usize);

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules(Mutex<Vec<Seen>>);

impl Rules {
    /// Puts rules in place of those in force; counting begins anew.
    ///
    /// # Errors
    ///
    /// When there are too many; those in force stay.
    pub fn replace(&self, rules: Vec<Rule>) -> Result<(), TooMany> {
        if rules.len() > MOST {
            return Err(TooMany(rules.len()));
        }
        let unseen = |rule| Seen {
            rule,
            calls: 0,
            hits: 0,
        };
        *self.lock() = rules.into_iter().map(unseen).collect();
        Ok(())
    }

    /// The rules with what they saw.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// How this call breaks, by the first rule that is due. Every rule before it that the call is about counts it.
    pub fn decide(&self, call: &Call) -> Option<Action> {
        self.lock().iter_mut().find_map(|seen| seen.decide(call))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn decide(&mut self, call: &Call) -> Option<Action> {
        if !self.rule.is_about(call) {
            return None;
        }
        self.calls = self.calls.saturating_add(1);
        let due = self.calls > self.rule.after;
        let left = self.rule.times.is_none_or(|times| self.hits < times);
        if !due || !left {
            return None;
        }
        self.hits = self.hits.saturating_add(1);
        Some(self.rule.action.clone())
    }
}

impl Rule {
    fn is_about(&self, call: &Call) -> bool {
        let named = self.command == call.command;
        let any = self.command == "*" && !BACKGROUND.contains(&call.command.as_str());
        let here = self.collection.is_none() || self.collection == call.collection;
        let so = self.read_preference.is_none() || self.read_preference == call.read_preference;
        (named || any) && here && so
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(command: &str, collection: Option<&str>) -> Call {
        Call {
            command: command.to_owned(),
            collection: collection.map(ToOwned::to_owned),
            read_preference: None,
        }
    }

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    fn rules(all: &[&str]) -> Rules {
        let rules = Rules::default();
        let all = all.iter().map(|json| rule(json)).collect();
        rules.replace(all).unwrap();
        rules
    }

    #[test]
    fn calls_go_through_then_break_then_go_through() {
        let rules = rules(&[r#"{"command": "insert", "after": 2, "times": 1, "action": "cut"}"#]);
        let seen: Vec<_> = (0..5)
            .map(|_| rules.decide(&call("insert", None)))
            .collect();
        assert_eq!(seen, [None, None, Some(Action::Cut), None, None]);
        assert_eq!(rules.decide(&call("update", None)), None);
        let seen = rules.seen();
        assert_eq!((seen[0].calls, seen[0].hits), (5, 1));
    }

    #[test]
    fn without_an_end_all_break() {
        let rules = rules(&[r#"{"command": "insert", "times": null, "action": "hang"}"#]);
        assert!((0..100).all(|_| rules.decide(&call("insert", None)) == Some(Action::Hang)));
    }

    #[test]
    fn only_its_collection_breaks() {
        let rules = rules(&[r#"{"command": "*", "collection": "outbox", "action": "dropAnswer"}"#]);
        assert_eq!(rules.decide(&call("insert", Some("users"))), None);
        assert_eq!(rules.decide(&call("commitTransaction", None)), None);
        let broken = rules.decide(&call("insert", Some("outbox")));
        assert_eq!(broken, Some(Action::DropAnswer));
    }

    #[test]
    fn only_its_read_preference_breaks() {
        let rules =
            rules(&[r#"{"command": "find", "readPreference": "nearest", "action": "cut"}"#]);
        let with = |mode: Option<&str>| Call {
            read_preference: mode.map(ToOwned::to_owned),
            ..call("find", None)
        };
        assert_eq!(rules.decide(&with(None)), None);
        assert_eq!(rules.decide(&with(Some("primary"))), None);
        assert_eq!(rules.decide(&with(Some("nearest"))), Some(Action::Cut));
    }

    #[test]
    fn hello_and_ping_break_only_when_named() {
        let any = rules(&[r#"{"command": "*", "action": "cut"}"#]);
        for command in BACKGROUND {
            assert_eq!(any.decide(&call(command, None)), None);
        }
        assert_eq!(any.decide(&call("find", None)), Some(Action::Cut));
        let named = rules(&[r#"{"command": "hello", "action": "cut"}"#]);
        assert_eq!(named.decide(&call("hello", None)), Some(Action::Cut));
    }

    #[test]
    fn the_first_that_is_due_decides() {
        let rules = rules(&[
            r#"{"command": "find", "times": 1, "action": {"delayMs": 5}}"#,
            r#"{"command": "*", "action": "cut"}"#,
        ]);
        assert_eq!(rules.decide(&call("find", None)), Some(Action::DelayMs(5)));
        assert_eq!(rules.decide(&call("find", None)), Some(Action::Cut));
    }

    #[test]
    fn a_failure_is_read_with_its_labels() {
        let json = r#"{"command": "find", "action": {"error":
            {"code": 112, "codeName": "WriteConflict", "labels": ["TransientTransactionError"]}}}"#;
        let Action::Error(failure) = rule(json).action else {
            panic!("no failure")
        };
        assert_eq!(failure.code, 112);
        assert_eq!(failure.labels, ["TransientTransactionError"]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for json in [
            r#"{"command": "find"}"#,
            r#"{"action": "cut"}"#,
            r#"{"command": "find", "action": "explode"}"#,
            r#"{"command": "find", "action": "cut", "tmes": 1}"#,
            r#"{"command": "find", "action": "cut", "times": -1}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn too_many_rules_change_nothing() {
        let rules = rules(&[r#"{"command": "find", "action": "cut"}"#]);
        let many = vec![rule(r#"{"command": "insert", "action": "cut"}"#); MOST + 1];
        assert_eq!(rules.replace(many), Err(TooMany(MOST + 1)));
        assert_eq!(rules.seen()[0].rule.command, "find");
    }
}
