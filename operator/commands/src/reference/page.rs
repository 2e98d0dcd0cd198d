//! One section for each object: its fields in a table, then what they must match and keep.

use std::fmt::{self, Write};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::shape;

/// An object of the resource and every path at which its like stands.
struct Section<'a> {
    paths: Vec<String>,
    schema: &'a JSONSchemaProps,
}

/// The objects of the resource, outer ones first. Objects that differ in nothing but where they
/// stand share a section.
pub(super) struct Page<'a> {
    sections: Vec<Section<'a>>,
}

impl<'a> Page<'a> {
    pub(super) fn of(root: &'a JSONSchemaProps) -> Self {
        let mut page = Self {
            sections: Vec::new(),
        };
        page.add("", root);
        page
    }

    fn add(&mut self, path: &str, schema: &'a JSONSchemaProps) {
        if schema.properties.is_some() || is_empty_object(schema) {
            let same = |section: &&mut Section<'_>| {
                section.schema.properties.is_some() && alike(section.schema, schema)
            };
            match self.sections.iter_mut().find(same) {
                Some(section) => section.paths.push(path.to_owned()),
                None => self.sections.push(Section {
                    paths: vec![path.to_owned()],
                    schema,
                }),
            }
        }
        for (name, field) in schema.properties.iter().flatten() {
            self.add(&join(path, name), field);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
            self.add(&format!("{path}[]"), item);
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        for section in self.sections.iter().filter(|section| section.has_fields()) {
            section.write(self, out)?;
        }
        Ok(())
    }

    /// The anchor of the section that describes the object at `path`, if it has one.
    fn anchor(&self, path: &str) -> Option<&str> {
        let at = |section: &&Section<'_>| section.paths.iter().any(|at| at == path);
        let section = self.sections.iter().find(at)?;
        section
            .has_fields()
            .then(|| section.paths.first().map(String::as_str))
            .flatten()
    }
}

fn is_empty_object(schema: &JSONSchemaProps) -> bool {
    schema.type_.as_deref() == Some("object") && schema.additional_properties.is_none()
}

fn alike(one: &JSONSchemaProps, other: &JSONSchemaProps) -> bool {
    one.properties == other.properties
        && one.required == other.required
        && one.x_kubernetes_validations == other.x_kubernetes_validations
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

impl Section<'_> {
    fn has_fields(&self) -> bool {
        self.schema.properties.is_some()
    }

    fn write(&self, page: &Page<'_>, out: &mut String) -> fmt::Result {
        let Some((path, others)) = self.paths.split_first() else {
            return Ok(());
        };
        if path.is_empty() {
            writeln!(out, "## The whole\n")?;
        } else {
            let depth = if path.contains('.') { "###" } else { "##" };
            writeln!(out, "{depth} `{path}`\n")?;
        }
        if let Some(text) = &self.schema.description {
            writeln!(out, "{}\n", prose(text.trim()))?;
        }
        if !others.is_empty() {
            let others: Vec<String> = others.iter().map(|other| code(other)).collect();
            writeln!(out, "The same fields are in {}.\n", others.join(", "))?;
        }
        writeln!(out, "| Field | Type | Default | Bounds | Meaning |")?;
        writeln!(out, "| --- | --- | --- | --- | --- |")?;
        for (name, field) in self.schema.properties.iter().flatten() {
            self.row(page, &join(path, name), name, field, out)?;
        }
        writeln!(out)?;
        self.patterns(out)?;
        self.rules(out)
    }

    fn row(
        &self,
        page: &Page<'_>,
        path: &str,
        name: &str,
        field: &JSONSchemaProps,
        out: &mut String,
    ) -> fmt::Result {
        let required = self.schema.required.iter().flatten().any(|it| it == name);
        let default = match &field.default {
            _ if required => "required".to_owned(),
            Some(value) if value.0.is_object() => "that of its fields".to_owned(),
            Some(value) => match value.0.as_str() {
                Some(text) => code(text),
                None => code(&value.0.to_string()),
            },
            None => String::new(),
        };
        let meaning = field.description.as_deref().unwrap_or_default().trim();
        // Without a dot it would be the anchor of a heading, too.
        let anchor = if path.contains('.') {
            format!("<a id=\"{path}\"></a>")
        } else {
            String::new()
        };
        writeln!(
            out,
            "| {anchor}`{name}` | {} | {} | {} | {} |",
            cell(&kind(page, path, field)),
            cell(&default),
            cell(&shape::bounds(field)),
            cell(&prose(meaning))
        )
    }

    /// The texts that fields must match, outside the table, in which they could not be copied.
    fn patterns(&self, out: &mut String) -> fmt::Result {
        let mut found = false;
        for (name, field) in self.schema.properties.iter().flatten() {
            let items = match &field.items {
                Some(JSONSchemaPropsOrArray::Schema(item)) => item.pattern.as_deref(),
                _ => None,
            };
            let pattern = field.pattern.as_deref().or(items);
            let Some(pattern) = pattern.filter(|text| !shape::is_named(text)) else {
                continue;
            };
            if !found {
                writeln!(out, "Patterns:\n")?;
                found = true;
            }
            let each = if items.is_some() { "each of " } else { "" };
            writeln!(out, "- {each}`{name}`: {}", code(pattern))?;
        }
        if found { writeln!(out) } else { Ok(()) }
    }

    /// The rules of the object itself and of its fields, where these have no section of their own.
    fn rules(&self, out: &mut String) -> fmt::Result {
        let fields = self.schema.properties.iter().flatten();
        let of_fields = fields
            .filter(|(_, field)| field.properties.is_none())
            .flat_map(|(_, field)| field.x_kubernetes_validations.iter().flatten());
        let own = self.schema.x_kubernetes_validations.iter().flatten();
        let mut found = false;
        for rule in own.chain(of_fields) {
            if !found {
                writeln!(out, "Rules:\n")?;
                found = true;
            }
            let message = rule.message.as_deref().unwrap_or_default();
            writeln!(out, "- \"{message}\": {}", code(&rule.rule))?;
        }
        if found { writeln!(out) } else { Ok(()) }
    }
}

/// The type of a field, which leads to the section of the object that it holds.
fn kind(page: &Page<'_>, path: &str, field: &JSONSchemaProps) -> String {
    let linked = |path: &str, text: &str| match page.anchor(path) {
        Some(anchor) => format!("[{text}](#{})", heading(anchor)),
        None => text.to_owned(),
    };
    match (&field.items, &field.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(item)), _) => {
            let item = linked(&format!("{path}[]"), shape::of(item));
            format!("list of {item}")
        }
        (_, Some(JSONSchemaPropsOrBool::Schema(value))) => {
            format!("map of {}", shape::of(value))
        }
        _ => linked(path, shape::of(field)),
    }
}

/// The anchor that GitHub and mdBook give to the heading of the object at `path`.
fn heading(path: &str) -> String {
    if path.is_empty() {
        return "the-whole".to_owned();
    }
    let kept = path.chars().filter(|letter| letter.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// As code.
pub(super) fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Words of a description. Kubernetes' own ones have placeholders that Markdown would take for HTML.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let escaped = parts.map(|(number, part)| match number % 2 {
        0 => part.replace('<', "\\<"),
        _ => part.to_owned(),
    });
    escaped.collect::<Vec<_>>().join("`")
}

/// Within a table, where a bar would begin the next cell.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
