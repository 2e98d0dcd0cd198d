//! What goes wrong with the database.
//!
//! Errors of driver and server quote connection strings, commands and documents. None of their text gets past this file,
//! only what kind of failure it is.

use std::borrow::Cow;
use std::io;

use mongodb::error::{
    Error, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

use user_application::{OutboxError, RepositoryError};

const DUPLICATE_KEY: i32 = 11_000;
/// What a member answers that is not the primary any more, or is about to end.
const STEPPED_DOWN: [i32; 7] = [10_107, 13_435, 13_436, 11_600, 11_602, 189, 91];

/// Why the database did not do it. Holds no data and no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// The server answered with an error.
    #[error("the server refused: {name} ({code})")]
    Refused {
        /// The number of the error.
        code: i32,
        /// Its name; empty if the server gave none.
        name: String,
    },
    /// No server that can do it was found in time.
    #[error("no suitable server was found")]
    NoServer,
    /// The connection could not be made, or broke.
    #[error("the connection failed: {0}")]
    Connection(io::ErrorKind),
    /// The connections to a server were closed because another call found it gone.
    #[error("the connections to the server were closed")]
    PoolCleared,
    /// The server did not accept who we are.
    #[error("the server did not accept the credentials")]
    Authentication,
    /// It was not done in time.
    #[error("the time was up")]
    TimedOut,
    /// The server cannot do what the storage needs.
    #[error("the server is not suitable: {0}")]
    Unsuitable(&'static str),
    /// The storage is closed.
    #[error("the storage is closed")]
    Closed,
    /// What is stored is not of the form that this version writes.
    #[error("a document in '{collection}' cannot be read at '{field}'")]
    Unreadable {
        /// Where it is.
        collection: &'static str,
        /// What of it is missing or of another form.
        field: &'static str,
    },
    /// Anything else.
    #[error("the driver failed: {0}")]
    Driver(&'static str),
}

impl DatabaseError {
    /// What spans call it (OpenTelemetry `error.type`): the number that the server gave, or a word for each other kind.
    pub(crate) fn kind(&self) -> Cow<'static, str> {
        let word = match self {
            Self::Refused { code, .. } => return code.to_string().into(),
            Self::NoServer => "no_server",
            Self::Connection(_) => "connection",
            Self::PoolCleared => "pool_cleared",
            Self::Authentication => "authentication",
            Self::TimedOut => "timed_out",
            Self::Unsuitable(_) => "unsuitable",
            Self::Closed => "closed",
            Self::Unreadable { .. } => "unreadable",
            Self::Driver(_) => "other",
        };
        word.into()
    }
}

/// Why there is no storage. Never quotes the connection string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It is not one of `MongoDB`.
    #[error("the connection string has to begin with mongodb:// or mongodb+srv://")]
    Scheme,
    /// It cannot be read.
    #[error(
        "the connection string is malformed: a part is missing, unknown or not percent-encoded"
    )]
    Malformed,
    /// The hosts of a `mongodb+srv://` string could not be looked up.
    #[error("the hosts of the connection string could not be looked up")]
    Lookup,
    /// Members would be asked too rarely how far behind they are.
    #[error(
        "the connection string's heartbeatFrequencyMS is above 80000: with another read preference than primary it may \
         not be, or nobody knew which members are more than 90 s behind"
    )]
    Heartbeat,
    /// The files of the TLS options cannot be used.
    #[error("the TLS options of the connection string cannot be used")]
    Tls,
    /// Anything else.
    #[error(transparent)]
    Database(DatabaseError),
}

impl ConnectError {
    pub(crate) fn of(error: Error) -> Self {
        match *error.kind {
            ErrorKind::InvalidArgument { .. } => Self::Malformed,
            ErrorKind::DnsResolve { .. } => Self::Lookup,
            ErrorKind::InvalidTlsConfig { .. } => Self::Tls,
            _ => Self::Database(error.into()),
        }
    }
}

impl From<Error> for DatabaseError {
    fn from(error: Error) -> Self {
        if let Some((code, name)) = refusal(&error) {
            let name = name.chars().filter(char::is_ascii_alphanumeric).collect();
            return Self::Refused { code, name };
        }
        match &*error.kind {
            ErrorKind::ServerSelection { .. } => Self::NoServer,
            ErrorKind::Io(error) if error.kind() == io::ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Io(error) => Self::Connection(error.kind()),
            ErrorKind::ConnectionPoolCleared { .. } => Self::PoolCleared,
            ErrorKind::Authentication { .. } => Self::Authentication,
            ErrorKind::Shutdown => Self::Closed,
            ErrorKind::DnsResolve { .. } => Self::Driver("look-up of hosts"),
            ErrorKind::InvalidTlsConfig { .. } => Self::Driver("TLS options"),
            ErrorKind::InvalidArgument { .. } => Self::Driver("invalid argument"),
            ErrorKind::InvalidResponse { .. } => Self::Driver("invalid response"),
            ErrorKind::IncompatibleServer { .. } => Self::Driver("incompatible server"),
            ErrorKind::SessionsNotSupported => Self::Driver("no sessions: not a replica set"),
            ErrorKind::Transaction { .. } => Self::Driver("transaction"),
            _ => Self::Driver("other"),
        }
    }
}

impl From<DatabaseError> for RepositoryError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<DatabaseError> for OutboxError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Number and name of what the server said.
fn refusal(error: &Error) -> Option<(i32, &str)> {
    match &*error.kind {
        ErrorKind::Command(command) => Some((command.code, &command.code_name)),
        ErrorKind::Write(WriteFailure::WriteError(write)) => {
            Some((write.code, write.code_name.as_deref().unwrap_or_default()))
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(write)) => {
            Some((write.code, &write.code_name))
        }
        _ => None,
    }
}

/// The number that the server gave.
pub(crate) fn code(error: &Error) -> Option<i32> {
    refusal(error).map(|(code, _)| code)
}

/// Whether the transaction is undone and may be tried again as a whole.
pub(crate) fn is_transient(error: &Error) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR)
}

/// Whether it is open if the transaction was committed, so that only the commit may be tried again.
pub(crate) fn is_unknown_commit(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// Whether a write that does no harm when repeated is worth another attempt.
pub(crate) fn is_passing(error: &Error) -> bool {
    error.contains_label(RETRYABLE_WRITE_ERROR)
        || code(error).is_some_and(|code| STEPPED_DOWN.contains(&code))
        || matches!(
            &*error.kind,
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }
        )
}

/// The index whose key is taken, if that is the failure; empty if the server does not name it.
pub(crate) fn duplicate(error: &Error) -> Option<&str> {
    let message = match &*error.kind {
        ErrorKind::Command(command) if command.code == DUPLICATE_KEY => &command.message,
        ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => {
            &write.message
        }
        _ => return None,
    };
    let named = message.split_once(" index: ").map(|(_, rest)| rest);
    Some(
        named
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap_or_default(),
    )
}
