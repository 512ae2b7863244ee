//! The HTTP API. On the Unix socket whoever can open it is the local
//! administrator; on the metrics address only counters and health are served.
//! It refuses with RFC 9457 problems that say what to do next.

pub(crate) mod board;
pub(crate) mod calls;
pub(crate) mod cluster;
pub(crate) mod conferences;
pub(crate) mod directory;
mod health;
pub(crate) mod journal;
mod lines;
pub(crate) mod people;
pub(crate) mod plans;
mod problem;
pub(crate) mod secrets;
pub(crate) mod sounds;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::middleware::map_response;
use axum::routing::{delete, get, post, put};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::{ProposeError, Wish};
use weir_model::decision::{Author, Decision, Outcome};
use weir_model::id::{Hash, PersonId, RequestKey};

pub(crate) use problem::{Problem, everywhere};

use crate::edge;
use crate::node::Node;

/// Longest request body: a directory change set and room.
const BODY_BYTES: usize = 4 << 20;
/// How long a decision may take before its outcome is reported as unknown.
const DECIDE: Duration = Duration::from_secs(10);

/// What this node has proposed, by how it ended.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) decided: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unknown: AtomicU64,
    pub(crate) no_leader: AtomicU64,
}

pub(crate) type Shared = axum::extract::State<Arc<Node>>;

fn local(node: Arc<Node>) -> Router {
    Router::new()
        .route("/api/v1/status", get(cluster::status))
        .route("/api/v1/members", get(cluster::members))
        .route("/api/v1/members/{name}", delete(cluster::remove))
        .route("/api/v1/tokens", post(cluster::mint_token))
        .route("/api/v1/directory", get(directory::show).post(directory::edit))
        .route("/api/v1/board", get(board::list).post(board::set))
        .route("/api/v1/link", post(cluster::shape))
        .route("/api/v1/plans", get(plans::list))
        .route("/api/v1/plans/{plan}/launch", post(plans::launch))
        .route("/api/v1/activations", get(plans::activations))
        .route("/api/v1/activations/{activation}/abort", post(plans::abort))
        .route("/api/v1/activations/{activation}/confirm", post(plans::confirm))
        .route("/api/v1/activations/{activation}/repeat", post(plans::repeat))
        .route("/api/v1/intents/{intent}", get(plans::delivery))
        .route("/api/v1/kept", get(plans::kept))
        .route("/api/v1/zones/{zone}/page", post(plans::page))
        .route("/api/v1/calls", get(calls::list))
        .route("/api/v1/calls/{call}", delete(calls::end))
        .route("/api/v1/conferences", get(conferences::list).post(conferences::open))
        .route("/api/v1/conferences/{room}", get(conferences::show))
        .route("/api/v1/conferences/{room}/orders", post(conferences::order))
        .route("/api/v1/secrets", post(secrets::make))
        .route("/api/v1/sounds", get(sounds::list))
        .route("/api/v1/recordings/{sha256}", put(sounds::upload))
        .route("/api/v1/people/{person}/password", post(people::set_password))
        .merge(journal::routes())
        .fallback(problem::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(map_response(everywhere))
        .merge(health::routes())
        .with_state(node)
}

fn public(node: Arc<Node>) -> Router {
    health::routes().fallback(problem::not_found).with_state(node)
}

/// Starts to answer; returns once the sockets listen.
pub(crate) async fn serve(
    node: Arc<Node>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let path = node.config.socket();
    if path.exists() {
        // Left by a process that was killed; the database's lock says that it
        // is gone.
        std::fs::remove_file(&path)?;
    }
    let listener = tokio::net::UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let stopped = stop.clone();
    let app = local(node.clone());
    tasks.spawn(async move {
        let served = axum::serve(listener, app).with_graceful_shutdown(stopped.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the local API ended");
        }
    });
    if let Some(address) = node.config.metrics {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let (app, stopped) = (public(node), stop.clone());
        tasks.spawn(async move {
            let served =
                axum::serve(listener, app).with_graceful_shutdown(stopped.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the metrics address ended");
            }
        });
    }
    Ok(())
}

/// Who asks, from the headers; the person must be in the directory.
pub(crate) fn author(node: &Node, headers: &HeaderMap) -> Result<Author, Problem> {
    let me = node.belonging.node();
    let Some(named) = headers.get("weir-as") else {
        return Ok(Author { node: me, person: None });
    };
    let unknown = || Problem::person_unknown(&String::from_utf8_lossy(named.as_bytes()));
    let person: PersonId =
        named.to_str().ok().and_then(|name| name.parse().ok()).ok_or_else(unknown)?;
    let view = node.consensus.view().borrow().clone();
    if !view.state.directory.people.contains_key(&person) {
        return Err(unknown());
    }
    Ok(Author { node: me, person: Some(person) })
}

/// The `Idempotency-Key` of the request, or a fresh one. One of our own, as an
/// unknown outcome names it, stands for itself: asked again, it is the same.
fn key(headers: &HeaderMap) -> Result<RequestKey, Problem> {
    let Some(text) = headers.get("idempotency-key") else {
        return edge::request_key().map_err(|_| Problem::no_randomness());
    };
    if let Some(ours) = text.to_str().ok().and_then(|text| text.parse().ok()) {
        return Ok(ours);
    }
    let hash = Hash::of(&[b"idempotency key", text.as_bytes()]);
    let mut key = [0; 16];
    key.copy_from_slice(&hash.0[..16]);
    Ok(RequestKey(key))
}

/// Proposes on behalf of a request.
async fn decide(
    node: &Node,
    headers: &HeaderMap,
    decision: Decision,
) -> Result<(u64, Outcome), Problem> {
    let wish = Wish { key: key(headers)?, author: author(node, headers)?, decision };
    let counters = &node.counters;
    let count = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
    if let Some(why) = node.consensus.status().stopped {
        count(&counters.no_leader);
        return Err(Problem::stopped(&why));
    }
    match node.consensus.propose(wish, DECIDE).await {
        Ok(answer) => match answer.result {
            Ok(outcome) => {
                count(&counters.decided);
                Ok((answer.index, outcome))
            }
            Err(refusal) => {
                count(&counters.refused);
                Err(Problem::refused(&refusal))
            }
        },
        Err(error) => {
            count(match &error {
                ProposeError::Unknown { .. } => &counters.unknown,
                ProposeError::NoLeader | ProposeError::TooLarge(_) => &counters.no_leader,
            });
            Err(Problem::undecided(&error))
        }
    }
}
