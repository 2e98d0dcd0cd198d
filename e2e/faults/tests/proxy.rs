//! The proxy between raw messages and a small database of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail the test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb_faults::{Rules, router, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer.
const BOUND: Duration = Duration::from_secs(10);

async fn send(stream: &mut TcpStream, id: i32, to: i32, body: &Document) {
    let body = body.to_vec().unwrap();
    let mut bytes = i32::try_from(body.len() + 21)
        .unwrap()
        .to_le_bytes()
        .to_vec();
    for number in [id, to, 2013, 0] {
        bytes.extend_from_slice(&i32::to_le_bytes(number));
    }
    bytes.push(0);
    bytes.extend_from_slice(&body);
    stream.write_all(&bytes).await.unwrap();
}

/// The number, what it answers, and the body; `None` when the connection ended.
async fn receive(stream: &mut TcpStream) -> Option<(i32, i32, Document)> {
    let mut header = [0; 21];
    stream.read_exact(&mut header).await.ok()?;
    let int = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let mut body = vec![0; usize::try_from(int(0)).unwrap() - 21];
    stream.read_exact(&mut body).await.ok()?;
    let body = Document::from_reader(body.as_slice()).unwrap();
    Some((int(4), int(8), body))
}

struct Bed {
    client: TcpStream,
    proxy: std::net::SocketAddr,
    control: std::net::SocketAddr,
    carried_out: Arc<AtomicI32>,
    _stop: tokio_util::sync::DropGuard,
}

impl Bed {
    async fn new() -> Self {
        let carried_out = Arc::new(AtomicI32::new(0));
        let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = database.local_addr().unwrap().to_string();
        tokio::spawn(answer_everything(database, Arc::clone(&carried_out)));
        let rules = Arc::new(Rules::default());
        let stop = CancellationToken::new();
        let clients = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = clients.local_addr().unwrap();
        tokio::spawn(serve(clients, upstream, Arc::clone(&rules), stop.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router(rules)).await });
        Self {
            client: TcpStream::connect(proxy).await.unwrap(),
            proxy,
            control,
            carried_out,
            _stop: stop.drop_guard(),
        }
    }

    /// Calls on the connection; `None` when it ended.
    async fn call(&mut self, body: Document) -> Option<Document> {
        send(&mut self.client, 7, 0, &body).await;
        let received = tokio::time::timeout(BOUND, receive(&mut self.client));
        let (_, to, body) = received.await.expect("no answer and no end")?;
        assert_eq!(to, 7);
        Some(body)
    }

    async fn reconnect(&mut self) {
        self.client = TcpStream::connect(self.proxy).await.unwrap();
    }

    fn carried_out(&self) -> i32 {
        self.carried_out.load(Ordering::SeqCst)
    }

    /// The status line and the body.
    async fn http(&self, method: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.control).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} /faults HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap();
        (status.to_owned(), body.to_owned())
    }

    async fn rules(&self, rules: &str) {
        assert_eq!(self.http("PUT", rules).await.0, "204");
    }
}

async fn answer_everything(listener: TcpListener, carried_out: Arc<AtomicI32>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let carried_out = Arc::clone(&carried_out);
        tokio::spawn(async move {
            while let Some((id, _, _)) = receive(&mut stream).await {
                let count = carried_out.fetch_add(1, Ordering::SeqCst) + 1;
                send(&mut stream, 1, id, &doc! { "ok": 1.0, "count": count }).await;
            }
        });
    }
}

fn insert() -> Document {
    doc! { "insert": "users", "$db": "d" }
}

#[tokio::test]
async fn without_rules_everything_goes_through() {
    let mut bed = Bed::new().await;
    for count in 1..=3 {
        let answer = bed.call(insert()).await.unwrap();
        assert_eq!(answer, doc! { "ok": 1.0, "count": count });
    }
    assert_eq!(bed.http("GET", "").await.1, "[]");
}

#[tokio::test]
async fn a_dropped_answer_was_carried_out() {
    let mut bed = Bed::new().await;
    bed.rules(r#"[{"command": "insert", "times": 1, "action": "dropAnswer"}]"#)
        .await;
    assert!(bed.call(doc! { "find": "users" }).await.is_some());
    assert_eq!(bed.call(insert()).await, None);
    assert_eq!(bed.carried_out(), 2);
    bed.reconnect().await;
    assert!(bed.call(insert()).await.is_some());
}

#[tokio::test]
async fn a_cut_call_was_not_carried_out() {
    let mut bed = Bed::new().await;
    bed.rules(r#"[{"command": "insert", "after": 1, "action": "cut"}]"#)
        .await;
    assert!(bed.call(insert()).await.is_some());
    assert_eq!(bed.call(insert()).await, None);
    assert_eq!(bed.carried_out(), 1);
}

#[tokio::test]
async fn a_failed_call_was_not_carried_out_and_the_connection_goes_on() {
    let mut bed = Bed::new().await;
    let rules = r#"[{"command": "insert", "collection": "users", "times": 1, "action": {"error":
        {"code": 112, "codeName": "WriteConflict", "labels": ["TransientTransactionError"]}}}]"#;
    bed.rules(rules).await;
    assert!(bed.call(doc! { "insert": "outbox" }).await.is_some());
    let failed = bed.call(insert()).await.unwrap();
    assert_eq!(failed.get_i32("code").unwrap(), 112);
    let labels = failed.get_array("errorLabels").unwrap();
    assert_eq!(labels[0].as_str(), Some("TransientTransactionError"));
    assert_eq!(bed.carried_out(), 1);
    assert!(bed.call(insert()).await.is_some());
}

#[tokio::test]
async fn a_delayed_call_is_carried_out_later() {
    let mut bed = Bed::new().await;
    bed.rules(r#"[{"command": "insert", "action": {"delayMs": 300}}]"#)
        .await;
    let began = Instant::now();
    assert!(bed.call(insert()).await.is_some());
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_hanging_call_is_never_answered_and_others_go_on() {
    let mut bed = Bed::new().await;
    bed.rules(r#"[{"command": "insert", "action": "hang"}]"#)
        .await;
    send(&mut bed.client, 8, 0, &insert()).await;
    // The connection is in order: what comes after is answered, and only that.
    let answer = bed.call(doc! { "find": "users" }).await.unwrap();
    assert_eq!(answer.get_i32("count").unwrap(), 1);
}

#[tokio::test]
async fn hello_is_not_touched_unless_named() {
    let mut bed = Bed::new().await;
    bed.rules(r#"[{"command": "*", "action": "cut"}]"#).await;
    assert!(bed.call(doc! { "hello": 1 }).await.is_some());
    assert!(bed.call(doc! { "ping": 1 }).await.is_some());
    assert_eq!(bed.call(doc! { "find": "users" }).await, None);
}

#[tokio::test]
async fn rules_are_shown_with_what_they_saw_replaced_and_taken_back() {
    let mut bed = Bed::new().await;
    bed.rules(r#"[{"command": "find", "after": 1, "times": 1, "action": {"delayMs": 1}}]"#)
        .await;
    for _ in 0..3 {
        assert!(bed.call(doc! { "find": "users" }).await.is_some());
    }
    let (status, body) = bed.http("GET", "").await;
    assert_eq!(status, "200");
    let seen: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!([{
        "command": "find", "after": 1, "times": 1, "action": {"delayMs": 1}, "calls": 3, "hits": 1,
    }]);
    assert_eq!(seen, expected);
    for bad in ["{", "{}", r#"[{"command": "find", "action": "explode"}]"#] {
        assert!(bed.http("PUT", bad).await.0.starts_with('4'), "{bad}");
    }
    assert_eq!(bed.http("DELETE", "").await.0, "204");
    assert_eq!(bed.http("GET", "").await.1, "[]");
}
