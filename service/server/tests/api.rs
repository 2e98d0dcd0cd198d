//! The API as clients see it, over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, SystemTime};

use support::{
    HeldCall, InProcess, assert_reason, health, http_get, new_user, settings, soon, until,
};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
use tonic_types::StatusExt as _;
use user_adapter_grpc::reason;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_proto::user::v1::{CreateUserRequest, GetUserRequest, UpdateUserRequest, User};
use user_settings::{health as names, metric, path};

#[tokio::test]
async fn a_created_user_is_found_again() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let before = SystemTime::now() - Duration::from_millis(1);
    let created = client
        .create_user(new_user("  Ada ", "Ada@Example.com"))
        .await
        .unwrap()
        .into_inner();
    let user = created.user.expect("user is set");
    assert_eq!(created.user_id, user.user_id);
    assert_eq!(
        (user.name.as_str(), user.email.as_str()),
        ("Ada", "Ada@Example.com")
    );
    let created_at = SystemTime::try_from(user.create_time.expect("time is set")).unwrap();
    assert!(created_at >= before && created_at <= SystemTime::now());
    let found = client
        .get_user(GetUserRequest {
            user_id: created.user_id.to_uppercase(),
        })
        .await;
    assert_eq!(found.unwrap().into_inner().user, Some(user));
}

#[tokio::test]
async fn an_address_that_differs_in_case_already_exists() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    client
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap();
    let status = client
        .create_user(new_user("Ada", "ADA@EXAMPLE.COM"))
        .await
        .unwrap_err();
    assert_reason(&status, Code::AlreadyExists, reason::EMAIL_TAKEN);
}

#[tokio::test]
async fn all_bad_fields_are_named_at_once() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let status = client
        .create_user(new_user(" ", "nobody"))
        .await
        .unwrap_err();
    assert_reason(&status, Code::InvalidArgument, reason::INVALID_FIELDS);
    let details = status.get_error_details();
    let violations = &details
        .bad_request()
        .expect("has BadRequest")
        .field_violations;
    let told: Vec<_> = violations
        .iter()
        .map(|v| (v.field.as_str(), v.description.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("name", "must not be empty"),
            ("email", "must be an e-mail address such as ada@example.com")
        ]
    );
}

/// A user to be called so from now on; whatever its state is if there is no etag.
fn renamed(user_id: &str, name: &str, etag: &str) -> UpdateUserRequest {
    UpdateUserRequest {
        user: Some(User {
            user_id: user_id.to_owned(),
            name: name.to_owned(),
            etag: etag.to_owned(),
            ..User::default()
        }),
        ..UpdateUserRequest::default()
    }
}

#[tokio::test]
async fn a_changed_user_keeps_what_was_not_asked_for_and_has_another_etag() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let request = new_user("Ada", "ada@example.com");
    let created = client.create_user(request).await.unwrap().into_inner();
    let before = created.user.expect("user is set");
    let request = renamed(&before.user_id, "Ada Lovelace", &before.etag);
    let changed = client.update_user(request).await.unwrap().into_inner();
    let after = changed.user.expect("user is set");
    assert_eq!(
        (after.name.as_str(), after.email.as_str()),
        ("Ada Lovelace", "ada@example.com")
    );
    assert_eq!(
        (before.etag.as_str(), after.etag.as_str()),
        ("\"1\"", "\"2\"")
    );
    let user_id = before.user_id.clone();
    let found = client.get_user(GetUserRequest { user_id }).await;
    assert_eq!(found.unwrap().into_inner().user, Some(after));

    let late = client
        .update_user(renamed(&before.user_id, "Grace", &before.etag))
        .await
        .unwrap_err();
    assert_reason(&late, Code::Aborted, reason::USER_CHANGED);
}

#[tokio::test]
async fn a_mask_with_a_field_that_cannot_be_changed_is_refused_whatever_its_size() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let created = client
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap()
        .into_inner();
    for paths in [vec!["user_id".to_owned()], vec!["x".to_owned(); 20_000]] {
        let mut request = renamed(&created.user_id, "Grace", "");
        request.update_mask = Some(prost_types::FieldMask { paths });
        let status = client.update_user(request).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, reason::INVALID_FIELDS);
        let details = status.get_error_details();
        let violations = &details.bad_request().expect("has it").field_violations;
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["update_mask"]);
    }
}

#[tokio::test]
async fn a_repeated_request_makes_one_user_and_its_id_is_for_no_other() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let request = |email: &str| CreateUserRequest {
        request_id: "0192f0c1-2b3c-7d4e-8f50-617283940a1b".to_owned(),
        ..new_user("Ada", email)
    };
    let first = client.create_user(request("ada@example.com")).await;
    let again = client.create_user(request("ada@example.com")).await;
    assert_eq!(first.unwrap().into_inner(), again.unwrap().into_inner());
    let others = [
        request("grace@example.com"),
        CreateUserRequest {
            name: "Grace".to_owned(),
            ..request("ada@example.com")
        },
        CreateUserRequest {
            user_id: "0192f0c1-2b3c-7d4e-8f50-617283940a1c".to_owned(),
            ..request("ada@example.com")
        },
    ];
    for other in others {
        let refused = client.create_user(other).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, reason::REQUEST_ID_REUSED);
    }
}

#[tokio::test]
async fn a_caller_may_choose_the_identifier_of_a_new_user_once() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let chosen = "0192f0c1-2b3c-7d4e-8f50-617283940a1b";
    let request = |user_id: &str, email: &str| CreateUserRequest {
        user_id: user_id.to_owned(),
        ..new_user("Ada", email)
    };
    let created = client.create_user(request(&chosen.to_uppercase(), "ada@example.com"));
    assert_eq!(created.await.unwrap().into_inner().user_id, chosen);
    let taken = client.create_user(request(chosen, "grace@example.com"));
    let taken = taken.await.unwrap_err();
    assert_reason(&taken, Code::AlreadyExists, reason::USER_ID_TAKEN);
    let bad = client.create_user(request("ada", "grace@example.com"));
    let bad = bad.await.unwrap_err();
    assert_reason(&bad, Code::InvalidArgument, reason::INVALID_FIELDS);
    let free = client.create_user(new_user("Grace", "grace@example.com"));
    free.await.expect("nothing was stored by the refused ones");
}

#[tokio::test]
async fn an_unknown_user_is_not_found_and_a_malformed_id_is_invalid() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    let unknown = "0192f0c1-2b3c-7d4e-8f50-617283940a1b".to_owned();
    let status = client
        .get_user(GetUserRequest { user_id: unknown })
        .await
        .unwrap_err();
    assert_reason(&status, Code::NotFound, reason::USER_NOT_FOUND);
    let status = client
        .get_user(GetUserRequest {
            user_id: "7".to_owned(),
        })
        .await
        .unwrap_err();
    assert_reason(&status, Code::InvalidArgument, reason::INVALID_FIELDS);
}

#[tokio::test]
async fn a_call_that_takes_too_long_exceeds_its_deadline() {
    let mut settings = settings();
    settings.server.request_timeout = Duration::from_millis(100);
    let service = InProcess::start(&settings);
    let status = HeldCall::begin(&service.channel().await)
        .await
        .wait()
        .await
        .unwrap_err();
    assert_reason(&status, Code::DeadlineExceeded, reason::DEADLINE_EXCEEDED);
}

#[tokio::test]
async fn health_is_told_on_both_ports_under_their_names() {
    let service = InProcess::start(&settings());
    let api = service.channel().await;
    let admin = support::connect(service.admin).await;
    let serving = Some(ServingStatus::Serving);
    until("serving", || async {
        health(&api, names::API).await == serving
    })
    .await;
    assert_eq!(health(&api, "").await, serving);
    assert_eq!(health(&admin, names::LIVENESS).await, serving);
    assert_eq!(health(&admin, names::READINESS).await, serving);
    assert_eq!(health(&admin, names::API).await, None);
}

/// Asks reflection one thing.
async fn reflect(service: &InProcess, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let stream = tonic::codegen::tokio_stream::once(request);
    let mut client = ServerReflectionClient::new(service.channel().await);
    let mut answers = client
        .server_reflection_info(stream)
        .await
        .unwrap()
        .into_inner();
    let answer = soon("an answer", answers.message())
        .await
        .unwrap()
        .expect("one answer");
    answer.message_response.expect("says something")
}

#[tokio::test]
async fn reflection_lists_what_is_served() {
    let service = InProcess::start(&settings());
    let answer = reflect(&service, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("not a list: {answer:?}");
    };
    let mut services: Vec<String> = list
        .service
        .into_iter()
        .map(|ServiceResponse { name }| name)
        .collect();
    services.sort();
    assert_eq!(
        services,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "user.v1.UserService"
        ]
    );
}

#[tokio::test]
async fn reflection_knows_the_types_of_messages_and_of_error_details() {
    let service = InProcess::start(&settings());
    for name in [
        "user.v1.User",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
    ] {
        let question = MessageRequest::FileContainingSymbol(name.to_owned());
        let answer = reflect(&service, question).await;
        assert!(
            matches!(answer, MessageResponse::FileDescriptorResponse(_)),
            "{name}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn calls_users_and_events_are_counted_without_personal_data() {
    let service = InProcess::start(&settings());
    let mut client = UserServiceClient::new(service.channel().await);
    client
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap();
    client
        .create_user(new_user("Ada", "ada@example.com"))
        .await
        .unwrap_err();
    let count = |code: &str| {
        format!(
            "\n{}_count{{{}=\"user.v1.UserService/CreateUser\",{}=\"{code}\"}} 1\n",
            metric::RPC_SERVER_CALL_DURATION,
            metric::RPC_METHOD,
            metric::RPC_RESPONSE_STATUS_CODE
        )
    };
    let expected = [
        count("OK"),
        count("ALREADY_EXISTS"),
        format!("\n{} 1\n", metric::USERS_STORED),
        format!("\n{} 1\n", metric::OUTBOX_PUBLISHED),
        format!("\n{} 0\n", metric::OUTBOX_PENDING),
        format!("\n{}{{version=\"", metric::BUILD_INFO),
        format!("\n{} ", metric::PROCESS_START_TIME),
    ];
    until("metrics", || async {
        let text = http_get(service.admin, path::METRICS).await;
        expected.iter().all(|sample| text.contains(sample))
    })
    .await;
    let text = http_get(service.admin, path::METRICS).await;
    assert!(
        text.contains("content-type: application/openmetrics-text"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("Ada") && !text.contains("ada@"), "{text}");
}

#[tokio::test]
async fn build_information_is_json() {
    let service = InProcess::start(&settings());
    let answer = http_get(service.admin, path::BUILD_INFO).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let info: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        info,
        serde_json::json!({"name": "user-service", "version": env!("CARGO_PKG_VERSION")})
    );
}
