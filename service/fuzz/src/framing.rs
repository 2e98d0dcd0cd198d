//! What is between the headers of a call and its end.

use bytes::Bytes;
use prost::{DecodeError, Message};
use tonic::Code;
use user_proto::user::v1::{
    BatchGetUsersResponse, CreateUserResponse, DeleteUserResponse, GetUserResponse,
    ListUsersResponse, UndeleteUserResponse, UpdateUserResponse,
};

use crate::service::{Service, framed};

type Reads = fn(&[u8]) -> Result<(), DecodeError>;

/// Every method, with what reads its answer.
pub const METHODS: [(&str, Reads); 7] = [
    ("CreateUser", reads::<CreateUserResponse>),
    ("GetUser", reads::<GetUserResponse>),
    ("BatchGetUsers", reads::<BatchGetUsersResponse>),
    ("ListUsers", reads::<ListUsersResponse>),
    ("UpdateUser", reads::<UpdateUserResponse>),
    ("DeleteUser", reads::<DeleteUserResponse>),
    ("UndeleteUser", reads::<UndeleteUserResponse>),
];

fn reads<M: Message + Default>(answer: &[u8]) -> Result<(), DecodeError> {
    M::decode(answer).map(drop)
}

/// The first byte says which method, the second how many bytes arrive at a time (zero: all); the rest is the message, and
/// then the whole body, prefix included. Returns the method and how both ended, nothing for less than two bytes.
pub fn framing(input: &[u8]) -> Option<(&'static str, [Code; 2])> {
    let [method, at_a_time, bytes @ ..] = input else {
        return None;
    };
    let (method, reads) = METHODS
        .into_iter()
        .cycle()
        .nth(usize::from(*method))
        .expect("goes on for ever");
    let codes = [framed(bytes), Bytes::copy_from_slice(bytes)].map(|body| {
        let service = Service::with_users(&["ada@example.com", "grace@example.com"]);
        let answer = service.call(method, pieces(&body, usize::from(*at_a_time)));
        reads(answer.message()).expect("is of the method's type");
        answer.code
    });
    Some((method, codes))
}

fn pieces(body: &Bytes, at_a_time: usize) -> Vec<Bytes> {
    if at_a_time == 0 {
        return vec![body.clone()];
    }
    body.chunks(at_a_time).map(Bytes::copy_from_slice).collect()
}
