//! MongoDB's messages, as far as a proxy looks into them.

use std::io;

use bson::{Bson, Document, RawBsonRef, RawDocument, doc};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::rules::{Call, Failure};

const HEADER: usize = 16;
const OP_MSG: i32 = 2013;
const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
/// Largest message that is passed on: what MongoDB takes, and room for its header.
const MAX_MESSAGE: usize = 48_000_000 + 16 * 1024;

/// One message, whole.
#[derive(Debug)]
pub(crate) struct Frame {
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// Its number.
    pub(crate) id: i32,
    /// The number of the message that it answers.
    pub(crate) answers: i32,
    operation: i32,
}

impl Frame {
    /// Reads a message; `None` when the peer is gone before one begins.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        match stream.read_exact(&mut header).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        };
        let mut bytes = header.to_vec();
        let length = usize::try_from(int(&header, 0)).unwrap_or_default();
        if !(HEADER..=MAX_MESSAGE).contains(&length) {
            let message = "a message of an impossible length";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let rest = u64::try_from(length - HEADER).unwrap_or(u64::MAX);
        stream.take(rest).read_to_end(&mut bytes).await?;
        if bytes.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self {
            bytes,
            id: int(&header, 4),
            answers: int(&header, 8),
            operation: int(&header, 12),
        }))
    }

    /// Whether no answer will come.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.operation == OP_MSG && self.flags() & MORE_TO_COME != 0
    }

    /// The command, and what it is about. `None` for what is not a command in today's form: that is passed on.
    pub(crate) fn call(&self) -> Option<Call> {
        let body = self.body()?;
        let (name, target) = body.iter().next()?.ok()?;
        let collection = match target {
            RawBsonRef::String(collection) => Some(collection),
            // The target of getMore is a cursor.
            _ => body.get_str("collection").ok(),
        };
        let preference = body.get_document("$readPreference").ok();
        let mode = preference.and_then(|preference| preference.get_str("mode").ok());
        Some(Call {
            command: name.to_string(),
            collection: collection.map(str::to_owned),
            read_preference: mode.map(str::to_owned),
        })
    }

    fn flags(&self) -> u32 {
        u32::from_le_bytes(int(&self.bytes, HEADER).to_le_bytes())
    }

    fn body(&self) -> Option<&RawDocument> {
        if self.operation != OP_MSG {
            return None;
        }
        let mut rest = self.bytes.get(HEADER + 4..)?;
        if self.flags() & CHECKSUM_PRESENT != 0 {
            rest = rest.get(..rest.len().checked_sub(4)?)?;
        }
        loop {
            let (kind, section) = rest.split_first()?;
            let length = usize::try_from(i32::from_le_bytes(*section.first_chunk()?)).ok()?;
            let (section, after) = section.split_at_checked(length)?;
            if *kind == 0 {
                return RawDocument::from_bytes(section).ok();
            }
            rest = after;
        }
    }
}

/// The bytes of a failure that answers the message `to`.
pub(crate) fn failure(to: i32, failure: &Failure) -> Vec<u8> {
    let labels: Vec<Bson> = failure.labels.iter().map(Bson::from).collect();
    let body = doc! {
        "ok": 0.0,
        "errmsg": "injected by mongodb-faults",
        "code": failure.code,
        "codeName": &failure.code_name,
        "errorLabels": labels,
    };
    message(0, to, &body)
}

/// The bytes of a message.
fn message(id: i32, to: i32, body: &Document) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for number in [id, to, OP_MSG, 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.push(0);
    // What is built here always has a form in bytes.
    bytes.extend_from_slice(&body.to_vec().unwrap_or_default());
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    if let Some(place) = bytes.first_chunk_mut() {
        *place = length.to_le_bytes();
    }
    bytes
}

fn int(bytes: &[u8], at: usize) -> i32 {
    let chunk = bytes.get(at..).and_then(<[u8]>::first_chunk);
    chunk.copied().map_or(0, i32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn frame(mut bytes: &[u8]) -> Option<Frame> {
        Frame::read(&mut bytes).await.unwrap()
    }

    #[tokio::test]
    async fn a_call_is_known_by_its_command_and_collection() {
        for (body, (command, collection, mode)) in [
            (doc! { "insert": "users" }, ("insert", Some("users"), None)),
            (
                doc! { "commitTransaction": 1 },
                ("commitTransaction", None, None),
            ),
            (
                doc! { "getMore": 5_i64, "collection": "users" },
                ("getMore", Some("users"), None),
            ),
            (
                doc! { "find": "users", "$readPreference": { "mode": "nearest" } },
                ("find", Some("users"), Some("nearest")),
            ),
        ] {
            let frame = frame(&message(7, 0, &body)).await.unwrap();
            let expected = Call {
                command: command.to_owned(),
                collection: collection.map(ToOwned::to_owned),
                read_preference: mode.map(ToOwned::to_owned),
            };
            assert_eq!(frame.call(), Some(expected));
            assert_eq!(frame.id, 7);
            assert!(!frame.is_unanswered());
        }
    }

    #[tokio::test]
    async fn a_sequence_before_the_body_is_passed_over() {
        let plain = message(7, 0, &doc! { "insert": "users" });
        let mut bytes = plain[..20].to_vec();
        bytes.extend_from_slice(&[1, 10, 0, 0, 0, b'd', 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&plain[20..]);
        bytes.extend_from_slice(&[9; 4]);
        let length = i32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[16] = 3;
        let frame = frame(&bytes).await.unwrap();
        assert_eq!(frame.call().unwrap().command, "insert");
        assert!(frame.is_unanswered());
    }

    #[tokio::test]
    async fn what_is_no_command_is_no_call() {
        let mut bytes = message(7, 0, &doc! { "hello": 1 });
        bytes[12..16].copy_from_slice(&2004_i32.to_le_bytes());
        assert_eq!(frame(&bytes).await.unwrap().call(), None);
    }

    #[tokio::test]
    async fn an_injected_failure_reads_back() {
        let conflict = Failure {
            code: 112,
            code_name: "WriteConflict".to_owned(),
            labels: vec!["TransientTransactionError".to_owned()],
        };
        let frame = frame(&failure(42, &conflict)).await.unwrap();
        assert_eq!(frame.answers, 42);
        let body = frame.body().unwrap();
        assert_eq!(body.get_i32("code").unwrap(), 112);
        assert_eq!(
            body.get_array("errorLabels").unwrap().into_iter().count(),
            1
        );
    }

    #[tokio::test]
    async fn ends_and_impossible_lengths_are_told_apart() {
        assert!(frame(&[]).await.is_none());
        let whole = message(7, 0, &doc! { "ping": 1 });
        assert!(Frame::read(&mut &whole[..20]).await.is_err());
        for length in [0, 15, -1, i32::MAX] {
            let mut bytes = whole.clone();
            bytes[..4].copy_from_slice(&i32::to_le_bytes(length));
            assert!(Frame::read(&mut bytes.as_slice()).await.is_err());
        }
    }
}
