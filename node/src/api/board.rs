//! The duty board: short lines that everybody sees, like the whiteboard of a
//! duty room. Every change counts, and a chain over all of them shows whether
//! any was lost or doubled.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_model::decision::{Decision, Outcome};
use weir_model::state::BoardLine;

use super::{Problem, Shared, decide};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Post {
    pub(crate) key: String,
    /// Empty wipes the line.
    pub(crate) text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) index: u64,
    pub(crate) revision: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) line: LineBody,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LineBody {
    pub(crate) text: String,
    pub(crate) revision: u64,
    pub(crate) chain: String,
    pub(crate) by: Option<String>,
    pub(crate) at_ms: u64,
}

impl From<&BoardLine> for LineBody {
    fn from(line: &BoardLine) -> Self {
        Self {
            text: line.text.clone(),
            revision: line.revision,
            chain: line.chain.to_string(),
            by: line.by.as_ref().map(ToString::to_string),
            at_ms: line.at.0,
        }
    }
}

pub(crate) async fn list(State(node): Shared) -> Json<Vec<Line>> {
    let board = node.consensus.view().borrow().state.board.clone();
    let line = |(key, line): (&String, &BoardLine)| Line { key: key.clone(), line: line.into() };
    Json(board.iter().map(line).collect())
}

pub(crate) async fn set(
    State(node): Shared,
    headers: HeaderMap,
    Json(post): Json<Post>,
) -> Result<Json<Posted>, Problem> {
    let decision = Decision::Post { key: post.key, text: post.text };
    match decide(&node, &headers, decision).await? {
        (index, Outcome::Posted { revision }) => Ok(Json(Posted { index, revision })),
        (_, other) => Err(Problem::internal(format!("{other:?}"))),
    }
}
