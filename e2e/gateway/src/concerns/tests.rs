use bson::doc;

use super::*;
use crate::failure::encode;
use crate::wire::Message;

fn command(body: &Document) -> Command {
    let mut body = body.clone();
    body.insert("$db", "d");
    Command::parse(Message {
        body: encode(&body),
        sequences: Vec::new(),
        unanswered: false,
        legacy: false,
    })
    .unwrap()
}

fn refused(body: &Document) -> Option<Code> {
    let command = command(body);
    let operation = Operation::named(&command.name).unwrap();
    check(operation, &command).err().map(|failure| failure.code)
}

fn refused_end(body: &Document) -> Option<Code> {
    check_end(&command(body)).err().map(|failure| failure.code)
}

#[test]
fn a_write_needs_majority_and_journal() {
    let strong = doc! { "w": "majority", "j": true };
    for name in [
        "insert",
        "update",
        "delete",
        "findAndModify",
        "createIndexes",
        "create",
        "drop",
    ] {
        assert_eq!(refused(&doc! { name: "c", "writeConcern": &strong }), None);
        let weak = [
            doc! {},
            doc! { "w": "majority" },
            doc! { "w": 1, "j": true },
        ];
        for concern in weak {
            let body = doc! { name: "c", "writeConcern": concern };
            assert_eq!(refused(&body), Some(Code::INVALID_OPTIONS), "{body}");
        }
        assert_eq!(refused(&doc! { name: "c" }), Some(Code::INVALID_OPTIONS));
    }
}

#[test]
fn a_read_needs_a_level() {
    for name in ["find", "aggregate", "count", "distinct"] {
        for level in ["majority", "snapshot", "linearizable"] {
            let body = doc! { name: "c", "readConcern": { "level": level } };
            assert_eq!(refused(&body), None);
        }
        for concern in [doc! {}, doc! { "level": "local" }, doc! { "level": 1 }] {
            let body = doc! { name: "c", "readConcern": concern };
            assert_eq!(refused(&body), Some(Code::INVALID_OPTIONS), "{body}");
        }
        assert_eq!(refused(&doc! { name: "c" }), Some(Code::INVALID_OPTIONS));
    }
    assert_eq!(refused(&doc! { "getMore": 1_i64 }), None);
    assert_eq!(refused(&doc! { "listIndexes": "c" }), None);
}

#[test]
fn a_transaction_says_its_level_first_and_once() {
    let begin = |level: &str| doc! { "insert": "c", "autocommit": false, "startTransaction": true, "readConcern": { "level": level } };
    assert_eq!(refused(&begin("snapshot")), None);
    assert_eq!(refused(&begin("majority")), None);
    assert_eq!(refused(&begin("local")), Some(Code::INVALID_OPTIONS));
    let go_on = doc! { "find": "c", "autocommit": false };
    assert_eq!(refused(&go_on), None);
    let mut again = go_on.clone();
    again.insert("readConcern", doc! { "level": "snapshot" });
    assert_eq!(refused(&again), Some(Code::INVALID_OPTIONS));
    let mut write = go_on.clone();
    write.insert("writeConcern", doc! { "w": "majority", "j": true });
    assert_eq!(refused(&write), Some(Code::INVALID_OPTIONS));
    let mut secondary = go_on;
    secondary.insert("$readPreference", doc! { "mode": "secondary" });
    assert_eq!(refused(&secondary), Some(Code::INVALID_OPTIONS));
    let index = doc! { "createIndexes": "c", "autocommit": false };
    assert_eq!(refused(&index), Some(Code::NOT_IN_TRANSACTION));
    let stray = doc! { "getMore": 1_i64, "startTransaction": true };
    assert_eq!(refused(&stray), Some(Code::INVALID_OPTIONS));
}

#[test]
fn a_commit_needs_majority_and_journal() {
    let strong = doc! { "commitTransaction": 1, "autocommit": false, "writeConcern": { "w": "majority", "j": true } };
    assert_eq!(refused_end(&strong), None);
    let weak =
        doc! { "commitTransaction": 1, "autocommit": false, "writeConcern": { "w": "majority" } };
    assert_eq!(refused_end(&weak), Some(Code::INVALID_OPTIONS));
    let stray = doc! { "commitTransaction": 1, "writeConcern": { "w": "majority", "j": true } };
    assert_eq!(refused_end(&stray), Some(Code::INVALID_OPTIONS));
    let abort = doc! { "abortTransaction": 1, "autocommit": false };
    assert_eq!(refused_end(&abort), None);
}

#[test]
fn a_read_preference_has_to_be_one() {
    let with = |preference: Document| doc! { "find": "c", "readConcern": { "level": "majority" }, "$readPreference": preference };
    for mode in MODES {
        assert_eq!(refused(&with(doc! { "mode": mode })), None);
    }
    let stale =
        |seconds: i32| with(doc! { "mode": "secondaryPreferred", "maxStalenessSeconds": seconds });
    assert_eq!(refused(&stale(90)), None);
    for bad in [stale(89), with(doc! {}), with(doc! { "mode": "any" })] {
        assert_eq!(refused(&bad), Some(Code::FAILED_TO_PARSE), "{bad}");
    }
}
