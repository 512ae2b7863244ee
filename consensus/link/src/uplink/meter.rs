//! What may leave over one satellite path, packet by packet: a bucket filled at the
//! path's rate, the most urgent first, and in turn among equals. Pure: time comes in
//! as an argument. It refuses to hold packets (who must wait asks again) and to ever
//! refuse control, which is charged so that the others wait for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The largest packet that QUIC sends here, with headers.
const PACKET_BYTES: u64 = 1_500;
/// After a pause so much may leave at once, and never less than two packets.
const BURST: Duration = Duration::from_millis(20);
/// Control beyond it is forgiven: the dish has dropped it by now.
const DEBT_MAX: Duration = Duration::from_secs(2);
/// Of the rate, kept for bulk whatever the others send.
const BULK_FLOOR_PERCENT: u64 = 5;
/// Whoever was told to come again and has not is no longer in line.
const GRACE: Duration = Duration::from_millis(100);
/// Nobody is sent away for longer: the rate may have changed.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// More may ask, and wait without a place in line.
const LINE_MAX: usize = 256;

/// What goes first on a path; the most urgent is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Control,
    Voice,
    Video,
    Bulk,
}

/// What becomes of a packet now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It leaves, and is charged.
    Pass,
    /// To be asked again at that time; asking sooner does no harm.
    Wait { until: Instant },
}

/// Billionths of a bit: what flows in a nanosecond at one bit a second.
type Nanobits = i128;

fn nanobits(bytes: u64) -> Nanobits {
    i128::from(bytes) * 8 * 1_000_000_000
}

fn flows(rate_bps: u64, time: Duration) -> Nanobits {
    i128::from(rate_bps) * i128::try_from(time.as_nanos()).unwrap_or(i128::from(u64::MAX))
}

#[derive(Debug)]
struct Bucket {
    rate_bps: u64,
    level: Nanobits,
    most: Nanobits,
}

impl Bucket {
    fn new(rate_bps: u64, most: Nanobits) -> Self {
        Self { rate_bps, level: most, most }
    }

    fn fill(&mut self, time: Duration) {
        self.level = (self.level + flows(self.rate_bps, time)).min(self.most);
    }

    fn change(&mut self, rate_bps: u64, most: Nanobits) {
        (self.rate_bps, self.most) = (rate_bps, most);
        self.level = self.level.min(most);
    }

    /// What is larger than the bucket passes when it is full, and leaves a debt.
    fn has(&self, need: Nanobits) -> bool {
        self.level >= need.min(self.most)
    }

    fn take(&mut self, need: Nanobits, least: Nanobits) {
        self.level = (self.level - need).max(least.min(self.level));
    }

    fn wait_for(&self, need: Nanobits) -> Duration {
        let lacking = (need - self.level).max(0);
        let nanos = lacking / i128::from(self.rate_bps.max(1)) + 1;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }
}

#[derive(Debug)]
struct Waiter<K> {
    key: K,
    bytes: u64,
    gone_at: Instant,
}

/// See the module. `K` tells one sender from another.
#[derive(Debug)]
pub(crate) struct Meter<K> {
    filled_at: Instant,
    whole: Bucket,
    /// What voice was admitted to, and a little.
    voice: Bucket,
    bulk: Bucket,
    line: BTreeMap<(Lane, u64), Waiter<K>>,
    came: u64,
}

fn burst(rate_bps: u64) -> Nanobits {
    flows(rate_bps, BURST).max(nanobits(2 * PACKET_BYTES))
}

fn bulk_floor(rate_bps: u64) -> u64 {
    rate_bps * BULK_FLOOR_PERCENT / 100
}

impl<K: Copy + Eq> Meter<K> {
    pub(crate) fn new(now: Instant, rate_bps: u64) -> Self {
        Self {
            filled_at: now,
            whole: Bucket::new(rate_bps, burst(rate_bps)),
            voice: Bucket::new(0, 0),
            bulk: Bucket::new(bulk_floor(rate_bps), nanobits(PACKET_BYTES)),
            line: BTreeMap::new(),
            came: 0,
        }
    }

    pub(crate) fn set_rate(&mut self, now: Instant, rate_bps: u64) {
        self.fill(now);
        self.whole.change(rate_bps, burst(rate_bps));
        self.bulk.change(bulk_floor(rate_bps), nanobits(PACKET_BYTES));
    }

    /// What voice may send whatever else is going on.
    pub(crate) fn set_voice(&mut self, now: Instant, rate_bps: u64) {
        self.fill(now);
        self.voice.change(rate_bps, burst(rate_bps));
    }

    /// `bytes` with the headers of IP and UDP; a segmented batch is asked for whole.
    pub(crate) fn ask(&mut self, now: Instant, lane: Lane, key: K, bytes: u64) -> Verdict {
        self.fill(now);
        let need = nanobits(bytes);
        if lane == Lane::Control {
            self.charge(lane, need);
            return Verdict::Pass;
        }
        self.line.retain(|_, waiter| waiter.gone_at > now);
        let of_key =
            |((at, _), waiter): &(&(Lane, u64), &Waiter<K>)| *at == lane && waiter.key == key;
        let mine = self.line.iter().find(of_key).map(|(place, _)| *place);
        let place = mine.unwrap_or((lane, u64::MAX));
        let before = || self.line.range(..place);
        let ahead: u64 = before().map(|(_, waiter)| waiter.bytes).sum();
        let first_of_its_kind = before().all(|((other, _), _)| *other != lane);
        let own = self.own(lane).filter(|_| first_of_its_kind);
        let passes = own.is_some_and(|own| own.has(need)) || ahead == 0 && self.whole.has(need);
        if passes {
            self.line.remove(&place);
            self.charge(lane, need);
            return Verdict::Pass;
        }
        let turn = self.whole.wait_for(need + nanobits(ahead));
        let wait = own.map_or(turn, |own| own.wait_for(need).min(turn)).min(WAIT_MAX);
        let until = now + wait;
        self.stand_in_line(mine, lane, Waiter { key, bytes, gone_at: until + GRACE });
        Verdict::Wait { until }
    }

    fn stand_in_line(&mut self, mine: Option<(Lane, u64)>, lane: Lane, waiter: Waiter<K>) {
        if mine.is_none() && self.line.len() >= LINE_MAX {
            return;
        }
        let place = mine.unwrap_or_else(|| {
            self.came += 1;
            (lane, self.came)
        });
        self.line.insert(place, waiter);
    }

    /// What a lane has to itself.
    fn own(&self, lane: Lane) -> Option<&Bucket> {
        match lane {
            Lane::Control | Lane::Video => None,
            Lane::Voice => Some(&self.voice).filter(|voice| voice.rate_bps > 0),
            Lane::Bulk => Some(&self.bulk),
        }
    }

    fn fill(&mut self, now: Instant) {
        let time = now.saturating_duration_since(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        for bucket in [&mut self.whole, &mut self.voice, &mut self.bulk] {
            bucket.fill(time);
        }
    }

    fn charge(&mut self, lane: Lane, need: Nanobits) {
        let debt_max = flows(self.whole.rate_bps, DEBT_MAX);
        self.whole.take(need, -debt_max);
        // What a lane takes of the whole is no debt to what is its own.
        match lane {
            Lane::Control | Lane::Video => {}
            Lane::Voice => self.voice.take(need, 0),
            Lane::Bulk => self.bulk.take(need, 0),
        }
    }
}

#[cfg(test)]
mod tests;
