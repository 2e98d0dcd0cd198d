//! A proxy in front of MongoDB's wire that breaks things on purpose: answers get lost, commands are refused, connections
//! end. What breaks is said in rules over HTTP, while clients are connected.
//!
//! Clients connect directly to it (`directConnection=true`): what `hello` says of the set goes through untouched.

mod control;
mod proxy;
mod rules;
mod wire;

pub use control::router;
pub use proxy::serve;
pub use rules::{Action, Failure, Rule, Rules, Seen, TooMany};
