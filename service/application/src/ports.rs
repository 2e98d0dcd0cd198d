//! What the use cases need from outside. Adapters implement these; none of them is ever boxed.

mod environment;
mod outbox;
mod publisher;
mod repository;

pub use environment::{Clock, IdGenerator, Timer};
pub use outbox::{Outbox, OutboxError};
pub use publisher::{EventPublisher, PublishError, PublishFailure};
pub use repository::{RepositoryError, UserRepository};
