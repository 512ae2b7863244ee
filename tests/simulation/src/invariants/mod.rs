//! What must hold whatever happens, one invariant a file. Each looks at what
//! the nodes write, say and answer from outside the shipped code, and says what
//! it saw broken; none of them ever changes anything.

mod acknowledged;
mod agreement;
mod alive;
mod applied;
mod begun;
mod chains;
mod claims;
mod clock;
mod conferences;
mod converged;
mod copies;
mod home_only;
mod joined;
mod late;
mod leaders;
mod lines;
mod order;
mod peace;
mod replayed;
mod same_state;
mod snapshots;
mod sounds_once;
mod unasked;
mod votes;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use converged::alike;

use bytes::Bytes;
use weir_consensus::Status;
use weir_consensus::disk::{Batch, Change, Family};
use weir_consensus::net::Response;
use weir_consensus::net::message::StreamAnswer;
use weir_consensus::site::SiteView;
use weir_consensus::store::AppliedView;
use weir_consensus::store::wire::{Ballot, Place, decode};
use weir_model::codec;
use weir_model::decision::Answer;
use weir_model::fact::{EffectKey, Fact, FactBody};
use weir_model::id::NodeId;

use crate::disk::{APPLIED, VOTE};
use crate::platter::Contents;
use crate::sites::Fixture;
use crate::sites::relay::Sounded;

/// A post that a client got an answer to.
#[derive(Debug, Clone)]
pub struct Posted {
    pub line: String,
    pub text: String,
    /// The only writer knows which revision its post must have.
    pub revision: Option<u64>,
    pub answer: Answer,
}

/// A node at the end of a run.
pub struct Final {
    pub node: NodeId,
    pub status: Option<Status>,
    pub view: Option<Arc<AppliedView>>,
    pub panics: u64,
}

/// Everything that a night at the sites left behind.
pub struct Journals {
    pub fixture: Arc<Fixture>,
    /// Each node's own facts, as they lie on its disk.
    pub own: BTreeMap<NodeId, Vec<Vec<u8>>>,
    /// What a node (first) keeps of another's (second).
    pub copies: BTreeMap<(NodeId, NodeId), Vec<Vec<u8>>>,
    pub shown: BTreeMap<NodeId, Arc<SiteView>>,
    pub ledger: Vec<Sounded>,
    pub panics: u64,
}

impl Journals {
    /// A node's own facts.
    fn facts(&self, node: NodeId) -> Vec<Fact> {
        let bytes = self.own.get(&node).into_iter().flatten();
        bytes.filter_map(|bytes| codec::decode(bytes).ok()).collect()
    }

    fn nodes(&self) -> impl Iterator<Item = (NodeId, Vec<Fact>)> {
        self.own.keys().map(|node| (*node, self.facts(*node)))
    }
}

/// Something that an invariant may look at.
pub enum Seen<'a> {
    /// A batch is about to become readable.
    Writes {
        node: NodeId,
        batch: &'a Batch,
        before: &'a Contents,
    },
    /// It has become readable.
    Wrote {
        node: NodeId,
        batch: &'a Batch,
        after: &'a Contents,
    },
    /// The node was told that a batch is durable.
    Kept {
        node: NodeId,
        batch: &'a Batch,
    },
    File {
        node: NodeId,
        name: &'a str,
        bytes: &'a Bytes,
    },
    /// A node starts from what its disk kept.
    Starts {
        node: NodeId,
        contents: &'a Contents,
    },
    /// An answer leaves a node; `durable` is what a crash would leave now.
    Answers {
        node: NodeId,
        answer: &'a Response,
        durable: &'a Contents,
    },
    StreamAnswers {
        node: NodeId,
        answer: &'a StreamAnswer,
        durable: &'a Contents,
    },
    Posted(&'a Posted),
    /// The weather has been good for long enough.
    Ended {
        nodes: &'a [Final],
    },
    /// A loudspeaker sounds; `durable` is what a crash of its node would leave.
    Sounds {
        sounded: &'a Sounded,
        durable: &'a Contents,
    },
    /// A person presses the key, whether or not the node learns of it.
    Acknowledges {
        call: &'a Sounded,
    },
    /// The same as `Ended`, for sites.
    Nightfall(&'a Journals),
}

/// See the module.
pub trait Invariant: Send {
    /// What holds, in a few words.
    fn name(&self) -> &'static str;

    /// Looks at what was seen.
    ///
    /// # Errors
    /// Says what is broken.
    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String>;
}

/// An invariant that did not hold, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub at_ms: u64,
    pub invariant: &'static str,
    pub what: String,
}

/// Every invariant, and the first violation of each.
pub struct Watchers {
    invariants: Vec<Box<dyn Invariant>>,
    pub violations: Vec<Violation>,
}

impl Default for Watchers {
    fn default() -> Self {
        let invariants: Vec<Box<dyn Invariant>> = vec![
            Box::<acknowledged::OnlyWhatIsDurable>::default(),
            Box::<agreement::SameEntries>::default(),
            Box::<alive::NobodyStops>::default(),
            Box::<applied::OnlyForward>::default(),
            Box::<begun::WrittenDownFirst>::default(),
            Box::<chains::JournalsVerify>::default(),
            Box::<claims::NothingClaimed>::default(),
            Box::<clock::StampsForward>::default(),
            Box::<conferences::CalledTogetherOnce>::default(),
            Box::<converged::AllAlike>::default(),
            Box::<copies::KeptElsewhere>::default(),
            Box::<home_only::OnlyAtHome>::default(),
            Box::<joined::OneRun>::default(),
            Box::<late::NeverLate>::default(),
            Box::<leaders::OneATerm>::default(),
            Box::<lines::ExactlyOnce>::default(),
            Box::<order::OneOrder>::default(),
            Box::<peace::LeftInPeace>::default(),
            Box::<replayed::LifeAndReplay>::default(),
            Box::<same_state::SameState>::default(),
            Box::<snapshots::SameSnapshots>::default(),
            Box::<sounds_once::SoundsOnce>::default(),
            Box::<unasked::NotRepeatedUnasked>::default(),
            Box::<votes::NeverTakenBack>::default(),
        ];
        Self { invariants, violations: Vec::new() }
    }
}

impl Watchers {
    pub fn look(&mut self, at_ms: u64, seen: &Seen<'_>) {
        for invariant in &mut self.invariants {
            let Err(what) = invariant.look(seen) else { continue };
            let name = invariant.name();
            if self.violations.iter().all(|known| known.invariant != name) {
                self.violations.push(Violation { at_ms, invariant: name, what });
            }
        }
    }

    pub fn found(&mut self, at_ms: u64, invariant: &'static str, what: String) {
        if self.violations.iter().all(|known| known.invariant != invariant) {
            self.violations.push(Violation { at_ms, invariant, what });
        }
    }
}

/// What a batch puts under a key of the meta family.
fn put_in<'a>(batch: &'a Batch, name: &[u8]) -> Option<&'a [u8]> {
    batch.changes.iter().find_map(|change| match change {
        Change::Put { family: Family::Meta, key, value } if key == name => Some(value.as_slice()),
        _ => None,
    })
}

fn place_in(batch: &Batch) -> Option<Place> {
    put_in(batch, APPLIED).and_then(|bytes| decode(bytes).ok())
}

fn place_of(contents: &Contents) -> Option<Place> {
    contents.get(Family::Meta, APPLIED).and_then(|bytes| decode(bytes).ok())
}

fn ballot_in(batch: &Batch) -> Option<Ballot> {
    put_in(batch, VOTE).and_then(|bytes| decode(bytes).ok())
}

fn ballot_of(contents: &Contents) -> Option<Ballot> {
    contents.get(Family::Meta, VOTE).and_then(|bytes| decode(bytes).ok())
}

/// Whether a batch replaces the whole state, as installing a snapshot does.
fn installs(batch: &Batch) -> bool {
    let whole =
        |change: &Change| matches!(change, Change::DeleteRange { family: Family::State, .. });
    batch.changes.iter().any(whole)
}

/// The begun fact of an effect, if it is among these.
fn begun<'a>(facts: impl IntoIterator<Item = &'a Fact>, of: &EffectKey) -> Option<&'a Fact> {
    let begins =
        |fact: &&Fact| matches!(&fact.body, FactBody::EffectBegun { key, .. } if key == of);
    facts.into_iter().find(begins)
}
