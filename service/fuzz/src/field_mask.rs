//! Field masks, and the values that they name.

use std::collections::BTreeSet;

use prost_types::FieldMask;
use tonic::Code;
use user_adapter_grpc::reason;
use user_domain::{Email, UserName};
use user_proto::user::v1::{
    GetUserRequest, GetUserResponse, UpdateUserRequest, UpdateUserResponse, User,
};

use crate::service::Service;

const ADA: &str = "00000000-0000-0000-0000-000100000001";
const GRACE: &str = "grace@example.com";

/// Bits of the first byte.
const WITHOUT_MASK: u8 = 1;
const VALIDATE_ONLY: u8 = 2;
const FIRST_ETAG: u8 = 4;
const OTHER_ETAG: u8 = 8;

/// A call, and what it has to do.
struct Update<'a> {
    paths: Vec<&'a str>,
    name: &'a str,
    email: &'a str,
    etag: &'a str,
    validate_only: bool,
    without_mask: bool,
}

impl<'a> Update<'a> {
    /// A byte of bits and three lines: the paths with commas between them, a name, an address.
    fn read(bits: u8, text: &'a str) -> Self {
        let mut lines = text.splitn(3, '\n');
        let mut line = || lines.next().unwrap_or_default();
        let (paths, name, email) = (line(), line(), line());
        let has = |bit| bits & bit != 0;
        let without_mask = has(WITHOUT_MASK);
        Self {
            paths: match paths {
                "" => vec![],
                _ if without_mask => vec![],
                paths => paths.split(',').collect(),
            },
            name,
            email,
            etag: match (has(FIRST_ETAG), has(OTHER_ETAG)) {
                (_, true) => "\"7\"",
                (true, false) => "\"1\"",
                (false, false) => "",
            },
            validate_only: has(VALIDATE_ONLY),
            without_mask,
        }
    }

    fn request(&self) -> UpdateUserRequest {
        let paths = self.paths.iter().copied().map(str::to_owned).collect();
        UpdateUserRequest {
            user: Some(User {
                user_id: ADA.to_owned(),
                name: self.name.to_owned(),
                email: self.email.to_owned(),
                etag: self.etag.to_owned(),
                ..User::default()
            }),
            update_mask: (!self.without_mask).then_some(FieldMask { paths }),
            validate_only: self.validate_only,
        }
    }

    /// By AIP-134: what the mask names, all by `*` alone, and without one what is set.
    fn asks_for(&self, path: &str, value: &str) -> bool {
        match self.paths.as_slice() {
            [] => !value.is_empty(),
            ["*"] => true,
            paths => paths.contains(&path),
        }
    }

    /// The user that it makes of this one, or the reason and the fields that it is refused for.
    fn of(&self, user: &User) -> Result<User, (&'static str, BTreeSet<&'static str>)> {
        let mut updated = user.clone();
        let mut bad = BTreeSet::new();
        let is_known = |path: &&str| ["name", "email"].contains(path);
        if self.paths != ["*"] && !self.paths.iter().all(is_known) {
            bad.insert("update_mask");
        }
        if self.asks_for("name", self.name) {
            match UserName::parse(self.name) {
                Ok(name) => name.as_str().clone_into(&mut updated.name),
                Err(_) => _ = bad.insert("user.name"),
            }
        }
        let mut is_taken = false;
        if self.asks_for("email", self.email) {
            match Email::parse(self.email) {
                Ok(email) => {
                    is_taken = email.as_key() == GRACE;
                    email.as_str().clone_into(&mut updated.email);
                }
                Err(_) => _ = bad.insert("user.email"),
            }
        }
        if !bad.is_empty() {
            return Err((reason::INVALID_FIELDS, bad));
        }
        if !["", user.etag.as_str()].contains(&self.etag) {
            return Err((reason::USER_CHANGED, bad));
        }
        if is_taken {
            return Err((reason::EMAIL_TAKEN, bad));
        }
        Ok(updated)
    }
}

fn ada(service: &Service) -> User {
    let user_id = ADA.to_owned();
    let (_, answer): (_, GetUserResponse) = service.ask("GetUser", &GetUserRequest { user_id });
    answer.user.expect("is there")
}

/// What a user is, without what every update changes.
fn lasting(user: User) -> User {
    User {
        etag: String::new(),
        update_time: None,
        ..user
    }
}

/// The first byte holds bits, the rest is text: paths, a name and an address, each on a line. Returns how the update
/// ended, nothing without a byte.
pub fn field_mask(input: &[u8]) -> Option<Code> {
    let (bits, text) = input.split_first()?;
    let text = String::from_utf8_lossy(text);
    let update = Update::read(*bits, &text);
    let service = Service::with_users(&["ada@example.com", GRACE]);
    let before = ada(&service);
    let (answer, updated): (_, UpdateUserResponse) = service.ask("UpdateUser", &update.request());
    let after = ada(&service);
    match update.of(&before) {
        Err((reason, bad)) => {
            assert_eq!(answer.info.expect("is refused").reason, reason);
            let named: BTreeSet<&str> = answer.bad_fields.iter().map(String::as_str).collect();
            assert_eq!(named, bad);
            assert_eq!(after, before);
        }
        Ok(expected) => {
            assert_eq!(answer.code, Code::Ok);
            let updated = updated.user.expect("is answered");
            assert_eq!(lasting(updated.clone()), lasting(expected));
            assert_eq!(
                after,
                if update.validate_only {
                    before
                } else {
                    updated
                }
            );
        }
    }
    Some(answer.code)
}
