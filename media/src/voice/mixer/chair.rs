//! One participant as the thread sees it: what is heard of it at a tick, whether
//! it speaks, and what it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::jitter::{FRAME, Jitter};
use super::line::{Frame, Inner};
use super::mix::Mix;
use super::prompt::Prompt;
use super::stats::{Counters, SeatShared, add};
use super::wire::{Desk, Wire};
use super::{Aim, Part};

/// Below -50 dBFS nobody speaks: the noise of many lines is kept out of the sum.
const SPEECH: u32 = 10_737;
/// Between words: 300 ms.
const HANG_TICKS: u8 = 15;
const FRAME_SAMPLES: u64 = 160;

#[derive(Debug)]
pub(super) enum Way {
    Wire(Box<Wire>),
    Line(Inner),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Chair {
    pub(super) who: u64,
    part: Part,
    way: Way,
    jitter: Jitter,
    frame: [i16; FRAME],
    /// It is in the sum of this tick.
    sounds: bool,
    /// Ticks for which it still counts as speaking.
    hang: u8,
    /// Its silence was told.
    quiet: bool,
    /// What it hears while it is deaf.
    prompt: Option<Prompt>,
    shared: Arc<SeatShared>,
}

/// At most 2³⁰.
fn mean_square(frame: &[i16; FRAME]) -> u32 {
    let square = |sample: &i16| u64::from(sample.unsigned_abs()).pow(2);
    let sum: u64 = frame.iter().map(square).sum();
    u32::try_from(sum / FRAME_SAMPLES).unwrap_or(u32::MAX)
}

impl Chair {
    pub(super) fn new(who: u64, part: Part, way: Way, shared: Arc<SeatShared>) -> Self {
        Self {
            who,
            part,
            way,
            jitter: Jitter::default(),
            frame: [0; FRAME],
            sounds: false,
            hang: 0,
            quiet: false,
            prompt: None,
            shared,
        }
    }

    pub(super) fn aim(&mut self, aim: Option<Aim>) {
        match &mut self.way {
            Way::Wire(wire) => wire.aim(aim),
            Way::Line(_) => {}
        }
    }

    /// Its keys are listened for in every way meanwhile.
    pub(super) fn prompt(&mut self, prompt: Option<Prompt>) {
        match &mut self.way {
            Way::Wire(wire) => wire.listen_keenly(prompt.is_some()),
            Way::Line(_) => {}
        }
        self.prompt = prompt;
    }

    /// Ticks that were left out.
    pub(super) fn skip(&mut self, ticks: u32) {
        self.jitter.skip(ticks);
        if let Way::Wire(wire) = &mut self.way {
            wire.skip(ticks);
            wire.mark();
        }
    }

    /// What is heard of it at this tick. Keys go to the desk.
    pub(super) fn listen(&mut self, desk: &mut Desk, counters: &Counters) {
        let shared = &*self.shared;
        match &mut self.way {
            Way::Wire(wire) => {
                wire.receive(self.part, &mut self.jitter, desk, shared, counters);
            }
            Way::Line(line) => {
                let (came, lost) = line.receive(&mut self.jitter);
                if came > 0 {
                    add(&shared.packets, came);
                    add(&shared.late, lost);
                    shared.heard(desk.now_ms);
                }
            }
        }
        let any = self.jitter.take(&mut self.frame);
        let level = if any { mean_square(&self.frame) } else { 0 };
        self.hang = if level >= SPEECH { HANG_TICKS } else { self.hang.saturating_sub(1) };
        let muted = shared.mute.load(Ordering::Relaxed);
        let speaks = self.hang > 0 && !muted;
        // Another site has judged its people already.
        self.sounds = any && !muted && (speaks || self.part == Part::Trunk);
        // It falls slowly, so that a meter can be read.
        let before = shared.mean_square.load(Ordering::Relaxed);
        shared.mean_square.store(level.max(before - before / 8), Ordering::Relaxed);
        shared.speaks.store(speaks, Ordering::Relaxed);
    }

    pub(super) fn sound(&self) -> Option<&[i16; FRAME]> {
        self.sounds.then_some(&self.frame)
    }

    /// What it hears at this tick: everybody but itself.
    pub(super) fn tell(&mut self, mix: &mut Mix, desk: &mut Desk, counters: &Counters) {
        let shared = &*self.shared;
        let deaf = shared.deaf.load(Ordering::Relaxed);
        let own: Option<[i16; FRAME]> = match self.sounds {
            _ if deaf => Some(self.prompt.as_mut().map_or([0; FRAME], Prompt::next)),
            true => Some(mix.without(&self.frame)),
            false => None,
        };
        match &mut self.way {
            Way::Wire(wire) => {
                let Some(law) = wire.law() else {
                    wire.skip(1);
                    wire.mark();
                    return;
                };
                match own {
                    Some(own) => {
                        let mut payload = [0; FRAME];
                        law.encode(&own, &mut payload);
                        wire.send(&payload, desk, shared, counters);
                    }
                    None => wire.send(mix.encoded(law), desk, shared, counters),
                }
            }
            Way::Line(line) => {
                let frame = match (line.law(), own) {
                    (None, own) => Frame::Linear(own.unwrap_or(*mix.common())),
                    (Some(law), None) => Frame::Coded(law.kind(), *mix.encoded(law)),
                    (Some(law), Some(own)) => {
                        let mut bytes = [0; FRAME];
                        law.encode(&own, &mut bytes);
                        Frame::Coded(law.kind(), bytes)
                    }
                };
                let sent = if line.send(frame) { &shared.sent } else { &shared.unsent };
                add(sent, 1);
            }
        }
    }

    /// Whether it has spoken and then sent nothing for `quiet_ms`; said once a
    /// silence.
    pub(super) fn is_newly_quiet(&mut self, now_ms: u64, quiet_ms: u64) -> bool {
        let since = self.shared.heard_ms();
        let quiet = since.is_some_and(|at| now_ms.saturating_sub(at) >= quiet_ms);
        let before = std::mem::replace(&mut self.quiet, quiet);
        quiet && !before
    }

    pub(super) fn goodbye(&self, desk: &mut Desk) {
        if let Way::Wire(wire) = &self.way {
            wire.goodbye(desk);
        }
    }
}
