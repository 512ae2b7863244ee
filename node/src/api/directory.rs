//! The directory as data: read it, change it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_model::decision::{Decision, Outcome};
use weir_model::directory::{ChangeSet, Directory};

use super::{Problem, Shared, decide, sounds};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Edit {
    pub(crate) based_on: u64,
    pub(crate) changes: ChangeSet,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Edited {
    pub(crate) index: u64,
    pub(crate) version: u64,
}

pub(crate) async fn show(State(node): Shared) -> Json<Arc<Directory>> {
    Json(node.consensus.view().borrow().state.directory.clone())
}

pub(crate) async fn edit(
    State(node): Shared,
    headers: HeaderMap,
    Json(edit): Json<Edit>,
) -> Result<Json<Edited>, Problem> {
    let Edit { based_on, changes } = edit;
    let now = node.consensus.view().borrow().state.directory.clone();
    // A broken edit is refused by the decision, with every reason.
    if based_on == now.version
        && let Ok(wanted) = now.apply(&changes.changes)
    {
        sounds::prepare(&node, &headers, &wanted).await?;
    }
    match decide(&node, &headers, Decision::EditDirectory { based_on, changes }).await? {
        (index, Outcome::Directory { version }) => Ok(Json(Edited { index, version })),
        (_, other) => Err(Problem::internal(format!("{other:?}"))),
    }
}
