//! Calls that hold personal data wherever a caller can write, and the search for it in what is told of them.

#![allow(unreachable_pub, reason = "as in the other files here")]

use std::collections::BTreeSet;
use std::fmt::Debug;

use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost_types::FieldMask;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use user_proto::user::v1::{
    BatchGetUsersRequest, CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest,
    UndeleteUserRequest, UpdateUserRequest, User,
};
use user_settings::{exit_code, metric, path};
use uuid::Uuid;

use crate::collector::{Collector, text};
use crate::process::Process;
use crate::support::{Client, Raw, connect, http_get, methods, new_user, until};

const NAME: &str = "Wilhelmina Quux";
const OTHER_NAME: &str = "Quux Wilhelmina";
const EMAIL: &str = "Xerxes.Plugh@Zanzibar.example";
const OTHER_EMAIL: &str = "Plugh.Xerxes@Zanzibar.example";
/// What names and addresses are made of, in lower case: a text may hold a part of one.
const PERSONAL: [&str; 5] = ["wilhelmina", "quux", "xerxes", "plugh", "zanzibar"];

const SERVICE: &str = "user.v1.UserService/";
const METHOD: &str = "rpc.method";
const STATUS: &str = "rpc.response.status_code";

/// A client that keeps what it is refused with.
struct Caller {
    client: Client,
    refusals: Vec<Status>,
}

/// With headers that tell of a user as well.
fn about<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let headers = request.metadata_mut();
    let baggage = format!("enduser.id={EMAIL}");
    headers.insert("baggage", baggage.parse().unwrap());
    headers.insert("x-forwarded-email", EMAIL.parse().unwrap());
    request
}

impl Caller {
    fn refused<T: Debug>(&mut self, answer: Result<Response<T>, Status>, code: Code) {
        let status = answer.expect_err("is refused");
        assert_eq!(status.code(), code, "{status:?}");
        self.refusals.push(status);
    }

    async fn create(&mut self) -> User {
        let new = CreateUserRequest {
            request_id: Uuid::new_v4().to_string(),
            ..new_user(NAME, EMAIL)
        };
        let created = self.client.create_user(about(new.clone())).await.unwrap();
        let of_another_request = CreateUserRequest {
            name: OTHER_NAME.to_owned(),
            ..new.clone()
        };
        let by_an_address = CreateUserRequest {
            request_id: EMAIL.to_owned(),
            ..new.clone()
        };
        let under_a_name = CreateUserRequest {
            user_id: NAME.to_owned(),
            ..new
        };
        let long_address = format!("{EMAIL}{}", ".example".repeat(40));
        for (bad, code) in [
            (new_user(NAME, &EMAIL.to_uppercase()), Code::AlreadyExists),
            (of_another_request, Code::InvalidArgument),
            (by_an_address, Code::InvalidArgument),
            (under_a_name, Code::InvalidArgument),
            (
                new_user(NAME, &format!("{NAME} <{EMAIL}>")),
                Code::InvalidArgument,
            ),
            (
                new_user(&NAME.repeat(20), OTHER_EMAIL),
                Code::InvalidArgument,
            ),
            (new_user(NAME, &long_address), Code::InvalidArgument),
            (new_user(&NAME.repeat(5_000), EMAIL), Code::OutOfRange),
        ] {
            let answer = self.client.create_user(about(bad)).await;
            self.refused(answer, code);
        }
        created.into_inner().user.expect("user is set")
    }

    async fn find(&mut self, user: &User) {
        let one = |user_id: &str| GetUserRequest {
            user_id: user_id.to_owned(),
        };
        let found = self.client.get_user(about(one(&user.user_id))).await;
        found.unwrap();
        let answer = self.client.get_user(about(one(EMAIL))).await;
        self.refused(answer, Code::InvalidArgument);

        let mut several = BatchGetUsersRequest {
            user_ids: vec![user.user_id.clone()],
        };
        let found = self.client.batch_get_users(about(several.clone())).await;
        found.unwrap();
        several.user_ids.push(NAME.to_owned());
        let answer = self.client.batch_get_users(about(several)).await;
        self.refused(answer, Code::InvalidArgument);
    }

    async fn list(&mut self) {
        let by_filter = |filter: String| ListUsersRequest {
            filter,
            ..ListUsersRequest::default()
        };
        let listing = by_filter(format!("email = \"{EMAIL}\""));
        let listed = self.client.list_users(about(listing.clone())).await;
        assert_eq!(listed.unwrap().into_inner().users.len(), 1);
        let in_order = ListUsersRequest {
            order_by: NAME.to_owned(),
            ..listing.clone()
        };
        let on_a_page = ListUsersRequest {
            page_token: EMAIL.to_owned(),
            ..listing
        };
        for bad in [
            by_filter(format!("name = \"{NAME}\"")),
            by_filter(format!("email = \"{EMAIL}")),
            by_filter(EMAIL.to_owned()),
            in_order,
            on_a_page,
        ] {
            let answer = self.client.list_users(about(bad)).await;
            self.refused(answer, Code::InvalidArgument);
        }
    }

    async fn change(&mut self, user: &User) {
        let change = |user: &User, path: &str| UpdateUserRequest {
            user: Some(user.clone()),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
            ..UpdateUserRequest::default()
        };
        let old = User {
            name: OTHER_NAME.to_owned(),
            email: OTHER_EMAIL.to_owned(),
            ..user.clone()
        };
        let changed = self.client.update_user(about(change(&old, "*"))).await;
        let changed = changed.unwrap().into_inner().user.expect("user is set");
        let namesake = self.client.create_user(about(new_user(NAME, EMAIL))).await;
        namesake.expect("the address is free again");
        let taken = User {
            email: EMAIL.to_owned(),
            ..changed.clone()
        };
        let long = User {
            name: NAME.repeat(20),
            ..changed.clone()
        };
        let no_etag = User {
            etag: NAME.to_owned(),
            ..changed.clone()
        };
        for (bad, code) in [
            (change(&old, "*"), Code::Aborted),
            (change(&taken, "email"), Code::AlreadyExists),
            (change(&long, "name"), Code::InvalidArgument),
            (change(&no_etag, "name"), Code::InvalidArgument),
            (change(&changed, EMAIL), Code::InvalidArgument),
        ] {
            let answer = self.client.update_user(about(bad)).await;
            self.refused(answer, code);
        }
    }

    async fn delete_and_undelete(&mut self, user: &User) {
        let refused = [
            (EMAIL, "", Code::InvalidArgument),
            (&*user.user_id, NAME, Code::InvalidArgument),
            (&*user.user_id, &*user.etag, Code::Aborted),
        ];
        let deletion = |user_id: &str, etag: &str| DeleteUserRequest {
            user_id: user_id.to_owned(),
            etag: etag.to_owned(),
            ..DeleteUserRequest::default()
        };
        for (user_id, etag, code) in refused {
            let bad = deletion(user_id, etag);
            let answer = self.client.delete_user(about(bad)).await;
            self.refused(answer, code);
        }
        let deletion = deletion(&user.user_id, "");
        self.client.delete_user(about(deletion)).await.unwrap();

        let undeletion = |user_id: &str, etag: &str| UndeleteUserRequest {
            user_id: user_id.to_owned(),
            etag: etag.to_owned(),
            ..UndeleteUserRequest::default()
        };
        for (user_id, etag, code) in refused {
            let bad = undeletion(user_id, etag);
            let answer = self.client.undelete_user(about(bad)).await;
            self.refused(answer, code);
        }
        let undeletion = undeletion(&user.user_id, "");
        self.client.undelete_user(about(undeletion)).await.unwrap();
    }

    /// A message that is none, and a method that there is not.
    async fn stray(&mut self, channel: &Channel) {
        let mut raw = tonic::client::Grpc::new(channel.clone());
        for path in [
            "/user.v1.UserService/GetUser",
            "/wilhelmina.Quux/Xerxes.Plugh",
        ] {
            raw.ready().await.unwrap();
            let bytes = about(EMAIL.as_bytes().to_vec());
            let path = PathAndQuery::from_static(path);
            let answer: Result<Response<Vec<u8>>, Status> = raw.unary(bytes, path, Raw).await;
            self.refusals.push(answer.expect_err("is refused"));
        }
    }
}

/// Methods of the API, each with whether a call ended well.
type Ends = BTreeSet<(String, bool)>;

/// Of what methods and statuses are told, what is about the API.
fn ends(told: impl Iterator<Item = (String, String)>) -> Ends {
    told.filter(|(method, _)| method.starts_with(SERVICE))
        .map(|(method, status)| (method, status == "OK"))
        .collect()
}

/// Every method, once well and once not.
fn every_end() -> Ends {
    methods()
        .iter()
        .flat_map(|method| [true, false].map(|well| (format!("{SERVICE}{method}"), well)))
        .collect()
}

fn logged(process: &Process) -> Ends {
    let lines = process.stderr.json();
    let calls = lines.iter().filter(|line| line["message"] == "call ended");
    let field = |line: &serde_json::Value, key| line[key].as_str().unwrap().to_owned();
    ends(calls.map(|line| {
        (
            field(line, metric::RPC_METHOD),
            field(line, metric::RPC_RESPONSE_STATUS_CODE),
        )
    }))
}

fn scraped(metrics: &str) -> Ends {
    let count = format!("{}_count{{", metric::RPC_SERVER_CALL_DURATION);
    let labels = metrics.lines().filter_map(|line| line.strip_prefix(&count));
    ends(labels.map(|labels| {
        let values: Vec<&str> = labels.split('"').skip(1).step_by(2).collect();
        (values[0].to_owned(), values[1].to_owned())
    }))
}

fn recorded(collector: &Collector) -> Ends {
    ends(collector.spans().into_iter().map(|span| {
        let status = text(&span.attributes, STATUS);
        (span.name, status.unwrap_or_default())
    }))
}

fn sent(collector: &Collector) -> Ends {
    let calls = collector.last("rpc.server.call.duration").unwrap();
    let Some(Data::Histogram(calls)) = calls.data else {
        panic!("{calls:?}");
    };
    ends(calls.data_points.iter().map(|point| {
        let attribute = |key| text(&point.attributes, key).unwrap();
        (attribute(METHOD), attribute(STATUS))
    }))
}

/// Calls a process with these settings in every way that a caller can name a user in. Fails unless log, metrics and spans
/// tell of every method, once well and once not, and neither they nor anything else outside of the answers shows a name
/// or an address. The collector has what was sent.
pub async fn is_told_nowhere(vars: &[(&str, &str)]) -> Collector {
    let (collector, address) = Collector::start().await;
    let endpoint = format!("http://{address}");
    let telling = [
        ("USERSVC_OTLP_ENDPOINT", &*endpoint),
        ("USERSVC_OTLP_METRICS", "enabled"),
        ("USERSVC_TRACE_SAMPLING", "100%"),
        ("USERSVC_LOG_LEVEL", "trace"),
        ("USERSVC_DRAIN_DELAY", "0s"),
    ];
    let mut process = Process::spawn(&[&telling, vars].concat());
    let (grpc, admin) = process.serving().await;
    let channel = connect(grpc).await;
    let mut caller = Caller {
        client: Client::new(channel.clone()),
        refusals: Vec::new(),
    };
    let user = caller.create().await;
    caller.find(&user).await;
    caller.list().await;
    caller.change(&user).await;
    caller.delete_and_undelete(&user).await;
    caller.stray(&channel).await;
    let metrics = http_get(admin, path::METRICS).await;
    let readiness = http_get(admin, path::READINESS).await;
    let every = every_end();
    // So many are not all sent in the moment that there is at the end, if the machine is slow.
    until("the spans are sent", || async {
        recorded(&collector) == every
    })
    .await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, i32::from(exit_code::OK));

    assert_eq!(logged(&process), every, "in the log");
    assert_eq!(scraped(&metrics), every, "in what is scraped");
    assert_eq!(sent(&collector), every, "in the metrics that are sent");
    for (told, by) in [
        (process.log(), "the log"),
        (process.stdout.lines().join("\n"), "the events"),
        (metrics, "what is scraped"),
        (readiness, "the readiness"),
        (collector.everything(), "what is sent"),
        (format!("{:?}", caller.refusals), "the refusals"),
    ] {
        assert!(!told.is_empty(), "{by}");
        let told = told.to_lowercase();
        for word in PERSONAL {
            assert!(!told.contains(word), "{word} by {by}: {told}");
        }
    }
    collector
}
