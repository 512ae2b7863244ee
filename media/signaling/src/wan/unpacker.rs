//! Takes bundles of one peer apart: drops broken and repeated ones whole, gives
//! every frame and every key once, and measures what the link loses. Refuses to
//! remember more calls than a node can have.

use std::collections::BTreeMap;

use super::format::{Broken, Entry, Frame, Head, Report, read};
use super::keys::Keys;
pub use super::keys::Press;

/// A report goes back so often while bundles come.
pub const REPORT_EVERY_MS: u64 = 1_500;
/// Calls of one peer.
const CHANNELS_MAX: usize = 2_048;
/// Bundles this far back are still told apart; older ones are of no use.
const BUNDLES: u16 = 64;
/// A jump beyond this is a sender that began anew.
const BUNDLES_ANEW: u16 = 1_024;
/// So many in a row that come too late are no stragglers: the sender began anew,
/// with a number that happens to lie close behind.
const OLD_ANEW: u8 = 16;
/// Steps of a call that are told apart: 2.5 s.
const STEPS: u16 = 128;
/// A frame further back is of a sender that began anew: 20 s.
const STEPS_ANEW: u16 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Its first arrival, even if it is the second sending.
    Frame(Frame),
    /// The second sending of a frame that had come; only its time says something.
    Again {
        channel: u16,
        step: u16,
    },
    Key(Press),
    /// What the peer saw of what we send.
    Report(Report),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnpackerCounters {
    pub bundles: u64,
    pub broken: u64,
    /// Bundles that came twice, or too late to be of use.
    pub repeated: u64,
    /// By gaps in the sequence, as reported.
    pub lost: u64,
    pub frames: u64,
    /// Frames that came again and were not needed.
    pub spare: u64,
    /// Frames whose first sending was lost and whose second came.
    pub saved: u64,
    /// Frames of more calls than are remembered.
    pub crowded: u64,
}

/// The newest number and which of those before it came.
#[derive(Debug, Clone, Copy)]
struct Seen {
    newest: u16,
    bits: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// So many further than the newest.
    Ahead(u16),
    New,
    Known,
    Old,
    Anew,
}

impl Seen {
    fn new(newest: u16) -> Self {
        Self { newest, bits: 1 }
    }

    /// `anew`: how far away is a new beginning; ahead too when `forward`.
    fn look(&mut self, number: u16, depth: u16, anew: u16, forward: bool) -> Sight {
        let ahead = number.wrapping_sub(self.newest);
        let back = self.newest.wrapping_sub(number);
        if ahead != 0 && ahead < 0x8000 {
            if forward && ahead > anew {
                *self = Self::new(number);
                return Sight::Anew;
            }
            self.bits = self.bits.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.newest = number;
            return Sight::Ahead(ahead);
        }
        if back > anew {
            *self = Self::new(number);
            return Sight::Anew;
        }
        if back >= depth {
            return Sight::Old;
        }
        let bit = 1_u128 << back;
        let known = self.bits & bit != 0;
        self.bits |= bit;
        if known { Sight::Known } else { Sight::New }
    }
}

#[derive(Debug, Clone)]
struct Channel {
    seen: Option<Seen>,
    keys: Keys,
}

/// Since the last report.
#[derive(Debug, Clone, Copy, Default)]
struct Interval {
    since_ms: Option<u64>,
    expected: u16,
    came: u16,
    late: u16,
}

/// See the module. One for each peer and link.
#[derive(Debug, Clone, Default)]
pub struct Unpacker {
    bundles: Option<Seen>,
    /// That came too late, one after the other.
    old: u8,
    /// The last bundle's transit by 16-bit clocks, and its smoothed spread × 16.
    transit_ms: Option<u16>,
    jitter: u32,
    interval: Interval,
    channels: BTreeMap<u16, Channel>,
    counters: UnpackerCounters,
}

impl Unpacker {
    pub fn counters(&self) -> UnpackerCounters {
        self.counters
    }

    /// What is new in this bundle. An error was counted; the link goes on.
    pub fn take(&mut self, now_ms: u64, datagram: &[u8]) -> Result<Vec<Item>, Broken> {
        let (head, entries) = match read(datagram) {
            Ok(read) => read,
            Err(broken) => {
                self.counters.broken += 1;
                return Err(broken);
            }
        };
        if !self.count(now_ms, head) {
            self.counters.repeated += 1;
            return Ok(Vec::new());
        }
        self.counters.bundles += 1;
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Entry::Frame(frame) => items.extend(self.frame(frame)),
                Entry::Key(key) => {
                    if let Some(channel) = self.channel(key.channel) {
                        channel.keys.hear(&key, |press| items.push(Item::Key(press)));
                    }
                }
                Entry::Report(report) => items.push(Item::Report(report)),
            }
        }
        Ok(items)
    }

    /// Frames that a call could not use any more, for the next report.
    pub fn late(&mut self, frames: u16) {
        self.interval.late = self.interval.late.saturating_add(frames);
    }

    /// The report that is due now, if anything came since the last.
    pub fn report(&mut self, now_ms: u64) -> Option<Report> {
        let since_ms = self.interval.since_ms?;
        if now_ms.saturating_sub(since_ms) < REPORT_EVERY_MS {
            return None;
        }
        let Interval { expected, came, late, .. } = core::mem::take(&mut self.interval);
        let lost = expected.saturating_sub(came);
        self.counters.lost += u64::from(lost);
        let highest = self.bundles.map_or(0, |seen| seen.newest);
        let jitter_ms = u16::try_from(self.jitter / 16).unwrap_or(u16::MAX);
        Some(Report { highest, expected, lost, late, jitter_ms })
    }

    /// Channels that something came for.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Forgets what came for channels that nobody has given out.
    pub fn retain(&mut self, known: impl Fn(u16) -> bool) {
        self.channels.retain(|channel, _| known(*channel));
    }

    /// The call is over; the channel may be given to another.
    pub fn close(&mut self, channel: u16) {
        self.channels.remove(&channel);
    }

    /// `false`: this bundle came before, or comes too late.
    fn count(&mut self, now_ms: u64, head: Head) -> bool {
        let expected = match &mut self.bundles {
            None => {
                self.bundles = Some(Seen::new(head.seq));
                1
            }
            Some(seen) => match seen.look(head.seq, BUNDLES, BUNDLES_ANEW, true) {
                Sight::Ahead(further) => further,
                // Out of order: it was expected when a later one came.
                Sight::New => 0,
                Sight::Anew => {
                    self.transit_ms = None;
                    1
                }
                Sight::Old if self.old + 1 >= OLD_ANEW => {
                    *seen = Seen::new(head.seq);
                    self.transit_ms = None;
                    1
                }
                Sight::Old => {
                    self.old += 1;
                    return false;
                }
                Sight::Known => return false,
            },
        };
        self.old = 0;
        let interval = &mut self.interval;
        interval.since_ms.get_or_insert(now_ms);
        interval.expected = interval.expected.saturating_add(expected);
        interval.came = interval.came.saturating_add(1);
        self.measure(now_ms, head.clock_ms);
        true
    }

    /// RFC 3550 §6.4.1, by clocks of 16 bits.
    fn measure(&mut self, now_ms: u64, clock_ms: u16) {
        let now_ms = u16::try_from(now_ms & 0xffff).unwrap_or(0);
        let transit_ms = now_ms.wrapping_sub(clock_ms);
        let Some(before_ms) = self.transit_ms.replace(transit_ms) else { return };
        let there = transit_ms.wrapping_sub(before_ms);
        let difference = u32::from(there.min(there.wrapping_neg()));
        self.jitter = self.jitter + difference - self.jitter.div_ceil(16);
    }

    fn channel(&mut self, number: u16) -> Option<&mut Channel> {
        if self.channels.len() >= CHANNELS_MAX && !self.channels.contains_key(&number) {
            self.counters.crowded += 1;
            return None;
        }
        let fresh = || Channel { seen: None, keys: Keys::default() };
        Some(self.channels.entry(number).or_insert_with(fresh))
    }

    fn frame(&mut self, frame: Frame) -> Option<Item> {
        let channel = self.channel(frame.channel)?;
        let sight = match &mut channel.seen {
            Some(seen) => seen.look(frame.step, STEPS, STEPS_ANEW, false),
            None => {
                channel.seen = Some(Seen::new(frame.step));
                Sight::Anew
            }
        };
        match sight {
            Sight::Known | Sight::Old => {
                self.counters.spare += 1;
                let (channel, step) = (frame.channel, frame.step);
                frame.again.then_some(Item::Again { channel, step })
            }
            Sight::Ahead(_) | Sight::New | Sight::Anew => {
                self.counters.frames += 1;
                self.counters.saved += u64::from(frame.again);
                Some(Item::Frame(frame))
            }
        }
    }
}
