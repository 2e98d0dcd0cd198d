//! MongoDB's wire: messages as bytes. `OP_MSG` in full but for compression, `OP_QUERY` for the first hello of old habits.

use bson::RawDocumentBuf;

/// Largest message that is read, in bytes: what `hello` announces.
pub(crate) const MAX_MESSAGE: i32 = 48_000_000;
/// Bytes of the header that begins each message.
pub(crate) const HEADER: usize = 16;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
/// The other flags below bit 16 are not known, and have to be refused.
const EXHAUST_ALLOWED: u32 = 1 << 16;
const CHECKSUM: usize = 4;

/// What is wrong with a message. None can be answered: the connection ends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum WireError {
    /// The length of the header is impossible or too large.
    #[error("a message of {0} bytes")]
    Length(i32),
    /// An operation that is not spoken here.
    #[error("operation {0} is not spoken here")]
    Operation(i32),
    /// Fields end early, overlap, or are not what they have to be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes that follow the header.
    pub(crate) rest: usize,
    /// The sender's number of the message.
    pub(crate) request: i32,
    operation: i32,
}

impl Header {
    /// Reads a header.
    pub(crate) fn parse(bytes: [u8; HEADER]) -> Result<Self, WireError> {
        let mut reader = Reader(&bytes);
        let length = reader.int()?;
        let request = reader.int()?;
        let _response_to = reader.int()?;
        let operation = reader.int()?;
        let rest = usize::try_from(length)
            .ok()
            .filter(|_| length <= MAX_MESSAGE)
            .and_then(|length| length.checked_sub(HEADER))
            .ok_or(WireError::Length(length))?;
        Ok(Self {
            rest,
            request,
            operation,
        })
    }
}

/// Documents that came beside the body, to be read as its field `name`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sequence {
    /// The field of the body.
    pub(crate) name: String,
    /// Its documents.
    pub(crate) documents: Vec<RawDocumentBuf>,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    /// The command.
    pub(crate) body: RawDocumentBuf,
    /// What came beside it.
    pub(crate) sequences: Vec<Sequence>,
    /// Whether nobody waits for the answer.
    pub(crate) unanswered: bool,
    /// Whether it came, and has to be answered, in the form of old.
    pub(crate) legacy: bool,
}

impl Message {
    /// Reads what follows a header.
    pub(crate) fn parse(header: Header, rest: &[u8]) -> Result<Self, WireError> {
        match header.operation {
            OP_MSG => Self::parse_msg(rest),
            OP_QUERY => Self::parse_query(rest),
            other => Err(WireError::Operation(other)),
        }
    }

    fn parse_msg(rest: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader(rest);
        let flags = u32::from_le_bytes(reader.chunk()?);
        let known = CHECKSUM_PRESENT | MORE_TO_COME | EXHAUST_ALLOWED;
        if flags & 0xffff & !known != 0 {
            return Err(WireError::Malformed("a flag that must be understood"));
        }
        if flags & CHECKSUM_PRESENT != 0 {
            // TCP has checksums; this one is only skipped, as servers do where TLS is.
            reader.drop_last(CHECKSUM)?;
        }
        let mut body = None;
        let mut sequences = Vec::new();
        while !reader.0.is_empty() {
            match reader.chunk::<1>()? {
                [0] if body.is_none() => body = Some(reader.document()?),
                [1] => sequences.push(reader.sequence()?),
                _ => return Err(WireError::Malformed("the kind of a section")),
            }
        }
        Ok(Self {
            body: body.ok_or(WireError::Malformed("no body"))?,
            sequences,
            unanswered: flags & MORE_TO_COME != 0,
            legacy: false,
        })
    }

    fn parse_query(rest: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader(rest);
        let _flags = reader.int()?;
        let _collection = reader.string()?;
        let _skip = reader.int()?;
        let _limit = reader.int()?;
        Ok(Self {
            body: reader.document()?,
            sequences: Vec::new(),
            unanswered: false,
            legacy: true,
        })
    }
}

/// The bytes of an answer.
pub(crate) fn answer(id: i32, to: i32, legacy: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 20 + body.len());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&to.to_le_bytes());
    if legacy {
        bytes.extend_from_slice(&OP_REPLY.to_le_bytes());
        // Flags: the server can await. No cursor, from the first, one document.
        bytes.extend_from_slice(&8_i32.to_le_bytes());
        bytes.extend_from_slice(&0_i64.to_le_bytes());
        bytes.extend_from_slice(&0_i32.to_le_bytes());
        bytes.extend_from_slice(&1_i32.to_le_bytes());
    } else {
        bytes.extend_from_slice(&OP_MSG.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.push(0);
    }
    bytes.extend_from_slice(body);
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    if let Some(place) = bytes.first_chunk_mut() {
        *place = length.to_le_bytes();
    }
    bytes
}

/// Takes fields from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (chunk, rest) = self
            .0
            .split_first_chunk()
            .ok_or(WireError::Malformed("a field ends early"))?;
        self.0 = rest;
        Ok(*chunk)
    }

    fn int(&mut self) -> Result<i32, WireError> {
        self.chunk().map(i32::from_le_bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Malformed("a field ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn drop_last(&mut self, count: usize) -> Result<(), WireError> {
        let kept = self
            .0
            .len()
            .checked_sub(count)
            .ok_or(WireError::Malformed("no room for the checksum"))?;
        self.0 = self.take(kept)?;
        Ok(())
    }

    fn string(&mut self) -> Result<String, WireError> {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(WireError::Malformed("a string without end"))?;
        let text = self.take(end)?;
        self.take(1)?;
        String::from_utf8(text.to_vec()).map_err(|_| WireError::Malformed("a string of no UTF-8"))
    }

    /// The length that a document or sequence begins with, which counts itself.
    fn peek_length(&self) -> Result<usize, WireError> {
        let mut ahead = Reader(self.0);
        usize::try_from(ahead.int()?).map_err(|_| WireError::Malformed("a negative length"))
    }

    fn document(&mut self) -> Result<RawDocumentBuf, WireError> {
        let length = self.peek_length()?;
        let bytes = self.take(length)?;
        RawDocumentBuf::from_bytes(bytes.to_vec()).map_err(|_| WireError::Malformed("a document"))
    }

    fn sequence(&mut self) -> Result<Sequence, WireError> {
        let length = self.peek_length()?;
        let mut inner = Reader(self.take(length)?);
        let _length = inner.int()?;
        let name = inner.string()?;
        let mut documents = Vec::new();
        while !inner.0.is_empty() {
            documents.push(inner.document()?);
        }
        Ok(Sequence { name, documents })
    }
}

#[cfg(test)]
mod tests;
