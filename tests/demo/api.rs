//! What the demo asks of a node over its Unix socket, and on whose behalf. One
//! connection a question, a deadline for each; it refuses to ask twice by itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::place::RED_PLAN;

/// Longer than a click waits before it is told that it is on its way.
const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) leader: Option<String>,
    pub(crate) term: u64,
    pub(crate) directory_version: u64,
    pub(crate) peers: Vec<Peer>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Peer {
    pub(crate) connected: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Member {
    pub(crate) votes: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Overview {
    pub(crate) local_mode: LocalMode,
    pub(crate) sites: Vec<SiteHealth>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LocalMode {
    pub(crate) on: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SiteHealth {
    pub(crate) id: String,
    pub(crate) health: String,
}

/// What became of a click.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Sent {
    #[serde(default)]
    pub(crate) intent: String,
    pub(crate) delivery: String,
    pub(crate) status: Option<String>,
    pub(crate) activation: Option<String>,
    pub(crate) said: String,
}

/// A line of the journal, as any node shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fact {
    pub(crate) id: String,
    pub(crate) node: u64,
    pub(crate) kind: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verified {
    pub(crate) records: usize,
    pub(crate) head: Option<String>,
    pub(crate) broken: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Sounds {
    pub(crate) nodes: std::collections::BTreeMap<String, Staged>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Staged {
    pub(crate) directory: u64,
    pub(crate) have: u32,
    pub(crate) of: u32,
}

/// A run of a plan at the node's own site.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Run {
    pub(crate) launches: Vec<Value>,
}

/// A click on the red plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Click<'a> {
    pub(crate) who: &'a str,
    pub(crate) site: &'a str,
    pub(crate) not_after_s: Option<u64>,
}

/// A node's door.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    socket: PathBuf,
}

impl Api {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) async fn status(&self) -> Result<Status> {
        self.get("/api/v1/status").await
    }

    pub(crate) async fn members(&self) -> Result<Vec<Member>> {
        self.get("/api/v1/members").await
    }

    pub(crate) async fn sounds(&self) -> Result<Sounds> {
        self.get("/api/v1/sounds").await
    }

    pub(crate) async fn facts(&self) -> Result<Vec<Fact>> {
        self.get("/api/v1/journal?limit=100000").await
    }

    pub(crate) async fn runs(&self) -> Result<Vec<Run>> {
        #[derive(Deserialize)]
        struct Picture {
            activations: Vec<Run>,
        }
        Ok(self.get::<Picture>("/api/v1/activations").await?.activations)
    }

    /// Checks the journal of node number `of` as this node keeps it.
    pub(crate) async fn verify(&self, of: u64) -> Result<Verified> {
        self.post(&format!("/api/v1/journal/verify?node={of}"), None, &Value::Null).await
    }

    pub(crate) async fn click_red(&self, click: Click<'_>) -> Result<Sent> {
        let body = json!({ "site": click.site, "mode": "real", "not_after_s": click.not_after_s });
        let path = format!("/api/v1/plans/{RED_PLAN}/launch");
        self.post(&path, Some(click.who), &body).await
    }

    pub(crate) async fn delivery(&self, intent: &str) -> Result<Sent> {
        self.get(&format!("/api/v1/intents/{intent}")).await
    }

    pub(crate) async fn cut(&self, cut: bool) -> Result<()> {
        self.post::<Value>("/api/v1/link", None, &json!({ "cut": cut })).await.map(drop)
    }

    /// A small decision, to see whether the cluster decides.
    pub(crate) async fn decide(&self, text: &str) -> Result<()> {
        let body = json!({ "key": "demo", "text": text });
        self.post::<Value>("/api/v1/board", None, &body).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, None, Bytes::new()).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        who: Option<&str>,
        body: &Value,
    ) -> Result<T> {
        self.ask(Method::POST, path, who, body.to_string().into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        who: Option<&str>,
        body: Bytes,
    ) -> Result<T> {
        let mut request = Request::builder().method(method).uri(path).header("host", "weir");
        if let Some(who) = who {
            request = request.header("weir-as", who);
        }
        let request = request.header("content-type", "application/json").body(Full::new(body))?;
        let answer = timeout(PATIENCE, self.exchange(request)).await;
        answer.with_context(|| format!("{path}: no answer within {PATIENCE:?}"))??.read(path)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let stream = UnixStream::connect(&self.socket).await.context("nobody listens")?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let well = response.status().is_success();
            let body = response.into_body().collect().await?.to_bytes();
            Ok(Answer { well, body })
        };
        tokio::select! {
            answer = exchange => answer,
            ended = connection => {
                ended?;
                bail!("the connection ended before the answer")
            }
        }
    }
}

struct Answer {
    well: bool,
    body: Bytes,
}

impl Answer {
    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let said = || String::from_utf8_lossy(&self.body);
        if !self.well {
            bail!("{path}: {}", said());
        }
        serde_json::from_slice(&self.body).with_context(|| format!("{path}: {}", said()))
    }
}
