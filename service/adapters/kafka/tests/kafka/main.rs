//! Against a real broker and a real schema registry, which `TEST_KAFKA` and `TEST_REGISTRY_URL` name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bed;
mod contract;
mod limits;
mod publishing;
mod registry;
mod reload;
mod security;
