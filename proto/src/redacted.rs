//! `Debug` of the messages that hold personal data, which must not reach a log by way of `{:?}`.

use std::fmt;

use crate::user::events::v1::{UserCreated, UserUpdated};
use crate::user::v1::{CreateUserRequest, ListUsersRequest, User};

impl fmt::Debug for CreateUserRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUserRequest").finish_non_exhaustive()
    }
}

/// A filter may hold an address.
impl fmt::Debug for ListUsersRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListUsersRequest")
            .field("page_size", &self.page_size)
            .field("order_by", &self.order_by)
            .field("show_deleted", &self.show_deleted)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("user_id", &self.user_id)
            .field("create_time", &self.create_time)
            .field("update_time", &self.update_time)
            .field("etag", &self.etag)
            .field("delete_time", &self.delete_time)
            .field("purge_time", &self.purge_time)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCreated")
            .field("user_id", &self.user_id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserUpdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserUpdated")
            .field("user_id", &self.user_id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
