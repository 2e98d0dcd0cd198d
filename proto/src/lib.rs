//! Generated messages, client and server of the user.v1 gRPC API, and the messages of the events.
//!
//! The sources are the files below `user/`; their comments are the documentation of API and events.

mod redacted;

/// Packages `user.*`.
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

    /// What is told of users.
    pub mod events {
        /// Version 1 of the events.
        #[allow(
            clippy::all,
            clippy::pedantic,
            missing_docs,
            unreachable_pub,
            reason = "the code is generated"
        )]
        pub mod v1 {
            tonic::include_proto!("user.events.v1");
        }
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of the API with everything it imports, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/user.v1.bin"));

/// Schemas of the events as a schema registry takes them: the text of the `.proto` file, whose first message is the
/// event.
pub mod schema {
    /// Of `user.events.v1.UserCreated`.
    pub const USER_CREATED: &str = include_str!("../user/events/v1/user_created.proto");
    /// Of `user.events.v1.UserUpdated`.
    pub const USER_UPDATED: &str = include_str!("../user/events/v1/user_updated.proto");
    /// Of `user.events.v1.UserDeleted`.
    pub const USER_DELETED: &str = include_str!("../user/events/v1/user_deleted.proto");
}
