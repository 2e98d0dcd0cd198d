//! Messages to commands and users to messages.

use tonic_types::FieldViolation;
use user_application::NewUser;
use user_domain::{Email, UserId, UserName};
use user_proto::user::v1::{CreateUserRequest, GetUserRequest, User};

use crate::status::ApiError;

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

/// What the caller asks for, or all bad fields at once.
pub(crate) fn new_user(request: &CreateUserRequest) -> Result<NewUser, ApiError> {
    let mut violations = Violations::default();
    let name = violations.check("name", UserName::parse(&request.name));
    let email = violations.check("email", Email::parse(&request.email));
    match (name, email) {
        (Some(name), Some(email)) => Ok(NewUser { name, email }),
        _ => Err(ApiError::InvalidFields(violations.0)),
    }
}

/// Which user the caller asks for.
pub(crate) fn user_id(request: &GetUserRequest) -> Result<UserId, ApiError> {
    let mut violations = Violations::default();
    violations
        .check("user_id", request.user_id.parse())
        .ok_or(ApiError::InvalidFields(violations.0))
}

/// The user as the caller sees it.
pub(crate) fn shown(user: &user_domain::User) -> User {
    User {
        user_id: user.id().to_string(),
        name: user.name().as_str().to_owned(),
        email: user.email().as_str().to_owned(),
        create_time: Some(user.created_at().into()),
    }
}
