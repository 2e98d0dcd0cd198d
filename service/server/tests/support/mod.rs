//! What the tests of the running service share.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses a part of it"
)]

mod wait;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::tokio_stream::{self, StreamExt as _, wrappers::ReceiverStream};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use user_adapter_grpc::testkit::error_info;
use user_proto::FILE_DESCRIPTOR_SET;
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_proto::user::v1::{CreateUserRequest, CreateUserResponse, User};
use user_settings::Settings;
pub use wait::{BOUND, soon, until};

/// Settings for ports that the kernel chooses.
pub fn settings() -> Settings {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings {
        grpc_address: any,
        admin_address: any,
        ..Settings::default()
    };
    settings.server.drain_delay = Duration::ZERO;
    settings
}

pub type Client = UserServiceClient<Channel>;

/// A service that runs in this process.
pub struct InProcess {
    pub grpc: SocketAddr,
    pub admin: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<user_service::Stopped, user_service::ServiceError>>,
}

impl InProcess {
    pub fn start(settings: &Settings) -> Self {
        let service = user_service::Service::bind(settings).expect("ports are free");
        let (grpc, admin) = (
            service.grpc_address().unwrap(),
            service.admin_address().unwrap(),
        );
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(service.run(async move {
            let _ = stopped.await;
        }));
        Self {
            grpc,
            admin,
            stop,
            running,
        }
    }

    pub async fn channel(&self) -> Channel {
        connect(self.grpc).await
    }

    pub async fn client(&self) -> Client {
        Client::new(self.channel().await)
    }

    /// Asks it to stop, as a signal would; the handle tells how it ended.
    pub fn stop(self) -> JoinHandle<Result<user_service::Stopped, user_service::ServiceError>> {
        self.stop.send(()).expect("still runs");
        self.running
    }
}

pub async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    soon("connecting", endpoint.connect())
        .await
        .expect("accepts connections")
}

pub fn new_user(name: &str, email: &str) -> CreateUserRequest {
    CreateUserRequest {
        name: name.to_owned(),
        email: email.to_owned(),
        ..CreateUserRequest::default()
    }
}

/// Creates a user called Ada with this address.
pub async fn create(client: &mut Client, email: &str) -> User {
    let created = client.create_user(new_user("Ada", email)).await.unwrap();
    created.into_inner().user.expect("user is set")
}

/// Messages as bytes, whatever the method makes of them.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

/// Every method of the API.
pub fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.into_iter().flat_map(|file| file.service);
    let methods = services.flat_map(|service| service.method);
    let methods: Vec<String> = methods.map(|method| method.name().to_owned()).collect();
    assert!(!methods.is_empty());
    methods
}

/// Fails unless it is this error, with one `ErrorInfo` as AIP-193 asks for it.
pub fn assert_reason(status: &Status, code: Code, reason: &str) {
    let info = error_info(status);
    assert_eq!((status.code(), info.reason.as_str()), (code, reason));
}

/// What health says; `None` for a service it does not know.
pub async fn health(channel: &Channel, service: &str) -> Option<ServingStatus> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = soon("health", HealthClient::new(channel.clone()).check(request)).await;
    match answer {
        Ok(answer) => Some(answer.into_inner().status()),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => panic!("health: {status}"),
    }
}

/// An HTTP/1.1 GET: the whole answer, head and body.
pub async fn http_get(address: SocketAddr, path: &str) -> String {
    http(address, path, &format!("GET {path} HTTP/1.1\r\n"), "").await
}

/// An HTTP/1.1 PUT: the whole answer, head and body.
pub async fn http_put(address: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("PUT {path} HTTP/1.1\r\nContent-Length: {length}\r\n");
    http(address, path, &head, body).await
}

async fn http(address: SocketAddr, path: &str, head: &str, body: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("{head}Host: test\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    soon(path, exchange).await.expect("answers")
}

/// A `CreateUser` call whose headers the server has and whose message it still waits for.
pub struct HeldCall {
    message: mpsc::Sender<CreateUserRequest>,
    answer: JoinHandle<Result<Response<CreateUserResponse>, Status>>,
}

impl HeldCall {
    pub async fn begin(channel: &Channel) -> Self {
        let (message, messages) = mpsc::channel(1);
        let (polled, was_polled) = oneshot::channel();
        // The client asks for the first message only when the headers are on their way.
        let first = tokio_stream::once(()).map({
            let mut polled = Some(polled);
            move |()| {
                if let Some(polled) = polled.take() {
                    let _ = polled.send(());
                }
                None
            }
        });
        let stream = first
            .chain(ReceiverStream::new(messages).map(Some))
            .filter_map(|message| message);
        let mut client = tonic::client::Grpc::new(channel.clone());
        let answer = tokio::spawn(async move {
            client
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let path = http::uri::PathAndQuery::from_static("/user.v1.UserService/CreateUser");
            let codec = tonic_prost::ProstCodec::<CreateUserRequest, CreateUserResponse>::default();
            client
                .client_streaming(Request::new(stream), path, codec)
                .await
        });
        soon("sending headers", was_polled)
            .await
            .expect("call began");
        // Frames of one connection arrive in order: when this is answered, the headers before it have arrived.
        health(channel, "").await;
        Self { message, answer }
    }

    pub async fn finish(self, message: CreateUserRequest) -> Result<CreateUserResponse, Status> {
        self.message
            .send(message)
            .await
            .expect("call is still open");
        drop(self.message);
        soon("the answer", self.answer)
            .await
            .expect("no panic")
            .map(Response::into_inner)
    }

    /// The answer without ever sending the message.
    pub async fn wait(self) -> Result<CreateUserResponse, Status> {
        soon("the answer", self.answer)
            .await
            .expect("no panic")
            .map(Response::into_inner)
    }
}
