//! Messages to commands and users to messages.

use std::num::NonZeroUsize;

use tonic_types::FieldViolation;
use user_application::{Listing, NewUser, Target, UserDeletion, UserPage, UserUpdate};
use user_domain::{Email, UserChange, UserId, UserIdError, UserName, Version};
use user_proto::user::v1::{
    BatchGetUsersRequest, CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest,
    ListUsersResponse, UndeleteUserRequest, UpdateUserRequest, User,
};
use uuid::Uuid;

use super::filter;
use super::page::{self, Arguments, TokenError};
use crate::status::ApiError;

/// Users on a page unless the caller says how many.
const DEFAULT_PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49);
/// Users on a page at most: below a megabyte, where clients take four unless told otherwise.
const LARGEST_PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// Users that are asked for in one call at most.
const LARGEST_BATCH: usize = 100;

/// Everything that is wrong with a request, field by field.
#[derive(Default)]
struct Violations(Vec<FieldViolation>);

impl Violations {
    fn check<T, E: std::error::Error>(&mut self, field: &str, parsed: Result<T, E>) -> Option<T> {
        parsed
            .map_err(|error| self.0.push(FieldViolation::new(field, error.to_string())))
            .ok()
    }
}

/// The new user and the identifier of the request, or all bad fields at once.
pub(crate) fn new_user(request: &CreateUserRequest) -> Result<(NewUser, Option<Uuid>), ApiError> {
    let mut violations = Violations::default();
    let name = violations.check("name", UserName::parse(&request.name));
    let email = violations.check("email", Email::parse(&request.email));
    let request_id = violations.check("request_id", request_id(&request.request_id));
    let id = violations.check("user_id", chosen_id(&request.user_id));
    match (name, email, id, request_id) {
        (Some(name), Some(email), Some(id), Some(request_id)) => {
            Ok((NewUser { name, email, id }, request_id))
        }
        _ => Err(ApiError::InvalidFields(violations.0)),
    }
}

#[derive(Debug, thiserror::Error)]
enum FieldError {
    #[error("must be a UUID, or absent")]
    RequestId,
    #[error("must be set")]
    Missing,
    #[error("names a field that cannot be changed: give name, email or *")]
    Path,
    #[error("must hold 1 to {LARGEST_BATCH}")]
    Batch,
    #[error("must not be negative")]
    PageSize,
    #[error("must be an etag of this service, with its quotes, or absent")]
    Etag,
}

fn request_id(text: &str) -> Result<Option<Uuid>, FieldError> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| FieldError::RequestId),
    }
}

fn chosen_id(text: &str) -> Result<Option<UserId>, UserIdError> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some),
    }
}

/// What to change, or all bad fields at once.
pub(crate) fn user_update(request: &UpdateUserRequest) -> Result<UserUpdate, ApiError> {
    let mut violations = Violations::default();
    let Some(user) = &request.user else {
        violations.check("user", Err::<(), _>(FieldError::Missing));
        return Err(ApiError::InvalidFields(violations.0));
    };
    let asked = asked(request, user);
    if asked.iter().any(|path| !["name", "email"].contains(path)) {
        violations.check("update_mask", Err::<(), _>(FieldError::Path));
    }
    let id = violations.check("user.user_id", user.user_id.parse());
    let expected = violations.check("user.etag", version(&user.etag));
    let mut change = UserChange::default();
    if asked.contains(&"name") {
        change.name = violations.check("user.name", UserName::parse(&user.name));
    }
    if asked.contains(&"email") {
        change.email = violations.check("user.email", Email::parse(&user.email));
    }
    match (id, expected) {
        (Some(id), Some(expected)) if violations.0.is_empty() => Ok(UserUpdate {
            target: Target { id, expected },
            change,
        }),
        _ => Err(ApiError::InvalidFields(violations.0)),
    }
}

/// The fields to change by the rules of AIP-134.
fn asked<'a>(request: &'a UpdateUserRequest, user: &User) -> Vec<&'a str> {
    match &request.update_mask {
        Some(mask) if mask.paths.iter().any(|path| path == "*") && mask.paths.len() == 1 => {
            vec!["name", "email"]
        }
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().map(String::as_str).collect(),
        _ => [("name", &user.name), ("email", &user.email)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(path, _)| path)
            .collect(),
    }
}

fn version(etag: &str) -> Result<Option<Version>, FieldError> {
    if etag.is_empty() {
        return Ok(None);
    }
    let inner = etag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let number = inner.and_then(|inner| inner.parse().ok());
    let version = number.and_then(Version::new);
    version.map(Some).ok_or(FieldError::Etag)
}

fn etag(version: Version) -> String {
    format!("\"{}\"", version.get())
}

/// Which user the caller asks for.
pub(crate) fn user_id(request: &GetUserRequest) -> Result<UserId, ApiError> {
    let mut violations = Violations::default();
    violations
        .check("user_id", request.user_id.parse())
        .ok_or(ApiError::InvalidFields(violations.0))
}

/// Which users the caller asks for, or all bad fields at once.
pub(crate) fn user_ids(request: &BatchGetUsersRequest) -> Result<Vec<UserId>, ApiError> {
    const FIELD: &str = "user_ids";
    let mut violations = Violations::default();
    if !(1..=LARGEST_BATCH).contains(&request.user_ids.len()) {
        violations.check(FIELD, Err::<(), _>(FieldError::Batch));
        return Err(ApiError::InvalidFields(violations.0));
    }
    let ids = request.user_ids.iter().enumerate();
    let ids: Vec<UserId> = ids
        .filter_map(|(index, id)| violations.check(&format!("{FIELD}[{index}]"), id.parse()))
        .collect();
    if violations.0.is_empty() {
        Ok(ids)
    } else {
        Err(ApiError::InvalidFields(violations.0))
    }
}

/// Whom to delete, or all bad fields at once.
pub(crate) fn user_deletion(request: &DeleteUserRequest) -> Result<UserDeletion, ApiError> {
    Ok(UserDeletion {
        target: target(&request.user_id, &request.etag)?,
        allow_missing: request.allow_missing,
    })
}

/// Whom to bring back, or all bad fields at once.
pub(crate) fn user_undeletion(request: &UndeleteUserRequest) -> Result<Target, ApiError> {
    target(&request.user_id, &request.etag)
}

fn target(user_id: &str, etag: &str) -> Result<Target, ApiError> {
    let mut violations = Violations::default();
    let id = violations.check("user_id", user_id.parse());
    let expected = violations.check("etag", version(etag));
    match (id, expected) {
        (Some(id), Some(expected)) => Ok(Target { id, expected }),
        _ => Err(ApiError::InvalidFields(violations.0)),
    }
}

/// What to list, or all bad fields at once.
pub(crate) fn listing(request: &ListUsersRequest) -> Result<Listing, ApiError> {
    let mut violations = Violations::default();
    let limit = violations.check("page_size", page_size(request.page_size));
    let filter = violations.check("filter", filter::filter(&request.filter));
    let order = violations.check("order_by", filter::order(&request.order_by));
    let token = page::position(&request.page_token, arguments(request));
    let is_of_another = token == Err(TokenError::OtherArguments) && violations.0.is_empty();
    let after = violations.check("page_token", token);
    if is_of_another {
        return Err(ApiError::PageTokenMismatch(violations.0));
    }
    let (Some(limit), Some(mut filter), Some(order), Some(after)) = (limit, filter, order, after)
    else {
        return Err(ApiError::InvalidFields(violations.0));
    };
    filter.show_deleted = request.show_deleted;
    Ok(Listing {
        filter,
        order,
        after,
        limit,
    })
}

/// By the rules of AIP-158.
fn page_size(asked: i32) -> Result<NonZeroUsize, FieldError> {
    let asked = usize::try_from(asked).map_err(|_| FieldError::PageSize)?;
    Ok(NonZeroUsize::new(asked).map_or(DEFAULT_PAGE, |asked| asked.min(LARGEST_PAGE)))
}

fn arguments(request: &ListUsersRequest) -> Arguments {
    Arguments::of(&request.filter, &request.order_by, request.show_deleted)
}

/// A page as the caller of this listing sees it.
pub(crate) fn shown_page(page: &UserPage, request: &ListUsersRequest) -> ListUsersResponse {
    let token = |next| page::token(next, arguments(request));
    ListUsersResponse {
        users: page.users.iter().map(shown).collect(),
        next_page_token: page.next.map(token).unwrap_or_default(),
    }
}

/// The user as the caller sees it.
pub(crate) fn shown(user: &user_domain::User) -> User {
    User {
        user_id: user.id().to_string(),
        name: user.name().as_str().to_owned(),
        email: user.email().as_str().to_owned(),
        create_time: Some(user.created_at().into()),
        update_time: Some(user.updated_at().into()),
        etag: etag(user.version()),
        delete_time: user.deletion().map(|deletion| deletion.deleted_at.into()),
        purge_time: user.deletion().map(|deletion| deletion.purge_at.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_types::FieldMask;

    use super::*;

    /// Masks of paths that there are, that there are not, and that look alike.
    fn any_mask() -> impl Strategy<Value = Option<FieldMask>> {
        let path = prop_oneof![
            4 => prop::sample::select(vec![
                "name", "email", "*", "", "user_id", "etag", "create_time", "name.", "user.name", "Name", " name", "**",
            ])
            .prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        let paths = prop::collection::vec(path, 0..5);
        prop::option::of(paths.prop_map(|paths| FieldMask { paths }))
    }

    proptest! {
        #[test]
        fn a_mask_changes_what_it_names_and_nothing_else(
            mask in any_mask(),
            name in prop::sample::select(vec!["", "Ada"]),
            email in prop::sample::select(vec!["", "ada@example.com", "nobody"]),
        ) {
            let paths = mask.clone().unwrap_or_default().paths;
            let names = |path: &str| paths.iter().any(|named| named == path);
            let whole = paths == ["*"];
            let request = UpdateUserRequest {
                user: Some(User {
                    user_id: Uuid::nil().to_string(),
                    name: name.to_owned(),
                    email: email.to_owned(),
                    ..User::default()
                }),
                update_mask: mask,
                validate_only: false,
            };
            let is_known = |path: &String| ["name", "email"].contains(&path.as_str());
            let Ok(update) = user_update(&request) else {
                let is_bad = !whole && !paths.iter().all(is_known);
                prop_assert!(is_bad || name.is_empty() || email != "ada@example.com");
                return Ok(());
            };
            prop_assert!(whole || paths.iter().all(is_known));
            let asked = |path, value: &str| whole || names(path) || (paths.is_empty() && !value.is_empty());
            prop_assert_eq!(update.change.name.is_some(), asked("name", name));
            prop_assert_eq!(update.change.email.is_some(), asked("email", email));
        }
    }
}
