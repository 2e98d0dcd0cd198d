//! Fuzz targets: for any input whatever, what must hold of the answer. A target fails by panicking.
//!
//! They work on the service as callers do: what a call carries goes in, a status or a message comes out. `run.sh` beside
//! this crate lets libFuzzer look for inputs, guided by the code that they reach; the tests go through those in `seeds/`.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a target fails by panicking"
)]

mod email;
mod field_mask;
mod framing;
mod page_token;
mod service;

pub use email::email;
pub use field_mask::field_mask;
pub use framing::{METHODS, framing};
pub use page_token::page_token;
