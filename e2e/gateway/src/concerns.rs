//! What our service has to send for its promises to hold on a replica set, and is refused here without: the engine is one
//! server, and would not notice.

use bson::{Bson, Document};

use crate::command::{Command, Envelope};
use crate::failure::{Code, Failure};
use crate::operation::Operation;

const MODES: [&str; 5] = [
    "primary",
    "primaryPreferred",
    "secondary",
    "secondaryPreferred",
    "nearest",
];

/// Checks a command that is not the end of a transaction.
pub(crate) fn check(operation: Operation, command: &Command) -> Result<(), Failure> {
    let envelope = &command.envelope;
    let name = command.name.as_str();
    read_preference(envelope)?;
    if envelope.in_transaction() {
        return statement(operation, name, envelope);
    }
    if envelope.start {
        return refuse(format!(
            "{name}: startTransaction without autocommit: false"
        ));
    }
    if operation.writes() {
        write_concern(name, envelope)?;
    }
    if operation.reads() {
        read_level(name, envelope, &["majority", "snapshot", "linearizable"])?;
    }
    Ok(())
}

/// Checks what ends a transaction.
pub(crate) fn check_end(command: &Command) -> Result<(), Failure> {
    let envelope = &command.envelope;
    read_preference(envelope)?;
    if !envelope.in_transaction() {
        return refuse(format!("{} needs autocommit: false", command.name));
    }
    if command.name == "commitTransaction" {
        write_concern(&command.name, envelope)?;
    }
    Ok(())
}

fn statement(operation: Operation, name: &str, envelope: &Envelope) -> Result<(), Failure> {
    if !operation.in_transaction() {
        return Err(Failure::new(
            Code::NOT_IN_TRANSACTION,
            format!("{name} cannot run in a transaction"),
        ));
    }
    if envelope.write_concern.is_some() {
        return refuse(format!("{name}: a write concern within a transaction"));
    }
    let mode = envelope.read_preference.as_ref();
    let mode = mode.and_then(|preference| preference.get_str("mode").ok());
    // Drivers let a cursor go on with any: there is no other member to go to.
    if operation != Operation::GetMore && mode.is_some_and(|mode| !mode.starts_with("primary")) {
        return refuse(format!("{name}: a transaction reads from the primary"));
    }
    if envelope.start {
        return read_level(name, envelope, &["snapshot", "majority"]);
    }
    if envelope.read_concern.is_some() {
        return refuse(format!(
            "{name}: a read concern after the first statement of a transaction"
        ));
    }
    Ok(())
}

fn write_concern(name: &str, envelope: &Envelope) -> Result<(), Failure> {
    let given = envelope.write_concern.as_ref();
    let majority =
        given.and_then(|concern| concern.get("w")) == Some(&Bson::String("majority".to_owned()));
    let journal = given.and_then(|concern| concern.get("j")) == Some(&Bson::Boolean(true));
    if majority && journal {
        return Ok(());
    }
    refuse(format!(
        "{name} has to carry writeConcern {{w: \"majority\", j: true}}: less can be lost"
    ))
}

fn read_level(name: &str, envelope: &Envelope, levels: &[&str]) -> Result<(), Failure> {
    let level = envelope.read_concern.as_ref().map(|c| c.get_str("level"));
    match level {
        Some(Ok(level)) if levels.contains(&level) => Ok(()),
        _ => refuse(format!(
            "{name} has to carry a readConcern of level {}: less can be undone",
            levels.join(" or ")
        )),
    }
}

fn read_preference(envelope: &Envelope) -> Result<(), Failure> {
    let Some(preference) = &envelope.read_preference else {
        return Ok(());
    };
    let known = preference
        .get_str("mode")
        .is_ok_and(|mode| MODES.contains(&mode));
    if known && staleness(preference) {
        return Ok(());
    }
    Err(Failure::new(
        Code::FAILED_TO_PARSE,
        "$readPreference needs a mode, and a staleness of 90 s or more if it has one",
    ))
}

/// The least that MongoDB takes.
fn staleness(preference: &Document) -> bool {
    match preference.get("maxStalenessSeconds") {
        None => true,
        Some(Bson::Int32(seconds)) => *seconds >= 90,
        Some(Bson::Int64(seconds)) => *seconds >= 90,
        Some(_) => false,
    }
}

fn refuse(message: String) -> Result<(), Failure> {
    Err(Failure::new(Code::INVALID_OPTIONS, message))
}

#[cfg(test)]
mod tests;
