//! How safely a fact is kept: at home, and at how many other sites. Two nodes
//! of one site burn down together, so they count as one; and an acknowledgement
//! of another history counts as none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FactId, Head};
use crate::id::{Incarnation, NodeId, SiteId};

/// Shown wherever it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptLevel {
    /// Not synced anywhere yet: nobody was told that it is safe.
    Unkept,
    /// Synced at home.
    KeptHere,
    /// Synced at home and at one other site.
    KeptAtTwo,
    /// Synced at home and at two other sites: shipping has done its part.
    KeptAtThree,
}

/// A site acknowledged a history that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{site} holds another history of {}: fact {}", .theirs.id.node, .theirs.id)]
pub struct Disagree {
    pub site: SiteId,
    pub theirs: Head,
}

type Line = (NodeId, Incarnation);

/// Which site has synced how much of each journal.
#[derive(Debug, Clone)]
pub struct Kept {
    home: SiteId,
    synced: BTreeMap<SiteId, BTreeMap<Line, u64>>,
}

impl Kept {
    pub fn new(home: SiteId) -> Self {
        Self { home, synced: BTreeMap::new() }
    }

    /// This site has synced everything up to `head`.
    pub fn synced_here(&mut self, head: &Head) {
        let home = self.home.clone();
        self.note(home, head.id);
    }

    /// `site` says that it has synced everything up to `head`; `ours` is the
    /// hash that this node knows under that id.
    ///
    /// # Errors
    /// When the site holds another history: an alarm, and it keeps nothing for
    /// us.
    pub fn acknowledged(
        &mut self,
        site: SiteId,
        head: &Head,
        ours: Option<crate::id::Hash>,
    ) -> Result<(), Disagree> {
        if ours.is_some_and(|ours| ours != head.hash) {
            return Err(Disagree { site, theirs: head.clone() });
        }
        self.note(site, head.id);
        Ok(())
    }

    fn note(&mut self, site: SiteId, id: FactId) {
        let to = self.synced.entry(site).or_default().entry((id.node, id.incarnation)).or_default();
        *to = id.seq.max(*to);
    }

    /// How far `site` has a journal, so that shipping goes on from there; 0
    /// when nothing was acknowledged.
    pub fn synced_to(&self, site: &SiteId, node: NodeId, incarnation: Incarnation) -> u64 {
        let lines = self.synced.get(site);
        lines.and_then(|lines| lines.get(&(node, incarnation))).copied().unwrap_or(0)
    }

    fn has(&self, site: &SiteId, id: FactId) -> bool {
        id.seq > 0 && self.synced_to(site, id.node, id.incarnation) >= id.seq
    }

    pub fn kept_here(&self, id: FactId) -> bool {
        self.has(&self.home, id)
    }

    pub fn kept_at_two(&self, id: FactId) -> bool {
        self.level(id) >= KeptLevel::KeptAtTwo
    }

    pub fn level(&self, id: FactId) -> KeptLevel {
        let others = self.synced.keys().filter(|site| **site != self.home);
        match (self.kept_here(id), others.filter(|site| self.has(site, id)).count()) {
            (false, _) => KeptLevel::Unkept,
            (true, 0) => KeptLevel::KeptHere,
            (true, 1) => KeptLevel::KeptAtTwo,
            (true, _) => KeptLevel::KeptAtThree,
        }
    }
}
