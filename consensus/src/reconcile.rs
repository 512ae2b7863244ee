//! Raft's membership follows the members that were agreed on: the leader looks
//! at both and makes one change at a time. A voter listens as a learner until
//! it has caught up, so that a new one never costs the quorum.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::{ChangeMembers, EmptyNode};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_model::decision::{Member, Role};
use weir_model::id::NodeId;

use crate::cluster::Raft;
use crate::disk::Disk;
use crate::store::AppliedView;
use crate::types::Runtime;

/// How often the leader looks, if nothing wakes it.
const LOOK: Duration = Duration::from_millis(500);
/// How long one change may take before the leader looks again.
const CHANGE: Duration = Duration::from_secs(5);
/// A learner this close to the end of the log may vote.
const CLOSE: u64 = 64;

/// One change of Raft's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Listen(NodeId),
    Vote(NodeId),
    Unvote(NodeId),
    Forget(NodeId),
}

/// What to change next. Removals come first: a removed node may be in the wrong
/// hands.
fn next_step(
    members: &BTreeMap<NodeId, Member>,
    voters: &BTreeSet<NodeId>,
    learners: &BTreeSet<NodeId>,
    caught_up: impl Fn(NodeId) -> bool,
) -> Option<Step> {
    if members.is_empty() {
        // Not founded yet: what Raft has is what there is.
        return None;
    }
    let gone = |id: &&NodeId| !members.contains_key(*id);
    if let Some(id) = voters.iter().find(gone) {
        return (voters.len() > 1).then_some(Step::Unvote(*id));
    }
    if let Some(id) = learners.iter().find(gone) {
        return Some(Step::Forget(*id));
    }
    let known = |id: &NodeId| voters.contains(id) || learners.contains(id);
    if let Some(id) = members.keys().find(|id| !known(id)) {
        return Some(Step::Listen(*id));
    }
    members
        .values()
        .find(|m| m.role == Role::Voter && learners.contains(&m.id) && caught_up(m.id))
        .map(|member| Step::Vote(member.id))
}

/// Runs until stopped.
pub(crate) async fn run<R: Runtime, D: Disk>(
    me: NodeId,
    raft: Raft<R, D>,
    mut view: watch::Receiver<Arc<AppliedView>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        // Either something was applied, or it is time to look anyway.
        let woken = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            woken = timeout(LOOK, view.changed()) => woken,
        };
        if let Ok(Err(_)) = woken {
            // Consensus has stopped: nothing will be applied any more.
            return;
        }
        let now = view.borrow_and_update().clone();
        let metrics = raft.metrics().borrow_watched().clone();
        if metrics.current_leader != Some(me) {
            continue;
        }
        let last = metrics.last_log_index.unwrap_or(0);
        let replicated = metrics.replication.unwrap_or_default();
        let caught_up = |id: NodeId| {
            let at = replicated.get(&id).and_then(|at| at.as_ref()).map_or(0, |at| at.index());
            at + CLOSE >= last && at > 0
        };
        let step = next_step(&now.state.members, &now.voters, &now.learners, caught_up);
        if let Some(step) = step {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = change(&raft, step) => {}
            }
        }
    }
}

async fn change<R: Runtime, D: Disk>(raft: &Raft<R, D>, step: Step) {
    tracing::info!(?step, "the cluster's membership changes / 集群成员变更");
    let one = |id| BTreeSet::from([id]);
    let outcome = match step.clone() {
        Step::Listen(id) => {
            timeout(CHANGE, raft.add_learner(id, EmptyNode::default(), false)).await
        }
        Step::Vote(id) => {
            let members = ChangeMembers::AddVoterIds(one(id));
            timeout(CHANGE, raft.change_membership(members, true)).await
        }
        Step::Unvote(id) => {
            let members = ChangeMembers::RemoveVoters(one(id));
            timeout(CHANGE, raft.change_membership(members, false)).await
        }
        Step::Forget(id) => {
            let members = ChangeMembers::RemoveNodes(one(id));
            timeout(CHANGE, raft.change_membership(members, false)).await
        }
    };
    if !matches!(outcome, Ok(Ok(_))) {
        // Another leader, or no quorum: whoever leads next looks again.
        tracing::debug!(?step, "a membership change did not finish");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::id::{NodeName, SiteId};

    fn member(id: u64, role: Role) -> (NodeId, Member) {
        let member = Member {
            id: NodeId(id),
            name: NodeName::new(format!("n{id}")).unwrap(),
            site: SiteId::new("HQ").unwrap(),
            role,
            addresses: vec![],
            public_key: vec![],
            satellite: false,
        };
        (NodeId(id), member)
    }

    fn set(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().map(|&id| NodeId(id)).collect()
    }

    #[test]
    fn a_new_voter_listens_until_it_has_caught_up() {
        let members = BTreeMap::from([member(1, Role::Voter), member(2, Role::Voter)]);
        let step = |voters: &[u64], learners: &[u64], ready: bool| {
            next_step(&members, &set(voters), &set(learners), |_| ready)
        };
        assert_eq!(step(&[1], &[], false), Some(Step::Listen(NodeId(2))));
        assert_eq!(step(&[1], &[2], false), None);
        assert_eq!(step(&[1], &[2], true), Some(Step::Vote(NodeId(2))));
        assert_eq!(step(&[1, 2], &[], true), None);
    }

    #[test]
    fn a_removed_node_goes_before_a_new_one_comes() {
        let members = BTreeMap::from([member(1, Role::Voter), member(3, Role::Learner)]);
        let step = next_step(&members, &set(&[1, 2]), &set(&[]), |_| true);
        assert_eq!(step, Some(Step::Unvote(NodeId(2))));
    }

    #[test]
    fn a_learner_is_never_made_a_voter_unasked() {
        let members = BTreeMap::from([member(1, Role::Voter), member(3, Role::Learner)]);
        assert_eq!(next_step(&members, &set(&[1]), &set(&[3]), |_| true), None);
    }
}
