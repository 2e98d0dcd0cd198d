//! What the generated code promises beyond the wire.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use prost::Message as _;
use user_proto::user::v1::{CreateUserRequest, CreateUserResponse, User};

#[test]
fn personal_data_is_not_in_debug_output() {
    let request = CreateUserRequest {
        name: "Ada".into(),
        email: "ada@example.com".into(),
    };
    let user = User {
        user_id: "id-1".into(),
        name: request.name.clone(),
        email: request.email.clone(),
        create_time: None,
    };
    let response = CreateUserResponse {
        user_id: "id-1".into(),
        user: Some(user),
    };
    let shown = format!("{request:?} {response:?}");
    assert!(shown.contains("id-1"), "{shown}");
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
        ["google/protobuf/timestamp.proto", "user/v1/user.proto"]
    );
}
