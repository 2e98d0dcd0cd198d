//! The service in this process: the adapter that answers calls over the one that keeps users in memory, without a
//! runtime, a clock or chance, so that the same bytes get the same answer.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::{FutureExt as _, stream};
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message;
use tonic::codegen::Service as _;
use tonic::{Code, Status};
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, StatusExt as _};
use user_adapter_grpc::testkit::error_info;
use user_adapter_grpc::{UserApi, complete, reason};
use user_adapter_memory::{Capacity, MemoryStorage};
use user_application::testkit::{self, FixedClock, SequentialIds};
use user_application::{
    BatchGetUsers, CreateUser, DeleteUser, GetUser, ListUsers, UndeleteUser, UpdateUser,
    UserRepository as _,
};
use user_domain::{User, UserEvent};
use user_proto::user::v1::user_service_server::UserServiceServer;

/// A time at which no deleted user is purged yet.
const NOW: Duration = Duration::from_secs(60);
const PURGE_DELAY: Duration = Duration::from_hours(24);

/// What `framed` puts before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The service with some users.
#[derive(Clone)]
pub(crate) struct Service(UserServiceServer<UserApi<MemoryStorage, FixedClock, SequentialIds>>);

/// How a call ended, by the rules that hold for every answer.
pub(crate) struct Answer {
    pub(crate) code: Code,
    /// Of an error. It has one, and no message.
    pub(crate) info: Option<ErrorInfo>,
    /// The fields that the error names.
    pub(crate) bad_fields: Vec<String>,
    /// Empty with an error.
    message: Vec<u8>,
}

impl Service {
    /// With these users; the last one is deleted.
    pub(crate) fn with_users(emails: &[&str]) -> Self {
        let storage = MemoryStorage::new(Capacity::default());
        let mut last = None;
        for (number, email) in (1..).zip(emails) {
            let (user, event) = testkit::new_user(number, email);
            let stored = storage.create(user, event, None, testkit::write());
            last = Some(at_once(stored).expect("is stored"));
        }
        if let Some(user) = last {
            let (user, event): (User, UserEvent) = testkit::deleted(&user, 100);
            at_once(storage.update(user, event, testkit::write())).expect("is deleted");
        }
        let clock = FixedClock(SystemTime::UNIX_EPOCH + NOW);
        let api = UserApi {
            create: CreateUser::new(storage.clone(), clock, SequentialIds::from(101)),
            get: GetUser::new(storage.clone(), clock),
            batch_get: BatchGetUsers::new(storage.clone(), clock),
            list: ListUsers::new(storage.clone(), clock),
            update: UpdateUser::new(storage.clone(), clock, SequentialIds::from(102)),
            delete: DeleteUser::new(
                storage.clone(),
                clock,
                SequentialIds::from(103),
                PURGE_DELAY,
            ),
            undelete: UndeleteUser::new(storage, clock, SequentialIds::from(104)),
        };
        Self(api.into_server())
    }

    /// Calls a method with a body that arrives in these pieces.
    pub(crate) fn call(&self, method: &str, pieces: Vec<Bytes>) -> Answer {
        let frames = pieces.into_iter().map(Frame::data);
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
        let request = Request::post(format!("http://test/user.v1.UserService/{method}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(body)
            .expect("is a request");
        let Ok(response) = at_once(self.0.clone().call(request));
        let response = complete(response);
        assert_eq!(response.status(), http::StatusCode::OK);
        let (head, body) = response.into_parts();
        let body = at_once(body.collect()).expect("ends without an error of the transport");
        let trailers = body.trailers().cloned().unwrap_or_default();
        Answer::judge(&head.headers, &trailers, &body.to_bytes())
    }

    /// Calls a method with a message: how it ended, and the answer if it ended well.
    pub(crate) fn ask<M: Message + Default>(
        &self,
        method: &str,
        request: &impl Message,
    ) -> (Answer, M) {
        let answer = self.call(method, vec![framed(&request.encode_to_vec())]);
        let message = M::decode(answer.message.as_slice()).expect("is of the method's type");
        (answer, message)
    }
}

impl Answer {
    /// A status ends it, in one place; an error has no message but exactly one `ErrorInfo`, and is not a defect.
    fn judge(head: &HeaderMap, trailers: &HeaderMap, body: &[u8]) -> Self {
        let said = [head, trailers].map(Status::from_header_map);
        let [status] = <[Status; 1]>::try_from(said.into_iter().flatten().collect::<Vec<_>>())
            .expect("ends with one status");
        let details = status.check_error_details_vec().expect("can be read");
        let info = (status.code() != Code::Ok).then(|| error_info(&status));
        let message = if let Some(info) = &info {
            assert!(body.is_empty(), "{status:?}");
            let of_ours = [reason::INTERNAL, reason::STORAGE_UNAVAILABLE];
            assert!(!of_ours.contains(&info.reason.as_str()), "{status:?}");
            let defects = [Code::Internal, Code::Unknown];
            assert!(!defects.contains(&status.code()), "{status:?}");
            vec![]
        } else {
            assert!(details.is_empty(), "{status:?}");
            unframed(body).expect("is one message").to_vec()
        };
        let fields = details.into_iter().filter_map(|detail| match detail {
            ErrorDetail::BadRequest(BadRequest { field_violations }) => Some(field_violations),
            _ => None,
        });
        Self {
            code: status.code(),
            info,
            bad_fields: fields.flatten().map(|violation| violation.field).collect(),
            message,
        }
    }

    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }
}

/// A message as gRPC frames it, uncompressed.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), message]
        .concat()
        .into()
}

/// The message that is all of this body.
fn unframed(body: &[u8]) -> Option<&[u8]> {
    let (_, message) = body.split_at_checked(PREFIX)?;
    (framed(message) == body).then_some(message)
}

/// On memory alone, nothing has to be waited for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("answers at once")
}
