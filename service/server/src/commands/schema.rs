//! The schemas of the events.

use clap::Subcommand;
use user_adapter_kafka::{SchemaOutcome, SubjectReport};
use user_settings::Settings;

use super::{CommandError, needs_kafka, say};
use crate::kafka;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Registers those that are not registered yet.
    Register,
    /// Says what register would do, and does nothing.
    Check,
}

pub(crate) async fn run(command: &Command, settings: &Settings) -> Result<(), CommandError> {
    needs_kafka(settings, "schema")?;
    let Some(registry) = kafka::registry(&settings.kafka)? else {
        return Err(CommandError::NotConfigured {
            command: "schema",
            setting: "USERSVC_SCHEMA_REGISTRY_URL",
        });
    };
    let topics = kafka::options(&settings.kafka).topics;
    let reports = match command {
        Command::Register => registry.register_all(&topics).await?,
        Command::Check => registry.check_all(&topics).await?,
    };
    for report in &reports {
        say(shown(report))?;
    }
    let refused = reports
        .iter()
        .filter(|report| matches!(report.outcome, SchemaOutcome::Incompatible(_)))
        .count();
    if refused > 0 {
        return Err(CommandError::Incompatible(refused));
    }
    Ok(())
}

fn shown(report: &SubjectReport) -> String {
    let id = report
        .id
        .map_or_else(|| "-".to_owned(), |id| id.to_string());
    let outcome = match &report.outcome {
        SchemaOutcome::Registered => "registered",
        SchemaOutcome::Unchanged => "unchanged",
        SchemaOutcome::Compatible => "compatible, not registered yet",
        SchemaOutcome::Incompatible(reason) => {
            return format!("{}  {id}  incompatible: {reason}", report.subject);
        }
    };
    format!("{}  {id}  {outcome}", report.subject)
}
