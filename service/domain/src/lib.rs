//! Users, their value objects and events. No async, no I/O, no clock.
//!
//! Whoever holds a [`UserName`], an [`Email`] or a [`User`] knows that it is valid: there is no other way to make one.
//! Names and addresses are personal data, so none of these types shows them in `Debug` or has a `Display`; the caller
//! asks for the text by `as_str` and answers for where it goes.

mod email;
mod event;
mod id;
mod name;
mod text;
mod user;

pub use email::{Email, EmailError};
pub use event::{EventId, EventKind, UserEvent};
pub use id::{UserId, UserIdError};
pub use name::{UserName, UserNameError};
pub use user::{Deletion, User, UserChange, UserStateError, Version};
