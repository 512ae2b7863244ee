//! The command line's side of the local API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::Problem;
use crate::cli::Asking;

/// How long a request may take: longer than the node takes to decide.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(
        "{path} 上没有节点应答；weir 是否在运行？ / no node answers at {path}; is weir running? \
         ({source})"
    )]
    NoNode { path: PathBuf, source: std::io::Error },
    #[error("{}: {}", .0.title, .0.detail)]
    Problem(Box<Problem>),
    #[error("节点的答复无法读取 / the node's answer cannot be read: {0}")]
    Answer(String),
    #[error("{0:?} 内无答复，结果未知 / no answer within {0:?}; outcome unknown")]
    Silent(Duration),
}

fn refused(body: &[u8]) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(problem) => ClientError::Problem(Box::new(problem)),
        // axum's own rejections are plain text.
        Err(_) => ClientError::Answer(String::from_utf8_lossy(body).into_owned()),
    }
}

pub(crate) struct Client<'a> {
    socket: &'a Path,
    asking: &'a Asking,
    patience: Duration,
}

impl<'a> Client<'a> {
    pub(crate) fn new(socket: &'a Path, asking: &'a Asking) -> Self {
        Self { socket, asking, patience: PATIENCE }
    }

    /// For what takes its time.
    pub(crate) fn patient(socket: &'a Path, asking: &'a Asking, patience: Duration) -> Self {
        Self { socket, asking, patience }
    }

    /// Sends bytes as they are.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        self.ask(Method::PUT, path, body).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|e| ClientError::Answer(e.to_string()))?;
        self.ask(Method::POST, path, body.into()).await
    }

    /// A body that is not JSON.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let exchange = self.exchange(Method::GET, path, Bytes::new());
        let silent = |_| ClientError::Silent(self.patience);
        let (status, bytes) =
            tokio::time::timeout(self.patience, exchange).await.map_err(silent)??;
        if status.is_success() { Ok(bytes) } else { Err(refused(&bytes)) }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let exchange = self.exchange(method, path, body);
        let silent = |_| ClientError::Silent(self.patience);
        let (status, bytes) =
            tokio::time::timeout(self.patience, exchange).await.map_err(silent)??;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|e| ClientError::Answer(e.to_string()));
        }
        Err(refused(&bytes))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let answer = |error: hyper::Error| ClientError::Answer(error.to_string());
        let stream = UnixStream::connect(self.socket)
            .await
            .map_err(|source| ClientError::NoNode { path: self.socket.to_owned(), source })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(answer)?;
        let mut request = Request::builder().method(method).uri(path).header("host", "weir");
        if let Some(person) = &self.asking.person {
            request = request.header("weir-as", person);
        }
        if let Some(key) = &self.asking.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = request
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(answer)?;
            let status = response.status();
            let bytes = response.into_body().collect().await.map_err(answer)?.to_bytes();
            Ok((status, bytes))
        };
        tokio::select! {
            done = exchange => done,
            ended = connection => match ended {
                Ok(()) => Err(ClientError::Silent(self.patience)),
                Err(error) => Err(answer(error)),
            },
        }
    }
}
