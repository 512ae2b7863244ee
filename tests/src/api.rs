//! A client of a node's Unix socket: one connection kept alive, a deadline for
//! every request, and each way of having no answer told apart. It refuses to
//! ask a second time by itself.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// An RFC 9457 problem.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: u16,
    pub title: String,
    pub detail: String,
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

impl Problem {
    /// Without the common beginning.
    pub fn name(&self) -> &str {
        self.kind.strip_prefix("urn:weir:problem:").unwrap_or(&self.kind)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("nobody listens: {0}")]
    NotSent(std::io::Error),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("{} ({}): {}", .0.name(), .0.status, .0.detail)]
    Problem(Box<Problem>),
    #[error("an answer that cannot be read: {0}")]
    Answer(String),
}

impl ApiError {
    /// Nobody knows, or nothing happened: worth asking again with the same key.
    pub fn is_open(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::Silent(_) | Self::Broken(_) => true,
            Self::Problem(problem) => matches!(problem.status, 503 | 504),
            Self::Answer(_) => false,
        }
    }

    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub node: String,
    pub part: String,
    pub leader: Option<String>,
    pub term: u64,
    pub applied: u64,
    pub directory_version: u64,
    pub stopped: Option<String>,
    pub peers: Vec<Peer>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Peer {
    pub node: String,
    pub connected: bool,
    pub last_failure: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Member {
    pub name: String,
    pub votes: bool,
}

/// A line of the duty board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    pub key: String,
    pub text: String,
    pub revision: u64,
    pub chain: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Posted {
    pub index: u64,
    pub revision: u64,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

/// See the module.
pub struct Api {
    socket: PathBuf,
    patience: Duration,
    connection: Option<Connection>,
}

impl Api {
    /// `patience` is for each request.
    pub fn new(socket: impl Into<PathBuf>, patience: Duration) -> Self {
        Self { socket: socket.into(), patience, connection: None }
    }

    /// # Errors
    /// See [`ApiError`].
    pub async fn status(&mut self) -> Result<Status, ApiError> {
        self.read(Method::GET, "/api/v1/status", None, Bytes::new()).await
    }

    /// # Errors
    /// See [`ApiError`].
    pub async fn members(&mut self) -> Result<Vec<Member>, ApiError> {
        self.read(Method::GET, "/api/v1/members", None, Bytes::new()).await
    }

    /// # Errors
    /// See [`ApiError`].
    pub async fn board(&mut self) -> Result<Vec<Line>, ApiError> {
        self.read(Method::GET, "/api/v1/board", None, Bytes::new()).await
    }

    /// # Errors
    /// See [`ApiError`].
    pub async fn directory(&mut self) -> Result<Value, ApiError> {
        self.read(Method::GET, "/api/v1/directory", None, Bytes::new()).await
    }

    /// Sends a directory edit as it is.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn edit_directory(&mut self, edit: &Value) -> Result<Value, ApiError> {
        self.read(Method::POST, "/api/v1/directory", None, edit.to_string().into()).await
    }

    /// Writes a line of the duty board. The same `once` is carried out once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn post(&mut self, key: &str, text: &str, once: &str) -> Result<Posted, ApiError> {
        let body = json!({ "key": key, "text": text }).to_string();
        self.read(Method::POST, "/api/v1/board", Some(once), body.into()).await
    }

    /// As [`Self::post`], without a key: the node makes one up.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn post_without_key(&mut self, key: &str, text: &str) -> Result<Posted, ApiError> {
        let body = json!({ "key": key, "text": text }).to_string();
        self.read(Method::POST, "/api/v1/board", None, body.into()).await
    }

    /// # Errors
    /// See [`ApiError`]; a status other than 200 is no error.
    pub async fn plain(&mut self, path: &str) -> Result<(StatusCode, String), ApiError> {
        let (status, bytes) = self.ask(Method::GET, path, None, Bytes::new()).await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn read<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        once: Option<&str>,
        body: Bytes,
    ) -> Result<T, ApiError> {
        let (status, bytes) = self.ask(method, path, once, body).await?;
        let unread = || ApiError::Answer(String::from_utf8_lossy(&bytes).into_owned());
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_| unread());
        }
        let problem = serde_json::from_slice(&bytes).map_err(|_| unread())?;
        Err(ApiError::Problem(Box::new(problem)))
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        once: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let patience = self.patience;
        let outcome = timeout(patience, self.exchange(method, path, once, body)).await;
        let outcome = outcome.unwrap_or(Err(ApiError::Silent(patience)));
        if outcome.is_err() {
            // Whatever comes on it now answers a question nobody waits for.
            self.connection = None;
        }
        outcome
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        once: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let mut request = Request::builder().method(method).uri(path).header("host", "weir");
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        let request = request
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| ApiError::Answer(error.to_string()))?;
        let sender = self.connected().await?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, ApiError> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.sender.is_closed() => connection,
            _ => self.connect().await?,
        };
        Ok(&mut self.connection.insert(connection).sender)
    }

    async fn connect(&self) -> Result<Connection, ApiError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(ApiError::NotSent)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its error reaches whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Connection { sender, _driver: driver })
    }
}
