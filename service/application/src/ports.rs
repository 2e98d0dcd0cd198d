//! What the use cases need from outside. Adapters implement these; none of them is ever boxed.

mod dead_letters;
mod environment;
mod outbox;
mod publisher;
mod repository;

pub use dead_letters::{Chosen, DeadLetter, DeadLetters, Redriven};
pub use environment::{Clock, IdGenerator, Timer};
pub use outbox::{Backlog, Epoch, Outbox, OutboxError, OutboxRecord, RelayId};
pub use publisher::{EventPublisher, PublishError};
pub use repository::{RepositoryError, UserRepository, Write};
