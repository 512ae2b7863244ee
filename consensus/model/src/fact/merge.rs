//! Facts of many nodes brought into one order. Whatever the order in which they
//! arrive, the same facts give the same sequence. Merging only changes what is
//! shown: nothing that arrives here is ever carried out, and of two histories
//! under one name both are kept, with an alarm.

use std::collections::{BTreeMap, BTreeSet};

use super::{Disagree, Fact, FactId, Head, Kept, KeptLevel, Place};
#[cfg(feature = "planted")]
use crate::home::Planted;
use crate::id::{Hash, Incarnation, NodeId, SiteId};

/// Most facts shown; of more, the newest in order.
pub const SHOWN_MAX: usize = 4_096;
/// How many of a journal's newest facts are remembered by hash. What is older
/// is compared with the copy that the node keeps.
pub const RECENT_PER_LINE: usize = 256;
/// Most histories kept under one number, and most numbers with an alarm.
pub const FORKS_MAX: usize = 8;
const ALARMS_MAX: usize = 1_024;
const LINES_MAX: usize = 8_192;

/// Why a fact has no place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the member list does not name its node yet; offer it again later")]
    UnknownNode,
    #[error("it speaks for a site that is not its node's; take its node out of service")]
    OtherSite,
    #[error("it claims to be this node's own; another machine runs as this node, stop it")]
    SpeaksForUs,
    #[error("a fact's number is 1 or more, and only the first has no fact before it")]
    Malformed,
    #[error("too many histories under one name; take its node out of service")]
    TooManyForks,
    #[error("more journals than {LINES_MAX} are known")]
    TooManyLines,
}

/// What became of a fact that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    Accepted,
    Already,
    /// Facts before it are missing; ask from this number on.
    Gap {
        want_from: u64,
    },
    /// Two histories under one name: an alarm. `kept`: the fact now stands
    /// beside the other; otherwise its own past is missing, ask for that.
    Fork {
        known: Head,
        other: Head,
        kept: bool,
    },
    /// Too old to compare by memory; see [`Merge::compare`].
    Aged,
    Refused(Unfit),
}

type Line = (NodeId, Incarnation);

/// What is known of one incarnation of one journal.
#[derive(Debug, Clone, Default)]
struct Known {
    high: u64,
    recent: BTreeMap<u64, BTreeSet<Hash>>,
}

impl Known {
    fn at(&self, seq: u64) -> Option<&BTreeSet<Hash>> {
        self.recent.get(&seq)
    }

    fn first_at(&self, seq: u64) -> Option<Hash> {
        self.at(seq).and_then(BTreeSet::first).copied()
    }

    fn insert(&mut self, seq: u64, hash: Hash) {
        self.recent.entry(seq).or_default().insert(hash);
        self.high = self.high.max(seq);
        while self.recent.len() > RECENT_PER_LINE {
            self.recent.pop_first();
        }
    }
}

/// Everything that a node knows of everyone's journals, its own included.
#[derive(Debug, Clone)]
pub struct Merge {
    own: Line,
    lines: BTreeMap<Line, Known>,
    shown: BTreeMap<(Place, Hash), Fact>,
    forks: BTreeMap<FactId, BTreeSet<Hash>>,
    kept: Kept,
    #[cfg(feature = "planted")]
    planted: Planted,
}

impl Merge {
    pub fn new(site: SiteId, node: NodeId, incarnation: Incarnation) -> Self {
        Self {
            own: (node, incarnation),
            lines: BTreeMap::new(),
            shown: BTreeMap::new(),
            forks: BTreeMap::new(),
            kept: Kept::new(site),
            #[cfg(feature = "planted")]
            planted: Planted::default(),
        }
    }

    #[cfg(feature = "planted")]
    pub fn plant(&mut self, planted: Planted) {
        self.planted = planted;
    }

    /// After a restart: the journal is known up to `head`, without its facts.
    pub fn known_to(&mut self, head: &Head) {
        let line = (head.id.node, head.id.incarnation);
        self.lines.entry(line).or_default().insert(head.id.seq, head.hash);
    }

    /// One of this node's own facts, after it was synced.
    pub fn own(&mut self, fact: Fact, hash: Hash) {
        self.own = (fact.id.node, fact.id.incarnation);
        self.kept.synced_here(&Head { id: fact.id, hash });
        self.insert(fact, hash);
    }

    /// A fact from elsewhere, whole and decoded. `author` is the site of its
    /// node as the member list has it. Once accepted and synced, tell
    /// [`Merge::synced_here`].
    pub fn offer(&mut self, fact: Fact, hash: Hash, author: Option<&SiteId>) -> Offered {
        match author {
            None => return Offered::Refused(Unfit::UnknownNode),
            Some(site) if *site != fact.site => return Offered::Refused(Unfit::OtherSite),
            Some(_) => {}
        }
        let (id, line) = (fact.id, (fact.id.node, fact.id.incarnation));
        if id.seq == 0 || (id.seq == 1) != (fact.previous == Hash::default()) {
            return Offered::Refused(Unfit::Malformed);
        }
        let Some(known) = self.lines.get(&line) else {
            return self.open(line, fact, hash);
        };
        if known.at(id.seq).is_some_and(|hashes| hashes.contains(&hash)) {
            return Offered::Already;
        }
        if id.seq > known.high.saturating_add(1) {
            return Offered::Gap { want_from: known.high + 1 };
        }
        if id.seq <= known.high && known.at(id.seq).is_none() {
            return Offered::Aged;
        }
        if line == self.own && id.seq > known.high {
            return Offered::Refused(Unfit::SpeaksForUs);
        }
        self.place(line, fact, hash)
    }

    fn open(&mut self, line: Line, fact: Fact, hash: Hash) -> Offered {
        if self.lines.len() >= LINES_MAX {
            return Offered::Refused(Unfit::TooManyLines);
        }
        match fact.id.seq {
            _ if line.0 == self.own.0 && line.1 >= self.own.1 => {
                Offered::Refused(Unfit::SpeaksForUs)
            }
            1 => {
                self.insert(fact, hash);
                Offered::Accepted
            }
            _ => Offered::Gap { want_from: 1 },
        }
    }

    /// A fact next to, or beside, what is known.
    fn place(&mut self, line: Line, fact: Fact, hash: Hash) -> Offered {
        let id = fact.id;
        let Some(known) = self.lines.get(&line) else { return Offered::Gap { want_from: 1 } };
        let before = id.seq - 1;
        let linked = before == 0 || known.at(before).is_none_or(|all| all.contains(&fact.previous));
        let beside = known.first_at(id.seq).map(|hash| Head { id, hash });
        let behind =
            known.first_at(before).map(|hash| Head { id: FactId { seq: before, ..id }, hash });
        let count = known.at(id.seq).map_or(0, BTreeSet::len);
        match (beside, linked) {
            (None, true) => {
                self.insert(fact, hash);
                Offered::Accepted
            }
            (Some(_), true) if count >= FORKS_MAX => Offered::Refused(Unfit::TooManyForks),
            (Some(known), true) => {
                let other = Head { id, hash };
                self.alarm(&known, &other);
                self.insert(fact, hash);
                Offered::Fork { known, other, kept: true }
            }
            (_, false) => {
                let id = FactId { seq: before, ..id };
                let other = Head { id, hash: fact.previous };
                let Some(known) = behind else { return Offered::Gap { want_from: before } };
                self.alarm(&known, &other);
                Offered::Fork { known, other, kept: false }
            }
        }
    }

    fn alarm(&mut self, known: &Head, other: &Head) {
        if self.forks.len() < ALARMS_MAX || self.forks.contains_key(&known.id) {
            self.forks.entry(known.id).or_default().extend([known.hash, other.hash]);
        }
    }

    fn insert(&mut self, fact: Fact, hash: Hash) {
        let line = (fact.id.node, fact.id.incarnation);
        self.lines.entry(line).or_default().insert(fact.id.seq, hash);
        self.shown.insert((self.place_of(&fact), hash), fact);
        if self.shown.len() > SHOWN_MAX {
            self.shown.pop_first();
        }
    }

    fn place_of(&self, fact: &Fact) -> Place {
        #[cfg(feature = "planted")]
        if self.planted.wrong_fact_order {
            return Place { depth: 0, ..fact.place() };
        }
        fact.place()
    }

    /// Settles [`Offered::Aged`] with the hash of the node's own copy.
    pub fn compare(&mut self, stored: &Head, offered: &Head) -> Offered {
        if stored.hash == offered.hash {
            return Offered::Already;
        }
        self.alarm(stored, offered);
        Offered::Fork { known: stored.clone(), other: offered.clone(), kept: false }
    }

    /// This node has synced somebody's facts up to `head`.
    pub fn synced_here(&mut self, head: &Head) {
        self.kept.synced_here(head);
    }

    /// Another site says that it has synced a journal up to `head`.
    ///
    /// # Errors
    /// When it holds another history under that name: an alarm is raised.
    pub fn acknowledged(&mut self, site: SiteId, head: &Head) -> Result<(), Disagree> {
        let line = self.lines.get(&(head.id.node, head.id.incarnation));
        let hashes = line.and_then(|line| line.at(head.id.seq));
        let ours = match hashes {
            Some(hashes) if hashes.contains(&head.hash) => Some(head.hash),
            Some(hashes) => hashes.first().copied(),
            None => None,
        };
        self.kept.acknowledged(site, head, ours).inspect_err(|_| {
            if let Some(hash) = ours {
                self.alarm(&Head { id: head.id, hash }, head);
            }
        })
    }

    pub fn kept(&self, id: FactId) -> KeptLevel {
        self.kept.level(id)
    }

    pub fn kept_by(&self) -> &Kept {
        &self.kept
    }

    /// The number to ask a journal's holders for next.
    pub fn want_from(&self, node: NodeId, incarnation: Incarnation) -> u64 {
        self.lines.get(&(node, incarnation)).map_or(1, |known| known.high.saturating_add(1))
    }

    /// The newest facts, in the order of all.
    pub fn shown(&self) -> impl Iterator<Item = &Fact> {
        self.shown.values()
    }

    /// Names under which more than one history is known.
    pub fn forks(&self) -> &BTreeMap<FactId, BTreeSet<Hash>> {
        &self.forks
    }
}
