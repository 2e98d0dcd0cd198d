//! What the binary does beside serving: the work of an operator, by hand or in a Job.

mod dead_letters;
mod migrate;
mod schema;

use std::io::{self, Write as _};

use clap::Subcommand;
use user_adapter_mongodb::{MigrationError, MongoStorage, SchemaError};
use user_application::OutboxError;
use user_settings::{Events, Settings, Storage, exit_code};

use crate::telemetry::Journal;
use crate::{ServiceError, database};

/// Everything but serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Brings the schema of the database to the version that this build works with.
    Migrate(migrate::Arguments),
    /// Looks at events that were given up, and publishes or discards them.
    #[command(name = "dlq", subcommand)]
    DeadLetters(dead_letters::Command),
    /// Registers the schemas of the events, or checks whether they could be.
    #[command(subcommand)]
    Schema(schema::Command),
}

/// Why a command did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("{command} needs {setting}")]
    NotConfigured {
        command: &'static str,
        setting: &'static str,
    },
    #[error("the database does not answer: {0}")]
    NoDatabase(#[source] user_adapter_mongodb::DatabaseError),
    #[error("{0}")]
    Service(#[from] ServiceError),
    #[error("migrate: {0}")]
    Migration(#[from] MigrationError),
    #[error("migrate: {0}")]
    Status(#[source] SchemaError),
    #[error("dlq: {0}")]
    Outbox(#[from] OutboxError),
    #[error("schema: {0}")]
    EventSchema(#[from] user_adapter_kafka::SchemaError),
    #[error("schema: {0} of the subjects refuse what this version writes")]
    Incompatible(usize),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            // What else is refused may be so by something on the way to the registry, and pass.
            Self::NotConfigured { .. }
            | Self::EventSchema(user_adapter_kafka::SchemaError::Refused {
                status: 401 | 403,
                ..
            }) => exit_code::CONFIG,
            Self::Service(error) => error.exit_code(),
            Self::Migration(
                MigrationError::Backwards { .. }
                | MigrationError::Unknown { .. }
                | MigrationError::Changed { .. },
            )
            | Self::Incompatible(_) => exit_code::SCHEMA,
            _ => exit_code::FAILURE,
        }
    }
}

/// Carries a command out.
pub(crate) async fn run(command: Command, settings: &Settings) -> Result<(), CommandError> {
    match command {
        Command::Migrate(arguments) => migrate::run(arguments, settings).await,
        Command::DeadLetters(command) => dead_letters::run(command, settings).await,
        Command::Schema(command) => schema::run(&command, settings).await,
    }
}

/// The database of the settings, once it answers.
async fn storage(settings: &Settings, command: &'static str) -> Result<MongoStorage, CommandError> {
    if settings.storage != Storage::Mongodb {
        return Err(CommandError::NotConfigured {
            command,
            setting: "USERSVC_STORAGE=mongodb",
        });
    }
    let journal = Journal::of_command()?;
    let storage = database::connect(settings, database::PATIENCE, &journal).await?;
    database::wait_for_answer(&storage, &journal)
        .await
        .map_err(CommandError::NoDatabase)?;
    Ok(storage)
}

fn needs_kafka(settings: &Settings, command: &'static str) -> Result<(), CommandError> {
    if settings.events == Events::Kafka {
        return Ok(());
    }
    Err(CommandError::NotConfigured {
        command,
        setting: "USERSVC_EVENTS=kafka",
    })
}

fn say(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
