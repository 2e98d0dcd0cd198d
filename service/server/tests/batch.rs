//! Several users in one call, as clients see it over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use support::{InProcess, assert_reason, create, settings};
use tonic::Code;
use tonic_types::StatusExt as _;
use user_adapter_grpc::reason;
use user_proto::user::v1::{BatchGetUsersRequest, DeleteUserRequest};

fn of<T: AsRef<str>>(ids: impl IntoIterator<Item = T>) -> BatchGetUsersRequest {
    let user_ids = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
    BatchGetUsersRequest { user_ids }
}

#[tokio::test]
async fn users_are_answered_in_the_order_asked_for_deleted_ones_included() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let ada = create(&mut client, "ada@example.com").await;
    let grace = create(&mut client, "grace@example.com").await;
    let deletion = DeleteUserRequest {
        user_id: ada.user_id.clone(),
        ..DeleteUserRequest::default()
    };
    let ada = client
        .delete_user(deletion)
        .await
        .unwrap()
        .into_inner()
        .user;
    let ada = ada.expect("user is set");
    let asked = [&grace.user_id, &ada.user_id.to_uppercase(), &grace.user_id];
    let found = client.batch_get_users(of(asked)).await.unwrap();
    assert_eq!(found.into_inner().users, [grace.clone(), ada, grace]);
}

#[tokio::test]
async fn one_user_that_is_not_there_is_named_and_none_is_answered() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let ada = create(&mut client, "ada@example.com").await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let refused = client.batch_get_users(of([&*ada.user_id, unknown])).await;
    let refused = refused.unwrap_err();
    assert_reason(&refused, Code::NotFound, reason::USER_NOT_FOUND);
    let details = refused.get_error_details();
    let info = details.error_info().expect("has ErrorInfo");
    assert_eq!(info.metadata["user_id"], unknown);
}

#[tokio::test]
async fn bad_identifiers_are_named_each_and_their_number_is_bounded() {
    let service = InProcess::start(&settings());
    let mut client = service.client().await;
    let ada = create(&mut client, "ada@example.com").await;
    for (ids, fields) in [
        (vec![], vec!["user_ids"]),
        (vec![ada.user_id.as_str(); 101], vec!["user_ids"]),
        (
            vec!["one", ada.user_id.as_str(), ""],
            vec!["user_ids[0]", "user_ids[2]"],
        ),
    ] {
        let refused = client.batch_get_users(of(ids)).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, reason::INVALID_FIELDS);
        let details = refused.get_error_details();
        let violations = &details
            .bad_request()
            .expect("names fields")
            .field_violations;
        let named: Vec<&str> = violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(named, fields);
    }
    let most = client.batch_get_users(of([&ada.user_id; 100])).await;
    assert_eq!(most.unwrap().into_inner().users.len(), 100);
}
