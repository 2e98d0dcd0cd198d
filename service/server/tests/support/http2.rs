//! HTTP/2 by hand, for what no client library would send (RFC 9113).

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::net::SocketAddr;

use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::soon;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (§6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Error codes (§7).
pub mod code {
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The number at this place of the payload.
    pub fn number(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4).expect("is long enough");
        u32::from_be_bytes(bytes.try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The preface, and settings without content.
pub fn opening() -> Vec<u8> {
    [PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()
}

/// A field that is in no table and not compressed (RFC 7541 §6.2.2).
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.extend(length(text.len()));
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A length, where it is below 2^14 or so (RFC 7541 §5.1).
fn length(of: usize) -> Vec<u8> {
    if of < 127 {
        return vec![u8::try_from(of).unwrap()];
    }
    let rest = of - 127;
    let low = u8::try_from(rest % 128).unwrap();
    vec![127, low | 128, u8::try_from(rest / 128).unwrap()]
}

/// What every call of this method begins with.
pub fn fields(method: &str) -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    .into_iter()
    .flat_map(|(name, value)| field(name, value))
    .collect()
}

pub fn headers(stream: u32, fields: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS, stream, fields)
}

/// A message as gRPC frames it.
pub fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &bytes].concat()
}

/// A call with its whole message.
pub fn call(stream: u32, method: &str, message: &impl Message) -> Vec<u8> {
    let data = frame(kind::DATA, END_STREAM, stream, &framed(message));
    [headers(stream, &fields(method)), data].concat()
}

pub struct Connection(TcpStream);

impl Connection {
    pub async fn open(server: SocketAddr) -> Self {
        let stream = soon("connecting", TcpStream::connect(server)).await;
        Self(stream.expect("accepts connections"))
    }

    /// The same, and the client has said how it begins.
    pub async fn begin(server: SocketAddr) -> Self {
        let mut connection = Self::open(server).await;
        connection.send(&opening()).await;
        connection
    }

    /// Sends as much as the server takes: it may have had enough by then.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = soon("sending", self.0.write_all(bytes)).await;
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Is gone without another word.
    pub fn abort(self) {
        let socket = socket2::SockRef::from(&self.0);
        socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// The next frame; `None` at the end, whether there are frames left to read or the server reset the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        soon("a frame", async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, rest @ ..] = head;
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.ok()?;
            Some(Frame {
                kind,
                flags,
                stream: u32::from_be_bytes(rest),
                payload,
            })
        })
        .await
    }

    /// The next frame of this kind; `None` if the connection ends before.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Reads to the end: the code of the last GOAWAY, if there was one.
    pub async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == kind::GOAWAY {
                code = Some(frame.number(4));
            }
        }
        code
    }
}
