//! Facts: things that happened. A fact goes to its own node's journal first,
//! linked to the one before by hash, and speaks only for that node and its
//! site. It cannot be refused, so nothing here decides what may happen; and a
//! fact that arrives from elsewhere is shown, never carried out.

mod body;
mod call;
mod chain;
mod conference;
mod kept;
mod merge;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use body::{
    EffectKey, EffectResult, Ending, FactBody, NOTE_MAX_BYTES, Proof, StepState, Target, Why,
};
pub use call::{CallEnd, NUMBER_MAX_BYTES, clip_number};
pub use chain::{Chain, ChainError, Written};
pub use conference::{LeaveReason, WHO_MAX_BYTES};
pub use kept::{Disagree, Kept, KeptLevel};
pub use merge::{FORKS_MAX, Merge, Offered, RECENT_PER_LINE, SHOWN_MAX, Unfit};
pub use verify::{Broken, What, verify};

use crate::codec::{self, DecodeError, Stored};
use crate::id::{Hash, Incarnation, NodeId, SiteId, WallMs};

/// Most parents that a fact names.
pub const PARENTS_MAX: usize = 8;

/// Names a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactId {
    pub node: NodeId,
    pub incarnation: Incarnation,
    /// 1 for the first fact of an incarnation; no number is left out.
    pub seq: u64,
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.incarnation.0, self.seq)
    }
}

/// How far a journal has come, and what it says up to there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Head {
    pub id: FactId,
    pub hash: Hash,
}

/// Something that happened, as its node wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub id: FactId,
    /// Of the fact before; zero for the first of an incarnation.
    pub previous: Hash,
    /// The newest committed index that the writer had seen, itself or through
    /// the facts that it builds on.
    pub seen: u64,
    /// 1 + the deepest of the parents; the fact before is always one of them.
    pub depth: u64,
    /// Other nodes' facts that this one builds on, at most [`PARENTS_MAX`].
    pub parents: Vec<FactId>,
    pub site: SiteId,
    /// For display only.
    pub at: WallMs,
    pub body: FactBody,
}

impl Stored for Fact {
    const KIND: u8 = 20;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 4 << 10;
    const NAME: &'static str = "fact";
}

impl Fact {
    /// The hash of a fact's encoded bytes, `previous` included.
    pub fn hash_of(bytes: &[u8]) -> Hash {
        Hash::of(&[bytes])
    }

    /// # Errors
    /// When the fact is longer than its kind allows.
    pub fn hash(&self) -> Result<Hash, DecodeError> {
        Ok(Self::hash_of(&codec::encode(self)?))
    }

    pub fn place(&self) -> Place {
        Place { seen: self.seen, depth: self.depth, id: self.id }
    }
}

/// Where a fact stands among all facts: by the committed index seen, then by
/// causal depth, then by node, incarnation and sequence. Every node that holds
/// the same facts shows them in the same order, and none before its parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub seen: u64,
    pub depth: u64,
    pub id: FactId,
}
