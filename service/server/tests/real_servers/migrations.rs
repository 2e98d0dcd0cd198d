//! `migrate`, and what a server makes of a schema.

use mongodb::bson::{DateTime, doc};
use user_adapter_mongodb::SCHEMA_KNOWN;
use user_settings::exit_code;

use super::{Database, refuses, serves};

/// A version that a later build has applied, and that works with servers from `compatible_from` on.
async fn apply_later_version(database: &Database, compatible_from: u32) {
    let record = doc! {
        "_id": i64::from(SCHEMA_KNOWN + 1),
        "description": "of the future",
        "checksum": "unknown",
        "compatible_from": i64::from(compatible_from),
        "applied_at": DateTime::now(),
    };
    let records = database.open().await.collection("schema_migrations");
    records.insert_one(record).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn a_database_is_migrated_as_was_said_and_once() {
    let database = Database::new();
    let count = usize::try_from(SCHEMA_KNOWN).unwrap();
    let status = database.run(&["migrate", "status"]).await;
    assert_eq!(status.lines().len(), count);
    assert!(
        status
            .lines()
            .iter()
            .all(|line| line.contains("  not applied  "))
    );

    let planned = database.run(&["migrate", "--dry-run"]).await;
    for version in 1..=SCHEMA_KNOWN {
        let head = format!("{version}  ");
        assert!(
            planned.lines().iter().any(|line| line.starts_with(&head)),
            "{}",
            planned.stdout
        );
    }
    let again = database.run(&["migrate", "status"]).await;
    assert_eq!(again.stdout, status.stdout, "nothing was done");

    let first = database.run(&["migrate", "--to", "1"]).await;
    assert_eq!(first.lines(), ["1 versions applied"]);
    let rest = database.run(&["migrate"]).await;
    assert_eq!(rest.lines(), [format!("{} versions applied", count - 1)]);
    for arguments in [&["migrate"][..], &["migrate", "--dry-run"]] {
        assert_eq!(database.run(arguments).await.lines(), ["nothing to do"]);
    }
    let status = database.run(&["migrate", "status"]).await;
    assert!(
        status
            .lines()
            .iter()
            .all(|line| line.contains("  applied 2"))
    );
    database.remove().await;
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn there_is_no_way_back_and_none_to_what_is_unknown() {
    let database = Database::new();
    database.run(&["migrate"]).await.lines();
    let back = database.run(&["migrate", "--to", "1"]).await;
    back.refused(exit_code::SCHEMA, "cannot go back to 1");
    let beyond = database.run(&["migrate", "--to", "99"]).await;
    beyond.refused(exit_code::SCHEMA, "there is no schema version 99");
    let both = database.run(&["migrate", "--to", "1", "status"]).await;
    both.refused(exit_code::USAGE, "cannot be used with");
    database.remove().await;
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn a_server_refuses_a_schema_that_is_too_old_and_serves_when_it_is_migrated() {
    let database = Database::new();
    for has in 0..SCHEMA_KNOWN {
        if has > 0 {
            let to = has.to_string();
            database.run(&["migrate", "--to", &to]).await.lines();
        }
        let why = format!("the schema is at version {has}, and this server needs {SCHEMA_KNOWN}");
        let refused = refuses(&database.vars()).await;
        refused.refused(exit_code::SCHEMA, &why);
        refused.refused(exit_code::SCHEMA, "migrate first");
    }
    database.run(&["migrate"]).await.lines();
    serves(&database.vars()).await;
    database.remove().await;
}

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn a_server_works_with_the_next_schema_and_refuses_one_that_left_it_behind() {
    for (compatible_from, works) in [(SCHEMA_KNOWN, true), (SCHEMA_KNOWN + 1, false)] {
        let database = Database::new();
        database.run(&["migrate"]).await.lines();
        apply_later_version(&database, compatible_from).await;
        if works {
            serves(&database.vars()).await;
        } else {
            let why = format!("this server knows up to {SCHEMA_KNOWN}");
            refuses(&database.vars())
                .await
                .refused(exit_code::SCHEMA, &why);
        }
        database.remove().await;
    }
}
