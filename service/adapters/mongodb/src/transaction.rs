//! A transaction, tried again while that makes sense and there is time.
//!
//! The driver's own way of doing this goes on for two minutes, whatever the deadline of the call.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use mongodb::error::Error;
use mongodb::options::{ReadConcern, SelectionCriteria, TransactionOptions};
use mongodb::{Client, ClientSession};

use crate::bounded::left;
use crate::error::{is_transient, is_unknown_commit};
use crate::options::majority;
use crate::{DatabaseError, ReadPreference};

/// How often a transaction is tried as a whole. Each conflict means that somebody else got through, so more than a few
/// are rare.
const ATTEMPTS: u32 = 20;
/// How often a commit is tried whose outcome is open.
const COMMIT_ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(256);

/// The statements of a transaction.
pub(crate) trait Statements: Send + Sync {
    /// Why they may have no effect, as opposed to why they could not be run.
    type Refusal: Send;

    /// Runs them. They are rolled back if this fails.
    fn run(
        &self,
        session: &mut ClientSession,
    ) -> impl Future<Output = Result<(), Failure<Self::Refusal>>> + Send;
}

/// Why an attempt had no effect.
#[derive(Debug)]
pub(crate) enum Failure<R> {
    /// What it found is against it.
    Refused(R),
    /// The driver failed.
    Driver(Error),
    /// The time was up.
    TimedOut,
}

impl<R> From<Error> for Failure<R> {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

/// What came of a transaction.
#[derive(Debug)]
pub(crate) enum Outcome<R> {
    /// All of it is stored.
    Committed,
    /// None of it is, because of what it found.
    Refused {
        refusal: R,
        /// Whether there were attempts before that seemed to fail.
        retried: bool,
    },
}

/// Runs the statements in one transaction, again as a whole if it met a conflict or a failure that passes. Begins no
/// attempt and no commit after the deadline.
pub(crate) async fn transact<S: Statements>(
    client: &Client,
    deadline: Instant,
    statements: &S,
) -> Result<Outcome<S::Refusal>, DatabaseError> {
    let mut attempts = 1;
    loop {
        match attempt(client, deadline, statements).await {
            Ok(()) => return Ok(Outcome::Committed),
            Err(Failure::Refused(refusal)) => {
                let retried = attempts > 1;
                return Ok(Outcome::Refused { refusal, retried });
            }
            Err(Failure::TimedOut) => return Err(DatabaseError::TimedOut),
            Err(Failure::Driver(error))
                if is_transient(&error)
                    && attempts < ATTEMPTS
                    && pause(attempts, deadline).await => {}
            Err(Failure::Driver(error)) => return Err(error.into()),
        }
        attempts += 1;
    }
}

async fn attempt<S: Statements>(
    client: &Client,
    deadline: Instant,
    statements: &S,
) -> Result<(), Failure<S::Refusal>> {
    let left = left(deadline).map_err(|_| Failure::TimedOut)?;
    let options = TransactionOptions::builder()
        .read_concern(ReadConcern::snapshot())
        .write_concern(majority())
        .selection_criteria(SelectionCriteria::from(ReadPreference::Primary))
        .max_commit_time(left)
        .build();
    let mut session = client.start_session().await?;
    session.start_transaction().with_options(options).await?;
    let mut result = statements.run(&mut session).await;
    if result.is_ok() && Instant::now() >= deadline {
        result = Err(Failure::TimedOut);
    }
    match result {
        Ok(()) => commit(&mut session, deadline).await,
        Err(failure) => {
            // The server does it by itself if it does not hear of it.
            let _ = session.abort_transaction().await;
            Err(failure)
        }
    }
}

/// Commits; again while it is open if that was done. A repeated commit has no further effect.
async fn commit<R>(session: &mut ClientSession, deadline: Instant) -> Result<(), Failure<R>> {
    let mut attempts = 1;
    loop {
        match session.commit_transaction().await {
            Ok(()) => return Ok(()),
            Err(error)
                if is_unknown_commit(&error)
                    && attempts < COMMIT_ATTEMPTS
                    && pause(attempts, deadline).await => {}
            Err(error) => return Err(error.into()),
        }
        attempts += 1;
    }
}

/// Waits a while by chance before attempt `failed + 1`; false if the deadline comes first.
pub(crate) async fn pause(failed: u32, deadline: Instant) -> bool {
    let doublings = failed.saturating_sub(1).min(16);
    let longest = FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE);
    let pause = by_chance(longest);
    if Instant::now() + pause >= deadline {
        return false;
    }
    tokio::time::sleep(pause).await;
    true
}

/// Anything from zero to `longest`.
fn by_chance(longest: Duration) -> Duration {
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    // Its keys are random, which is as much chance as spreading attempts needs.
    let chance = RandomState::new().hash_one(nanos);
    Duration::from_nanos(chance.checked_rem(nanos).unwrap_or_default())
}
