//! A site with loudspeakers that do what they are told, in simulated time.

mod queues;
mod random;
mod speakers;
mod worth;

use std::collections::{BTreeMap, BTreeSet};

use weir_model::directory::{Evidence, Grade};
use weir_model::fact::{EffectKey, EffectResult, Proof, Target};
use weir_model::id::{ActivationId, Extension, SpeakerId, StepId, ZoneId};
use weir_model::intent::Priority;

use super::*;

pub(super) fn zone(name: &str) -> ZoneId {
    ZoneId::new(name).unwrap()
}

pub(super) fn key(n: u8) -> EffectKey {
    EffectKey {
        activation: ActivationId([n; 16]),
        step: StepId::new("s1").unwrap(),
        target: Target::Zone(zone("5403")),
        attempt: 1,
    }
}

pub(super) fn horn(number: u16) -> Loudspeaker {
    Loudspeaker {
        id: SpeakerId::new(format!("horn-{number}")).unwrap(),
        number: Extension::new(number.to_string()).unwrap(),
    }
}

/// Ten seconds, twice, in zone 5403, without evidence.
pub(super) fn page(n: u8, numbers: &[u16]) -> Page {
    Page {
        key: key(n),
        zone: zone("5403"),
        speakers: numbers.iter().copied().map(horn).collect(),
        priority: Priority::Alert,
        repeat: 2,
        clip_ms: 10_000,
        evidence: None,
        window_ends_ms: 120_000,
    }
}

pub(super) fn wanting(grade: Grade, within_s: u32, page: Page) -> Page {
    Page { evidence: Some(Evidence { grade, within_s }), ..page }
}

pub(super) fn proof(grade: Grade, reached: u16, of: u16) -> Proof {
    Proof { grade: Some(grade), reached, of, siren: false }
}

/// What happened, for tests to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) at_ms: u64,
    pub(super) what: Output,
}

pub(super) struct Bench {
    pub(super) paging: Paging,
    pub(super) now_ms: u64,
    pub(super) log: Vec<Happened>,
    pub(super) reports: BTreeMap<EffectKey, Vec<(EffectResult, Proof)>>,
    /// Calls that are not over, and whose they are.
    pub(super) open: BTreeMap<CallId, (EffectKey, Loudspeaker)>,
    /// Being hung up, since when.
    pub(super) ending: BTreeMap<CallId, u64>,
    /// Whether devices say at once that they were hung up.
    pub(super) polite: bool,
    pub(super) ceased: BTreeSet<EffectKey>,
    pub(super) breaches: Vec<String>,
    wake_ms: Option<u64>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            paging: Paging::new(),
            now_ms: 1_000,
            log: Vec::new(),
            reports: BTreeMap::new(),
            open: BTreeMap::new(),
            ending: BTreeMap::new(),
            polite: true,
            ceased: BTreeSet::new(),
            breaches: Vec::new(),
            wake_ms: None,
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        if let Input::Cease { key } = &input
            && self.paging.knows(key)
        {
            self.ceased.insert(key.clone());
        }
        if let Input::Heard { call, event } = &input
            && event.ends()
        {
            self.open.remove(call);
            self.ending.remove(call);
        }
        let outputs = self.paging.step(self.now_ms, input);
        self.wake_ms = None;
        let mut hung_up = Vec::new();
        for what in outputs {
            self.watch(&what);
            match &what {
                Output::WakeAt { at_ms } => self.wake_ms = Some(*at_ms),
                Output::HangUp { call } => hung_up.push(*call),
                Output::Call { .. } | Output::Play { .. } | Output::Report { .. } => {}
            }
            self.log.push(Happened { at_ms: self.now_ms, what });
        }
        if self.polite {
            hung_up.into_iter().for_each(|call| self.hear(call, Event::Ended));
        }
    }

    /// Invariants, with every output.
    fn watch(&mut self, what: &Output) {
        let now_ms = self.now_ms;
        match what {
            Output::Call { call, key, speaker } => {
                let over = |call: &CallId| {
                    self.ending.get(call).is_some_and(|since| now_ms >= since + ENDING_MS)
                };
                let mut others = self.open.iter();
                let busy =
                    others.any(|(call, (_, who))| who.number == speaker.number && !over(call));
                if busy {
                    self.breaches.push(format!("{} called twice at once", speaker.id));
                }
                self.open.insert(*call, (key.clone(), speaker.clone()));
            }
            Output::Play { call, .. } => {
                let owner = self.open.get(call).map(|(key, _)| key);
                if owner.is_none_or(|key| self.ceased.contains(key)) {
                    self.breaches.push(format!("{call} plays for nobody"));
                }
            }
            Output::HangUp { call } => {
                if self.ending.insert(*call, now_ms).is_some() || !self.open.contains_key(call) {
                    self.breaches.push(format!("{call} hung up twice"));
                }
            }
            Output::Report { key, result, proof } => {
                let reports = self.reports.entry(key.clone()).or_default();
                reports.push((result.clone(), *proof));
                if reports.len() > 1 {
                    self.breaches.push(format!("{key} reported twice"));
                }
                let left = self
                    .open
                    .iter()
                    .find(|(call, (owner, _))| owner == key && !self.ending.contains_key(call));
                if let Some((call, _)) = left {
                    self.breaches.push(format!("{call} outlives its page"));
                }
            }
            Output::WakeAt { at_ms } if *at_ms <= now_ms => {
                self.breaches.push(format!("woken in the past, {at_ms} at {now_ms}"));
            }
            Output::WakeAt { .. } => {}
        }
    }

    pub(super) fn order(&mut self, page: Page) {
        self.input(Input::Page(page));
    }

    pub(super) fn cease(&mut self, n: u8) {
        self.input(Input::Cease { key: key(n) });
    }

    pub(super) fn hear(&mut self, call: CallId, event: Event) {
        self.input(Input::Heard { call, event });
    }

    /// The open call to this number.
    pub(super) fn call(&self, number: u16) -> CallId {
        self.try_call(number).unwrap_or_else(|| panic!("{number} is in no call"))
    }

    pub(super) fn try_call(&self, number: u16) -> Option<CallId> {
        let who = horn(number);
        let mut open = self.open.iter().filter(|(call, _)| !self.ending.contains_key(call));
        open.find(|(_, (_, speaker))| *speaker == who).map(|(call, _)| *call)
    }

    pub(super) fn says(&mut self, number: u16, event: Event) {
        let call = self.call(number);
        self.hear(call, event);
    }

    pub(super) fn all_say(&mut self, numbers: &[u16], event: Event) {
        numbers.iter().for_each(|number| self.says(*number, event));
    }

    /// INVITE, 200 and sound, all at once.
    pub(super) fn answer(&mut self, numbers: &[u16]) {
        self.all_say(numbers, Event::Sent);
        self.all_say(numbers, Event::Answered);
        self.all_say(numbers, Event::Sounding);
    }

    /// Lets time pass, waking the machine as it asked.
    pub(super) fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while let Some(wake_ms) = self.wake_ms.filter(|wake_ms| *wake_ms <= until_ms) {
            self.now_ms = wake_ms.max(self.now_ms);
            self.input(Input::Tick);
        }
        self.now_ms = until_ms;
    }

    /// When this number was called, from the first order on.
    pub(super) fn called_at(&self, number: u16) -> Vec<u64> {
        let who = horn(number);
        let calls = self.log.iter().filter(
            |happened| matches!(&happened.what, Output::Call { speaker, .. } if *speaker == who),
        );
        calls.map(|happened| happened.at_ms - 1_000).collect()
    }

    /// How often each answered call was told to play.
    pub(super) fn plays(&self) -> Vec<u32> {
        let times = self.log.iter().filter_map(|happened| match happened.what {
            Output::Play { times, .. } => Some(times),
            _ => None,
        });
        times.collect()
    }

    pub(super) fn report(&self, n: u8) -> Option<&(EffectResult, Proof)> {
        self.reports.get(&key(n)).and_then(|reports| reports.first())
    }

    /// How it ended and what was seen; it must have ended.
    pub(super) fn ended(&self, n: u8) -> (EffectResult, Proof) {
        self.report(n).unwrap_or_else(|| panic!("page {n} has no report")).clone()
    }

    pub(super) fn state(&self, number: u16) -> SpeakerState {
        let who = horn(number);
        let zones = self.paging.picture().into_iter();
        let mut pages = zones.filter_map(|zone| zone.running.or(zone.last));
        let speakers = pages.find_map(|page| page.speakers.into_iter().find(|s| s.id == who.id));
        speakers.unwrap_or_else(|| panic!("{number} is not shown")).state
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.breaches, Vec::<String>::new());
        }
    }
}
