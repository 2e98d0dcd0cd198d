//! The command line as a user meets it: the real binary, no cluster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

fn operator(arguments: &[&str], input: &str) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut child = Command::new(env!("CARGO_BIN_EXE_userservice-operator"))
        .args(arguments)
        .current_dir(root)
        .env_clear()
        // Never the cluster of whoever runs the tests.
        .env("KUBECONFIG", "none")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn render(input: &str) -> Output {
    operator(&["render", "-f", "-"], input)
}

fn resource(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: usersvc.dev/v1alpha1\nkind: UserService\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the command says on standard error when it refuses its input.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        output.stdout.is_empty(),
        "nothing is printed beside an error"
    );
    text(&output.stderr)
}

#[test]
fn crd_prints_the_checked_in_definition() {
    let output = operator(&["crd"], "");
    assert!(output.status.success());
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/userservices.usersvc.dev.yaml");
    assert_eq!(text(&output.stdout), std::fs::read_to_string(path).unwrap());
}

#[test]
fn render_prints_the_children_of_every_resource_in_a_file() {
    let example = operator(&["render", "-f", "examples/userservice.yaml"], "");
    assert!(example.status.success(), "{}", text(&example.stderr));
    assert_eq!(text(&example.stdout).matches("\nkind: ").count(), 6);

    let two = format!(
        "{}---\n{}---\n",
        resource("one", "{}"),
        resource("two", "{replicas: 3}")
    );
    let output = render(&two);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let children = text(&output.stdout);
    assert_eq!(children.matches("\nkind: Deployment\n").count(), 2);
    assert!(children.contains("name: one-headless") && children.contains("name: two-headless"));
}

#[test]
fn render_takes_the_image_from_the_release_unless_the_resource_names_one() {
    let arguments = [
        "render",
        "-f",
        "-",
        "--service-repository",
        "registry.example/users",
        "--service-version",
        "9",
    ];
    let output = operator(&arguments, &resource("users", "{}"));
    assert!(text(&output.stdout).contains("image: registry.example/users:9\n"));
    let output = operator(
        &arguments,
        &resource("users", "{image: 'elsewhere.example/users:1'}"),
    );
    assert!(text(&output.stdout).contains("image: elsewhere.example/users:1\n"));
}

#[test]
fn render_names_every_field_that_breaks_a_rule() {
    let refusal = refusal(&render(&resource(
        "users",
        "{replicas: 300, server: {requestTimeout: 2h}}",
    )));
    assert!(refusal.contains("users: "), "{refusal}");
    assert!(refusal.contains("spec.replicas: 300"), "{refusal}");
    assert!(
        refusal.contains("spec.server.requestTimeout: "),
        "{refusal}"
    );
}

#[test]
fn render_refuses_what_it_would_otherwise_ignore() {
    let misspelt = refusal(&render(&resource("users", "{replicsa: 3}")));
    assert!(
        misspelt.contains("unknown fields: spec.replicsa"),
        "{misspelt}"
    );
    let foreign = refusal(&render("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"));
    assert!(foreign.contains("found v1 Pod"), "{foreign}");
    let empty = refusal(&render("---\n"));
    assert!(empty.contains("holds no UserService"), "{empty}");
    let no_yaml = refusal(&render("spec: [\n"));
    assert!(no_yaml.contains("-: "), "{no_yaml}");
}

#[test]
fn a_missing_file_is_named() {
    let refusal = refusal(&operator(&["render", "-f", "examples/none.yaml"], ""));
    assert!(refusal.contains("examples/none.yaml: "), "{refusal}");
}

#[test]
fn run_without_a_cluster_says_so() {
    let output = operator(&["run", "--admin-address", "127.0.0.1:0"], "");
    assert!(
        refusal(&output).contains("no way to the cluster"),
        "{}",
        text(&output.stderr)
    );
}
