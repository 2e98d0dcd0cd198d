//! What the generated code promises beyond the wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use prost::Message as _;
use user_proto::user::events::v1::{UserCreated, UserUpdated};
use user_proto::user::v1::{CreateUserRequest, CreateUserResponse, ListUsersRequest, User};

#[test]
fn personal_data_is_not_in_debug_output() {
    let request = CreateUserRequest {
        name: "Ada".into(),
        email: "ada@example.com".into(),
        ..CreateUserRequest::default()
    };
    let user = User {
        user_id: "id-1".into(),
        name: request.name.clone(),
        email: request.email.clone(),
        ..User::default()
    };
    let response = CreateUserResponse {
        user_id: "id-1".into(),
        user: Some(user),
    };
    let created = UserCreated {
        user_id: "id-2".into(),
        name: request.name.clone(),
        email: request.email.clone(),
        ..UserCreated::default()
    };
    let updated = UserUpdated {
        user_id: "id-3".into(),
        name: request.name.clone(),
        email: request.email.clone(),
        ..UserUpdated::default()
    };
    let list = ListUsersRequest {
        filter: "email = \"ada@example.com\"".into(),
        ..ListUsersRequest::default()
    };
    let shown = format!("{request:?} {response:?} {created:?} {updated:?} {list:?}");
    for id in ["id-1", "id-2", "id-3"] {
        assert!(shown.contains(id), "{shown}");
    }
    assert!(!shown.contains("Ada") && !shown.contains("ada@"), "{shown}");
}

#[test]
fn the_descriptor_set_holds_the_service_and_everything_it_imports() {
    let set =
        prost_types::FileDescriptorSet::decode(user_proto::FILE_DESCRIPTOR_SET).expect("decodes");
    let files: Vec<&str> = set
        .file
        .iter()
        .map(prost_types::FileDescriptorProto::name)
        .collect();
    assert_eq!(
        files,
        [
            "google/protobuf/descriptor.proto",
            "google/api/field_behavior.proto",
            "google/protobuf/field_mask.proto",
            "google/protobuf/timestamp.proto",
            "user/v1/user.proto"
        ]
    );
}

#[test]
fn a_schema_for_the_registry_has_one_message_and_no_import_but_a_well_known_type() {
    for (schema, message) in [
        (user_proto::schema::USER_CREATED, "UserCreated"),
        (user_proto::schema::USER_UPDATED, "UserUpdated"),
        (user_proto::schema::USER_DELETED, "UserDeleted"),
    ] {
        let starting = |word: &str| -> Vec<&str> {
            let lines = schema.lines().map(str::trim);
            lines.filter(|line| line.starts_with(word)).collect()
        };
        assert_eq!(starting("message "), [format!("message {message} {{")]);
        assert_eq!(
            starting("import "),
            ["import \"google/protobuf/timestamp.proto\";"]
        );
    }
}
