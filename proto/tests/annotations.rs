//! What tools read of the API beside its messages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use prost_reflect::DescriptorPool;
use user_proto::FILE_DESCRIPTOR_SET;

#[test]
fn every_field_says_how_it_is_used() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let behavior = pool
        .get_extension_by_name("google.api.field_behavior")
        .expect("is imported");
    let silent: Vec<String> = pool
        .all_messages()
        .filter(|message| message.package_name() == "user.v1")
        .flat_map(|message| message.fields().collect::<Vec<_>>())
        .filter(|field| !field.options().has_extension(&behavior))
        .map(|field| field.full_name().to_owned())
        .collect();
    assert_eq!(silent, Vec::<String>::new());
    assert_eq!(behavior.number(), 1052, "the number that others read");
}
