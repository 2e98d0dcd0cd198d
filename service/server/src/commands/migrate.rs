//! The schema of the database.

use clap::{Args, Subcommand};
use user_adapter_mongodb::{Applied, MigrationObserver};
use user_settings::Settings;

use super::{CommandError, say, storage};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Says what would be done, and does nothing.
    #[arg(long)]
    dry_run: bool,

    /// Stops at this version instead of the newest. There is no way back to an older one.
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Shows every version, and when it was applied.
    Status,
}

pub(crate) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), CommandError> {
    let storage = storage(settings, "migrate").await?;
    let migrations = storage.migrations();
    if let Some(Command::Status) = arguments.command {
        for version in migrations.status().await.map_err(CommandError::Status)? {
            say(shown(&version))?;
        }
        return Ok(());
    }
    if arguments.dry_run {
        let planned = migrations.plan(arguments.to).await?;
        if planned.is_empty() {
            say("nothing to do")?;
        }
        for version in planned {
            say(format_args!("{}  {}", version.version, version.description))?;
            for change in &version.changes {
                say(format_args!("  {change}"))?;
            }
        }
        return Ok(());
    }
    match migrations.migrate(arguments.to, &Progress).await? {
        0 => say("nothing to do")?,
        count => say(format_args!("{count} versions applied"))?,
    }
    Ok(())
}

fn shown(version: &Applied) -> String {
    let applied = version.applied_at.map_or_else(
        || "not applied".to_owned(),
        |at| format!("applied {}", humantime::format_rfc3339_seconds(at)),
    );
    let doubt = if version.checksum_ok {
        ""
    } else {
        ", in another form than this build knows"
    };
    format!(
        "{}  {applied}{doubt}  {}",
        version.version, version.description
    )
}

/// Says in the log how it goes.
struct Progress;

impl MigrationObserver for Progress {
    fn waiting(&self) {
        tracing::info!("another migration is under way: waiting for it");
    }

    fn changing(&self, version: u32, change: &str) {
        tracing::info!(version, change, "changing the schema");
    }

    fn applied(&self, version: u32) {
        tracing::info!(version, "schema version applied");
    }
}
