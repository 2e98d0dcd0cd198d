//! Page tokens, thought up and changed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::Code;
use user_adapter_grpc::reason;
use user_proto::user::v1::{ListUsersRequest, ListUsersResponse, User};

use crate::service::Service;

/// Arguments that all users are listed by, in one order or the other; `show_deleted` doubles them.
const FILTERS: [&str; 3] = [
    "",
    "create_time >= 1970-01-01T00:00:00Z",
    "create_time<2000-01-01T00:00:00Z",
];
const ORDERS: [&str; 3] = ["", "create_time", "create_time desc"];

/// A token: the version of its form, milliseconds since the epoch, the identifier of a user, the hash of the arguments.
const TOKEN_BYTES: usize = 41;
const VERSION: u8 = 1;
const BINDING_AT: usize = 25;

/// What is listed is never changed.
static LISTINGS: LazyLock<Vec<Listing>> = LazyLock::new(|| {
    let users = [
        "a@example.com",
        "b@example.com",
        "c@example.com",
        "d@example.com",
    ];
    let service = Service::with_users(&users);
    let mut listings = vec![];
    for filter in FILTERS {
        for order_by in ORDERS {
            for show_deleted in [false, true] {
                let request = ListUsersRequest {
                    filter: filter.to_owned(),
                    order_by: order_by.to_owned(),
                    show_deleted,
                    ..ListUsersRequest::default()
                };
                listings.push(Listing::of(&service, request));
            }
        }
    }
    listings
});

struct Listing {
    service: Service,
    arguments: ListUsersRequest,
    /// All of its users.
    users: Vec<User>,
    /// The token of what follows the first of them.
    token: Vec<u8>,
}

impl Listing {
    fn of(service: &Service, arguments: ListUsersRequest) -> Self {
        let list = |page_size| {
            let request = ListUsersRequest {
                page_size,
                ..arguments.clone()
            };
            let (_, page): (_, ListUsersResponse) = service.ask("ListUsers", &request);
            page
        };
        let token = URL_SAFE_NO_PAD.decode(list(1).next_page_token);
        let token = token.expect("is base64");
        assert_eq!((token.len(), token.first()), (TOKEN_BYTES, Some(&VERSION)));
        Self {
            service: service.clone(),
            users: list(1000).users,
            token,
            arguments,
        }
    }

    /// The listing that this byte says.
    fn at(byte: u8) -> &'static Self {
        let mut listings = LISTINGS.iter().cycle();
        listings.nth(usize::from(byte)).expect("goes on for ever")
    }

    /// Asks for what follows this token: only a token that is bound to these very arguments is accepted, and leads to
    /// the place that it names.
    fn follow(&self, token: &str) -> Code {
        let request = ListUsersRequest {
            page_token: token.to_owned(),
            ..self.arguments.clone()
        };
        let (answer, page): (_, ListUsersResponse) = self.service.ask("ListUsers", &request);
        let said = answer.info.map(|info| info.reason);
        let (expected, users) = match self.read(token) {
            Ok(users) => (None, users),
            Err(reason) => (Some(reason), vec![]),
        };
        assert_eq!(said.as_deref(), expected, "{token:?}");
        assert_eq!(page.users, users, "{token:?}");
        if expected.is_some() {
            assert_eq!(answer.code, Code::InvalidArgument);
            assert_eq!(answer.bad_fields, ["page_token"]);
        }
        answer.code
    }

    /// The users that follow, or why there are none.
    fn read(&self, token: &str) -> Result<Vec<User>, &'static str> {
        if token.is_empty() {
            return Ok(self.users.clone());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        if bytes.len() != TOKEN_BYTES || bytes.first() != Some(&VERSION) {
            return Err(reason::INVALID_FIELDS);
        }
        if bytes.get(BINDING_AT..) != self.token.get(BINDING_AT..) {
            return Err(reason::PAGE_TOKEN_MISMATCH);
        }
        let place = bytes.get(1..BINDING_AT).unwrap_or_default();
        let is_backwards = self.arguments.order_by.ends_with("desc");
        let follows = |user: &&User| {
            let stands = place_of(user);
            if is_backwards {
                stands.as_slice() < place
            } else {
                stands.as_slice() > place
            }
        };
        Ok(self.users.iter().filter(follows).cloned().collect())
    }
}

/// Where the user stands, as in a token.
fn place_of(user: &User) -> Vec<u8> {
    let created = user.create_time.expect("was created");
    let seconds = u64::try_from(created.seconds).expect("after the epoch");
    let millis = seconds * 1_000 + u64::from(created.nanos.unsigned_abs()) / 1_000_000;
    let digits = user.user_id.replace('-', "");
    let id = u128::from_str_radix(&digits, 16).expect("is a UUID");
    [millis.to_be_bytes().as_slice(), &id.to_be_bytes()].concat()
}

/// The first two bytes say two listings. The rest is put to the second of them as it is, as the bytes within a token,
/// and as a change of a token of the first. Returns how those calls ended, nothing for less than two bytes.
pub fn page_token(input: &[u8]) -> Option<[Code; 3]> {
    let [one, other, bytes @ ..] = input else {
        return None;
    };
    let (one, other) = (Listing::at(*one), Listing::at(*other));
    let mut changed = one.token.clone();
    changed.resize(TOKEN_BYTES.max(bytes.len()), 0);
    for (byte, change) in changed.iter_mut().zip(bytes) {
        *byte ^= change;
    }
    Some([
        other.follow(&String::from_utf8_lossy(bytes)),
        other.follow(&URL_SAFE_NO_PAD.encode(bytes)),
        other.follow(&URL_SAFE_NO_PAD.encode(changed)),
    ])
}
