//! One HTTP/1.1 connection, kept alive, the same program for either store: only
//! where it leads and what is said on it differ. It refuses to ask again by
//! itself and to wait without end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// For one request; far above any that is answered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where a store is spoken to.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// See the module.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(door: &Door) -> Result<Self> {
        let opened = async {
            match door {
                Door::Unix(path) => Self::over(UnixStream::connect(path).await?).await,
                Door::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Self::over(stream).await
                }
            }
        };
        timeout(PATIENCE, opened).await.context("no connection in time")?
    }

    async fn over<S>(stream: S) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its error reaches whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self { sender, _driver: driver })
    }

    /// # Errors
    /// When the connection broke or was silent; it is of no use afterwards.
    pub(crate) async fn post(
        &mut self,
        path: &'static str,
        body: String,
    ) -> Result<(StatusCode, Bytes)> {
        let request = Request::post(path)
            .header("host", "bench")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        timeout(PATIENCE, exchange).await.context("no answer in time")?
    }
}
