//! Counts each key once, however many ways told it. It invents no key: what no
//! way told did not happen.

use std::collections::VecDeque;

use super::Way;

/// What two ways tell of one key comes within this time.
pub const TOGETHER_MS: u64 = 2_000;
/// A key held longer than this counts twice when two ways tell it.
const HELD_MAX_MS: u64 = 10_000;
/// More keys than anybody presses in that time; the oldest is forgotten first.
const PRESSES_MAX: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Press {
    digit: char,
    at_ms: u64,
    /// Who has told it, by event, INFO and tone.
    told: [bool; 3],
}

/// The keys of one side of a call.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    presses: VecDeque<Press>,
}

fn place(way: Way) -> usize {
    match way {
        Way::Event => 0,
        Way::Info => 1,
        Way::Tone => 2,
    }
}

impl Collector {
    /// A key was told at `now_ms`, held down for `held_ms` before that (0 when
    /// it was told at once, as events and tones are). The key, if it is a new
    /// one. A way that tells the same key again means a second press; another
    /// way means the oldest press that it has not told yet.
    pub fn hear(&mut self, now_ms: u64, digit: char, way: Way, held_ms: u64) -> Option<char> {
        let pressed_ms = now_ms.saturating_sub(held_ms);
        // A release is told late, when the key was held; so the press stays
        // known for as long as the longest believed holding.
        let oldest_ms = now_ms.saturating_sub(TOGETHER_MS + HELD_MAX_MS);
        self.presses.retain(|press| press.at_ms >= oldest_ms);
        let near = |press: &Press| {
            press.at_ms.abs_diff(pressed_ms) <= TOGETHER_MS
                || press.at_ms.abs_diff(now_ms) <= TOGETHER_MS
        };
        let known = |press: &&mut Press| press.digit == digit && near(press);
        let way = place(way);
        for press in self.presses.iter_mut().filter(known) {
            if let Some(told) = press.told.get_mut(way)
                && !*told
            {
                *told = true;
                return None;
            }
        }
        if self.presses.len() >= PRESSES_MAX {
            self.presses.pop_front();
        }
        let mut told = [false; 3];
        if let Some(told) = told.get_mut(way) {
            *told = true;
        }
        // When it was pressed, but never so far back that it is forgotten.
        let at_ms = pressed_ms.max(oldest_ms);
        self.presses.push_back(Press { digit, at_ms, told });
        Some(digit)
    }
}
