//! How often the service allocates memory for a call: counted, since times differ from machine to machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use support::{Client, connect, create, settings};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use user_proto::user::v1::GetUserRequest;
use user_service::Service;

/// Calls that fill what is kept, before those that are counted.
const FIRST_CALLS: u64 = 50;
const CALLS: u64 = 100;
/// What a call may allocate at most, HTTP/2, telemetry and, for a new user, the way of its event included.
const MOST_FOR_GET: u64 = 27;
/// 59 mostly; each look of the relay at nothing, of which a slow machine has more, is a part of one.
const MOST_FOR_CREATE: u64 = 62;

/// Longer than the relay waits for more events.
const PAUSE: Duration = Duration::from_millis(5);

/// A service that goes on, on a thread of its own, only while it is counted for.
struct Counted {
    address: SocketAddr,
    windows: mpsc::Sender<oneshot::Receiver<()>>,
    counts: mpsc::Receiver<u64>,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

impl Counted {
    fn start() -> Self {
        let (windows, opened) = mpsc::channel::<oneshot::Receiver<()>>();
        let (counted, counts) = mpsc::channel();
        let (bound, address) = mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime();
            let service = runtime.block_on(async { Service::bind(&settings()).unwrap() });
            bound.send(service.grpc_address().unwrap()).unwrap();
            runtime.spawn(service.run(std::future::pending()));
            while let Ok(end) = opened.recv() {
                let served = allocation_counter::measure(|| {
                    let _ = runtime.block_on(end);
                });
                counted.send(served.count_total).unwrap();
            }
        });
        Self {
            address: address.recv().unwrap(),
            windows,
            counts,
        }
    }

    /// Allocations on the service's thread while this runs.
    fn during<T>(&self, client: &Runtime, calls: impl Future<Output = T>) -> (T, u64) {
        let (end, ended) = oneshot::channel();
        self.windows.send(ended).unwrap();
        let result = client.block_on(calls);
        end.send(()).unwrap();
        (result, self.counts.recv().unwrap())
    }
}

/// With so long a pause before each that none of their events go out together, which is what costs most.
async fn creations(client: &mut Client, numbers: std::ops::Range<u64>) -> String {
    let mut last = String::new();
    for number in numbers {
        tokio::time::sleep(PAUSE).await;
        let user = create(client, &format!("user-{number}@example.com")).await;
        last = user.user_id;
    }
    last
}

async fn readings(client: &mut Client, user_id: &str, times: u64) {
    for _ in 0..times {
        let user_id = user_id.to_owned();
        client.get_user(GetUserRequest { user_id }).await.unwrap();
    }
}

#[test]
fn a_call_allocates_no_more_than_it_may() {
    let (service, runtime) = (Counted::start(), runtime());
    let ((mut client, user_id), _) = service.during(&runtime, async {
        let mut client = Client::new(connect(service.address).await);
        let user_id = creations(&mut client, 0..FIRST_CALLS).await;
        readings(&mut client, &user_id, FIRST_CALLS).await;
        (client, user_id)
    });
    let reading = readings(&mut client, &user_id, CALLS);
    let ((), for_get) = service.during(&runtime, reading);
    let creating = creations(&mut client, FIRST_CALLS..FIRST_CALLS + CALLS);
    let (_, for_create) = service.during(&runtime, creating);
    for (method, count, most) in [
        ("GetUser", for_get, MOST_FOR_GET),
        ("CreateUser", for_create, MOST_FOR_CREATE),
    ] {
        let each = count.div_ceil(CALLS);
        // Past the test harness, which would keep it to itself.
        let said = format!("{method}: {count} allocations for {CALLS} calls, {each} each\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        assert!(each <= most, "{method}: {each} for a call, {most} at most");
    }
}
