//! Pages to loudspeakers: who is called, when it is played to, called again or
//! given up, and what the page was worth. One input in, outputs out. It refuses
//! to call a device twice at once, to play for a page that was stopped, to let
//! a higher priority wait for a lower one, and to claim more than was seen.

mod failure;
mod lines;
mod order;
mod picture;
mod queue;
mod run;
mod speaker;
#[cfg(test)]
mod tests;
mod timing;

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

pub use failure::{Failure, NAMED_MAX, WHY_MAX_BYTES};
pub use order::{CallId, Event, Input, Loudspeaker, Output, Page};
pub use picture::{PagePicture, SpeakerPicture, SpeakerState, ZonePicture};
pub use timing::{
    ANSWER_MS, BACKOFF_MAX_MS, ENDING_MS, GRACE_MS, PAUSE_MS, PICK_UP_MS, RING_MS, TAIL_MS,
};

use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::id::{Extension, ZoneId};

use lines::Lines;
use run::Run;
use speaker::Wish;

/// Most pages under way and waiting, of all zones.
pub const PAGES_MAX: usize = 64;
/// Most calls, those included that are being hung up.
pub const CALLS_MAX: usize = 1_024;
/// Keys of ended pages that are remembered, so that none is played twice.
pub const REMEMBERED: usize = 1_024;
/// Zones whose last page is still shown.
const SHOWN_MAX: usize = 256;

/// All zones of one node.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    running: BTreeMap<EffectKey, Run>,
    /// In the order of their arrival.
    waiting: Vec<Waiting>,
    lines: Lines,
    ended: VecDeque<EffectKey>,
    last: BTreeMap<ZoneId, PagePicture>,
}

#[derive(Debug, Clone)]
struct Waiting {
    page: Page,
    ordered_ms: u64,
}

struct Turn {
    now_ms: u64,
    out: Vec<Output>,
}

impl Paging {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this page was ordered here before.
    pub fn knows(&self, key: &EffectKey) -> bool {
        self.is_open(key) || self.ended.contains(key)
    }

    /// Whether its report is still to come.
    pub fn is_open(&self, key: &EffectKey) -> bool {
        self.running.contains_key(key) || self.waiting.iter().any(|one| one.page.key == *key)
    }

    /// Takes one input. `now_ms` counts from anywhere and never goes back.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        let mut turn = Turn { now_ms, out: Vec::new() };
        match input {
            Input::Page(page) => self.ordered(&mut turn, page),
            Input::Cease { key } => self.cease(&mut turn, &key),
            Input::Heard { call, event } => self.heard(&mut turn, call, event),
            Input::Tick => {}
        }
        self.reconcile(&mut turn);
        if let Some(at_ms) = self.next_deadline_ms(now_ms) {
            turn.out.push(Output::WakeAt { at_ms });
        }
        turn.out
    }

    fn heard(&mut self, turn: &mut Turn, call: CallId, event: Event) {
        let Some(line) = self.lines.heard(call, event) else { return };
        let Some(run) = self.running.get_mut(&line) else { return };
        let Some((speaker, timing)) = run.speaker(call) else { return };
        let wish = speaker.hear(turn.now_ms, event, &timing);
        self.grant(turn, wish);
    }

    fn grant(&mut self, turn: &mut Turn, wish: Option<Wish>) {
        match wish {
            Some(Wish::Play { call, times }) => turn.out.push(Output::Play { call, times }),
            Some(Wish::HangUp { call }) => self.hang_up(turn, call),
            None => {}
        }
    }

    fn hang_up(&mut self, turn: &mut Turn, call: CallId) {
        self.lines.ending(call, turn.now_ms);
        turn.out.push(Output::HangUp { call });
    }

    /// Moves until nothing is left to do now.
    fn reconcile(&mut self, turn: &mut Turn) {
        self.lines.forget_ended(turn.now_ms);
        self.tick(turn);
        loop {
            let before = turn.out.len();
            self.report_ended(turn);
            self.admit(turn);
            self.place_calls(turn);
            // A page may end without a word, its last loudspeaker given up.
            if turn.out.len() == before && !self.running.values().any(Run::is_over) {
                break;
            }
        }
    }

    fn tick(&mut self, turn: &mut Turn) {
        let mut wishes = Vec::new();
        for run in self.running.values_mut() {
            let timing = run.timing;
            let all = run.speakers.iter_mut();
            wishes.extend(all.map(|speaker| speaker.tick(turn.now_ms, &timing)));
        }
        wishes.into_iter().for_each(|wish| self.grant(turn, wish));
    }

    fn report_ended(&mut self, turn: &mut Turn) {
        let over = self.running.iter().filter(|(_, run)| run.is_over());
        let over: Vec<EffectKey> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            if let Some(run) = self.running.remove(&key) {
                let result = run.result();
                self.end_run(turn, run, result);
            }
        }
    }

    /// Ends a page that may still be playing.
    fn stop(&mut self, turn: &mut Turn, key: &EffectKey, result: EffectResult) {
        let Some(mut run) = self.running.remove(key) else { return };
        run.stop(turn.now_ms);
        let calls: Vec<CallId> = run.calls().collect();
        calls.into_iter().for_each(|call| self.hang_up(turn, call));
        self.end_run(turn, run, result);
    }

    fn end_run(&mut self, turn: &mut Turn, run: Run, result: EffectResult) {
        let zone = run.page.zone.clone();
        if !self.last.contains_key(&zone) && self.last.len() >= SHOWN_MAX {
            let oldest = self.last.iter().min_by_key(|(_, page)| page.begun_ms);
            let oldest = oldest.map(|(zone, _)| zone.clone());
            oldest.map(|zone| self.last.remove(&zone));
        }
        self.last.insert(zone, run.picture(Some(result.clone())));
        let proof = run.proof();
        self.report(turn, run.page.key, result, proof);
    }

    fn report(&mut self, turn: &mut Turn, key: EffectKey, result: EffectResult, proof: Proof) {
        self.ended.push_back(key.clone());
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
        turn.out.push(Output::Report { key, result, proof });
    }

    fn next_deadline_ms(&self, now_ms: u64) -> Option<u64> {
        let speakers = self.running.values().filter_map(|run| run.deadline_ms(now_ms));
        let windows = self.waiting.iter().map(|one| one.page.window_ends_ms.saturating_add(1));
        let lines = self.lines.deadline_ms();
        speakers.chain(windows).chain(lines).min()
    }

    /// Every zone that has something to show.
    pub fn picture(&self) -> Vec<ZonePicture> {
        let mut zones: BTreeMap<&ZoneId, ZonePicture> = BTreeMap::new();
        let blank = |zone: &ZoneId| ZonePicture {
            zone: zone.clone(),
            running: None,
            waiting: Vec::new(),
            last: self.last.get(zone).cloned(),
        };
        for zone in self.last.keys() {
            zones.insert(zone, blank(zone));
        }
        for run in self.running.values() {
            let zone = &run.page.zone;
            zones.entry(zone).or_insert_with(|| blank(zone)).running = Some(run.picture(None));
        }
        let mut waiting: Vec<&Waiting> = self.waiting.iter().collect();
        waiting.sort_by_key(|one| Reverse(one.page.priority));
        for one in waiting {
            let zone = &one.page.zone;
            let shown = zones.entry(zone).or_insert_with(|| blank(zone));
            shown.waiting.push(one.page.key.clone());
        }
        zones.into_values().collect()
    }

    /// Calls that are not known to be over.
    pub fn calls(&self) -> usize {
        self.lines.len()
    }

    fn line_of(&self, number: &Extension) -> Option<lines::Held> {
        self.lines.held(number)
    }
}
