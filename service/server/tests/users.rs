//! What becomes of users, as clients see it over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, SystemTime};

use support::{Client, InProcess, assert_reason, create, new_user, settings, until};
use tonic::Code;
use user_adapter_grpc::reason;
use user_proto::user::v1::{
    BatchGetUsersRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, UndeleteUserRequest,
    UpdateUserRequest, User,
};

fn deletion_of(user: &User) -> DeleteUserRequest {
    DeleteUserRequest {
        user_id: user.user_id.clone(),
        ..DeleteUserRequest::default()
    }
}

async fn delete(client: &mut Client, user: &User) -> User {
    let deleted = client.delete_user(deletion_of(user)).await.unwrap();
    deleted.into_inner().user.expect("user is set")
}

fn time(field: Option<prost_types::Timestamp>) -> SystemTime {
    field.expect("time is set").try_into().expect("valid")
}

#[tokio::test]
async fn a_deleted_user_says_until_when_it_can_come_back_and_is_found_still() {
    let mut settings = settings();
    settings.purge_delay = Duration::from_hours(48);
    let service = InProcess::start(&settings);
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    assert_eq!((user.delete_time, user.purge_time), (None, None));
    let deleted = delete(&mut client, &user).await;
    let deleted_at = time(deleted.delete_time);
    assert_eq!(deleted.update_time, deleted.delete_time);
    assert_eq!(time(deleted.purge_time), deleted_at + settings.purge_delay);
    let user_id = user.user_id.clone();
    let found = client.get_user(GetUserRequest { user_id }).await.unwrap();
    assert_eq!(found.into_inner().user, Some(deleted));
    let taken = client.create_user(new_user("Grace", "ADA@example.com"));
    let taken = taken.await.unwrap_err();
    assert_reason(&taken, Code::AlreadyExists, reason::EMAIL_TAKEN);
}

#[tokio::test]
async fn a_deleted_user_is_gone_for_good_once_its_time_has_come() {
    let mut settings = settings();
    settings.purge_delay = Duration::from_millis(200);
    let service = InProcess::start(&settings);
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    let user_id = || user.user_id.clone();
    let purged_at = time(delete(&mut client, &user).await.purge_time);
    let get = || {
        let (mut client, user_id) = (client.clone(), user_id());
        async move { client.get_user(GetUserRequest { user_id }).await }
    };
    until("the purge", || async { get().await.is_err() }).await;
    assert!(SystemTime::now() >= purged_at, "not before its time");
    let gone = get().await.unwrap_err();
    assert_reason(&gone, Code::NotFound, reason::USER_NOT_FOUND);
    let undeletion = UndeleteUserRequest {
        user_id: user_id(),
        ..UndeleteUserRequest::default()
    };
    let back = client.undelete_user(undeletion).await.unwrap_err();
    assert_reason(&back, Code::NotFound, reason::USER_NOT_FOUND);
    let user_ids = vec![user_id()];
    let batch = client.batch_get_users(BatchGetUsersRequest { user_ids });
    let batch = batch.await.unwrap_err();
    assert_reason(&batch, Code::NotFound, reason::USER_NOT_FOUND);
    let with_deleted = ListUsersRequest {
        show_deleted: true,
        ..ListUsersRequest::default()
    };
    let listed = client.list_users(with_deleted).await.unwrap();
    assert_eq!(listed.into_inner().users, []);
    let another = create(&mut client, "ADA@example.com").await;
    assert_ne!(another.user_id, user.user_id);
}

#[tokio::test]
async fn a_deleted_user_comes_back_as_it_was_and_a_user_that_is_there_does_not() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    let undelete = |etag: &str| UndeleteUserRequest {
        user_id: user.user_id.clone(),
        etag: etag.to_owned(),
        ..UndeleteUserRequest::default()
    };
    let there = client.undelete_user(undelete("")).await.unwrap_err();
    assert_reason(&there, Code::AlreadyExists, reason::USER_NOT_DELETED);
    let deleted = delete(&mut client, &user).await;
    let old = client.undelete_user(undelete(&user.etag)).await;
    assert_reason(&old.unwrap_err(), Code::Aborted, reason::USER_CHANGED);
    let back = client.undelete_user(undelete(&deleted.etag)).await.unwrap();
    let back = back.into_inner().user.expect("user is set");
    let as_it_was = User {
        update_time: back.update_time,
        etag: back.etag.clone(),
        ..user
    };
    assert_eq!(back, as_it_was);
}

#[tokio::test]
async fn what_was_deleted_is_not_deleted_again_unless_it_may_be_missing() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    let deleted = delete(&mut client, &user).await;
    let mut again = deletion_of(&user);
    let refused = client.delete_user(again.clone()).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, reason::USER_NOT_FOUND);
    again.allow_missing = true;
    let same = client.delete_user(again.clone()).await.unwrap();
    assert_eq!(same.into_inner().user, Some(deleted));
    again.user_id = "0192f0c1-2b3c-7d4e-8f50-617283940a1b".to_owned();
    let nobody = client.delete_user(again).await.unwrap();
    assert_eq!(nobody.into_inner().user, None);
}

#[tokio::test]
async fn a_user_is_deleted_only_in_the_state_that_was_asked_for() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    for (etag, code, reason) in [
        ("\"7\"", Code::Aborted, reason::USER_CHANGED),
        ("7", Code::InvalidArgument, reason::INVALID_FIELDS),
    ] {
        let mut other = deletion_of(&user);
        other.etag = etag.to_owned();
        let refused = client.delete_user(other).await.unwrap_err();
        assert_reason(&refused, code, reason);
    }
}

#[tokio::test]
async fn a_deleted_user_cannot_be_changed() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let user = create(&mut client, "ada@example.com").await;
    delete(&mut client, &user).await;
    let update = UpdateUserRequest {
        user: Some(User {
            user_id: user.user_id,
            name: "Grace".to_owned(),
            ..User::default()
        }),
        ..UpdateUserRequest::default()
    };
    let refused = client.update_user(update).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, reason::USER_DELETED);
}
