//! Generates the code from `user/v1/user.proto` without an installed `protoc`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=user");
    let descriptors = protox::compile(["user/v1/user.proto"], ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("user.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // The transport is chosen by whoever connects or serves, not by the messages.
        .build_transport(false)
        // Names and addresses are personal data; `src/redacted.rs` says what is shown instead.
        .skip_debug(["user.v1.User", "user.v1.CreateUserRequest"])
        .compile_fds(descriptors)?;
    Ok(())
}
