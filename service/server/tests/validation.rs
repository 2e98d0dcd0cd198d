//! Writes that are only tried (AIP-163), as clients see them over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use support::{Client, InProcess, assert_reason, create, new_user, settings};
use tonic::Code;
use user_adapter_grpc::reason;
use user_proto::user::v1::{
    CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, UndeleteUserRequest,
    UpdateUserRequest, User,
};

const CHOSEN: &str = "0192f0c1-2b3c-7d4e-8f50-617283940a1b";

async fn get(client: &mut Client, user: &User) -> User {
    let user_id = user.user_id.clone();
    let found = client.get_user(GetUserRequest { user_id }).await.unwrap();
    found.into_inner().user.expect("user is set")
}

fn tried(name: &str, email: &str) -> CreateUserRequest {
    CreateUserRequest {
        validate_only: true,
        ..new_user(name, email)
    }
}

fn with_address(user: &User, email: &str) -> UpdateUserRequest {
    UpdateUserRequest {
        user: Some(User {
            user_id: user.user_id.clone(),
            email: email.to_owned(),
            ..User::default()
        }),
        validate_only: true,
        ..UpdateUserRequest::default()
    }
}

#[tokio::test]
async fn a_tried_creation_answers_the_user_and_stores_none() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let answer = client.create_user(tried("  Ada ", "ada@example.com"));
    let answer = answer.await.unwrap().into_inner();
    let user = answer.user.expect("user is set");
    assert_eq!((user.name.as_str(), user.user_id.as_str()), ("Ada", ""));
    let listed = client.list_users(ListUsersRequest::default()).await;
    assert_eq!(listed.unwrap().into_inner().users, []);
    let chosen = CreateUserRequest {
        user_id: CHOSEN.to_owned(),
        ..tried("Ada", "ada@example.com")
    };
    let answer = client.create_user(chosen).await.unwrap().into_inner();
    assert_eq!(answer.user_id, CHOSEN);
}

#[tokio::test]
async fn a_tried_creation_runs_into_what_a_real_one_would() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let there = create(&mut client, "ada@example.com").await;
    let taken = client.create_user(tried("Ada", "ADA@example.com")).await;
    assert_reason(
        &taken.unwrap_err(),
        Code::AlreadyExists,
        reason::EMAIL_TAKEN,
    );
    let taken = client.create_user(CreateUserRequest {
        user_id: there.user_id,
        ..tried("Grace", "grace@example.com")
    });
    let taken = taken.await.unwrap_err();
    assert_reason(&taken, Code::AlreadyExists, reason::USER_ID_TAKEN);
    let bad = client.create_user(tried("", "grace@example.com")).await;
    assert_reason(
        &bad.unwrap_err(),
        Code::InvalidArgument,
        reason::INVALID_FIELDS,
    );
}

#[tokio::test]
async fn a_tried_creation_knows_its_request_id_and_does_not_use_it_up() {
    const REQUEST: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let request = |name: &str, validate_only| CreateUserRequest {
        request_id: REQUEST.to_owned(),
        validate_only,
        ..new_user(name, "ada@example.com")
    };
    let tried = client.create_user(request("Ada", true)).await.unwrap();
    assert_eq!(tried.into_inner().user_id, "");
    // Nothing remembers it: the same identifier is free for another body.
    let made = client.create_user(request("Ada Lovelace", false)).await;
    let made = made.unwrap().into_inner();
    let again = client.create_user(request("Ada Lovelace", true)).await;
    assert_eq!(again.unwrap().into_inner(), made);
    let other = client.create_user(request("Ada", true)).await.unwrap_err();
    assert_reason(&other, Code::InvalidArgument, reason::REQUEST_ID_REUSED);
}

#[tokio::test]
async fn a_tried_change_answers_the_next_state_and_leaves_the_user_as_it_is() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    create(&mut client, "grace@example.com").await;
    let moved = client.update_user(with_address(&user, "lovelace@example.com"));
    let moved = moved.await.unwrap().into_inner().user.expect("user is set");
    assert_eq!(moved.email, "lovelace@example.com");
    assert_ne!(moved.etag, user.etag);
    let own = client.update_user(with_address(&user, "ADA@example.com"));
    own.await.expect("a user's own address is not taken");
    let taken = client.update_user(with_address(&user, "grace@example.com"));
    let taken = taken.await.unwrap_err();
    assert_reason(&taken, Code::AlreadyExists, reason::EMAIL_TAKEN);
    assert_eq!(get(&mut client, &user).await, user);
}

#[tokio::test]
async fn a_tried_deletion_and_a_tried_return_leave_the_user_as_it_is() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    let deletion = |validate_only| DeleteUserRequest {
        user_id: user.user_id.clone(),
        validate_only,
        ..DeleteUserRequest::default()
    };
    let tried = client.delete_user(deletion(true)).await.unwrap();
    let tried = tried.into_inner().user.expect("user is set");
    assert!(tried.delete_time.is_some());
    assert_eq!(get(&mut client, &user).await, user);

    let deleted = client.delete_user(deletion(false)).await.unwrap();
    let deleted = deleted.into_inner().user.expect("user is set");
    let again = client.delete_user(deletion(true)).await.unwrap_err();
    assert_reason(&again, Code::NotFound, reason::USER_NOT_FOUND);
    let back = client.undelete_user(UndeleteUserRequest {
        user_id: user.user_id.clone(),
        validate_only: true,
        ..UndeleteUserRequest::default()
    });
    let back = back.await.unwrap().into_inner().user.expect("user is set");
    assert_eq!(back.delete_time, None);
    assert_eq!(get(&mut client, &user).await, deleted);
}
