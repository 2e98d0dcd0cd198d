use bson::{Binary, Bson, doc};

use super::*;
use crate::failure::encode;

fn message(body: &Document, sequences: Vec<Sequence>) -> Message {
    Message {
        body: encode(body),
        sequences,
        unanswered: false,
        legacy: false,
    }
}

fn lsid(subtype: BinarySubtype, length: usize) -> Bson {
    let bytes = vec![5; length];
    Bson::Document(doc! { "id": Binary { subtype, bytes } })
}

#[test]
fn the_wires_fields_are_taken_out_and_sequences_put_in() {
    let body = doc! {
        "insert": "users",
        "ordered": true,
        "lsid": lsid(BinarySubtype::Uuid, 16),
        "txnNumber": 3_i64,
        "autocommit": false,
        "startTransaction": true,
        "readConcern": { "level": "snapshot" },
        "$readPreference": { "mode": "primary" },
        "$clusterTime": {},
        "maxTimeMS": 250,
        "$db": "shop",
    };
    let documents = vec![encode(&doc! { "_id": 1 })];
    let name = "documents".to_owned();
    let command = Command::parse(message(&body, vec![Sequence { name, documents }])).unwrap();
    assert_eq!(command.name, "insert");
    assert_eq!(command.collection().unwrap(), "users");
    assert_eq!(command.database, "shop");
    let rest = doc! { "insert": "users", "ordered": true, "documents": [{ "_id": 1 }] };
    assert_eq!(command.body, encode(&rest));
    let envelope = command.envelope;
    assert_eq!(envelope.session, Some([5; 16]));
    assert_eq!(envelope.number, Some(3));
    assert!(envelope.in_transaction() && envelope.start);
    assert_eq!(envelope.limit, Some(Duration::from_millis(250)));
    let level = doc! { "level": "snapshot" };
    assert_eq!(envelope.read_concern, Some(level));
}

#[test]
fn malformed_commands_are_refused() {
    let bad = [
        doc! {},
        doc! { "ping": 1 },
        doc! { "ping": 1, "$db": "d", "lsid": lsid(BinarySubtype::Uuid, 15) },
        doc! { "ping": 1, "$db": "d", "lsid": lsid(BinarySubtype::Generic, 16) },
        doc! { "ping": 1, "$db": "d", "lsid": 1 },
        doc! { "ping": 1, "$db": "d", "writeConcern": 1 },
        doc! { "ping": 1, "$db": "d", "maxTimeMS": -1 },
        doc! { "ping": 1, "$db": "d", "maxTimeMS": 1.5 },
        doc! { "ping": 1, "$db": "d", "maxTimeMS": "1" },
    ];
    for body in bad {
        assert!(
            Command::parse(message(&body, Vec::new())).is_err(),
            "{body}"
        );
    }
}

#[test]
fn no_time_is_no_limit() {
    for none in [Bson::Int32(0), Bson::Int64(0), Bson::Double(0.0)] {
        let body = doc! { "ping": 1, "$db": "d", "maxTimeMS": none };
        let command = Command::parse(message(&body, Vec::new())).unwrap();
        assert_eq!(command.envelope.limit, None);
    }
}
