//! The writer's side of a journal: gives each fact its number, its place in the
//! causal order and the hash of the one before. It never skips a number, and it
//! refuses to write what could not be read back.

use super::{Fact, FactBody, FactId, Head, PARENTS_MAX, Place};
use crate::codec::{self, DecodeError};
use crate::id::{Hash, Incarnation, NodeId, SiteId, WallMs};

/// Why a fact was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    TooLong(#[from] DecodeError),
    #[error("only the first fact of an incarnation says that it began")]
    BeganTwice,
    #[error("the journal has used every number; start a new incarnation")]
    Full,
}

/// A fact, its bytes and its hash, ready to be synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub fact: Fact,
    pub bytes: Vec<u8>,
    pub head: Head,
}

/// One incarnation of a node's journal, as its writer sees it.
#[derive(Debug, Clone)]
pub struct Chain {
    site: SiteId,
    head: Head,
    last: Place,
}

impl Chain {
    /// Starts an incarnation with its `Began`, which names the last known head
    /// of the one before.
    ///
    /// # Errors
    /// When the fact is too long to be kept.
    pub fn begin(
        site: SiteId,
        node: NodeId,
        incarnation: Incarnation,
        after: Option<Head>,
        at: WallMs,
        seen: u64,
    ) -> Result<(Self, Written), ChainError> {
        let id = FactId { node, incarnation, seq: 1 };
        let fact = Fact {
            id,
            previous: Hash::default(),
            seen,
            depth: 1,
            parents: Vec::new(),
            site: site.clone(),
            at,
            body: FactBody::Began { after },
        };
        let written = write(fact)?;
        let last = written.fact.place();
        Ok((Self { site, head: written.head.clone(), last }, written))
    }

    /// Goes on after a restart, behind the last fact that was synced.
    pub fn resume(last: &Fact, hash: Hash) -> Self {
        let head = Head { id: last.id, hash };
        Self { site: last.site.clone(), head, last: last.place() }
    }

    /// The next fact. `seen` is the newest committed index this node has seen;
    /// `parents` are the other nodes' facts that this one builds on. Of more
    /// than [`PARENTS_MAX`] the deepest are named; all of them count.
    ///
    /// # Errors
    /// When the fact cannot be kept; the chain has then not moved.
    pub fn next(
        &mut self,
        body: FactBody,
        at: WallMs,
        seen: u64,
        parents: &[Place],
    ) -> Result<Written, ChainError> {
        if matches!(body, FactBody::Began { .. }) {
            return Err(ChainError::BeganTwice);
        }
        let seq = self.head.id.seq.checked_add(1).ok_or(ChainError::Full)?;
        let deepest = parents.iter().map(|parent| parent.depth).fold(self.last.depth, u64::max);
        // Whoever builds on a fact has seen, through it, what its writer had
        // seen; otherwise an island's fact would sort before its own parent.
        let seen =
            parents.iter().map(|parent| parent.seen).fold(seen.max(self.last.seen), u64::max);
        let fact = Fact {
            id: FactId { seq, ..self.head.id },
            previous: self.head.hash,
            seen,
            depth: deepest.saturating_add(1),
            parents: named(parents),
            site: self.site.clone(),
            at,
            body,
        };
        let written = write(fact)?;
        self.head = written.head.clone();
        self.last = written.fact.place();
        Ok(written)
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn last(&self) -> Place {
        self.last
    }
}

fn named(parents: &[Place]) -> Vec<FactId> {
    let mut deepest: Vec<&Place> = parents.iter().collect();
    deepest.sort_by_key(|parent| (std::cmp::Reverse(parent.depth), parent.id));
    deepest.dedup_by_key(|parent| parent.id);
    deepest.into_iter().take(PARENTS_MAX).map(|parent| parent.id).collect()
}

fn write(fact: Fact) -> Result<Written, ChainError> {
    let bytes = codec::encode(&fact)?;
    let head = Head { id: fact.id, hash: Fact::hash_of(&bytes) };
    Ok(Written { fact, bytes, head })
}
