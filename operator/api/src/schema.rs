//! Schemas and text forms that fields share.

use kube_core::Duration;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serializer;

/// What a duration is written like: numbers with a unit, such as `500ms` or `1m30s`.
pub const DURATION_PATTERN: &str = r"^([0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h))+$";

pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": DURATION_PATTERN,
        "maxLength": 32,
    })
}

const HOST: &str = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])";
const PORT: &str =
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// `http://host:port`.
pub(crate) fn otlp_endpoint(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 253,
        "pattern": format!("^http://{HOST}:{PORT}$"),
    })
}

/// `0%` to `100%`, with up to four digits after the point.
pub(crate) fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 9,
        "pattern": r"^([0-9]{1,2}(\.[0-9]{1,4})?|100(\.0{1,4})?)%$",
    })
}

/// `host:port` up to sixteen times. The longest item keeps all of them, joined, within what the
/// service accepts.
pub(crate) fn bootstrap_servers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 16,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "string",
            "maxLength": 127,
            "pattern": format!("^{HOST}:{PORT}$"),
        },
    })
}

/// TCP ports.
pub(crate) fn ports(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "set",
        "items": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535},
    })
}

/// A few labels with their values.
pub(crate) fn peer_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": {"type": "string", "maxLength": 63},
    })
}

/// Whole hours as such: `168h`, where the type itself would say `604800s`.
pub(crate) fn in_hours<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = std::time::Duration::from(*value);
    let seconds = whole.as_secs();
    if value.is_negative() || whole.subsec_nanos() > 0 || seconds == 0 || seconds % 3600 != 0 {
        serializer.collect_str(value)
    } else {
        serializer.collect_str(&format_args!("{}h", seconds / 3600))
    }
}
