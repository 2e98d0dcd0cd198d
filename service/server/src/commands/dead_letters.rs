//! Events that were given up.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};
use user_application::{DeadLetter, DeadLetters as _, Redrive};
use user_domain::EventId;
use user_settings::Settings;
use uuid::Uuid;

use super::{CommandError, say, storage};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists them, oldest first: event, type, user, version, time, attempts, reason.
    List {
        /// At most so many.
        #[arg(long, default_value = "100")]
        limit: NonZeroUsize,
    },
    /// Makes them pending again, with no attempts counted.
    Redrive(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// All of them.
    #[arg(long)]
    all: bool,

    /// The events with these identifiers.
    #[arg(value_name = "EVENT")]
    events: Vec<Uuid>,
}

pub(crate) async fn run(command: Command, settings: &Settings) -> Result<(), CommandError> {
    let storage = storage(settings, "dlq").await?;
    match command {
        Command::List { limit } => {
            for letter in storage.dead_letters(limit).await? {
                say(shown(&letter))?;
            }
        }
        Command::Redrive(which) => {
            let which = if which.all {
                Redrive::All
            } else {
                Redrive::These(which.events.into_iter().map(EventId::new).collect())
            };
            let count = storage.redrive(which).await?;
            say(format_args!("{count} events are pending again"))?;
        }
    }
    Ok(())
}

fn shown(letter: &DeadLetter) -> String {
    format!(
        "{}  {}  {}  {}  {}  {}  {}",
        letter.event,
        letter.event_type,
        letter.user,
        letter.version.get(),
        humantime::format_rfc3339_millis(letter.occurred_at),
        letter.attempts,
        letter.reason
    )
}
