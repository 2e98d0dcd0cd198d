//! Generates the code from the `.proto` files without an installed `protoc`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=user");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let api = protox::compile(["user/v1/user.proto"], ["."])?;
    fs::write(out.join("user.v1.bin"), api.encode_to_vec())?;
    let events = protox::compile(
        [
            "user/events/v1/user_created.proto",
            "user/events/v1/user_updated.proto",
            "user/events/v1/user_deleted.proto",
        ],
        ["."],
    )?;
    for descriptors in [api, events] {
        tonic_prost_build::configure()
            // The transport is chosen by whoever connects or serves, not by the messages.
            .build_transport(false)
            // Names and addresses are personal data; `src/redacted.rs` says what is shown instead.
            .skip_debug([
                "user.v1.User",
                "user.v1.CreateUserRequest",
                "user.v1.ListUsersRequest",
                "user.events.v1.UserCreated",
                "user.events.v1.UserUpdated",
            ])
            .compile_fds(descriptors)?;
    }
    Ok(())
}
