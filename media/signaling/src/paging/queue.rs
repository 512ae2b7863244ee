//! Which page may begin, and which call may be placed. The higher priority
//! never waits for a lower one, neither for a zone, nor for a device that two
//! zones share, nor for room.

use std::cmp::Reverse;

use weir_model::fact::{EffectKey, EffectResult};
use weir_model::id::ZoneId;
use weir_model::intent::Priority;

use super::failure::{self, Failure};
use super::lines::Held;
use super::order::{Loudspeaker, Output, Page};
use super::run::{self, Run};
use super::{CALLS_MAX, PAGES_MAX, Paging, Turn, Waiting};

impl Paging {
    pub(super) fn ordered(&mut self, turn: &mut Turn, page: Page) {
        if self.knows(&page.key) {
            return;
        }
        let page = run::without_doubles(page);
        let proof = run::nothing(&page);
        let refused = if turn.now_ms > page.window_ends_ms {
            Some(EffectResult::NotBegun)
        } else if page.speakers.is_empty() {
            Some(EffectResult::Failed { why: failure::no_speakers() })
        } else if !self.make_room(turn, &page) {
            Some(EffectResult::Failed { why: failure::crowded_out(PAGES_MAX) })
        } else {
            None
        };
        match refused {
            Some(result) => self.report(turn, page.key, result, proof),
            None => self.waiting.push(Waiting { page, ordered_ms: turn.now_ms }),
        }
    }

    pub(super) fn cease(&mut self, turn: &mut Turn, key: &EffectKey) {
        if let Some(at) = self.waiting.iter().position(|one| one.page.key == *key) {
            let page = self.waiting.remove(at).page;
            let proof = run::nothing(&page);
            self.report(turn, page.key, EffectResult::Ceased, proof);
        }
        self.stop(turn, key, EffectResult::Ceased);
    }

    /// When all places are taken, the least of all gives way, if it is less.
    fn make_room(&mut self, turn: &mut Turn, page: &Page) -> bool {
        if self.running.len() + self.waiting.len() < PAGES_MAX {
            return true;
        }
        let lower = |priority: Priority| priority < page.priority;
        // The newest of the lowest.
        let waiting = self.waiting.iter().enumerate().rev();
        let least = waiting.min_by_key(|(_, one)| one.page.priority);
        if let Some(at) = least.filter(|(_, one)| lower(one.page.priority)).map(|(at, _)| at) {
            let given_up = self.waiting.remove(at).page;
            let proof = run::nothing(&given_up);
            let result = EffectResult::Failed { why: failure::crowded_out(PAGES_MAX) };
            self.report(turn, given_up.key, result, proof);
            return true;
        }
        let own = self.runs_in(&page.zone).filter(|run| lower(run.page.priority));
        let victim =
            own.map(|run| run.page.key.clone()).or_else(|| self.least_below(page.priority));
        let found = victim.is_some();
        if let Some(victim) = victim {
            self.pre_empt(turn, &victim, &page.key);
        }
        found
    }

    fn runs_in(&self, zone: &ZoneId) -> Option<&Run> {
        self.running.values().find(|run| run.page.zone == *zone)
    }

    /// The lowest running page below this priority, the newest of several.
    fn least_below(&self, priority: Priority) -> Option<EffectKey> {
        let lower = self.running.values().filter(|run| run.page.priority < priority);
        let least = lower.min_by_key(|run| (run.page.priority, Reverse(run.timing.begun_ms)));
        least.map(|run| run.page.key.clone())
    }

    fn pre_empt(&mut self, turn: &mut Turn, victim: &EffectKey, by: &EffectKey) {
        self.stop(turn, victim, EffectResult::Failed { why: failure::pre_empted(by) });
    }

    /// Lets pages begin where their zone is free or held by a lower one, and
    /// gives up those whose window has passed.
    pub(super) fn admit(&mut self, turn: &mut Turn) {
        let late: Vec<Page> = self
            .waiting
            .extract_if(.., |one| turn.now_ms > one.page.window_ends_ms)
            .map(|one| one.page)
            .collect();
        for page in late {
            let proof = run::nothing(&page);
            self.report(turn, page.key, EffectResult::NotBegun, proof);
        }
        // The highest first; of equals, the one that came first.
        self.waiting.sort_by_key(|one| (Reverse(one.page.priority), one.ordered_ms));
        let mut at = 0;
        while let Some(one) = self.waiting.get(at) {
            let page = &one.page;
            match self.runs_in(&page.zone).map(|run| (&run.page.key, run.page.priority)) {
                Some((_, priority)) if priority >= page.priority => at += 1,
                Some((key, _)) => {
                    let (victim, by) = (key.clone(), page.key.clone());
                    self.pre_empt(turn, &victim, &by);
                }
                None => {
                    let Waiting { page, ordered_ms } = self.waiting.remove(at);
                    let run = Run::begin(page, ordered_ms, turn.now_ms);
                    self.running.insert(run.page.key.clone(), run);
                }
            }
        }
    }

    /// Calls every loudspeaker whose time has come, the highest page first.
    pub(super) fn place_calls(&mut self, turn: &mut Turn) {
        let mut pages: Vec<_> = self.running.values().collect();
        pages.sort_by_key(|run| (Reverse(run.page.priority), run.timing.begun_ms));
        let keys: Vec<EffectKey> = pages.into_iter().map(|run| run.page.key.clone()).collect();
        for key in keys {
            // A page before this one may have ended it.
            let Some(run) = self.running.get(&key) else { continue };
            let due = run.speakers.iter().filter(|speaker| speaker.is_due(turn.now_ms));
            let due: Vec<Loudspeaker> = due.map(|speaker| speaker.who.clone()).collect();
            let priority = run.page.priority;
            for speaker in due {
                self.place(turn, &key, priority, &speaker);
            }
        }
    }

    fn place(&mut self, turn: &mut Turn, key: &EffectKey, priority: Priority, who: &Loudspeaker) {
        match self.line_of(&who.number) {
            // It is called as soon as its line is free.
            Some(Held::Ending) => {}
            Some(Held::By(other, call)) => {
                let theirs = self.running.get(&other).map(|run| run.page.priority);
                if theirs.is_some_and(|theirs| theirs >= priority) {
                    self.fail(turn, key, who, Failure::Taken);
                } else {
                    self.fail(turn, &other, who, Failure::Taken);
                    self.hang_up(turn, call);
                }
            }
            None if self.lines.len() < CALLS_MAX => {
                let call = self.lines.take(&who.number, key);
                let run = self.running.get_mut(key);
                let one = run.and_then(|run| run.speakers.iter_mut().find(|one| one.who == *who));
                if let Some(one) = one {
                    one.called(turn.now_ms, call);
                }
                turn.out.push(Output::Call { call, key: key.clone(), speaker: who.clone() });
            }
            // Room is on its way.
            None if self.lines.any_ending() => {}
            None => {
                if let Some(victim) = self.least_below(priority) {
                    self.pre_empt(turn, &victim, key);
                }
            }
        }
    }

    fn fail(&mut self, turn: &Turn, key: &EffectKey, who: &Loudspeaker, why: Failure) {
        let Some(run) = self.running.get_mut(key) else { return };
        let timing = run.timing;
        let one = run.speakers.iter_mut().find(|one| one.who.number == who.number);
        if let Some(one) = one {
            one.fail(turn.now_ms, why, &timing);
        }
    }
}
