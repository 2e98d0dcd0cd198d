//! The baseline of the gRPC tier: the transport library's own server as it comes, which answers with messages of the
//! same shape and does nothing else.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use prost_types::Timestamp;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use user_proto::user::v1::user_service_server::{UserService, UserServiceServer};
use user_proto::user::v1::{
    BatchGetUsersRequest, BatchGetUsersResponse, CreateUserRequest, CreateUserResponse,
    DeleteUserRequest, DeleteUserResponse, GetUserRequest, GetUserResponse, ListUsersRequest,
    ListUsersResponse, UndeleteUserRequest, UndeleteUserResponse, UpdateUserRequest,
    UpdateUserResponse, User,
};

/// Answers calls that create and find users, and remembers nothing.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder with tls.crt, tls.key and ca.crt, for mutual TLS.
    #[arg(long)]
    mutual_tls: Option<PathBuf>,
}

struct Echo;

fn user(user_id: String, name: String, email: String) -> User {
    let time = Some(Timestamp {
        seconds: 1_800_000_000,
        nanos: 123_000_000,
    });
    User {
        user_id,
        name,
        email,
        create_time: time,
        update_time: time,
        etag: "\"1\"".to_owned(),
        ..User::default()
    }
}

fn absent<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not measured"))
}

#[tonic::async_trait]
impl UserService for Echo {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let CreateUserRequest { name, email, .. } = request.into_inner();
        let user_id = "01a205c6-9cf6-7651-b144-12775b01d140".to_owned();
        Ok(Response::new(CreateUserResponse {
            user_id: user_id.clone(),
            user: Some(user(user_id, name, email)),
        }))
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let name = "Ada Lovelace".to_owned();
        let email = "ada.12345@example.com".to_owned();
        Ok(Response::new(GetUserResponse {
            user: Some(user(request.into_inner().user_id, name, email)),
        }))
    }

    async fn batch_get_users(
        &self,
        _: Request<BatchGetUsersRequest>,
    ) -> Result<Response<BatchGetUsersResponse>, Status> {
        absent()
    }

    async fn list_users(
        &self,
        _: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        absent()
    }

    async fn update_user(
        &self,
        _: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        absent()
    }

    async fn delete_user(
        &self,
        _: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        absent()
    }

    async fn undelete_user(
        &self,
        _: Request<UndeleteUserRequest>,
    ) -> Result<Response<UndeleteUserResponse>, Status> {
        absent()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut server = Server::builder();
    if let Some(folder) = arguments.mutual_tls {
        let read = |name: &str| std::fs::read(folder.join(name));
        let identity = Identity::from_pem(read("tls.crt")?, read("tls.key")?);
        let authority = Certificate::from_pem(read("ca.crt")?);
        let tls = ServerTlsConfig::new()
            .identity(identity)
            .client_ca_root(authority);
        server = server.tls_config(tls)?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    eprintln!(r#"{{"message":"serving","grpc_address":"{address}"}}"#);
    server
        .add_service(UserServiceServer::new(Echo))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
