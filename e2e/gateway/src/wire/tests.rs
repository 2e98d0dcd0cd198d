use bson::{Document, doc};

use super::*;
use crate::failure::encode;

fn message(operation: i32, rest: &[u8]) -> Vec<u8> {
    let length = i32::try_from(HEADER + rest.len()).unwrap();
    let mut bytes = Vec::new();
    for number in [length, 42, 0, operation] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(rest);
    bytes
}

fn parse(bytes: &[u8]) -> Result<Message, WireError> {
    let header = Header::parse(*bytes.first_chunk().unwrap())?;
    assert_eq!(header.rest, bytes.len() - HEADER);
    assert_eq!(header.request, 42);
    Message::parse(header, &bytes[HEADER..])
}

fn sequence(name: &str, documents: &[Document]) -> Vec<u8> {
    let mut inner = name.as_bytes().to_vec();
    inner.push(0);
    for document in documents {
        inner.extend_from_slice(encode(document).as_bytes());
    }
    let length = i32::try_from(inner.len() + 4).unwrap();
    let mut bytes = vec![1];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&inner);
    bytes
}

#[test]
fn a_body_with_a_sequence_before_it_and_a_checksum_after_it_is_read() {
    let body = encode(&doc! { "insert": "users", "$db": "d" });
    let documents = [doc! { "_id": 1 }, doc! { "_id": 2 }];
    let mut rest = (CHECKSUM_PRESENT | MORE_TO_COME).to_le_bytes().to_vec();
    rest.extend_from_slice(&sequence("documents", &documents));
    rest.push(0);
    rest.extend_from_slice(body.as_bytes());
    rest.extend_from_slice(&[9; 4]);
    let message = parse(&message(OP_MSG, &rest)).unwrap();
    assert_eq!(message.body, body);
    assert_eq!(message.sequences.len(), 1);
    assert_eq!(message.sequences[0].name, "documents");
    assert_eq!(
        message.sequences[0].documents,
        documents.map(|d| encode(&d))
    );
    assert!(message.unanswered);
    assert!(!message.legacy);
}

#[test]
fn the_hello_of_old_is_read() {
    let body = encode(&doc! { "isMaster": 1 });
    let mut rest = 0_i32.to_le_bytes().to_vec();
    rest.extend_from_slice(b"admin.$cmd\0");
    rest.extend_from_slice(&0_i32.to_le_bytes());
    rest.extend_from_slice(&(-1_i32).to_le_bytes());
    rest.extend_from_slice(body.as_bytes());
    let message = parse(&message(OP_QUERY, &rest)).unwrap();
    assert_eq!(message.body, body);
    assert!(message.legacy);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let body = encode(&doc! { "ping": 1 });
    let with = |flags: u32, sections: &[u8]| {
        let mut rest = flags.to_le_bytes().to_vec();
        rest.extend_from_slice(sections);
        parse(&message(OP_MSG, &rest))
    };
    let mut twice = vec![0];
    twice.extend_from_slice(body.as_bytes());
    assert!(with(0, &twice).is_ok());
    assert!(with(1 << 2, &twice).is_err());
    assert!(with(1 << 17, &twice).is_ok());
    twice.push(0);
    twice.extend_from_slice(body.as_bytes());
    assert!(with(0, &twice).is_err());
    assert!(with(0, &[]).is_err());
    assert!(with(0, &[2]).is_err());
    assert!(with(0, &[0, 200, 0, 0, 0, 0]).is_err());
    assert!(with(0, &[0, 0, 0, 0, 0, 0]).is_err());
    assert!(with(0, &[1, 255, 255, 255, 255]).is_err());
    assert!(with(CHECKSUM_PRESENT, &[]).is_err());
    assert_eq!(parse(&message(2012, &[])), Err(WireError::Operation(2012)));
}

#[test]
fn every_cut_of_a_message_is_refused() {
    let mut rest = 0_u32.to_le_bytes().to_vec();
    rest.extend_from_slice(&sequence("documents", &[doc! { "_id": 1 }]));
    rest.push(0);
    rest.extend_from_slice(encode(&doc! { "insert": "users" }).as_bytes());
    for end in 0..rest.len() {
        assert!(parse(&message(OP_MSG, &rest[..end])).is_err(), "{end}");
    }
}

#[test]
fn impossible_lengths_are_refused() {
    for length in [-1, 0, 15, MAX_MESSAGE + 1, i32::MIN, i32::MAX] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Header::parse(bytes), Err(WireError::Length(length)));
    }
}

#[test]
fn an_answer_reads_back() {
    let body = encode(&doc! { "ok": 1.0 });
    let bytes = answer(42, 7, false, body.as_bytes());
    assert_eq!(bytes[8..12], 7_i32.to_le_bytes());
    assert_eq!(parse(&bytes).unwrap().body, body);
    let old = answer(42, 7, true, body.as_bytes());
    assert_eq!(old[12..16], OP_REPLY.to_le_bytes());
    assert_eq!(old[HEADER + 20..], *body.as_bytes());
}
