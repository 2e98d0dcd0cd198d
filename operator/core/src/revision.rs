//! What pods run, and ran before: each in a `ControllerRevision` of its own, which the API server lets nobody change.
//!
//! A revision is made when the part of the spec that pods see changes, or a Secret. Until then pods keep the very
//! template that the operator of that time wrote, so that a newer operator replaces none of them; and a part of the
//! spec that comes back, as by a rollback, comes back with the template and the settings that it had.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ptr,
    sync::LazyLock,
};

use k8s_openapi::{
    api::{apps::v1::ControllerRevision, core::v1::PodTemplateSpec},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps,
};
use operator_api::{
    EventsSpec, PodSpec, ServerSpec, StorageSpec, TelemetrySpec, TlsSpec, UserServiceSpec, crd,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Child, ChildKind, Release, Validated, World,
    children::{self, config_map_name},
    contained::contained,
    hash,
    world::{Owner, at, owner_of},
};

/// The fields of the spec that pods see. The others change how many there are, or what is around them.
pub const FIELDS_OF_PODS: [&str; 8] = [
    "version",
    "image",
    "storage",
    "events",
    "server",
    "tls",
    "telemetry",
    "pod",
];

/// What pods run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revision<'a> {
    /// Its name.
    pub(crate) name: String,
    /// Higher than that of those before; a revision that comes back becomes the highest.
    pub(crate) number: i64,
    /// Version of the operator that made it.
    pub(crate) operator: String,
    /// What its object holds: what it was made for, as a hash; the version of the operator; the version of the service at
    /// that time, whether the spec names it or not; the part of the spec that pods see, without the version and what is
    /// as by default; the settings; and the template of the pods.
    data: Cow<'a, Value>,
}

impl<'a> Revision<'a> {
    /// What the pods of a resource are to run: what they run, if it was made for the same, or else what this operator
    /// makes of it.
    pub(crate) fn wanted(
        world: &'a World,
        resource: &Validated,
        spec: &UserServiceSpec,
        release: &Release,
        secrets_hash: Option<&str>,
    ) -> Result<Self, serde_json::Error> {
        let spec = of_pods(spec)?;
        let inputs = inputs(resource, &spec, secrets_hash)?;
        let known = known(world, resource);
        let last = known.last().map_or(0, |known| known.number);
        let same = known.iter().rev().find(|known| known.inputs == inputs);
        let same = same.and_then(|same| same.revision(last));
        if !resource.renews
            && let Some(same) = same
        {
            return Ok(same);
        }
        let config = resource.settings.to_vars();
        let config_name = config_map_name(resource, &config);
        let template: PodTemplateSpec = children::template(resource, &config_name, secrets_hash);
        let template = serde_json::to_value(template)?;
        let is_as_before =
            |same: &Self| same.config() == config && same.template() == Some(&template);
        if let Some(same) = same.filter(is_as_before) {
            return Ok(same);
        }
        let hash = hash::of_json(&(&inputs, &release.operator, &config, &template), "")?;
        let data = [
            ("inputs", inputs.into()),
            ("operator", release.operator.as_str().into()),
            ("version", resource.version.as_str().into()),
            ("spec", spec),
            ("config", config.into_iter().collect()),
            ("template", template),
        ];
        Ok(Self {
            name: format!("{}-{hash}", resource.name),
            number: last + 1,
            operator: release.operator.clone(),
            data: Cow::Owned(data.into_iter().collect()),
        })
    }

    /// The settings.
    pub(crate) fn config(&self) -> BTreeMap<String, String> {
        let config = self.data.get("config").map(BTreeMap::deserialize);
        config.and_then(Result::ok).unwrap_or_default()
    }

    fn template(&self) -> Option<&Value> {
        self.data.get("template")
    }

    /// Image of the pods.
    pub(crate) fn image<'r>(&'r self, resource: &'r Validated) -> &'r str {
        let containers = self
            .template()
            .and_then(|template| at(template, &["spec", "containers"]));
        let image = containers.and_then(|containers| containers.get(0)?.get("image")?.as_str());
        image.unwrap_or(&resource.image)
    }

    /// The object that holds it, but for what [`complete`](Self::complete) gives it.
    pub(crate) fn object(&self) -> ControllerRevision {
        ControllerRevision {
            metadata: children::named(self.name.clone()),
            revision: self.number,
            data: None,
        }
    }

    /// Whether a live child of this kind holds what [`complete`](Self::complete) would give it.
    pub(crate) fn is_in(&self, kind: ChildKind, live: &Value) -> bool {
        let (want, have) = match kind {
            ChildKind::ConfigMap => {
                let config = self.data.get("config");
                return config.is_some_and(|config| children::holds_config(live, config));
            }
            ChildKind::ControllerRevision => (Some(&*self.data), live.get("data")),
            ChildKind::Deployment => (self.template(), at(live, &["spec", "template"])),
            _ => return true,
        };
        match (want, have) {
            // Read from that very object.
            (Some(want), Some(have)) => ptr::eq(want, have) || contained(want, have),
            _ => false,
        }
    }

    /// Puts what the revision holds into those of the children that have it. It is large, and hashed by the revision's
    /// name already, so only those get it that are looked at or written.
    pub(crate) fn complete(self, children: &mut [Child]) {
        if let Some(deployment) = of_kind(children, ChildKind::Deployment)
            && let Some(place) = deployment.object.pointer_mut("/spec/template")
            && let Some(template) = self.template()
        {
            place.clone_from(template);
        }
        if let Some(config) = of_kind(children, ChildKind::ConfigMap)
            && let Value::Object(fields) = &mut config.object
            && let Some(settings) = self.data.get("config")
        {
            fields.insert("data".to_owned(), settings.clone());
        }
        if let Some(revision) = of_kind(children, ChildKind::ControllerRevision)
            && let Value::Object(fields) = &mut revision.object
        {
            fields.insert("data".to_owned(), self.data.into_owned());
        }
    }
}

fn of_kind(children: &mut [Child], kind: ChildKind) -> Option<&mut Child> {
    children.iter_mut().find(|child| child.kind == kind)
}

/// A revision as it lies in the cluster.
struct Known<'a> {
    name: &'a str,
    number: i64,
    inputs: &'a str,
    object: &'a Value,
}

impl<'a> Known<'a> {
    fn read(object: &'a Value) -> Option<Self> {
        Some(Self {
            name: at(object, &["metadata", "name"])?.as_str()?,
            number: object.get("revision")?.as_i64()?,
            inputs: at(object, &["data", "inputs"])?.as_str()?,
            object,
        })
    }

    /// The revision, with the highest number.
    fn revision(&self, last: i64) -> Option<Revision<'a>> {
        let data = self.object.get("data")?;
        let config = data.get("config")?.as_object()?;
        let is_whole = config.values().all(Value::is_string)
            && ["version", "spec", "template"]
                .iter()
                .all(|field| data.get(field).is_some());
        let operator = data.get("operator")?.as_str()?;
        is_whole.then(|| Revision {
            name: self.name.to_owned(),
            number: if self.number == last { last } else { last + 1 },
            operator: operator.to_owned(),
            data: Cow::Borrowed(data),
        })
    }

    fn config(&self) -> Option<BTreeMap<String, String>> {
        BTreeMap::deserialize(at(self.object, &["data", "config"])?).ok()
    }
}

/// The revisions of a resource, oldest first.
fn known<'a>(world: &'a World, resource: &Validated) -> Vec<Known<'a>> {
    let Some(owner) = &resource.owner else {
        return Vec::new();
    };
    let mut known: Vec<Known<'_>> = world
        .live
        .iter()
        .filter(|((kind, _), live)| {
            *kind == ChildKind::ControllerRevision && owner_of(live, owner) == Owner::Us
        })
        .filter_map(|(_, live)| Known::read(live))
        .collect();
    known.sort_by_key(|known| known.number);
    known
}

/// Revisions that are kept beside the one that is wanted, with their settings.
pub(crate) fn kept(
    world: &World,
    resource: &Validated,
    wanted: &str,
) -> BTreeSet<(ChildKind, String)> {
    let others = known(world, resource)
        .into_iter()
        .rev()
        .filter(|known| known.name != wanted)
        .take(resource.rollout.history);
    others
        .flat_map(|known| {
            let config = known.config().map(|config| {
                let name = config_map_name(resource, &config);
                (ChildKind::ConfigMap, name)
            });
            let revision = (ChildKind::ControllerRevision, known.name.to_owned());
            [Some(revision), config]
        })
        .flatten()
        .collect()
}

/// The part of a spec that pods see, without the version, which is kept apart whether it is named or not, and without
/// what is as by default: a field that a newer operator knows, and nobody has set, changes nothing.
fn of_pods(spec: &UserServiceSpec) -> Result<Value, serde_json::Error> {
    static SCHEMA: LazyLock<Option<JSONSchemaProps>> = LazyLock::new(|| {
        let schema = crd().spec.versions.pop()?.schema?.open_api_v3_schema?;
        schema.properties?.remove("spec")
    });
    let mut spec = serde_json::to_value(OfPods::from(spec))?;
    if let (Value::Object(fields), Some(schema)) = (&mut spec, SCHEMA.as_ref()) {
        leave_out_defaults(fields, schema);
    }
    // What becomes of topics is kept apart from what pods run.
    if let Some(Value::Object(kafka)) = spec.pointer_mut("/events/kafka") {
        kafka.remove("topics");
    }
    Ok(spec)
}

/// [`FIELDS_OF_PODS`] but for the version.
#[derive(Serialize)]
struct OfPods<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<&'a StorageSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a EventsSpec>,
    server: &'a ServerSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a TlsSpec>,
    telemetry: &'a TelemetrySpec,
    pod: &'a PodSpec,
}

impl<'a> From<&'a UserServiceSpec> for OfPods<'a> {
    fn from(spec: &'a UserServiceSpec) -> Self {
        Self {
            image: spec.image.as_deref(),
            storage: spec.storage.as_ref(),
            events: spec.events.as_ref(),
            server: &spec.server,
            tls: spec.tls.as_ref(),
            telemetry: &spec.telemetry,
            pod: &spec.pod,
        }
    }
}

fn leave_out_defaults(fields: &mut Map<String, Value>, schema: &JSONSchemaProps) {
    let Some(properties) = &schema.properties else {
        return;
    };
    fields.retain(|field, value| {
        let Some(schema) = properties.get(field) else {
            return true;
        };
        let default = schema.default.as_ref();
        if default.is_some_and(|default| default.0 == *value) {
            return false;
        }
        match value {
            Value::Object(fields) => {
                leave_out_defaults(fields, schema);
                default.is_none() || !fields.is_empty()
            }
            _ => true,
        }
    });
}

fn inputs(
    resource: &Validated,
    spec: &Value,
    secrets_hash: Option<&str>,
) -> Result<String, serde_json::Error> {
    hash::of_json(&(spec, &resource.version, secrets_hash), "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_pods_see_of_a_spec_is_those_fields_and_no_others() {
        let secret = json!({"secret": "a"});
        let spec: UserServiceSpec = serde_json::from_value(json!({
            "version": "1", "image": "users:1", "replicas": 5,
            "storage": {"mongodb": {"connection": secret}},
            "events": {"kafka": {"bootstrapServers": ["kafka:9092"]}},
            "server": {"requestTimeout": "1s"}, "tls": secret,
            "telemetry": {"logLevel": "debug"}, "pod": {"labels": {"a": "b"}},
        }))
        .unwrap();
        let Value::Object(fields) = of_pods(&spec).unwrap() else {
            panic!("no object");
        };
        let fields: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
        let mut expected = BTreeSet::from(FIELDS_OF_PODS);
        expected.remove("version");
        assert_eq!(fields, expected);
    }
}
