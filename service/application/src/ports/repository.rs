//! Where users are kept.

use std::time::{Instant, SystemTime};

use user_domain::{Email, User, UserEvent, UserId};

use crate::{Listing, RequestKey, TraceContext};

/// Keeps users, and beside them the events that wait to be published.
///
/// `testkit::storage` holds the rules as tests; every adapter passes them. A write that has begun is carried through
/// even if the caller drops its future: it takes effect whole or not at all.
pub trait UserRepository: Send + Sync + 'static {
    /// Stores a new user together with its event: both or neither. Answers the user as it is stored; if the same
    /// request was carried out before, the user of that time as it is now, and nothing is stored.
    ///
    /// # Errors
    /// `EmailTaken`, `IdTaken`, `RequestIdReused`, `Full`, `OutboxFull`, `Unavailable`; nothing is stored then, save
    /// that `Unavailable` leaves it open.
    fn create(
        &self,
        user: User,
        event: UserEvent,
        request: Option<RequestKey>,
        write: Write,
    ) -> impl Future<Output = Result<User, RepositoryError>> + Send;

    /// Replaces a user by its next version, together with the event of it: both or neither. Answers the user as it is
    /// stored.
    ///
    /// # Errors
    /// `NotFound`, `Changed` if the version before is not the one that is stored, `EmailTaken`, `OutboxFull`,
    /// `Unavailable`; as above.
    fn update(
        &self,
        user: User,
        event: UserEvent,
        write: Write,
    ) -> impl Future<Output = Result<User, RepositoryError>> + Send;

    /// The user that this very request made before, as it is now; nothing if it made none, or is forgotten.
    ///
    /// # Errors
    /// `RequestIdReused`, `Unavailable`, the latter at `deadline` at the latest.
    fn made_by(
        &self,
        request: RequestKey,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<User>, RepositoryError>> + Send;

    /// Finds a user.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, the latter at `deadline` at the latest.
    fn get(
        &self,
        id: UserId,
        deadline: Instant,
    ) -> impl Future<Output = Result<User, RepositoryError>> + Send;

    /// Finds those of these users that are there, each once, in any order.
    ///
    /// # Errors
    /// `Unavailable`, at `deadline` at the latest.
    fn get_many(
        &self,
        ids: &[UserId],
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<User>, RepositoryError>> + Send;

    /// Whose address this is, so that a write of `now` would run into it; nobody's if absent. A deleted user has its
    /// address still, and one whose time has come as long as the storage does not let it go.
    ///
    /// # Errors
    /// `Unavailable`, at `deadline` at the latest.
    fn holder_of(
        &self,
        email: &Email,
        now: SystemTime,
        deadline: Instant,
    ) -> impl Future<Output = Result<Option<UserId>, RepositoryError>> + Send;

    /// The first users of a listing as it is `now`, so many as its limit says. Users whose time has come by then are in
    /// none.
    ///
    /// # Errors
    /// `Unavailable`, at `deadline` at the latest.
    fn list(
        &self,
        listing: Listing,
        now: SystemTime,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<User>, RepositoryError>> + Send;
}

/// What goes along with every write.
#[derive(Clone, Debug)]
pub struct Write {
    /// When the write has to be over; nothing is begun after it.
    pub deadline: Instant,
    /// The trace that the request belongs to; goes out with the event.
    pub trace: Option<TraceContext>,
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
    /// The user was changed by somebody else in between.
    #[error("the user was changed in between")]
    Changed,
    /// The identifier of the request was used before, for another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// As many users as may be held.
    #[error("the storage is full")]
    Full,
    /// As many events not yet published as may be held; passes as they are.
    #[error("the outbox is full")]
    OutboxFull,
    /// The storage did not answer in time or at all; the call may be tried again.
    #[error("the storage is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
