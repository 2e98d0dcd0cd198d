//! Generates the code from the `.proto` files without an installed `protoc`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=user");
    println!("cargo::rerun-if-changed=google");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut api = protox::Compiler::new(["."])?;
    api.include_imports(true).open_file("user/v1/user.proto")?;
    // Encoded by the compiler: the decoded form has no room for annotations.
    fs::write(out.join("user.v1.bin"), api.encode_file_descriptor_set())?;
    let events = protox::compile(
        [
            "user/events/v1/user_created.proto",
            "user/events/v1/user_updated.proto",
            "user/events/v1/user_deleted.proto",
        ],
        ["."],
    )?;
    for descriptors in [api.file_descriptor_set(), events] {
        tonic_prost_build::configure()
            // The transport is chosen by whoever connects or serves, not by the messages.
            .build_transport(false)
            // An annotation, of no use at run time.
            .extern_path(".google.api", "::google_api")
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
