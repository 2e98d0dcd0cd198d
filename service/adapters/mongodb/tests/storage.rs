//! The contract of a storage.

mod support;

user_application::storage_contract!(support::storage().await);
