//! Events that were given up.

use std::num::NonZeroUsize;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use user_application::{Chosen, DeadLetter, DeadLetters as _, Redriven};
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
    /// Makes them pending again, with no attempts counted. Of purged users only the deletion: the other events are named.
    Redrive(Which),
    /// Removes them for good.
    Discard(Which),
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

impl Which {
    fn chosen(self) -> Chosen {
        if self.all {
            return Chosen::All;
        }
        Chosen::These(self.events.into_iter().map(EventId::new).collect())
    }
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
            let redriven = storage.redrive(which.chosen(), SystemTime::now());
            let Redriven { pending, purged } = redriven.await?;
            say(format_args!("{pending} events are pending again"))?;
            for event in purged {
                say(format_args!("{event} stays: its user is purged"))?;
            }
        }
        Command::Discard(which) => {
            let count = storage.discard(which.chosen()).await?;
            say(format_args!("{count} events are discarded"))?;
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
