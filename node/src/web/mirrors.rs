//! The runs of every site as far as their journals have come here: one mirror a
//! node, fed from the disk, which holds what screens forget. It reads; it never
//! writes, and nothing that it reads is carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_consensus::disk::Limit;
use weir_model::codec;
use weir_model::directory::Directory;
use weir_model::fact::{Fact, FactId, Target};
use weir_model::home::{ActivationPicture, Mirror};
use weir_model::id::{ActivationId, NodeId, SiteId, StepId, WallMs};

use crate::node::Node;

const PAGE: Limit = Limit { count: 512, bytes: 1 << 20 };
/// How far back a journal is read after a start, in facts; what ended earlier is
/// in the journal, not on the board.
const BACK: u64 = 20_000;

/// What is shown of one site.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteSeen {
    /// Oldest first.
    pub(crate) runs: Vec<ActivationPicture>,
    /// Until when a step waits, by that site's clock.
    pub(crate) waits: BTreeMap<(ActivationId, StepId), WallMs>,
    /// When the newest attempt at a target began.
    pub(crate) began: BTreeMap<(ActivationId, Target), WallMs>,
}

pub(crate) type Seen = BTreeMap<SiteId, SiteSeen>;

/// See the module.
pub(crate) struct Mirrors {
    node: Arc<Node>,
    mirrors: BTreeMap<NodeId, (SiteId, Mirror)>,
    /// Of the directory when runs were last looked through for missing plans.
    directory: u64,
}

impl Mirrors {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, mirrors: BTreeMap::new(), directory: 0 }
    }

    /// Takes in what has come since; returns whether there was anything.
    pub(crate) async fn follow(&mut self) -> bool {
        let state = self.node.consensus.view().borrow().state.clone();
        let members = &state.members;
        let gone = |id: &NodeId, site: &SiteId| members.get(id).is_none_or(|m| m.site != *site);
        let before = self.mirrors.len();
        self.mirrors.retain(|id, (site, _)| !gone(id, site));
        let mut changed = self.mirrors.len() < before;
        if self.directory != state.directory.version {
            self.directory = state.directory.version;
            self.mirrors.retain(|_, (_, mirror)| !mirror.would_tell_more(&state.directory));
        }
        for member in members.values() {
            let head = state.heads.get(&member.id).map(|head| head.id);
            let fresh = || (member.site.clone(), Mirror::new(member.site.clone(), member.id));
            let mirror = self.mirrors.entry(member.id).or_insert_with(fresh);
            changed |= catch_up(&self.node, &mut mirror.1, member.id, head, &state.directory).await;
        }
        changed
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut seen = Seen::new();
        for (site, mirror) in self.mirrors.values() {
            let seen = seen.entry(site.clone()).or_default();
            for run in mirror.picture().activations {
                note_times(seen, mirror, &run);
                seen.runs.push(run);
            }
        }
        for site in seen.values_mut() {
            site.runs.sort_by_key(|run| (run.started, run.id));
        }
        seen
    }
}

fn note_times(seen: &mut SiteSeen, mirror: &Mirror, run: &ActivationPicture) {
    if run.ended.is_some() {
        return;
    }
    for step in &run.steps {
        if let Some(until) = mirror.waits_until(run.id, &step.id) {
            seen.waits.insert((run.id, step.id.clone()), until);
        }
        for one in &step.targets {
            if let Some(at) = mirror.began(run.id, &one.target) {
                seen.began.insert((run.id, one.target.clone()), at);
            }
        }
    }
}

/// Reads on where the mirror stopped. A journal that cannot be read is left as
/// it is and tried again: what is known of it stays on the screen.
async fn catch_up(
    node: &Node,
    mirror: &mut Mirror,
    of: NodeId,
    head: Option<FactId>,
    directory: &Directory,
) -> bool {
    let skipped = head.filter(|head| head.seq > BACK);
    let start = skipped.map(|head| FactId { seq: head.seq - BACK, ..head });
    let mut changed = false;
    loop {
        let after = mirror.last().or(start);
        let Ok(page) = node.site.reader().page(of, after, PAGE).await else { return changed };
        let full = page.len() >= PAGE.count;
        for bytes in page {
            let Ok(fact) = codec::decode::<Fact>(&bytes) else {
                tracing::debug!(%of, "a fact of another version is not shown");
                return changed;
            };
            changed |= mirror.fold(&fact, directory);
        }
        if !full {
            return changed;
        }
    }
}
