//! Calls of the user API, over several connections.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use user_proto::user::v1::user_service_client::UserServiceClient;
use user_proto::user::v1::{
    CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest,
};

use super::certificates::SERVER;
use crate::load::Call;

const CONNECTIONS: usize = 8;
/// No more than what a queue that has grown too long makes of it.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    CreateUser,
    GetUser,
    ListUsers,
}

/// Connections to one server, and the users that it has by now.
#[derive(Clone)]
pub(super) struct Client {
    connections: Arc<[Channel]>,
    users: Arc<[String]>,
}

impl Client {
    /// With these certificates by mutual TLS.
    pub(super) async fn connect(address: SocketAddr, certificates: Option<&Path>) -> Result<Self> {
        let scheme = if certificates.is_some() {
            "https"
        } else {
            "http"
        };
        let mut endpoint =
            Endpoint::from_shared(format!("{scheme}://{address}"))?.timeout(CALL_TIMEOUT);
        if let Some(folder) = certificates {
            let read = |name: &str| std::fs::read(folder.join(name));
            let tls = ClientTlsConfig::new()
                .domain_name(SERVER)
                .ca_certificate(Certificate::from_pem(read("ca.crt")?))
                .identity(Identity::from_pem(read("tls.crt")?, read("tls.key")?));
            endpoint = endpoint.tls_config(tls)?;
        }
        let connections = try_join_all((0..CONNECTIONS).map(|_| endpoint.connect())).await?;
        Ok(Self {
            connections: connections.into(),
            users: Arc::new([]),
        })
    }

    /// Creates users with these numbers, to be found and listed.
    pub(super) async fn with_users(mut self, numbers: Range<usize>) -> Result<Self> {
        let creating = numbers.map(|number| {
            let mut client = self.connection(number);
            async move {
                let created = client.create_user(new_user("seed", number)).await?;
                anyhow::Ok(created.into_inner().user_id)
            }
        });
        let creating = futures::stream::iter(creating).buffered(CONNECTIONS);
        let users: Vec<String> = creating.try_collect().await?;
        self.users = users.into();
        Ok(self)
    }

    /// Their identifiers.
    pub(super) fn users(&self) -> &[String] {
        &self.users
    }

    #[allow(clippy::indexing_slicing, reason = "so many were made")]
    fn channel(&self, number: usize) -> Channel {
        self.connections[number % CONNECTIONS].clone()
    }

    fn connection(&self, number: usize) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.channel(number))
    }

    /// Deletes them again. A listing has to pass over each, as long as they can come back.
    pub(super) async fn deleted(self) -> Result<Self> {
        let deleting = self.users.iter().enumerate().map(|(number, user_id)| {
            let mut client = self.connection(number);
            let user_id = user_id.clone();
            let request = DeleteUserRequest {
                user_id,
                ..DeleteUserRequest::default()
            };
            async move { client.delete_user(request).await }
        });
        let deleting = futures::stream::iter(deleting).buffered(CONNECTIONS);
        deleting.try_for_each(|_| async { Ok(()) }).await?;
        Ok(self)
    }

    /// Calls of one method. Users that are created have addresses that begin with this word.
    pub(super) fn calls(&self, method: Method, word: &'static str) -> Calls {
        Calls {
            client: self.clone(),
            method,
            word,
        }
    }
}

#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    method: Method,
    word: &'static str,
}

fn new_user(word: &str, number: usize) -> CreateUserRequest {
    CreateUserRequest {
        name: "Ada Lovelace".to_owned(),
        email: format!("{word}.{number}@example.com"),
        ..CreateUserRequest::default()
    }
}

impl Call for Calls {
    async fn call(&self, number: usize) -> Result<(), Status> {
        let mut client = self.client.connection(number);
        match self.method {
            Method::CreateUser => drop(client.create_user(new_user(self.word, number)).await?),
            Method::GetUser => {
                let users = &self.client.users;
                let user_id = users
                    .get(number % users.len().max(1))
                    .cloned()
                    .unwrap_or_default();
                drop(client.get_user(GetUserRequest { user_id }).await?);
            }
            Method::ListUsers => {
                let request = ListUsersRequest::default();
                drop(client.list_users(request).await?);
            }
        }
        Ok(())
    }
}
