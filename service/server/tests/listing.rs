//! Listing users, as clients see it over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use support::{Client, InProcess, assert_reason, create, settings};
use tonic::Code;
use tonic_types::StatusExt as _;
use user_adapter_grpc::reason;
use user_proto::user::v1::{DeleteUserRequest, ListUsersRequest, ListUsersResponse, User};

/// A client of a service that has so many users, and these in order of creation.
async fn with_users(service: &InProcess, count: usize) -> (Client, Vec<User>) {
    let mut client = service.client().await;
    let mut users = Vec::new();
    for number in 0..count {
        users.push(create(&mut client, &format!("ada{number}@example.com")).await);
    }
    users.sort_by_key(|user| {
        let created = user.create_time.expect("time is set");
        (created.seconds, created.nanos, user.user_id.clone())
    });
    (client, users)
}

async fn list(client: &mut Client, request: &ListUsersRequest) -> ListUsersResponse {
    let page = client.list_users(request.clone()).await;
    page.unwrap().into_inner()
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end_on_any_replica() {
    let service = InProcess::start(&settings());
    let (mut client, users) = with_users(&service, 5).await;
    // Nothing of the listing is kept in the process that began it, so another one takes its tokens.
    let other = InProcess::start(&settings());
    let (mut elsewhere, _) = with_users(&other, 0).await;
    let mut request = ListUsersRequest {
        page_size: 2,
        order_by: "create_time desc".to_owned(),
        ..ListUsersRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = list(&mut client, &request).await;
        assert!(page.users.len() <= 2);
        found.extend(page.users);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        assert_eq!(list(&mut elsewhere, &request).await.users, []);
    }
    found.reverse();
    assert_eq!(found, users);
}

#[tokio::test]
async fn a_page_token_is_for_the_listing_that_it_came_from_with_pages_of_any_size() {
    let service = InProcess::start(&settings());
    let (mut client, users) = with_users(&service, 3).await;
    let mut request = ListUsersRequest {
        page_size: 1,
        ..ListUsersRequest::default()
    };
    request.page_token = list(&mut client, &request).await.next_page_token;
    request.page_size = 7;
    assert_eq!(list(&mut client, &request).await.users, users[1..]);
    for other in [
        ListUsersRequest {
            order_by: "create_time".to_owned(),
            ..request.clone()
        },
        ListUsersRequest {
            show_deleted: true,
            ..request.clone()
        },
        ListUsersRequest {
            filter: "email = \"a@example.com\"".to_owned(),
            ..request.clone()
        },
    ] {
        let refused = client.list_users(other).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, reason::PAGE_TOKEN_MISMATCH);
        let details = refused.get_error_details();
        let violations = &details.bad_request().expect("has it").field_violations;
        assert_eq!(violations[0].field, "page_token");
    }
}

#[tokio::test]
async fn what_cannot_be_listed_is_said_field_by_field() {
    let service = InProcess::start(&settings());
    let (mut client, _) = with_users(&service, 0).await;
    let bad = ListUsersRequest {
        page_size: -1,
        page_token: "?".to_owned(),
        filter: "name = \"Ada\"".to_owned(),
        order_by: "name".to_owned(),
        show_deleted: false,
    };
    let refused = client.list_users(bad).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, reason::INVALID_FIELDS);
    let details = refused.get_error_details();
    let violations = &details.bad_request().expect("has it").field_violations;
    let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["page_size", "filter", "order_by", "page_token"]);
    assert!(violations[1].description.contains("create_time"));
}

#[tokio::test]
async fn without_a_size_a_page_has_fifty_users_and_never_more_than_a_thousand() {
    let service = InProcess::start(&settings());
    let (mut client, _) = with_users(&service, 1_001).await;
    for (page_size, expected) in [(0, 50), (1_000, 1_000), (i32::MAX, 1_000)] {
        let request = ListUsersRequest {
            page_size,
            ..ListUsersRequest::default()
        };
        assert_eq!(list(&mut client, &request).await.users.len(), expected);
    }
}

#[tokio::test]
async fn users_are_found_by_address_and_deleted_ones_when_asked_for() {
    let service = InProcess::start(&settings());
    let (mut client, users) = with_users(&service, 3).await;
    let mut request = ListUsersRequest {
        filter: "email = \"ADA1@example.com\"".to_owned(),
        ..ListUsersRequest::default()
    };
    let found = list(&mut client, &request).await.users;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].email, "ada1@example.com");
    let deletion = DeleteUserRequest {
        user_id: found[0].user_id.clone(),
        ..DeleteUserRequest::default()
    };
    let deleted = client.delete_user(deletion).await.unwrap();
    let deleted = deleted.into_inner().user.expect("user is set");
    assert_eq!(list(&mut client, &request).await.users, []);
    request.show_deleted = true;
    assert_eq!(list(&mut client, &request).await.users, [deleted]);
    let all = list(&mut client, &ListUsersRequest::default()).await;
    assert_eq!(all.users.len(), users.len() - 1);
}
