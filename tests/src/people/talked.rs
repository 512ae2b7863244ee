//! Who heard whom: the tones that people say they hear, look by look, and the calls
//! that they made themselves. It refuses to say that somebody hears when their call
//! is over.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{Entry, Event, Over, People, Turned};

/// So many looks in a row, a fifth of a second each, must say the same.
const STEADY: usize = 4;

/// What somebody heard within a fifth of a second.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tones {
    /// Since the answer.
    pub at_ms: u64,
    pub hz: BTreeSet<u32>,
    /// By Hz: peak against full scale.
    pub levels_db: BTreeMap<String, f64>,
    /// That ended since the look before.
    pub holes: Vec<Hole>,
    /// The longest time without a packet.
    pub gap_ms: u64,
}

/// A tone was not there for a while, and is again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Hole {
    pub hz: u32,
    /// Since the answer.
    pub at_ms: u64,
    pub ms: u64,
}

/// What one person heard in one call, with the wall clock of each look.
#[derive(Debug, Clone, Default)]
pub struct Talk {
    pub looks: Vec<(u64, Tones)>,
    pub over: bool,
}

/// A call that somebody made. Times are the wall clock's.
#[derive(Debug, Clone)]
pub struct Made {
    pub number: String,
    pub call_id: String,
    pub to: String,
    pub dialled_ms: u64,
    /// The far side rings.
    pub rang_ms: Option<u64>,
    pub answered_ms: Option<u64>,
    pub held_ms: Option<u64>,
    pub resumed_ms: Option<u64>,
    pub refused: Option<Turned>,
    pub over: Option<(Over, u64)>,
}

impl Talk {
    /// What they hear now; None before they have heard the same for a while, and
    /// when the call is over.
    pub fn hears(&self) -> Option<&BTreeSet<u32>> {
        let newest = self.looks.get(self.looks.len().checked_sub(STEADY)?..)?;
        let first = &newest.first()?.1.hz;
        let same = !self.over && newest.iter().all(|(_, look)| look.hz == *first);
        same.then_some(first)
    }

    /// Holes in any of these tones that ended between two moments of the wall clock.
    pub fn holes(&self, tones: &BTreeSet<u32>, from_ms: u64, to_ms: u64) -> Vec<Hole> {
        let looks = self.looks.iter().filter(|(t_ms, _)| (from_ms..to_ms).contains(t_ms));
        let holes = looks.flat_map(|(_, look)| look.holes.iter().copied());
        holes.filter(|hole| tones.contains(&hole.hz)).collect()
    }

    /// Share of the time between two moments in which the tone was missing: in holes,
    /// and in looks that do not hear it at all.
    pub fn missing(&self, hz: u32, from_ms: u64, to_ms: u64) -> Result<f64> {
        let looks = self.looks.iter().filter(|(t_ms, _)| (from_ms..to_ms).contains(t_ms));
        let (mut all, mut missing) = (0_u64, 0_u64);
        for (_, look) in looks {
            all += 200;
            let holes = look.holes.iter().filter(|hole| hole.hz == hz).map(|hole| hole.ms);
            let holes: u64 = holes.sum();
            missing += if look.hz.contains(&hz) { holes } else { 200.max(holes) };
        }
        ensure!(all >= 1_000, "only {all} ms were listened to");
        Ok(missing as f64 / all as f64)
    }
}

impl People {
    /// What everybody heard who listens: in their newest call that is not over, or
    /// else in their last one.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    pub fn talks(&self) -> Result<BTreeMap<String, Talk>> {
        let mut all: BTreeMap<String, Vec<(Option<String>, Talk)>> = BTreeMap::new();
        for Entry { t_ms, number, call_id, event, .. } in self.entries()? {
            let talks = all.entry(number).or_default();
            match event {
                Event::Answered { .. } => talks.push((call_id, Talk::default())),
                Event::Tones(look) => {
                    let talk = talks.iter_mut().rfind(|(known, _)| *known == call_id);
                    talk.context("tones of a call that nobody answered")?
                        .1
                        .looks
                        .push((t_ms, look));
                }
                Event::ByeIn | Event::ByeOut { .. } | Event::Timeout { .. } | Event::Stopped => {
                    for (_, talk) in
                        talks.iter_mut().filter(|(known, _)| call_id.is_none() || *known == call_id)
                    {
                        talk.over = true;
                    }
                }
                _ => {}
            }
        }
        let newest = |mut talks: Vec<(Option<String>, Talk)>| {
            let at = talks.iter().rposition(|(_, talk)| !talk.over);
            let at = at.or(talks.len().checked_sub(1))?;
            Some(talks.swap_remove(at).1)
        };
        Ok(all.into_iter().filter_map(|(number, talks)| Some((number, newest(talks)?))).collect())
    }

    /// The calls that an account made, in order.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    pub fn made_by(&self, number: &str) -> Result<Vec<Made>> {
        let mut calls: Vec<Made> = Vec::new();
        for entry in self.entries()?.into_iter().filter(|entry| entry.number == number) {
            let Some(call_id) = entry.call_id.clone() else { continue };
            if let Event::Dialled { to } = entry.event {
                calls.push(Made::new(&entry.number, &call_id, &to, entry.t_ms));
                continue;
            }
            if let Some(call) = calls.iter_mut().find(|call| call.call_id == call_id) {
                call.goes_on(entry.event, entry.t_ms);
            }
        }
        Ok(calls)
    }

    /// The only call that an account made.
    ///
    /// # Errors
    /// When it made none, or several.
    pub fn made_once_by(&self, number: &str) -> Result<Made> {
        let mut calls = self.made_by(number)?;
        ensure!(calls.len() == 1, "{number} made {} calls: {calls:?}", calls.len());
        calls.pop().context("no call")
    }
}

impl Made {
    fn new(number: &str, call_id: &str, to: &str, dialled_ms: u64) -> Self {
        Self {
            number: number.to_owned(),
            call_id: call_id.to_owned(),
            to: to.to_owned(),
            dialled_ms,
            rang_ms: None,
            answered_ms: None,
            held_ms: None,
            resumed_ms: None,
            refused: None,
            over: None,
        }
    }

    fn goes_on(&mut self, event: Event, at: u64) {
        match event {
            Event::Progress { code: 180..=183 } => {
                self.rang_ms.get_or_insert(at);
            }
            Event::Answered { .. } => self.answered_ms = Some(at),
            Event::Held { code: 200..=299 } => self.held_ms = Some(at),
            Event::Resumed { code: 200..=299 } => self.resumed_ms = Some(at),
            Event::CallRefused(how) => {
                self.over = Some((Over::Refused(how.code), at));
                self.refused = Some(how);
            }
            Event::ByeIn => self.over = Some((Over::ByeIn, at)),
            Event::ByeOut { .. } => self.over = Some((Over::ByeOut, at)),
            _ => {}
        }
    }
}
