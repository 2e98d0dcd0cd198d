//! What a value is and how far it may go, in words.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use operator_api::{DURATION_PATTERN, Quantity};

/// The type of a value.
pub(super) fn of(schema: &JSONSchemaProps) -> &'static str {
    match (schema.type_.as_deref(), schema.pattern.as_deref()) {
        (_, Some(Quantity::PATTERN)) => "quantity",
        (_, Some(DURATION_PATTERN)) => "duration",
        (Some("string"), _) if schema.format.as_deref() == Some("date-time") => "time",
        (Some("string"), _) => "string",
        (Some("integer"), _) => "integer",
        (Some("boolean"), _) => "boolean",
        (Some("number"), _) => "number",
        (Some("object"), _) => "object",
        (Some("array"), _) => "list",
        _ if schema.x_kubernetes_int_or_string == Some(true) => "integer or string",
        _ => "anything",
    }
}

/// Whether a pattern has a name among the types.
pub(super) fn is_named(pattern: &str) -> bool {
    [Quantity::PATTERN, DURATION_PATTERN].contains(&pattern)
}

/// From where to where a duration goes, by its rule.
fn span(schema: &JSONSchemaProps) -> Option<String> {
    let rules = schema.x_kubernetes_validations.iter().flatten();
    rules.into_iter().find_map(|rule| {
        let rest = rule.rule.strip_prefix("duration(self) >= duration('")?;
        let (least, rest) = rest.split_once("') && duration(self) <= duration('")?;
        let most = rest.strip_suffix("')")?;
        Some(format!("{least} to {most}"))
    })
}

/// How far a value may go.
pub(super) fn bounds(schema: &JSONSchemaProps) -> String {
    let mut parts = Vec::new();
    if let Some(words) = &schema.enum_ {
        let words = words.iter().map(|word| match word.0.as_str() {
            Some(text) => format!("`{text}`"),
            None => format!("`{}`", word.0),
        });
        parts.push(words.collect::<Vec<_>>().join(", "));
    }
    let from_to = |least: Option<f64>, most: Option<f64>| match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (None, None) => None,
    };
    parts.extend(from_to(schema.minimum, schema.maximum));
    parts.extend(span(schema));
    // How long a number, a share or a duration may be as a text, nobody asks.
    let is_text = schema.type_.as_deref() == Some("string")
        && !schema.pattern.as_deref().is_some_and(is_named);
    let longest = schema.max_length.filter(|_| is_text);
    let counts = [
        (schema.min_length, longest, "characters"),
        (schema.min_items, schema.max_items, "items"),
        (schema.min_properties, schema.max_properties, "entries"),
    ];
    for (least, most, of) in counts {
        // Lengths are small; as numbers they are written alike.
        #[allow(clippy::cast_precision_loss, reason = "no length is that long")]
        let counted = from_to(least.map(|it| it as f64), most.map(|it| it as f64));
        parts.extend(counted.map(|text| format!("{text} {of}")));
    }
    let values = match (&schema.items, &schema.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(item)), _) => Some(item),
        (_, Some(JSONSchemaPropsOrBool::Schema(value))) => Some(value),
        _ => None,
    };
    let of_each = values.map(|value| bounds(value)).unwrap_or_default();
    if !of_each.is_empty() {
        parts.push(format!("each {of_each}"));
    }
    match schema.x_kubernetes_list_type.as_deref() {
        Some("set") => parts.push("none twice".to_owned()),
        Some("map") => {
            let keys = schema.x_kubernetes_list_map_keys.iter().flatten();
            let keys: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
            parts.push(format!("no {} twice", keys.join(" and ")));
        }
        _ => {}
    }
    parts.join("; ")
}
