//! Generated messages, client and server of the user.v1 gRPC API.
//!
//! The source is `user/v1/user.proto`; its comments are the documentation of the API.

mod redacted;

/// Package `user.v1`.
pub mod user {
    /// Version 1 of the user API.
    #[allow(
        clippy::all,
        clippy::pedantic,
        missing_docs,
        unreachable_pub,
        reason = "the code is generated"
    )]
    pub mod v1 {
        tonic::include_proto!("user.v1");
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of the API with everything it imports, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/user.v1.bin"));
