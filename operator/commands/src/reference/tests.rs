#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};

use super::reference;

fn written() -> String {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    fs::read_to_string(page).unwrap_or_default()
}

fn walk(path: &str, schema: &JSONSchemaProps, look: &mut impl FnMut(&str, &JSONSchemaProps)) {
    look(path, schema);
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        walk(path.trim_start_matches('.'), field, look);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        walk(&format!("{path}[]"), item, look);
    }
}

#[test]
fn the_checked_in_reference_is_current() {
    let current = reference(&operator_api::crd());
    assert!(
        written() == current,
        "docs/reference.md is stale: make crds"
    );
}

#[test]
fn every_field_rule_and_choice_stands_in_the_reference() {
    let crd = operator_api::crd();
    let page = reference(&crd);
    let version = crd.spec.versions.first().unwrap();
    let schema = version.schema.as_ref().unwrap();
    let mut fields = 0;
    walk(
        "",
        schema.open_api_v3_schema.as_ref().unwrap(),
        &mut |path, field| {
            let name = path.rsplit('.').next().unwrap_or_default();
            // An item of a list has no name of its own.
            if !name.is_empty() && !name.ends_with("[]") {
                fields += 1;
                assert!(page.contains(&format!("`{name}` |")), "{path} is missing");
            }
            if field.properties.is_some() && !path.is_empty() {
                assert!(page.contains(&format!("`{path}`")), "{path} has no section");
            }
            for rule in field.x_kubernetes_validations.iter().flatten() {
                assert!(page.contains(&rule.rule), "{path} lacks {}", rule.rule);
                assert!(page.contains(rule.message.as_ref().unwrap()), "{path}");
            }
            for word in field.enum_.iter().flatten() {
                let word = word.0.as_str().unwrap();
                assert!(page.contains(&format!("`{word}`")), "{path} lacks {word}");
            }
        },
    );
    assert!(fields > 200, "only {fields} fields were looked at");
}

#[test]
fn every_link_of_the_reference_leads_to_a_heading_and_no_anchor_is_there_twice() {
    let page = reference(&operator_api::crd());
    let mut targets = BTreeSet::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ").or(line.strip_prefix("### ")) {
            let slug = title.to_lowercase().replace(' ', "-");
            let slug = slug.chars().filter(|it| it.is_alphanumeric() || *it == '-');
            let slug: String = slug.collect();
            assert!(targets.insert(slug), "{title} is there twice");
        }
        if let Some((_, rest)) = line.split_once("<a id=\"") {
            let anchor = rest.split('"').next().unwrap().to_owned();
            assert!(targets.insert(anchor), "{line} is there twice");
        }
    }
    let links = page.split("](#").skip(1);
    for link in links {
        let link = link.split(')').next().unwrap();
        assert!(targets.contains(link), "nothing is at #{link}");
    }
}
