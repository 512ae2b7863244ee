//! What a path really carries: the rate follows what arrives when a queue stands
//! somewhere on the way, and grows back while there is none. Pure: acknowledgements
//! come in with their times. It refuses to take random loss for a queue, to lower
//! the rate because little was sent, and to go beyond what was configured.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Below it, and the time that a packet takes itself, there is no queue.
const QUEUE_LOW: Duration = Duration::from_millis(50);
/// A queue that stays so much above that is drained at once.
const QUEUE_HIGH: Duration = Duration::from_millis(100);
/// A queue is what the fastest of the samples of so long has waited.
const STANDING: Duration = Duration::from_millis(400);
const STANDING_SAMPLES: usize = 3;
/// A queue while so little of the rate arrives is no matter of a small step.
const FELL_PERCENT: u64 = 60;
/// After a round trip at another rate, until something has come that was sent at it.
const FELT: Duration = Duration::from_millis(100);
/// While a queue is drained, of what arrives.
const DRAIN_PERCENT: u64 = 50;
/// A queue that has not become shorter by then is none.
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);
/// Of what arrived, once a queue is gone.
const SETTLE_PERCENT: u64 = 95;
const STEP_MIN_PERCENT: u64 = 10;
const STEP_MAX_PERCENT: u64 = 50;
/// What once made a queue is tried again after this long, and an unused path a step
/// higher each time.
const RETRY: Duration = Duration::from_secs(10);
const UNUSED_RETRY: Duration = Duration::from_secs(5);
/// Random loss of satellites; more may be a link that drops what it cannot carry.
const LOSS_LIMIT_PPM: u64 = 100_000;
const PACKET_BYTES: u64 = 1_200;
const JUDGED_BYTES: u64 = 20 * PACKET_BYTES;
/// Below it no call fits, whatever was measured.
const RATE_MIN_BPS: u64 = 16_000;
const SPAN_MAX: Duration = Duration::from_secs(2);
const KEPT_MAX: usize = 512;

/// A packet of ours that arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acked {
    /// With the headers of IP and UDP.
    pub(crate) bytes: u64,
    /// Its sender had nothing more to send.
    pub(crate) app_limited: bool,
    /// What it waited on the way beyond the shortest round trip, not counting what
    /// our own meter held it back.
    pub(crate) queue: Option<Duration>,
    /// The shortest round trip.
    pub(crate) rtt: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    bytes: u64,
    pressed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Steady,
    /// Sends less than arrives until the queue is gone.
    Draining(Drain),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Drain {
    since: Instant,
    /// The longest that the queue was.
    peak: Duration,
    before_bps: u64,
    then_bps: u64,
}

/// An experiment: less is sent, and if as much is lost, loss is no congestion here.
#[derive(Debug, Clone, Copy)]
struct LossTrial {
    lost_ppm: u64,
    before_bps: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Estimate {
    configured_bps: u64,
    rate_bps: u64,
    mode: Mode,
    changed_at: Instant,
    grew: bool,
    step_percent: u64,
    /// What made a queue, and when.
    ceiling: Option<(u64, Instant)>,
    rtt: Duration,
    acked: VecDeque<Sample>,
    queues: VecDeque<(Instant, Duration)>,
    judged_at: Instant,
    judged_acked: u64,
    judged_lost: u64,
    lost_ppm: u64,
    tolerated_ppm: u64,
    trial: Option<LossTrial>,
    /// Counts the times that the shortest round trip turned out to be another.
    rtt_era: u64,
}

impl Estimate {
    pub(crate) fn new(now: Instant, configured_bps: u64, rtt: Duration) -> Self {
        Self {
            configured_bps,
            rate_bps: configured_bps,
            mode: Mode::Steady,
            changed_at: now,
            grew: true,
            step_percent: STEP_MIN_PERCENT,
            ceiling: None,
            rtt,
            acked: VecDeque::new(),
            queues: VecDeque::new(),
            judged_at: now,
            judged_acked: 0,
            judged_lost: 0,
            lost_ppm: 0,
            tolerated_ppm: 0,
            trial: None,
            rtt_era: 0,
        }
    }

    /// What may be sent now.
    pub(crate) fn rate_bps(&self) -> u64 {
        self.rate_bps
    }

    /// What the path is worth: a queue being drained is over in a moment.
    pub(crate) fn worth_bps(&self) -> u64 {
        match self.mode {
            Mode::Steady => self.rate_bps,
            Mode::Draining(drain) => drain.then_bps,
        }
    }

    pub(crate) fn lost_ppm(&self) -> u32 {
        u32::try_from(self.lost_ppm).unwrap_or(u32::MAX)
    }

    pub(crate) fn rtt_era(&self) -> u64 {
        self.rtt_era
    }

    /// What stands on the way; zero while nothing says otherwise.
    pub(crate) fn queue(&self, now: Instant) -> Duration {
        self.standing(now, None).map_or(Duration::ZERO, |(queue, _)| queue)
    }

    pub(crate) fn configure(&mut self, configured_bps: u64) {
        if self.configured_bps != configured_bps {
            self.configured_bps = configured_bps;
            self.rate_bps = configured_bps;
            self.mode = Mode::Steady;
            self.ceiling = None;
        }
    }

    pub(crate) fn acked(&mut self, now: Instant, acked: Acked) {
        self.rtt = acked.rtt;
        let pressed = !acked.app_limited;
        match self.acked.back_mut().filter(|last| last.at == now) {
            Some(last) => {
                last.bytes += acked.bytes;
                last.pressed |= pressed;
            }
            None => self.acked.push_back(Sample { at: now, bytes: acked.bytes, pressed }),
        }
        if let Some(queue) = acked.queue {
            self.queues.push_back((now, queue));
        }
        self.judged_acked += acked.bytes;
        self.forget(now);
        self.judge(now);
    }

    pub(crate) fn lost(&mut self, now: Instant, bytes: u64) {
        self.judged_lost += bytes;
        self.judge(now);
    }

    fn forget(&mut self, now: Instant) {
        let old = |at: Instant| now.saturating_duration_since(at) > SPAN_MAX;
        while self.acked.len() > KEPT_MAX || self.acked.front().is_some_and(|one| old(one.at)) {
            self.acked.pop_front();
        }
        while self.queues.len() > KEPT_MAX || self.queues.front().is_some_and(|(at, _)| old(*at)) {
            self.queues.pop_front();
        }
    }

    fn min_bps(&self) -> u64 {
        RATE_MIN_BPS.min(self.configured_bps)
    }

    /// Long enough for several packets, and for what was changed to be felt.
    fn span(&self) -> Duration {
        let packets = Duration::from_millis(8 * 1_200 * 8 * 1_000 / self.rate_bps.max(1));
        self.rtt.max(packets).clamp(STANDING, SPAN_MAX)
    }

    fn recent(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        let span = self.span();
        self.acked.iter().filter(move |one| now.saturating_duration_since(one.at) < span)
    }

    fn delivered_bps(&self, now: Instant) -> u64 {
        let bytes: u64 = self.recent(now).map(|one| one.bytes).sum();
        let millis = u64::try_from(self.span().as_millis()).unwrap_or(u64::MAX).max(1);
        bytes * 8_000 / millis
    }

    /// Most of what arrived lately was sent by someone who had more to send.
    fn is_pressed(&self, now: Instant) -> bool {
        let (all, pressed) = self.recent(now).fold((0, 0), |(all, pressed), one| {
            (all + one.bytes, pressed + if one.pressed { one.bytes } else { 0 })
        });
        pressed * 2 > all
    }

    /// The least that lately waited, and how many did.
    fn standing(&self, now: Instant, after: Option<Instant>) -> Option<(Duration, usize)> {
        let counts = |at: Instant| {
            now.saturating_duration_since(at) <= STANDING && after.is_none_or(|after| at > after)
        };
        let lately = self.queues.iter().rev().filter(|(at, _)| counts(*at));
        let count = lately.clone().count();
        lately.map(|(_, queue)| *queue).min().map(|least| (least, count))
    }

    /// Up to here nothing waits but for the packet before it.
    fn low(&self) -> Duration {
        let millis = PACKET_BYTES * 8_000 * 5 / 4 / self.worth_bps().max(1);
        QUEUE_LOW + Duration::from_millis(millis)
    }

    fn change(&mut self, now: Instant, rate_bps: u64) {
        let before = self.rate_bps;
        self.rate_bps = rate_bps.clamp(self.min_bps(), self.configured_bps);
        self.changed_at = now;
        self.grew = self.rate_bps > before;
    }

    fn judge(&mut self, now: Instant) {
        match self.mode {
            Mode::Draining(drain) => self.drain(now, drain),
            Mode::Steady => {
                let settled = now.saturating_duration_since(self.changed_at) >= self.rtt + STANDING;
                // Too much is seen at once; whether less was enough takes a while.
                if settled || self.grew {
                    self.look_at_queue(now, settled);
                }
                self.look_at_loss(now);
            }
        }
    }

    fn look_at_queue(&mut self, now: Instant, settled: bool) {
        let Some((queue, count)) = self.standing(now, None) else { return };
        let pressed = self.is_pressed(now);
        let sure = pressed && count >= STANDING_SAMPLES;
        let delivered = self.delivered_bps(now);
        let fell = delivered * 100 < self.rate_bps * FELL_PERCENT && settled;
        if sure && (queue > self.low() + QUEUE_HIGH || queue > self.low() && fell) {
            let before_bps = self.rate_bps;
            let then_bps = (delivered * SETTLE_PERCENT / 100).clamp(self.min_bps(), before_bps);
            let drain = Drain { since: now, peak: queue, before_bps, then_bps };
            // What was lost meanwhile, the queue explains.
            self.trial = None;
            self.mode = Mode::Draining(drain);
            self.ceiling = Some((then_bps, now));
            self.change(now, delivered * DRAIN_PERCENT / 100);
        } else if queue > self.low() && sure {
            let gentle = delivered * SETTLE_PERCENT / 100;
            if gentle < self.rate_bps {
                self.ceiling = Some((gentle, now));
                self.step_percent = STEP_MIN_PERCENT;
                self.change(now, gentle);
            }
        } else if settled && queue <= self.low() && self.rate_bps < self.configured_bps {
            self.grow(now, pressed);
        }
    }

    fn grow(&mut self, now: Instant, pressed: bool) {
        let higher = self.rate_bps * (100 + self.step_percent) / 100;
        let known = self
            .ceiling
            .filter(|(at_bps, at)| higher > *at_bps && now.saturating_duration_since(*at) < RETRY);
        if known.is_some() {
            // Up to what was measured, but not beyond.
            let measured = known.map_or(0, |(at_bps, _)| at_bps);
            if pressed && measured > self.rate_bps {
                self.change(now, measured);
            }
            return;
        }
        // A step shows only after a round trip, and in several packets.
        let step_felt = self.rtt + STANDING + self.span();
        if self.grew && now.saturating_duration_since(self.changed_at) < step_felt {
            return;
        }
        let used = pressed && self.delivered_bps(now) * 100 >= self.rate_bps * 70;
        if used {
            self.change(now, higher);
            self.step_percent = (self.step_percent * 2).min(STEP_MAX_PERCENT);
        } else if !pressed && now.saturating_duration_since(self.changed_at) >= UNUSED_RETRY {
            self.step_percent = STEP_MIN_PERCENT;
            self.change(now, self.rate_bps * (100 + STEP_MIN_PERCENT) / 100);
        }
    }

    fn drain(&mut self, now: Instant, drain: Drain) {
        // What is acknowledged sooner was sent before.
        let left = self.standing(now, Some(drain.since + self.rtt)).map(|(left, _)| left);
        let peak = drain.peak.max(left.unwrap_or_default());
        let patience = self.rtt + DRAIN_PATIENCE;
        let tired = now.saturating_duration_since(drain.since) >= patience;
        match left {
            Some(left) if left <= self.low() => self.drained(now, drain.then_bps),
            Some(left) if tired && left * 10 > peak * 8 => {
                // Less was sent and as much waits: the way is longer, not fuller.
                self.rtt_era += 1;
                self.ceiling = None;
                self.queues.clear();
                self.drained(now, drain.before_bps);
            }
            None if tired => self.drained(now, drain.then_bps),
            Some(left) if tired => {
                self.mode = Mode::Draining(Drain { since: now, peak: left, ..drain });
            }
            Some(left)
                if left > self.low() + QUEUE_HIGH
                    && now.saturating_duration_since(self.changed_at) > self.rtt + FELT =>
            {
                // What arrives while a queue stands is what the link carries.
                let delivered = self.delivered_bps(now);
                let then_bps = drain.then_bps.min(delivered * SETTLE_PERCENT / 100);
                let then_bps = then_bps.max(self.min_bps());
                self.ceiling = Some((then_bps, now));
                self.mode = Mode::Draining(Drain { peak, then_bps, ..drain });
                self.change(now, self.rate_bps.min(delivered * DRAIN_PERCENT / 100));
            }
            _ => self.mode = Mode::Draining(Drain { peak, ..drain }),
        }
    }

    fn drained(&mut self, now: Instant, rate_bps: u64) {
        self.mode = Mode::Steady;
        self.step_percent = STEP_MIN_PERCENT;
        (self.judged_acked, self.judged_lost, self.judged_at) = (0, 0, now);
        self.change(now, rate_bps);
    }

    /// A link may drop at once what it cannot carry, without any queue.
    fn look_at_loss(&mut self, now: Instant) {
        let seen = self.judged_acked + self.judged_lost;
        let time = now.saturating_duration_since(self.judged_at.max(self.changed_at));
        if seen < JUDGED_BYTES || time < self.rtt + STANDING {
            return;
        }
        let lost_ppm = self.judged_lost.saturating_mul(1_000_000) / seen;
        (self.judged_acked, self.judged_lost, self.judged_at) = (0, 0, now);
        self.lost_ppm = (self.lost_ppm + lost_ppm) / 2;
        // Three standard deviations of a tenth lost by chance.
        let chance_ppm = 900_000 / (seen / PACKET_BYTES).isqrt();
        let limit_ppm = LOSS_LIMIT_PPM + self.tolerated_ppm + chance_ppm;
        self.tolerated_ppm = self.tolerated_ppm.min(lost_ppm);
        match self.trial.take() {
            Some(trial) if lost_ppm * 10 >= trial.lost_ppm * 7 => {
                self.tolerated_ppm = lost_ppm;
                self.change(now, trial.before_bps);
            }
            _ if lost_ppm > limit_ppm && self.is_pressed(now) && self.queue(now) <= self.low() => {
                self.trial = Some(LossTrial { lost_ppm, before_bps: self.rate_bps });
                let less = (self.rate_bps * 7 / 10).max(self.delivered_bps(now));
                self.ceiling = Some((less, now));
                self.change(now, less.min(self.rate_bps));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
