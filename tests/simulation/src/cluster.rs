//! A cluster from nothing, as an installer makes it: one node founds it, tokens
//! are minted, the others join with them and the reconciler makes them voters;
//! the fourth stands behind a satellite and only listens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use weir_model::decision::{Candidate, Decision, Outcome, Role};
use weir_model::id::{ClusterId, Hash, NodeId, NodeName, SiteId, WallMs};

use crate::clients::insist;
use crate::world::World;

/// Members that vote; one more listens.
const VOTERS: u64 = 3;
/// The node behind a satellite.
pub const SATELLITE: NodeId = NodeId(VOTERS + 1);

pub fn satellites() -> BTreeSet<NodeId> {
    BTreeSet::from([SATELLITE])
}

fn candidate(node: NodeId) -> Option<Candidate> {
    let satellite = node == SATELLITE;
    Some(Candidate {
        name: NodeName::new(format!("node{}", node.0)).ok()?,
        site: SiteId::new(format!("S{}", node.0)).ok()?,
        role: if satellite { Role::Learner } else { Role::Voter },
        addresses: Vec::new(),
        public_key: node.0.to_be_bytes().to_vec(),
        satellite,
    })
}

/// Boots the first node and founds the cluster.
pub async fn found(world: &Arc<World>, until: Duration) {
    let first = NodeId(1);
    world.boot(first);
    loop {
        if let Some((consensus, group)) = world.consensus(first) {
            let founding = group.spawn(world.next_seed(), async move { consensus.found().await });
            if let Ok(Ok(())) = founding.await {
                break;
            }
        }
        if world.elapsed() > until {
            return world.found("a cluster can be founded", "not in time".into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    let Some(first) = candidate(first) else { return };
    let profile = world.profile();
    let cluster = ClusterId(world.dice(20).id());
    let decision = Decision::Found { cluster, profile, first };
    insist(world, &mut world.dice(21), &decision, until).await;
}

/// Lets the other nodes join, one after the other, and boots each.
pub async fn join_all(world: Arc<World>, until: Duration) {
    for node in (2..=SATELLITE.0).map(NodeId) {
        let mut dice = world.dice(30 + node.0);
        let secret_hash = Hash::of(&[&dice.id()]);
        let Some(candidate) = candidate(node) else { return };
        let (role, expires) = (candidate.role, WallMs(u64::MAX));
        let mint = Decision::MintToken { secret_hash, role, expires };
        insist(&world, &mut dice, &mint, until).await;
        let join = Decision::Join { secret_hash, candidate };
        let answer = insist(&world, &mut dice, &join, until).await;
        match answer.map(|answer| answer.result) {
            Some(Ok(Outcome::Joined { node: given })) if given == node => world.boot(node),
            None => return,
            other => {
                return world.found("a candidate joins", format!("{node}: {other:?}"));
            }
        }
    }
}
