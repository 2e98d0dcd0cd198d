//! Requests to the registry.
//!
//! By the HTTP client that the cluster's client brings along anyway: two kinds of requests need no larger one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RegistryOptions, SchemaError, tls};
use crate::ConfigError;
use crate::credentials::{self, Login};

/// Media type of Confluent's API.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.schemaregistry.v1+json");

/// Most bytes of an answer that are read; it repeats the schema at most.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Most characters that are kept of what the registry says.
const MESSAGE_CHARS: usize = 300;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A client with one address to go to.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: Option<SecretString>,
    timeout: Duration,
}

/// What the registry says when it does not do it.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Confluent's error code; 0 without one.
    pub(super) code: u32,
    pub(super) message: String,
}

impl Http {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, ConfigError> {
        let directory = &options.credentials_directory;
        let base = base(&options.url)?;
        let authorization = credentials::login(directory)?.map(|login| basic(&login));
        let connector = tls::connector(base.starts_with("https:"), directory)?;
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base,
            authorization,
            timeout: options.timeout,
        })
    }

    /// Posts to this path, which concerns this subject: the body of the answer.
    pub(super) async fn post(
        &self,
        subject: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Result<Bytes, Refusal>, SchemaError> {
        let (status, body) = tokio::time::timeout(self.timeout, self.exchange(path, body))
            .await
            .map_err(|elapsed| SchemaError::Unavailable(elapsed.into()))?
            .map_err(SchemaError::Unavailable)?;
        if status.is_success() {
            return Ok(Ok(body));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let cause = format!("subject {subject}: HTTP status {}", status.as_u16());
            return Err(SchemaError::Unavailable(cause.into()));
        }
        let said: Said = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Err(Refusal {
            status,
            code: said.error_code,
            message: shortened(&said.message),
        }))
    }

    async fn exchange(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(StatusCode, Bytes), Cause> {
        let mut request = Request::post(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header(ACCEPT, MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            let mut value = HeaderValue::from_str(authorization.expose_secret())
                .map_err(|_| "the credentials do not fit in a header")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = Full::from(serde_json::to_vec(body)?);
        let response = self.client.request(request.body(body)?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES);
        Ok((status, body.collect().await?.to_bytes()))
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("base", &self.base)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Refusal {
    /// The error for an answer that nothing was to be learned from.
    pub(super) fn into_error(self, subject: &str) -> SchemaError {
        SchemaError::Refused {
            subject: subject.to_owned(),
            status: self.status.as_u16(),
            message: self.message,
        }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Said {
    error_code: u32,
    message: String,
}

/// The body of an answer. One that cannot be read comes from something else than a registry.
pub(super) fn parsed<T: DeserializeOwned>(subject: &str, body: &Bytes) -> Result<T, SchemaError> {
    serde_json::from_slice(body).map_err(|_| {
        let refusal = Refusal {
            status: StatusCode::OK,
            code: 0,
            message: "not the answer of a schema registry".to_owned(),
        };
        refusal.into_error(subject)
    })
}

/// Text from outside on one line, and not too much of it.
pub(super) fn shortened(text: &str) -> String {
    let line = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    line.take(MESSAGE_CHARS).collect()
}

/// The address without a slash at its end. Credentials in it are refused, since it is no secret.
fn base(url: &str) -> Result<String, ConfigError> {
    let uri: Uri = url
        .parse()
        .map_err(|_| ConfigError::RegistryUrl("no address"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(ConfigError::RegistryUrl("another scheme"));
    }
    if uri
        .authority()
        .is_none_or(|authority| authority.as_str().contains('@'))
    {
        return Err(ConfigError::RegistryUrl("credentials belong in files"));
    }
    if uri.query().is_some() {
        return Err(ConfigError::RegistryUrl("a query"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Basic authentication (RFC 7617).
fn basic(login: &Login) -> SecretString {
    let pair = format!("{}:{}", login.username, login.password.expose_secret());
    format!("Basic {}", BASE64.encode(pair)).into()
}
