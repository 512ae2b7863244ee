//! Changes: what differs between two directories, and its application. A change
//! set is applied whole or not at all; the result is checked as a whole, so the
//! order of changes inside one set never decides whether it is accepted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::{Findings, Problem};
use super::{Directory, Record, RecordRef, limits};
use crate::codec::Stored;
use crate::id::AudioId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    #[serde(rename = "put")]
    Put(Record),
    #[serde(rename = "remove")]
    Remove(RecordRef),
}

impl Change {
    pub fn reference(&self) -> RecordRef {
        match self {
            Self::Put(record) => record.reference(),
            Self::Remove(at) => at.clone(),
        }
    }
}

/// What one decision changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    pub changes: Vec<Change>,
}

impl Stored for ChangeSet {
    const KIND: u8 = 11;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = limits::CHANGE_SET_MAX_BYTES;
    const NAME: &'static str = "directory change set";
}

impl Directory {
    /// What to change so that `self` becomes `wanted`, versions aside: puts with
    /// sites first, then removals with sites last.
    pub fn diff(&self, wanted: &Self) -> Vec<Change> {
        let same = |record: &Record| {
            self.get(&record.reference()).is_some_and(|mine| mine.same_content(record))
        };
        let puts = wanted.records().filter(|record| !same(record)).map(Change::Put);
        let gone: Vec<_> = self
            .records()
            .map(|record| record.reference())
            .filter(|at| !wanted.contains(at))
            .collect();
        puts.chain(gone.into_iter().rev().map(Change::Remove)).collect()
    }

    /// The directory after `changes`, one version on. Nothing to change leaves
    /// the version as it is.
    ///
    /// # Errors
    /// With the problems of the result, the first [`limits::PROBLEMS_MAX`] when
    /// there are more; `self` stays what it was.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, Vec<Problem>> {
        let mut next = self.clone();
        let mut problems = Vec::new();
        if changes.is_empty() {
            return Ok(next);
        }
        next.version = self.version.saturating_add(1);
        for change in changes {
            match change {
                Change::Put(record) => next.put_record(record.clone()),
                Change::Remove(at) if next.remove_record(at) => {}
                Change::Remove(at) => {
                    Findings::new(at.clone(), &mut problems).unknown("", at.clone());
                }
            }
        }
        next.raise_plan_versions(self);
        problems.extend(next.check());
        problems.truncate(limits::PROBLEMS_MAX);
        if problems.is_empty() { Ok(next) } else { Err(problems) }
    }

    /// Gives a plan that does something else than in `before` the version of
    /// this directory, and every other plan the version it had. An audio file
    /// that a plan plays is part of what it does.
    fn raise_plan_versions(&mut self, before: &Self) {
        let version = u32::try_from(self.version).unwrap_or(u32::MAX);
        let audio: BTreeSet<&AudioId> = self
            .audio
            .iter()
            .filter(|(id, audio)| before.audio.get(*id) != Some(*audio))
            .map(|(id, _)| id)
            .collect();
        for plan in self.plans.values_mut() {
            let old = before.plans.get(&plan.id);
            let same = old.filter(|old| old.same_content(plan));
            let same = same.filter(|_| plan.audio().is_disjoint(&audio));
            plan.version = same.map_or(version, |old| old.version);
        }
    }
}
