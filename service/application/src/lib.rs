//! Use cases and the ports they need.
//!
//! A use case orchestrates, the domain decides, adapters behind the ports translate. Nothing here knows a runtime, a
//! transport or a storage; time and identifiers come in through ports too.

mod create_user;
mod error;
mod get_user;
mod ports;
mod relay;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use create_user::{CreateUser, NewUser};
pub use error::UseCaseError;
pub use get_user::GetUser;
pub use ports::{
    Clock, EventPublisher, IdGenerator, Outbox, OutboxError, PublishError, PublishFailure,
    RepositoryError, Timer, UserRepository,
};
pub use relay::{Backoff, Relay, RelayError, RelayObserver};
