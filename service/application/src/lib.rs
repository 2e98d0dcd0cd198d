//! Use cases and the ports they need.
//!
//! A use case orchestrates, the domain decides, adapters behind the ports translate. Nothing here knows a runtime, a
//! transport or a storage; time and identifiers come in through ports too.

mod batch_get_users;
mod change;
mod create_user;
mod delete_user;
mod error;
mod get_user;
mod list_users;
mod ports;
mod relay;
mod request;
#[cfg(feature = "testkit")]
pub mod testkit;
mod update_user;
mod validate;

pub use batch_get_users::BatchGetUsers;
pub use change::Target;
pub use create_user::{CreateUser, NewUser};
pub use delete_user::{DeleteUser, UndeleteUser, UserDeletion};
pub use error::UseCaseError;
pub use get_user::GetUser;
pub use list_users::{ListUsers, Listing, Order, Position, UserFilter, UserPage};
pub use ports::{
    Backlog, Chosen, Clock, DeadLetter, DeadLetters, Epoch, EventPublisher, IdGenerator, Outbox,
    OutboxError, OutboxRecord, PublishError, Redriven, RelayId, RepositoryError, Timer,
    UserRepository, Write,
};
pub use relay::{Backoff, Relay, RelayError, RelayObserver, RelayPolicy};
pub use request::{RequestContext, RequestKey, SpanIds, TraceContext};
pub use update_user::{UpdateUser, UserUpdate};
