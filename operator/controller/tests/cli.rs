//! The command line as a user meets it: the real binary, no cluster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/kubeconfig.rs"]
mod kubeconfig;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
};

use kubeconfig::Kubeconfig;
use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_userservice-operator"));
    command
        .args(arguments)
        .current_dir(root)
        .env_clear()
        // Never the cluster of whoever runs the tests.
        .env("KUBECONFIG", "none");
    command
}

fn operator(arguments: &[&str], input: &str) -> Output {
    let mut child = command(arguments)
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
    assert_eq!(text(&example.stdout).matches("\nkind: ").count(), 7);

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
        misspelt.contains("unknown fields: spec.replicsa (spec has "),
        "{misspelt}"
    );
    assert!(
        misspelt.contains(" replicas"),
        "names what is accepted: {misspelt}"
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

#[test]
fn render_prints_one_list_as_json() {
    let output = operator(
        &["render", "-f", "examples/userservice.yaml", "-o", "json"],
        "",
    );
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"].as_array().unwrap().len(), 7);
}

#[test]
fn validate_names_every_broken_field_of_every_document_and_what_would_be_accepted() {
    let documents = [
        resource("good", "{}"),
        resource("many", "{replicas: 300, server: {requestTimeout: 2h}}"),
        resource(
            "misspelt",
            "{storage: {mongodb: {connection: {secret: a}, databse: b}}}",
        ),
        resource("words", "{replicas: three}"),
    ]
    .join("---\n");
    let output = operator(&["validate", "-f", "-"], &documents);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for line in [
        "good: valid",
        "many: spec.replicas: 300 is not between 0 and 100",
        "many: spec.server.requestTimeout: ",
        "misspelt: spec.storage.mongodb.databse: spec.storage.mongodb has connection, database, ",
        "words: spec.replicas: invalid type: string \"three\", expected i32",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn validate_answers_a_program_in_json_and_by_its_exit_code() {
    let output = operator(
        &["validate", "-f", "-", "--output", "json"],
        &resource("a", "{replicas: 300}"),
    );
    assert_eq!(output.status.code(), Some(1));
    let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdicts[0]["valid"], false);
    assert_eq!(verdicts[0]["violations"][0]["field"], "spec.replicas");
    let valid = operator(
        &["validate", "-f", "examples/userservice-mongodb-kafka.yaml"],
        "",
    );
    assert_eq!(valid.status.code(), Some(0), "{}", text(&valid.stdout));
    let unreadable = operator(&["validate", "-f", "examples/none.yaml"], "");
    assert_eq!(unreadable.status.code(), Some(2));
}

#[test]
fn explain_says_which_secrets_topics_and_children_a_resource_means() {
    let output = operator(
        &["explain", "-f", "examples/userservice-mongodb-kafka.yaml"],
        "",
    );
    let told = text(&output.stdout);
    for part in [
        "users-mongodb for spec.storage.mongodb.connection: uri (required)",
        "user.created.dlq: 1 partitions",
        "Deployment users: the pods",
        "users.default.svc:8080",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let output = operator(&["explain", "-f", "-", "-o", "json"], &resource("a", "{}"));
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained[0]["gracePeriodSeconds"], 33);
}

#[test]
fn diff_fails_above_one_without_a_cluster_and_for_an_invalid_resource() {
    let no_cluster = operator(&["diff", "-f", "examples/userservice.yaml"], "");
    assert_eq!(no_cluster.status.code(), Some(2));
    assert!(text(&no_cluster.stderr).contains("no way to the cluster"));
    let invalid = operator(&["diff", "-f", "-"], &resource("a", "{replicas: 300}"));
    assert_eq!(invalid.status.code(), Some(2));
    assert!(text(&invalid.stderr).contains("spec.replicas: 300"));
}

/// What the proxy of the environment is asked when this server is to be reached, and what the command says then.
fn asked_of_proxy(server: &str, exempt: &str) -> (String, String) {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let config = Kubeconfig::write(&format!("proxied-{}", address.port()), server);
    let asked = std::thread::spawn(move || {
        let (mut socket, _) = proxy.accept().unwrap();
        let mut bytes = [0; 128];
        let length = socket.read(&mut bytes).unwrap();
        text(bytes.get(..length).unwrap())
    });
    let output = command(&["diff", "-f", "examples/userservice.yaml"])
        .env("KUBECONFIG", config.as_ref())
        .env("HTTPS_PROXY", format!("http://{address}"))
        .env("NO_PROXY", exempt)
        .output()
        .unwrap();
    // It ends the wait where nobody came.
    drop(TcpStream::connect(address));
    (asked.join().unwrap(), text(&output.stderr))
}

#[test]
fn the_cluster_is_reached_by_the_proxy_that_kubectl_would_take() {
    let server = "https://cluster.invalid:6443";
    let (asked, _) = asked_of_proxy(server, "");
    assert!(
        asked.starts_with("CONNECT cluster.invalid:6443 "),
        "{asked}"
    );
    let (asked, said) = asked_of_proxy(server, "127.0.0.1");
    assert!(
        asked.starts_with("CONNECT "),
        "the proxy is no server: {said}"
    );
    let (asked, said) = asked_of_proxy(server, "other.invalid,.cluster.invalid");
    assert_eq!(asked, "", "{said}");
    let (asked, said) = asked_of_proxy("https://127.0.0.1:1", "");
    assert_eq!(asked, "", "{said}");
}

#[test]
fn colour_goes_where_it_is_asked_for_and_nowhere_else() {
    let plain = operator(&["validate", "-f", "examples/userservice.yaml"], "");
    assert!(
        !text(&plain.stdout).contains('\x1b'),
        "no terminal, no colour"
    );
    let forced = command(&["validate", "-f", "examples/userservice.yaml"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(text(&forced.stdout).contains("\x1b[32mvalid"), "{forced:?}");
    let refused = command(&["validate", "-f", "examples/userservice.yaml"])
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!text(&refused.stdout).contains('\x1b'), "NO_COLOR wins");
}

#[test]
fn shells_complete_every_command_and_each_has_a_manual_page() {
    for shell in ["bash", "zsh", "fish"] {
        let output = operator(&["completion", shell], "");
        assert!(text(&output.stdout).contains("validate"), "{shell}");
    }
    let folder =
        std::env::temp_dir().join(format!("userservice-operator-man-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = operator(&["man", folder.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    for command in [
        "run",
        "crd",
        "render",
        "validate",
        "explain",
        "diff",
        "completion",
        "man",
    ] {
        let page = folder.join(format!("userservice-operator-{command}.1"));
        assert!(page.exists(), "{}", page.display());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
