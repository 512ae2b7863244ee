//! Collects what the calls to one peer have to say and makes as few bundles of it
//! as hold it, once a tick. Where losses ask for it, every frame goes a second
//! time in a bundle of a later tick. Refuses nothing silently: what does not fit
//! or came too late is counted.

use std::collections::VecDeque;

use super::format::{
    DATAGRAM_MAX, ENTRY_BYTES, Entry, Frame, HEAD_BYTES, Head, KeyPress, Report, SOUND_MAX,
    write_entry, write_head,
};
use super::protection::Protection;

/// A second sending waits at least so long: longer than the bursts in which
/// satellites lose.
pub const COPY_AFTER_MS: u64 = 120;
/// At least so many bundles further on, for bursts take several in a row; but no
/// longer than [`COPY_PATIENCE_MS`] more, when few are sent.
const COPY_AFTER_BUNDLES: u64 = 3;
const COPY_PATIENCE_MS: u64 = 120;
/// Frames that wait for a tick.
const FRAMES_MAX: usize = 4_096;
/// Frames that wait to be sent again.
const COPIES_MAX: usize = 16_384;
const KEYS_MAX: usize = 1_024;
/// Every change of a key is told so often.
const KEY_TIMES: u8 = 3;
/// A frame that waited longer would not be heard.
const STALE_MS: u64 = 500;

/// When frames are sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// The link has no room for it.
    Never,
    /// As the peer's reports ask.
    ByLoss,
    /// Also until its reports have been calm once: where losses are the rule.
    UntilCalm,
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackerConfig {
    /// Largest bundle; what is more than [`DATAGRAM_MAX`] counts as that.
    pub datagram_max: usize,
    pub copies: Copies,
}

impl Default for PackerConfig {
    fn default() -> Self {
        Self { datagram_max: DATAGRAM_MAX, copies: Copies::ByLoss }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackerCounters {
    pub bundles: u64,
    /// Of bundles, without what carries them.
    pub bytes: u64,
    pub frames: u64,
    pub copies: u64,
    pub keys: u64,
    /// Dropped because too much waited.
    pub full: u64,
    /// Dropped because no tick came in time.
    pub stale: u64,
    /// Dropped because it cannot be told: too long, or not what its codec makes.
    pub untold: u64,
}

#[derive(Debug, Clone)]
struct Due<T> {
    at_ms: u64,
    what: T,
}

/// A frame that goes again.
#[derive(Debug, Clone)]
struct Copy {
    due: Due<Frame>,
    /// Bundles sent when its first sending was.
    bundles: u64,
}

#[derive(Debug, Clone)]
struct Telling {
    key: KeyPress,
    next_ms: u64,
    left: u8,
}

/// See the module. One for each peer and link.
#[derive(Debug, Clone)]
pub struct Packer {
    config: PackerConfig,
    seq: u16,
    frames: VecDeque<Due<Frame>>,
    copies: VecDeque<Copy>,
    /// Of this tick, until it is known which bundles carry it.
    fresh: Vec<Copy>,
    keys: Vec<Telling>,
    report: Option<Report>,
    protection: Protection,
    counters: PackerCounters,
}

impl Packer {
    pub fn new(config: PackerConfig, first_seq: u16) -> Self {
        let least = HEAD_BYTES + ENTRY_BYTES + 1 + SOUND_MAX;
        let datagram_max = config.datagram_max.clamp(least, DATAGRAM_MAX);
        Self {
            config: PackerConfig { datagram_max, ..config },
            seq: first_seq,
            frames: VecDeque::new(),
            copies: VecDeque::new(),
            fresh: Vec::new(),
            keys: Vec::new(),
            report: None,
            protection: Protection::default(),
            counters: PackerCounters::default(),
        }
    }

    /// For the next tick.
    pub fn frame(&mut self, now_ms: u64, frame: Frame) {
        if frame.steps().is_none() {
            self.counters.untold += 1;
        } else if self.frames.len() >= FRAMES_MAX {
            self.counters.full += 1;
        } else {
            self.frames.push_back(Due { at_ms: now_ms, what: Frame { again: false, ..frame } });
        }
    }

    /// A key went down, or was let go. Said three times, like frames apart.
    pub fn key(&mut self, now_ms: u64, key: KeyPress) {
        let same = |one: &Telling| (one.key.channel, one.key.number) == (key.channel, key.number);
        let telling = Telling { key, next_ms: now_ms, left: KEY_TIMES };
        if let Some(one) = self.keys.iter_mut().find(|one| same(one)) {
            *one = telling;
        } else if self.keys.len() < KEYS_MAX {
            self.keys.push(telling);
        } else {
            self.counters.full += 1;
        }
    }

    /// What this side saw of the other direction; the newest replaces.
    pub fn report(&mut self, report: Report) {
        self.report = Some(report);
    }

    /// What the peer saw of ours.
    pub fn heard(&mut self, now_ms: u64, report: &Report) {
        self.protection.hear(now_ms, report);
    }

    /// The owner's judgement of the link may change.
    pub fn set_copies(&mut self, copies: Copies) {
        self.config.copies = copies;
    }

    pub fn doubles(&self) -> bool {
        match self.config.copies {
            Copies::Never => false,
            Copies::ByLoss => self.protection.is_on(),
            Copies::UntilCalm => self.protection.is_on() || !self.protection.was_calm(),
            Copies::Always => true,
        }
    }

    pub fn loss_ppm(&self) -> u64 {
        self.protection.loss_ppm()
    }

    pub fn counters(&self) -> PackerCounters {
        self.counters
    }

    /// Everything of this tick; nothing when nobody has anything to say.
    pub fn pack(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let entries = self.due(now_ms);
        let copies = self.copies.len();
        let fresh = core::mem::take(&mut self.fresh);
        self.copies.extend(fresh.into_iter().take(COPIES_MAX.saturating_sub(copies)));
        let bundles = spread(&entries, self.config.datagram_max);
        let mut datagrams = Vec::with_capacity(bundles.len());
        for bundle in bundles {
            let clock_ms = u16::try_from(now_ms & 0xffff).unwrap_or(0);
            let mut datagram = Vec::with_capacity(self.config.datagram_max);
            write_head(Head { seq: self.seq, clock_ms }, &mut datagram);
            for entry in bundle {
                datagram.extend(entry);
            }
            self.seq = self.seq.wrapping_add(1);
            self.counters.bundles += 1;
            self.counters.bytes += datagram.len() as u64;
            datagrams.push(datagram);
        }
        for copy in self.copies.iter_mut().skip(copies) {
            copy.bundles = self.counters.bundles;
        }
        datagrams
    }

    /// The entries of this tick, each as its bytes.
    fn due(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        let mut add = |entry: &Entry| {
            let mut bytes = Vec::new();
            if write_entry(entry, &mut bytes) {
                entries.push(bytes);
            }
        };
        if let Some(report) = self.report.take() {
            add(&Entry::Report(report));
        }
        for one in self.keys.iter_mut().filter(|one| one.next_ms <= now_ms) {
            add(&Entry::Key(one.key));
            one.left -= 1;
            one.next_ms = now_ms + COPY_AFTER_MS;
            self.counters.keys += 1;
        }
        self.keys.retain(|one| one.left > 0);

        let old = |due: &Due<Frame>| now_ms.saturating_sub(due.at_ms) > STALE_MS;
        let sent = self.counters.bundles;
        let is_due = |copy: &&Copy| {
            let apart = sent + 1 >= copy.bundles + COPY_AFTER_BUNDLES;
            let patience_ms = if apart { 0 } else { COPY_PATIENCE_MS };
            copy.due.at_ms + patience_ms <= now_ms
        };
        let ready = self.copies.iter().take_while(is_due).count();
        for Copy { due, .. } in self.copies.drain(..ready) {
            if old(&due) {
                self.counters.stale += 1;
            } else {
                self.counters.copies += 1;
                add(&Entry::Frame(due.what));
            }
        }
        let doubles = self.doubles();
        for due in self.frames.drain(..) {
            if old(&due) {
                self.counters.stale += 1;
                continue;
            }
            self.counters.frames += 1;
            let entry = Entry::Frame(due.what);
            add(&entry);
            let Entry::Frame(frame) = entry else { continue };
            if doubles {
                let what = Frame { again: true, ..frame };
                let due = Due { at_ms: now_ms + COPY_AFTER_MS, what };
                self.fresh.push(Copy { due, bundles: sent });
            }
        }
        entries
    }

    /// The call is over: nothing of it is sent any more.
    pub fn close(&mut self, channel: u16) {
        self.frames.retain(|due| due.what.channel != channel);
        self.copies.retain(|copy| copy.due.what.channel != channel);
        self.keys.retain(|one| one.key.channel != channel);
    }
}

/// As few bundles as hold them, filled evenly, so that one loss takes as few
/// calls as may be.
fn spread(entries: &[Vec<u8>], datagram_max: usize) -> Vec<Vec<&[u8]>> {
    let room = datagram_max - HEAD_BYTES;
    let total: usize = entries.iter().map(Vec::len).sum();
    let mut count = total.div_ceil(room);
    loop {
        if let Some(bundles) = share(entries, count, room) {
            return bundles;
        }
        // Whole entries leave gaps.
        count += 1;
    }
}

/// Each entry to the emptiest of `count` bundles; `None` when one does not fit.
/// Every entry fits an empty bundle, so as many bundles as entries always do.
fn share(entries: &[Vec<u8>], count: usize, room: usize) -> Option<Vec<Vec<&[u8]>>> {
    let mut bundles: Vec<(usize, Vec<&[u8]>)> = vec![(0, Vec::new()); count];
    for entry in entries {
        let (filled, bundle) = bundles.iter_mut().min_by_key(|(filled, _)| *filled)?;
        *filled += entry.len();
        if *filled > room {
            return None;
        }
        bundle.push(entry);
    }
    Some(bundles.into_iter().map(|(_, bundle)| bundle).collect())
}
