//! Going back to what pods ran before, by the spec: what is described and what runs never part.

use std::collections::BTreeMap;

use kube_core::Resource;
use operator_api::UserService;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    children::SECRETS_HASH,
    revision::FIELDS_OF_PODS,
    world::{Owner, owner_of},
};

/// A revision as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub number: i64,
    /// Version of the service.
    pub version: String,
    /// Version of the operator that made it.
    pub operator: String,
    /// Image of its pods.
    pub image: Option<String>,
    /// Annotations that the operator gave all pods, but for those of which the spec has others of the same keys.
    pub pod_annotations: BTreeMap<String, String>,
    /// When it was recorded, as the API server writes it.
    pub created: Option<String>,
    /// The part of the spec that pods see, without what is as by default.
    spec: Map<String, Value>,
}

impl Recorded {
    /// The revision that a `ControllerRevision` of a resource holds; nothing if it holds something else.
    pub fn read(object: &Value) -> Option<Self> {
        let text = |path| Some(object.pointer(path)?.as_str()?.to_owned());
        Some(Self {
            number: object.get("revision")?.as_i64()?,
            version: text("/data/version")?,
            operator: text("/data/operator")?,
            image: text("/data/template/spec/containers/0/image"),
            pod_annotations: of_operator(object),
            created: text("/metadata/creationTimestamp"),
            spec: object.pointer("/data/spec")?.as_object()?.clone(),
        })
    }

    /// That which the pods of a resource run or are being moved to, of the `ControllerRevision`s with its labels.
    pub fn current<'a>(
        resource: &UserService,
        mut revisions: impl Iterator<Item = &'a Value>,
    ) -> Option<Self> {
        let us = resource.controller_owner_ref(&())?;
        let number = resource.status.as_ref()?.revision?;
        let current = revisions.find(|live| {
            let has_number = live.get("revision").and_then(Value::as_i64) == Some(number);
            has_number && owner_of(live, &us) == Owner::Us
        });
        Self::read(current?)
    }

    /// The resource with that part of its spec as it was recorded. What pods do not see stays as it is, so do the
    /// topics, and so do Secrets, which are the user's.
    ///
    /// # Errors
    /// The recorded spec is not one that this version of the command knows.
    pub fn restored(&self, resource: &UserService) -> Result<UserService, serde_json::Error> {
        let mut restored = serde_json::to_value(resource)?;
        let topics = restored.pointer("/spec/events/kafka/topics").cloned();
        if let Some(Value::Object(spec)) = restored.get_mut("spec") {
            spec.retain(|field, _| !FIELDS_OF_PODS.contains(&field.as_str()));
            spec.extend(self.spec.clone());
            let pinned = resource
                .status
                .as_ref()
                .and_then(|status| status.version.as_ref());
            if resource.spec.version.is_some() || pinned != Some(&self.version) {
                spec.insert("version".to_owned(), Value::String(self.version.clone()));
            }
        }
        if let (Some(topics), Some(Value::Object(kafka))) =
            (topics, restored.pointer_mut("/spec/events/kafka"))
        {
            kafka.insert("topics".to_owned(), topics);
        }
        serde_json::from_value(restored)
    }
}

fn of_operator(revision: &Value) -> BTreeMap<String, String> {
    let annotations = |path| {
        let annotations = revision.pointer(path).map(BTreeMap::deserialize);
        annotations.and_then(Result::ok).unwrap_or_default()
    };
    let mut all: BTreeMap<String, String> = annotations("/data/template/metadata/annotations");
    let of_spec = annotations("/data/spec/pod/annotations");
    all.retain(|key, _| key != SECRETS_HASH && !of_spec.contains_key(key));
    all
}
