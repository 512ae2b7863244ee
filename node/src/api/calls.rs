//! Calls under way at this site: who talks with whom, and ending one of them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_model::fact::FactBody;
use weir_model::id::CallId;

use super::{Problem, Shared, author};
use crate::node::Node;

/// One call, as `weir call list` prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CallAnswer {
    pub(crate) id: String,
    /// The number that digest accepted.
    pub(crate) from: String,
    pub(crate) dialled: String,
    /// Who answered.
    pub(crate) by: Option<String>,
    /// Who is rung, until somebody answers.
    pub(crate) rings: Vec<String>,
    /// `ringing`, `talked` or `held`.
    pub(crate) state: String,
    /// Since 1970, when it began.
    pub(crate) since_ms: u64,
    pub(crate) emergency: bool,
    /// The other site, when it leads there or comes from there.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// Keys pressed by both sides together, counted once however they came.
    pub(crate) keys: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallOver {
    pub(crate) id: String,
}

/// Nothing says yet that the disk has it: the event stream does.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallNoted {
    pub(crate) id: String,
}

pub(crate) fn shown(node: &Node) -> Vec<CallAnswer> {
    let Some(telephony) = &node.telephony else { return Vec::new() };
    let calls = telephony.exchange.calls().into_iter();
    calls
        .map(|call| CallAnswer {
            id: call.id.to_string(),
            from: call.from,
            dialled: call.dialled,
            by: call.by,
            rings: call.rings,
            state: call.state.word().into(),
            since_ms: call.since_unix_ms,
            emergency: call.emergency,
            at: call.at.map(|site| site.to_string()),
            keys: call.keys,
        })
        .collect()
}

/// Writes down at this node that a person has seen a missed emergency call; every
/// node that gets this journal shows it so.
///
/// # Errors
/// When nobody is named, or there is no room for the note.
pub(crate) fn seen(node: &Node, headers: &HeaderMap, call: CallId) -> Result<CallNoted, Problem> {
    let who = author(node, headers)?.person.ok_or_else(Problem::who)?;
    let noted = node.site.record_call(FactBody::CallSeen { call, who });
    noted.map_err(|full| Problem::busy(full.to_string()))?;
    Ok(CallNoted { id: call.to_string() })
}

pub(crate) async fn list(State(node): Shared) -> Json<Vec<CallAnswer>> {
    Json(shown(&node))
}

pub(crate) async fn end(
    State(node): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<CallOver>, Problem> {
    let who = author(&node, &headers)?.person;
    let call = id.parse().map_err(|_| Problem::call_unknown(&id))?;
    let ended = node.telephony.as_ref().is_some_and(|telephony| telephony.exchange.end(call, who));
    if ended { Ok(Json(CallOver { id })) } else { Err(Problem::call_unknown(&id)) }
}
