//! The rules of an emulated uplink: what happens to each packet, and when. Pure:
//! time and size go in, a verdict comes out, and the same seed gives the same
//! losses. It refuses to touch a socket; [`crate::shaped`] does that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One direction of the uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirectionParams {
    /// One way.
    pub delay: Duration,
    /// Packets lost of a million.
    pub loss_ppm: u32,
    /// `None`: as fast as the host.
    pub rate_bps: Option<u64>,
    /// What may wait for the rate; more is dropped at the tail. Counts only
    /// where there is a rate.
    pub queue_bytes: u64,
}

/// The uplink as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShaperParams {
    pub outbound: DirectionParams,
    pub inbound: DirectionParams,
    /// Nothing passes, not even what is under way.
    pub cut: bool,
}

impl ShaperParams {
    /// Half the round trip each way, the same loss both ways, and a queue of
    /// half a second, as satellite terminals have.
    pub fn satellite(rtt: Duration, down_bps: u64, up_bps: u64, loss_ppm: u32) -> Self {
        let direction = |rate_bps: u64| DirectionParams {
            delay: rtt / 2,
            loss_ppm,
            rate_bps: Some(rate_bps),
            queue_bytes: (rate_bps / 16).max(8 * 1500),
        };
        Self { outbound: direction(up_bps), inbound: direction(down_bps), cut: false }
    }
}

/// Which way a packet goes, seen from this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Outbound,
    Inbound,
}

/// What went through one direction and what did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirectionCounts {
    pub passed_packets: u64,
    /// With IP and UDP headers.
    pub passed_bytes: u64,
    pub lost_packets: u64,
    pub lost_bytes: u64,
    pub overflowed_packets: u64,
    pub overflowed_bytes: u64,
    pub cut_packets: u64,
    pub cut_bytes: u64,
}

/// Since the shaper was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShaperCounts {
    pub outbound: DirectionCounts,
    pub inbound: DirectionCounts,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Deliver { at: Instant },
    Drop,
}

#[derive(Debug, Default)]
struct Pipe {
    /// When the last packet accepted will have left at the rate.
    busy_until: Option<Instant>,
    counts: DirectionCounts,
}

#[derive(Debug)]
struct State {
    params: ShaperParams,
    outbound: Pipe,
    inbound: Pipe,
    dice: u64,
}

/// A handle on an uplink. All classes of a node share it, as they share the dish.
#[derive(Debug, Clone)]
pub struct ShaperControl {
    state: Arc<Mutex<State>>,
}

impl ShaperControl {
    /// The seed decides which packets are lost.
    pub fn new(params: ShaperParams, seed: u64) -> Self {
        let (outbound, inbound) = (Pipe::default(), Pipe::default());
        Self { state: Arc::new(Mutex::new(State { params, outbound, inbound, dice: seed })) }
    }

    pub fn params(&self) -> ShaperParams {
        self.lock().params
    }

    /// Holds for packets from now on; those under way keep their delay.
    pub fn set(&self, params: ShaperParams) {
        self.lock().params = params;
    }

    /// Cuts the uplink or heals it, and leaves the rest as it is.
    pub fn set_cut(&self, cut: bool) {
        self.lock().params.cut = cut;
    }

    pub fn counts(&self) -> ShaperCounts {
        let state = self.lock();
        ShaperCounts { outbound: state.outbound.counts, inbound: state.inbound.counts }
    }

    /// Judges a packet that enters the uplink; `bytes` with headers.
    pub(crate) fn enter(&self, now: Instant, direction: Direction, bytes: u64) -> Verdict {
        self.lock().enter(now, direction, bytes)
    }

    /// Judges the same packet when it comes out, because a cut takes what is
    /// under way too.
    pub(crate) fn leave(&self, direction: Direction, bytes: u64) -> bool {
        let mut state = self.lock();
        let cut = state.params.cut;
        let counts = &mut state.pipe(direction).counts;
        if cut {
            counts.cut_packets += 1;
            counts.cut_bytes += bytes;
        } else {
            counts.passed_packets += 1;
            counts.passed_bytes += bytes;
        }
        !cut
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::Outbound => &mut self.outbound,
            Direction::Inbound => &mut self.inbound,
        }
    }

    fn enter(&mut self, now: Instant, direction: Direction, bytes: u64) -> Verdict {
        let params = match direction {
            Direction::Outbound => self.params.outbound,
            Direction::Inbound => self.params.inbound,
        };
        let cut = self.params.cut;
        let lost = self.roll_ppm() < u64::from(params.loss_ppm);
        let pipe = self.pipe(direction);
        if cut {
            pipe.counts.cut_packets += 1;
            pipe.counts.cut_bytes += bytes;
            return Verdict::Drop;
        }
        let Some(sent) = pipe.queue(now, &params, bytes) else {
            pipe.counts.overflowed_packets += 1;
            pipe.counts.overflowed_bytes += bytes;
            return Verdict::Drop;
        };
        // Lost in the air: it has taken its time on the link all the same.
        if lost {
            pipe.counts.lost_packets += 1;
            pipe.counts.lost_bytes += bytes;
            return Verdict::Drop;
        }
        Verdict::Deliver { at: sent + params.delay }
    }

    /// SplitMix64: small, seeded, and good enough to lose packets by.
    fn roll_ppm(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 1_000_000
    }
}

impl Pipe {
    /// When the packet has left at the rate, or `None` when the queue is full.
    fn queue(&mut self, now: Instant, params: &DirectionParams, bytes: u64) -> Option<Instant> {
        let Some(rate_bps) = params.rate_bps else {
            self.busy_until = None;
            return Some(now);
        };
        let start = self.busy_until.map_or(now, |busy| busy.max(now));
        let waiting_bytes = bytes_in(start.saturating_duration_since(now), rate_bps);
        if waiting_bytes + bytes > params.queue_bytes {
            return None;
        }
        let sent = start + time_for(bytes, rate_bps);
        self.busy_until = Some(sent);
        Some(sent)
    }
}

fn time_for(bytes: u64, rate_bps: u64) -> Duration {
    let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(rate_bps.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4).min(u64::MAX / 4))
}

fn bytes_in(time: Duration, rate_bps: u64) -> u64 {
    let bytes = time.as_nanos() * u128::from(rate_bps) / 8 / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: Direction = Direction::Outbound;

    fn shaper(outbound: DirectionParams) -> ShaperControl {
        ShaperControl::new(ShaperParams { outbound, ..ShaperParams::default() }, 1)
    }

    fn delay_ms(verdict: Verdict, from: Instant) -> Option<u128> {
        match verdict {
            Verdict::Deliver { at } => Some((at - from).as_millis()),
            Verdict::Drop => None,
        }
    }

    #[test]
    fn packets_wait_their_turn_at_the_rate_and_then_travel() {
        let now = Instant::now();
        // 8 kbit/s: a kilobyte takes a second.
        let link = shaper(DirectionParams {
            delay: Duration::from_millis(300),
            loss_ppm: 0,
            rate_bps: Some(8_000),
            queue_bytes: 2_500,
        });
        assert_eq!(delay_ms(link.enter(now, OUT, 1_000), now), Some(1_300));
        assert_eq!(delay_ms(link.enter(now, OUT, 1_000), now), Some(2_300));
        assert_eq!(delay_ms(link.enter(now, OUT, 1_000), now), None);
        assert_eq!(link.counts().outbound.overflowed_bytes, 1_000);
        let later = now + Duration::from_secs(2);
        assert_eq!(delay_ms(link.enter(later, OUT, 1_000), later), Some(1_300));
    }

    #[test]
    fn the_same_seed_loses_the_same_packets_and_about_as_many_as_asked() {
        let now = Instant::now();
        let lossy = DirectionParams { loss_ppm: 20_000, ..DirectionParams::default() };
        let run = || -> Vec<bool> {
            let link = shaper(lossy);
            (0..10_000).map(|_| link.enter(now, OUT, 100) == Verdict::Drop).collect()
        };
        let lost = run();
        assert_eq!(lost, run());
        let count = lost.iter().filter(|lost| **lost).count();
        assert!((150..250).contains(&count), "{count} of 10,000 lost at 2 %");
    }

    #[test]
    fn a_cut_takes_what_is_under_way_too() {
        let now = Instant::now();
        let link = shaper(DirectionParams::default());
        assert_eq!(link.enter(now, OUT, 100), Verdict::Deliver { at: now });
        link.set_cut(true);
        assert!(!link.leave(OUT, 100));
        assert_eq!(link.enter(now, OUT, 100), Verdict::Drop);
        link.set_cut(false);
        assert_eq!(link.enter(now, OUT, 128), Verdict::Deliver { at: now });
        assert!(link.leave(OUT, 128));
        let counts = link.counts().outbound;
        assert_eq!((counts.cut_packets, counts.cut_bytes), (2, 200));
        assert_eq!((counts.passed_packets, counts.passed_bytes), (1, 128));
    }

    #[test]
    fn all_sockets_of_an_uplink_share_its_rate() {
        let now = Instant::now();
        let link = shaper(DirectionParams {
            rate_bps: Some(8_000),
            queue_bytes: 10_000,
            ..DirectionParams::default()
        });
        let other_class = link.clone();
        link.enter(now, OUT, 1_000);
        assert_eq!(delay_ms(other_class.enter(now, OUT, 1_000), now), Some(2_000));
    }
}
