//! Roads that frames travel, and a listener at the end of one.

use std::collections::BTreeMap;

use super::*;

#[derive(Debug, Clone, Copy)]
pub(super) struct Road {
    /// One way.
    pub(super) delay_ms: u64,
    /// Evenly, on top of the delay.
    pub(super) jitter_ms: u64,
    /// Every so often, everything waits this long.
    pub(super) stall: Option<(u64, u64)>,
    /// Datagrams lost of a million, each alone.
    pub(super) loss_ppm: u64,
    /// Of a million datagrams so many begin a burst of three.
    pub(super) bursts_ppm: u64,
    /// Steps in a frame.
    pub(super) steps: u8,
    pub(super) doubled: bool,
    /// The listener's clock against the sender's.
    pub(super) drift_ppm: i64,
}

pub(super) const LAN: Road = Road {
    delay_ms: 1,
    jitter_ms: 2,
    stall: None,
    loss_ppm: 0,
    bursts_ppm: 0,
    steps: 1,
    doubled: false,
    drift_ppm: 0,
};
pub(super) const LTE: Road =
    Road { delay_ms: 40, jitter_ms: 50, stall: Some((7_000, 160)), loss_ppm: 2_000, ..LAN };
/// 1.5 % in all: alone and in threes.
pub(super) const GEO: Road =
    Road { delay_ms: 300, jitter_ms: 12, loss_ppm: 7_500, bursts_ppm: 2_500, steps: 3, ..LAN };
pub(super) const GEO_DOUBLED: Road = Road { doubled: true, ..GEO };

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) counters: JitterCounters,
    /// From the end of a frame's making to its hearing, at the end.
    pub(super) delay_ms: u64,
    pub(super) delay_most_ms: u64,
    /// The longest time without real sound, in steps.
    pub(super) gap_steps: u32,
    /// When the delay changed although nothing was missing.
    pub(super) changes_ms: Vec<u64>,
}

impl Heard {
    /// Of ten thousand steps so many were made up.
    pub(super) fn concealed_bp(&self) -> u64 {
        let JitterCounters { sounded, concealed, stretched, missing, .. } = self.counters;
        let made_up = concealed + stretched + missing;
        made_up * 10_000 / (sounded + made_up).max(1)
    }
}

type Arrivals = BTreeMap<u64, Vec<(u64, bool)>>;

/// Frames 0, 1, 2… at the listener's clock.
fn arrivals(road: &Road, frames: u64, dice: &mut Dice) -> Arrivals {
    let mut arrivals = Arrivals::new();
    let every_ms = u64::from(road.steps) * STEP_MS;
    let mut burst = 0_u32;
    for tick in 0..frames + 3 {
        let first = (tick < frames).then_some((tick, false));
        let again = tick.checked_sub(3).filter(|_| road.doubled).map(|frame| (frame, true));
        let sent_ms = tick * every_ms;
        burst = if dice.one_of_million(road.bursts_ppm) { 3 } else { burst };
        let lost = burst > 0 || dice.one_of_million(road.loss_ppm);
        burst = burst.saturating_sub(1);
        if lost {
            continue;
        }
        let mut at_ms = sent_ms + road.delay_ms + dice.below(road.jitter_ms + 1);
        if let Some((every_ms, stall_ms)) = road.stall {
            let within_ms = sent_ms % every_ms;
            at_ms += stall_ms.saturating_sub(within_ms);
        }
        let drift_ms = i64::try_from(at_ms).unwrap() * road.drift_ppm / 1_000_000;
        let at_ms = at_ms.checked_add_signed(drift_ms).unwrap();
        arrivals.entry(at_ms).or_default().extend(first.into_iter().chain(again));
    }
    arrivals
}

/// A listener who hears `seconds` of unbroken speech.
pub(super) fn listen(road: Road, seconds: u64, seed: u64) -> Heard {
    let every_ms = u64::from(road.steps) * STEP_MS;
    let arrivals = arrivals(&road, seconds * 1_000 / every_ms, &mut Dice(seed));
    let mut jitter = Jitter::new(JitterConfig::default());
    let (mut heard, mut came) = (Heard::default(), std::collections::BTreeSet::new());
    let (mut gap, mut before) = (0, jitter.counters());
    let mut coming = arrivals.into_iter().peekable();
    for tick in 0..seconds * 50 {
        let now_ms = tick * STEP_MS + 7;
        while let Some((at_ms, frames)) = coming.next_if(|(at_ms, _)| *at_ms <= now_ms) {
            for (frame, again) in frames {
                let steps = frame * u64::from(road.steps);
                // Begins shortly before the number of the step goes round.
                let step = u16::try_from((steps + 0xff00) % 0x1_0000).unwrap();
                if came.insert(frame) {
                    let sound = Some(frame);
                    jitter.push(at_ms, Arrived { step, steps: road.steps, again, sound });
                } else {
                    jitter.again(at_ms, step);
                }
            }
        }
        let sounded = jitter.pull(now_ms);
        let counters = jitter.counters();
        let changed = counters.stretched + counters.squeezed;
        if changed > before.stretched + before.squeezed {
            heard.changes_ms.push(now_ms);
        }
        before = counters;
        let real = matches!(sounded.piece, Piece::Frame { .. } | Piece::Rest);
        let begun = counters.sounded > 0;
        gap = if real || !begun { 0 } else { gap + 1 };
        heard.gap_steps = heard.gap_steps.max(gap);
        if let Some(delay_ms) = jitter.delay_ms(now_ms) {
            heard.delay_ms = delay_ms;
            if now_ms > 30_000 {
                heard.delay_most_ms = heard.delay_most_ms.max(delay_ms);
            }
        }
    }
    heard.counters = jitter.counters();
    heard
}
