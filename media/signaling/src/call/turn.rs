//! One step's outputs, and what all states share.

use std::collections::BTreeSet;

use super::failure::words;
use super::order::{Aim, Leg, Limits, Output, PlaceId, Route, Side};
use super::party::Party;
use super::record::{Record, Why};

#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) route: Route,
    pub(super) limits: Limits,
    pub(super) began_ms: u64,
    pub(super) now_ms: u64,
    pub(super) caller: Party,
    /// Orders to call that were not answered yet.
    pub(super) placing: BTreeSet<PlaceId>,
    aims: [Option<Aim>; 2],
    out: Vec<Output>,
}

impl Shared {
    pub(super) fn new(route: Route, limits: Limits, caller: Party, now_ms: u64) -> Self {
        Self {
            route,
            limits,
            began_ms: now_ms,
            now_ms,
            caller,
            placing: BTreeSet::new(),
            aims: [None, None],
            out: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.out.push(output);
    }

    pub(super) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    pub(super) fn after(&self, ms: u64) -> u64 {
        self.now_ms.saturating_add(ms)
    }

    /// Tells the relay only what is new: an aim makes it forget what it learned.
    pub(super) fn aim(&mut self, side: Side, aim: Option<Aim>) {
        let slot = match side {
            Side::A => &mut self.aims[0],
            Side::B => &mut self.aims[1],
        };
        if *slot != aim {
            slot.clone_from(&aim);
            self.out.push(Output::Aim { side, aim });
        }
    }

    pub(super) fn no_aims(&mut self) {
        self.aim(Side::A, None);
        self.aim(Side::B, None);
    }

    pub(super) fn hang_up(&mut self, leg: Leg) {
        self.push(Output::HangUp { leg });
    }

    pub(super) fn refuse(&mut self, code: u16) {
        self.push(Output::Refuse { code, words: words(code) });
    }

    /// The record of a call that nobody answered.
    pub(super) fn unanswered(&mut self, why: Why) {
        let missed = self.route.emergency;
        self.push(Output::Record(Record::Ended { why, by: None, talked_ms: None, missed }));
    }
}
