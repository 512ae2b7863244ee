//! The journal: the newest facts of everyone, and whole journals for export.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use hyper::body::{Frame, SizeHint};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use weir_consensus::disk::Limit;
use weir_model::codec;
use weir_model::directory::Directory;
use weir_model::fact::Fact;
use weir_model::id::NodeId;

use super::{Problem, Shared, author, lines};
use crate::journal_file;
use crate::node::Node;

#[derive(Debug, Deserialize)]
pub(crate) struct Tail {
    limit: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FactAnswer {
    pub(crate) id: String,
    pub(crate) node: u64,
    pub(crate) site: String,
    pub(crate) seen: u64,
    pub(crate) depth: u64,
    pub(crate) at_ms: u64,
    pub(crate) kind: String,
    pub(crate) body: serde_json::Value,
    /// The same as one readable sentence.
    #[serde(default)]
    pub(crate) line_zh: String,
    #[serde(default)]
    pub(crate) line_en: String,
}

pub(crate) fn answer(fact: &Fact, directory: &Directory) -> FactAnswer {
    let body = serde_json::to_value(&fact.body).unwrap_or_default();
    let kind = match &body {
        serde_json::Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let line = lines::line(fact, directory);
    FactAnswer {
        id: fact.id.to_string(),
        node: fact.id.node.0,
        site: fact.site.to_string(),
        seen: fact.seen,
        depth: fact.depth,
        at_ms: fact.at.0,
        kind,
        body,
        line_zh: line.zh,
        line_en: line.en,
    }
}

pub(crate) async fn tail(State(node): Shared, Query(tail): Query<Tail>) -> Json<Vec<FactAnswer>> {
    let facts = node.site.view().borrow().facts.clone();
    let directory = node.consensus.view().borrow().state.directory.clone();
    let older = facts.len().saturating_sub(tail.limit.unwrap_or(50));
    Json(facts.iter().skip(older).map(|fact| answer(fact, &directory)).collect())
}

#[derive(Debug, Deserialize)]
pub(crate) struct Export {
    node: Option<u64>,
}

/// Most bytes of one export; a longer journal is exported by incarnation later.
const EXPORT_BYTES: usize = 256 << 20;
/// What the connection takes of it at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Whole journals are in memory while they are exported or verified, so one each
/// at a time.
static EXPORTS: Semaphore = Semaphore::const_new(1);
static VERIFIES: Semaphore = Semaphore::const_new(1);

fn turn(turns: &'static Semaphore) -> Result<SemaphorePermit<'static>, Problem> {
    turns.try_acquire().map_err(|_| {
        Problem::busy(
            "另一份日志正在导出或校验，请稍后重试 / another journal is being exported or verified; \
             try again shortly",
        )
    })
}

/// A body that keeps its turn for as long as any of it is still to be sent.
struct Exported {
    rest: Bytes,
    _turn: SemaphorePermit<'static>,
}

impl HttpBody for Exported {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(len);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

/// One node's journal as it is kept here, ready for `weir journal verify`.
pub(crate) async fn export(
    State(node): Shared,
    Query(export): Query<Export>,
) -> Result<impl IntoResponse, Problem> {
    let of = export.node.map_or(node.belonging.node(), NodeId);
    let turn = turn(&EXPORTS)?;
    let records = records(&node, of).await?;
    let rest = journal_file::write(&records).into();
    let body = Body::new(Exported { rest, _turn: turn });
    Ok(([(header::CONTENT_TYPE, "application/vnd.weir.journal")], body))
}

async fn records(node: &Node, of: NodeId) -> Result<Vec<Vec<u8>>, Problem> {
    let (mut all, mut size, mut after) = (Vec::new(), 0, None);
    let limit = Limit { count: 1024, bytes: 1 << 20 };
    loop {
        let page = node.site.reader().page(of, after, limit).await;
        let page = page.map_err(|error| Problem::internal(error.to_string()))?;
        let Some(last) = page.last() else { return Ok(all) };
        let last: Fact =
            codec::decode(last).map_err(|error| Problem::internal(error.to_string()))?;
        after = Some(last.id);
        size += page.iter().map(Vec::len).sum::<usize>();
        if size > EXPORT_BYTES {
            return Err(Problem::busy("日志过大 / the journal is too large for one export"));
        }
        all.extend(page);
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    pub(crate) node: u64,
    pub(crate) records: usize,
    pub(crate) head: Option<String>,
    /// What is wrong, and where.
    pub(crate) broken: Option<String>,
}

/// Reads a journal back and checks it against the head that was agreed on.
pub(crate) async fn verify(
    State(node): Shared,
    Query(export): Query<Export>,
) -> Result<Json<Verified>, Problem> {
    let of = export.node.map_or(node.belonging.node(), NodeId);
    let _turn = turn(&VERIFIES)?;
    let records = records(&node, of).await?;
    let agreed = node.consensus.view().borrow().state.heads.get(&of).cloned();
    Ok(Json(journal_file::check(of.0, &records, agreed.as_ref())))
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// `None`: the journal's disk has failed; it was not recorded.
    pub(crate) id: Option<String>,
}

pub(crate) async fn note(
    State(node): Shared,
    headers: HeaderMap,
    Json(note): Json<Note>,
) -> Result<Json<Noted>, Problem> {
    let most = weir_model::fact::NOTE_MAX_BYTES;
    if note.text.is_empty() || note.text.len() > most {
        let detail = format!("内容须为 1 至 {most} 字节 / a note takes 1 to {most} bytes");
        return Err(Problem::bad_request(detail));
    }
    let who = author(&node, &headers)?.person;
    let noted = node.site.note(who, note.text).await;
    let head = noted.map_err(|full| Problem::busy(full.to_string()))?;
    Ok(Json(Noted { id: head.map(|head| head.id.to_string()) }))
}

pub(super) fn routes() -> axum::Router<Arc<Node>> {
    use axum::routing::{get, post};
    axum::Router::new()
        .route("/api/v1/journal", get(tail).post(note))
        .route("/api/v1/journal/export", get(export))
        .route("/api/v1/journal/verify", post(verify))
}
