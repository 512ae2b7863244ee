//! What a disk holds: a part that the node sees, a part that is durable, and
//! between them a tail of batches that were written but not synced. A crash
//! keeps a seeded prefix of the tail, batches whole, and may bring back a file
//! whose deletion was not synced. It loses nothing that was reported durable.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use weir_consensus::disk::{Batch, Change, Family, Limit, Pair, Synced};
use weir_model::codec;
use weir_model::state::Record;

use crate::dice::{Dice, digest, mix};

/// Ordered keys and named files.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    families: [BTreeMap<Vec<u8>, Vec<u8>>; Family::ALL.len()],
    pub files: BTreeMap<String, Bytes>,
    state_sum: u64,
}

fn place(family: Family) -> usize {
    match family {
        Family::Meta => 0,
        Family::Log => 1,
        Family::State => 2,
        Family::Journal => 3,
    }
}

/// Two records that say "nothing yet" are written by a snapshot and left out by
/// a log that never touched them: they count for nothing.
fn says_nothing(value: &[u8]) -> bool {
    matches!(codec::decode(value), Ok(Record::Forgotten(0) | Record::DirectoryVersion(0)))
}

fn record_sum(key: &[u8], value: &[u8]) -> u64 {
    // Keys without a name in them are this short.
    if key.len() == 3 && says_nothing(value) { 0 } else { mix(digest(key), digest(value)) }
}

impl Contents {
    pub fn family(&self, family: Family) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.families[place(family)]
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Option<&Vec<u8>> {
        self.family(family).get(key)
    }

    /// One number for everything in the state family.
    pub fn state_sum(&self) -> u64 {
        self.state_sum
    }

    pub fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: Limit) -> Vec<Pair> {
        if from >= to {
            return Vec::new();
        }
        let (mut pairs, mut bytes) = (Vec::new(), 0);
        for (key, value) in self.family(family).range(from.to_vec()..to.to_vec()) {
            bytes += key.len() + value.len();
            let full = pairs.len() >= limit.count || bytes > limit.bytes;
            if full && !pairs.is_empty() {
                break;
            }
            pairs.push((key.clone(), value.clone()));
        }
        pairs
    }

    pub fn last(&self, family: Family, to: &[u8]) -> Option<Pair> {
        let below = self.family(family).range(..to.to_vec()).next_back();
        below.map(|(key, value)| (key.clone(), value.clone()))
    }

    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        let before = self.families[place(family)].insert(key.to_vec(), value.to_vec());
        if family == Family::State {
            let gone = before.map_or(0, |before| record_sum(key, &before));
            let come = record_sum(key, value);
            self.state_sum = self.state_sum.wrapping_sub(gone).wrapping_add(come);
        }
    }

    fn delete(&mut self, family: Family, key: &[u8]) {
        let gone = self.families[place(family)].remove(key);
        if let (Family::State, Some(gone)) = (family, gone) {
            self.state_sum = self.state_sum.wrapping_sub(record_sum(key, &gone));
        }
    }

    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Put { family, key, value } => self.put(*family, key, value),
            Change::Delete { family, key } => self.delete(*family, key),
            Change::DeleteRange { family, from, to } => {
                let keys = self.families[place(*family)].range(from.clone()..to.clone());
                let keys: Vec<Vec<u8>> = keys.map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| self.delete(*family, key));
            }
        }
    }

    pub fn apply(&mut self, batch: &Batch) {
        batch.changes.iter().for_each(|change| self.change(change));
    }
}

/// Somebody who waits until everything up to a batch is durable.
struct Waiting {
    for_batch: u64,
    synced: Synced,
}

/// See the module.
pub struct Platter {
    pub visible: Contents,
    pub durable: Contents,
    tail: VecDeque<Batch>,
    written: u64,
    waiting: Vec<Waiting>,
    deleted: Vec<(String, Bytes)>,
    dice: Dice,
}

impl Platter {
    pub fn new(dice: Dice) -> Self {
        Self {
            visible: Contents::default(),
            durable: Contents::default(),
            tail: VecDeque::new(),
            written: 0,
            waiting: Vec::new(),
            deleted: Vec::new(),
            dice,
        }
    }

    /// Readable from now on; returns the batch's number.
    pub fn write(&mut self, batch: Batch) -> u64 {
        self.visible.apply(&batch);
        self.tail.push_back(batch);
        self.written += 1;
        self.written
    }

    pub fn wait(&mut self, for_batch: u64, synced: Synced) {
        self.waiting.push(Waiting { for_batch, synced });
    }

    /// The newest batch, when anybody waits for a sync.
    pub fn sync_wanted(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.written)
    }

    /// Everything up to this batch becomes durable; returns who waited for it.
    pub fn sync(&mut self, to: u64) -> Vec<Synced> {
        while self.written - (self.tail.len() as u64) < to {
            let Some(batch) = self.tail.pop_front() else { break };
            self.durable.apply(&batch);
        }
        let (done, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|one| one.for_batch <= to);
        self.waiting = waiting;
        let done: Vec<Waiting> = done;
        done.into_iter().map(|one| one.synced).collect()
    }

    /// Whole and durable, as a rename after a sync is; so are deletions before.
    pub fn put_file(&mut self, name: &str, bytes: &Bytes) {
        for contents in [&mut self.visible, &mut self.durable] {
            contents.files.insert(name.to_owned(), bytes.clone());
        }
        self.deleted.clear();
    }

    pub fn delete_file(&mut self, name: &str) {
        self.durable.files.remove(name);
        if let Some(bytes) = self.visible.files.remove(name) {
            self.deleted.push((name.to_owned(), bytes));
        }
    }

    /// The power goes. Returns how many batches are lost.
    pub fn crash(&mut self) -> u64 {
        let unsynced = self.tail.len() as u64;
        let keep = match self.dice.permille(400) {
            true => 0,
            false => self.dice.between(0..unsynced + 1),
        };
        self.sync(self.written - unsynced + keep);
        // Nobody is left to be told.
        self.waiting.clear();
        self.tail.clear();
        for (name, bytes) in std::mem::take(&mut self.deleted) {
            if self.dice.permille(300) {
                self.durable.files.insert(name, bytes);
            }
        }
        self.visible = self.durable.clone();
        unsynced - keep
    }
}
