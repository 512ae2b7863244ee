//! A node's part in the cluster, in words for people and numbers for metrics.

use std::collections::BTreeMap;

use openraft::{RaftMetrics, ServerState};
use serde::Serialize;
use weir_model::id::NodeId;

use crate::types::{Runtime, Types};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Learner,
    Follower,
    Candidate,
    Leader,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub node: NodeId,
    pub part: Part,
    pub leader: Option<NodeId>,
    pub term: u64,
    pub last_log: u64,
    pub committed: u64,
    pub applied: u64,
    pub snapshot: u64,
    /// Milliseconds since a majority was last heard; on the leader only.
    pub quorum_age_ms: Option<u64>,
    /// How far each follower has come; on the leader only.
    pub replicated: BTreeMap<NodeId, u64>,
    /// Why consensus stopped, if it did.
    pub stopped: Option<String>,
}

pub(crate) fn of<R: Runtime>(metrics: &RaftMetrics<Types<R>>) -> Status {
    let index = |id: Option<&crate::types::LogId>| id.map_or(0, |id| id.index());
    let stopped = metrics.running_state.as_ref().err().map(ToString::to_string);
    let part = match (metrics.state, &stopped) {
        (_, Some(_)) => Part::Stopped,
        (ServerState::Leader, None) => Part::Leader,
        (ServerState::Candidate, None) => Part::Candidate,
        (ServerState::Follower, None) => Part::Follower,
        (_, None) => Part::Learner,
    };
    let replicated = metrics.replication.iter().flatten();
    let age = metrics.last_quorum_acked.as_ref().map(|at| {
        let age = openraft::Instant::elapsed(&**at);
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    });
    Status {
        node: metrics.id,
        part,
        leader: metrics.current_leader,
        term: metrics.current_term,
        last_log: metrics.last_log_index.unwrap_or(0),
        committed: index(metrics.local_committed.as_ref()),
        applied: index(metrics.last_applied.as_ref()),
        snapshot: index(metrics.snapshot.as_ref()),
        quorum_age_ms: age,
        replicated: replicated.map(|(node, at)| (*node, index(at.as_ref()))).collect(),
        stopped,
    }
}
