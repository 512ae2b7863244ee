//! What may never happen, looked for in every step of every story.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) breaches: Vec<String>,
    pub(super) records: Vec<Record>,
    pub(super) aims: BTreeMap<Side, Aim>,
    /// Placed and neither ended nor told to hang up.
    pub(super) open: BTreeSet<LegId>,
    hung_up: BTreeSet<Leg>,
    ended: BTreeSet<Leg>,
    pub(super) answered: bool,
    pub(super) refused: bool,
    pub(super) caller_left: bool,
    pub(super) over: bool,
    /// re-INVITEs of a leg that wait for our word.
    pub(super) asked: BTreeMap<Leg, u32>,
    rang_plain: u32,
}

impl Watch {
    fn breach(&mut self, what: impl Into<String>) {
        self.breaches.push(what.into());
    }

    pub(super) fn input(&mut self, input: &Input) {
        // Who is placed after the end is for the driver to drop.
        if self.over {
            return;
        }
        match input {
            Input::Placed { legs, .. } => self.open.extend(legs),
            Input::Heard { leg, event } => match event {
                Event::Ended | Event::Silent | Event::Refused { .. } => self.left(*leg),
                Event::Changed { .. } if self.answered && !self.is_gone(leg) => {
                    *self.asked.entry(*leg).or_default() += 1;
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn is_gone(&self, leg: &Leg) -> bool {
        self.hung_up.contains(leg) || self.ended.contains(leg)
    }

    fn left(&mut self, leg: Leg) {
        self.ended.insert(leg);
        self.asked.remove(&leg);
        match leg {
            Leg::Caller => self.caller_left = true,
            Leg::Callee(id) => drop(self.open.remove(&id)),
        }
    }

    pub(super) fn output(&mut self, output: &Output) {
        if self.over {
            self.breach(format!("after all is over: {output:?}"));
        }
        match output {
            Output::Place { .. } => {
                if self.answered || self.refused || self.caller_left {
                    self.breach("rings somebody for nobody");
                }
            }
            Output::Ring { code, sdp } => {
                if self.answered || self.refused {
                    self.breach("rings after the final answer");
                }
                self.rang_plain += u32::from(sdp.is_none());
                if self.rang_plain > 1 || (sdp.is_none() && *code != 180) {
                    self.breach("180 more than once");
                }
            }
            Output::Answer { .. } => self.final_answer(true),
            Output::Refuse { .. } => self.final_answer(false),
            Output::Change { leg, .. } => {
                self.is_there(*leg, output);
                // Both sides wait for each other, forever.
                if self.asked.get(leg).is_some_and(|asked| *asked > 0) {
                    self.breach(format!("asked while it waits for us: {output:?}"));
                }
            }
            Output::Info { leg, .. } => self.is_there(*leg, output),
            Output::Agree { leg, .. } | Output::Decline { leg, .. } => {
                self.is_there(*leg, output);
                match self.asked.get_mut(leg) {
                    Some(asked) if *asked > 0 => *asked -= 1,
                    _ => self.breach(format!("nobody asked for {output:?}")),
                }
            }
            Output::HangUp { leg } => self.hang_up(*leg),
            Output::Aim { side, aim } => self.aim(*side, aim.as_ref()),
            Output::Record(record) => self.record(record),
            Output::Over => self.over(),
        }
    }

    fn is_there(&mut self, leg: Leg, what: &Output) {
        if self.is_gone(&leg) {
            self.breach(format!("to one who is gone: {what:?}"));
        }
    }

    fn final_answer(&mut self, answered: bool) {
        if self.answered || self.refused || self.caller_left {
            self.breach("a second final answer, or one to nobody");
        }
        self.answered |= answered;
        self.refused |= !answered;
    }

    fn hang_up(&mut self, leg: Leg) {
        self.asked.remove(&leg);
        if !self.hung_up.insert(leg) || self.ended.contains(&leg) {
            self.breach(format!("{leg:?} hung up twice, or after it left"));
        }
        match leg {
            Leg::Caller if !self.answered => self.breach("hangs up on one it did not answer"),
            Leg::Caller => {}
            Leg::Callee(id) => {
                if !self.open.remove(&id) {
                    self.breach(format!("{id} was never there"));
                }
            }
        }
    }

    fn aim(&mut self, side: Side, aim: Option<&Aim>) {
        let Some(aim) = aim else {
            if self.aims.remove(&side).is_none() {
                self.breach("aims nowhere twice");
            }
            return;
        };
        if self.is_gone(&aim.leg) {
            self.breach(format!("aims at one who is gone: {aim:?}"));
        }
        if aim.hears && aim.rtp.ip().is_unspecified() {
            self.breach("aims at nobody");
        }
        if (side == Side::A) != (aim.leg == Leg::Caller) || aim.formats.is_empty() {
            self.breach(format!("aims wrong: {aim:?}"));
        }
        if self.aims.insert(side, aim.clone()).as_ref() == Some(aim) {
            self.breach("aims twice at the same");
        }
    }

    fn record(&mut self, record: &Record) {
        let ended = |one: &Record| matches!(one, Record::Ended { .. });
        if self.records.iter().any(ended) || self.records.len() >= 3 {
            self.breach(format!("one record too many: {record:?}"));
        }
        match record {
            Record::Answered { .. } | Record::Changed { .. } if !self.answered => {
                self.breach("records an answer that was not given");
            }
            Record::Ended { talked_ms, missed, by, .. } => {
                if talked_ms.is_some() != self.answered || by.is_some() != self.answered {
                    self.breach("talked without an answer, or the reverse");
                }
                if *missed && self.answered {
                    self.breach("missed though it was answered");
                }
            }
            Record::Answered { .. } | Record::Changed { .. } => {}
        }
        self.records.push(record.clone());
    }

    fn over(&mut self) {
        self.over = true;
        if !matches!(self.records.last(), Some(Record::Ended { .. })) {
            self.breach("over without a last record");
        }
        if !self.aims.is_empty() {
            self.breach("over, and sound still flows");
        }
        if !self.open.is_empty() {
            self.breach(format!("left behind: {:?}", self.open));
        }
        if !(self.answered || self.refused || self.caller_left) {
            self.breach("the caller never heard what became of it");
        }
        if self.answered && !self.is_gone(&Leg::Caller) {
            self.breach("the caller is left in a call");
        }
    }

    pub(super) fn next(&mut self, next_ms: Option<u64>) {
        if self.asked.values().sum::<u32>() > 1 {
            self.breach("two changes at once");
        }
        if next_ms.is_none() != self.over {
            self.breach(format!("wakes at {next_ms:?}, over: {}", self.over));
        }
    }
}
