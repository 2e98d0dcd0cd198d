//! Version 1 of the API: all that is known of its messages. Another version would stand beside it, over the same use
//! cases.

mod api;
mod convert;
mod filter;
mod page;

pub use api::UserApi;
