//! Where users are kept.

use user_domain::{User, UserEvent, UserId};

/// Keeps users, and beside them the events that wait to be published.
///
/// `testkit::storage` holds the rules as tests; every adapter passes them.
pub trait UserRepository: Send + Sync + 'static {
    /// Stores a new user together with its event: both or neither, also when the caller goes away half-way.
    ///
    /// # Errors
    /// `EmailTaken`, `IdTaken`, `Full`, `Unavailable`; nothing is stored then, save that `Unavailable` leaves it open.
    fn create(
        &self,
        user: User,
        event: UserEvent,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Finds a user.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    fn get(&self, id: UserId) -> impl Future<Output = Result<User, RepositoryError>> + Send;
}

/// Why the repository did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Another user has this e-mail address.
    #[error("the e-mail address belongs to another user")]
    EmailTaken,
    /// Another user has this identifier: a defect of whoever generates identifiers.
    #[error("the identifier belongs to another user")]
    IdTaken,
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// As many users, or events not yet published, as may be held.
    #[error("the storage is full")]
    Full,
    /// The storage did not answer in time or at all; the call may be tried again.
    #[error("the storage is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
