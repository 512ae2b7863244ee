//! The camera's side: units become blocks of a bounded length in time; own
//! symbols leave as soon as they are full, those for repair follow spread over a
//! part of the next block, because losses come in bursts.

use std::collections::VecDeque;

use raptorq::{ObjectTransmissionInformation, SourceBlockEncoder};

use super::format::{HEAD_BYTES, Report, SYMBOL_BYTES_MAX, SYMBOLS_MAX, Symbol};
use super::ladder::SMALL_MIN_BPS;
use super::{UNIT_MAX, Unit, UnitKind};

/// Headers of QUIC, UDP and IP around each datagram.
const AROUND_BYTES: usize = 70;
/// Before each unit in a block: kind, time, length.
pub(super) const UNIT_HEAD: usize = 9;
/// What a burst may be ahead of its time.
const AHEAD_MS: u64 = 40;
/// Own symbols of a small still.
const STILL_SYMBOLS: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderConfig {
    /// What may be sent, headers in.
    pub rate_bps: u64,
    pub block_ms: u64,
    /// Smaller symbols survive bursts better where little is sent. A multiple of 8.
    pub symbol_bytes: usize,
    /// Older than this, waiting symbols are no use any more.
    pub queue_ms: u64,
    /// Repair that is sent whatever is lost, of a million.
    pub repair_ppm: u64,
}

impl SenderConfig {
    pub fn at(rate_bps: u64) -> Self {
        let symbol_bytes = if rate_bps < 200_000 { 544 } else { SYMBOL_BYTES_MAX };
        Self { rate_bps, block_ms: 400, symbol_bytes, queue_ms: 1_500, repair_ppm: 100_000 }
    }

    /// For stills, each of which may take as long as until the next.
    pub fn stills(rate_bps: u64, every_ms: u64) -> Self {
        Self { queue_ms: every_ms.max(1_500), ..Self::at(rate_bps) }
    }

    /// For a road that loses little and has room: short blocks, little repair.
    pub fn near(rate_bps: u64) -> Self {
        let symbol_bytes = SYMBOL_BYTES_MAX;
        Self { rate_bps, block_ms: 100, symbol_bytes, queue_ms: 700, repair_ppm: 20_000 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderCounters {
    pub units: u64,
    /// Too long, or more than the rate carries.
    pub units_dropped: u64,
    pub blocks: u64,
    pub own_symbols: u64,
    pub repair_symbols: u64,
    pub bytes: u64,
}

#[derive(Debug)]
struct Waiting {
    symbol: Symbol,
    due_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Sender {
    stream: u16,
    config: SenderConfig,
    block: u32,
    seq: u16,
    /// The block that is being filled, and how much of it was handed out.
    bytes: Vec<u8>,
    handed: u16,
    began_ms: u64,
    waiting: VecDeque<Waiting>,
    /// Bits that may be sent, and since when that was counted.
    credit: u64,
    credited_ms: u64,
    loss_ppm: u64,
    heard: Option<Report>,
    needs_key: bool,
    /// The block of the last key frame, and what left last of it.
    key: Option<(u32, Option<u16>)>,
    counters: SenderCounters,
}

impl Sender {
    pub fn new(stream: u16, config: SenderConfig, now_ms: u64) -> Self {
        Self {
            stream,
            config,
            block: 0,
            seq: 0,
            bytes: Vec::new(),
            handed: 0,
            began_ms: now_ms,
            waiting: VecDeque::new(),
            credit: 0,
            credited_ms: now_ms,
            loss_ppm: 20_000,
            heard: None,
            needs_key: true,
            key: None,
            counters: SenderCounters::default(),
        }
    }

    pub fn counters(&self) -> SenderCounters {
        self.counters
    }

    pub fn loss_ppm(&self) -> u64 {
        self.loss_ppm
    }

    /// A key frame is needed before anything else helps. Said until one comes.
    pub fn needs_key(&self) -> bool {
        self.needs_key
    }

    /// From the next block on.
    pub fn set_rate(&mut self, rate_bps: u64) {
        self.config.rate_bps = rate_bps;
    }

    /// Another kind of picture follows. What waits was made for the one before,
    /// and is dropped.
    pub fn change(&mut self, now_ms: u64, config: SenderConfig) {
        self.drop_waiting();
        self.config = config;
        self.began_ms = now_ms;
        self.needs_key = true;
    }

    /// How long it takes to send what waits.
    pub fn waiting_ms(&self) -> u64 {
        let bits = |one: &Waiting| (HEAD_BYTES + one.symbol.bytes.len() + AROUND_BYTES) * 8;
        let bits: usize = self.waiting.iter().map(bits).sum();
        u64::try_from(bits).unwrap_or(u64::MAX).saturating_mul(1_000) / self.config.rate_bps.max(1)
    }

    /// What is left for a moving picture itself, of all that may be sent; 0 where
    /// a block would hold nothing but its repair.
    pub fn picture_bps(&self) -> u64 {
        let symbol = u64::try_from(self.config.symbol_bytes).unwrap_or(1);
        let around = u64::try_from(AROUND_BYTES + HEAD_BYTES).unwrap_or(0);
        let block_bits = self.config.rate_bps * self.config.block_ms / 1_000;
        let all = block_bits / 8 / (symbol + around);
        let own = (1..=all).rev().find(|own| own + self.repairs(*own) <= all).unwrap_or(0);
        own * symbol * 8 * 1_000 / self.config.block_ms.max(1) * 95 / 100
    }

    /// What the ladder has to choose by: a moving picture's share where one fits,
    /// else that of stills.
    pub fn carries_bps(&self) -> u64 {
        match self.picture_bps() {
            moving if moving >= SMALL_MIN_BPS => moving,
            _ => self.still_bps().min(SMALL_MIN_BPS - 1),
        }
    }

    /// The same for stills, each of which is one block, however long it takes.
    pub fn still_bps(&self) -> u64 {
        let symbol = u64::try_from(self.config.symbol_bytes).unwrap_or(1);
        let around = u64::try_from(AROUND_BYTES + HEAD_BYTES).unwrap_or(0);
        let own = STILL_SYMBOLS;
        let all = (own + self.repairs(own)) * (symbol + around);
        self.config.rate_bps * own * symbol / all.max(1) * 95 / 100
    }

    /// So many symbols for repair: for the loss that was seen, and a burst.
    fn repairs(&self, own: u64) -> u64 {
        1 + (own * (self.config.repair_ppm + 3 * self.loss_ppm)).div_ceil(1_000_000)
    }

    /// What the other side says of the stream.
    pub fn heard(&mut self, report: &Report) {
        if report.stream != self.stream {
            return;
        }
        let before = self.heard.unwrap_or_default();
        let received = u64::from(report.received.wrapping_sub(before.received));
        let lost = u64::from(report.lost.saturating_sub(before.lost));
        let all = received + lost;
        // Out of order, or of a receiver that began anew.
        if all > u64::from(u32::MAX / 2) {
            if follows(report.newest, before.newest) && report.newest != before.newest {
                self.heard = Some(*report);
            }
            return;
        }
        if all >= 10 {
            let now_ppm = lost * 1_000_000 / all;
            self.loss_ppm = if now_ppm > self.loss_ppm {
                (self.loss_ppm + now_ppm) / 2
            } else {
                (self.loss_ppm * 15 + now_ppm) / 16
            }
            .clamp(5_000, 300_000);
            self.heard = Some(*report);
        }
        // Who has not seen the last key frame yet asks for what is under way.
        let knows = match self.key {
            None => true,
            Some((block, Some(seq))) => self.is_out(block) && follows(report.newest, seq),
            Some((_, None)) => false,
        };
        if report.wants_key && knows {
            self.needs_key = true;
        }
    }

    /// Nothing of the block is to be sent any more.
    fn is_out(&self, block: u32) -> bool {
        self.block != block && self.waiting.iter().all(|one| one.symbol.block != block)
    }

    /// Takes a unit in; what waits for a key frame is dropped.
    pub fn unit(&mut self, now_ms: u64, unit: &Unit) {
        if unit.kind == UnitKind::Delta && self.needs_key || unit.bytes.len() > UNIT_MAX {
            self.counters.units_dropped += 1;
            return;
        }
        let own_max = usize::from(SYMBOLS_MAX) * self.config.symbol_bytes;
        let full = self.bytes.len() + UNIT_HEAD + unit.bytes.len() > own_max;
        if !self.bytes.is_empty() && (full || now_ms >= self.began_ms + self.config.block_ms) {
            self.close(now_ms);
        }
        if UNIT_HEAD + unit.bytes.len() > own_max {
            self.counters.units_dropped += 1;
            self.needs_key = true;
            return;
        }
        if self.bytes.is_empty() {
            self.began_ms = now_ms;
        }
        let kind = match unit.kind {
            UnitKind::Key => 1,
            UnitKind::Delta => 2,
            UnitKind::Still => 3,
        };
        self.bytes.push(kind);
        self.bytes.extend(unit.at_ms.to_be_bytes());
        let length = u32::try_from(unit.bytes.len()).unwrap_or(0);
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(&unit.bytes);
        self.counters.units += 1;
        if unit.kind != UnitKind::Delta {
            self.needs_key = false;
            self.key = Some((self.block, None));
        }
        self.hand_out(now_ms);
        // Nothing follows a still for seconds.
        if unit.kind == UnitKind::Still {
            self.close(now_ms);
        }
    }

    /// Own symbols that are full.
    fn hand_out(&mut self, now_ms: u64) {
        let size = self.config.symbol_bytes;
        while let Some(bytes) = {
            let from = usize::from(self.handed) * size;
            // The last may yet turn out to be the block's last.
            (from + size < self.bytes.len()).then(|| self.bytes[from..from + size].to_vec())
        } {
            let number = self.handed;
            self.handed += 1;
            self.wait(now_ms, number, None, bytes);
        }
    }

    fn wait(&mut self, due_ms: u64, number: u16, symbols: Option<u16>, bytes: Vec<u8>) {
        let symbol = Symbol {
            stream: self.stream,
            seq: 0,
            block: self.block,
            number,
            symbols,
            symbol_bytes: self.config.symbol_bytes,
            bytes,
        };
        let at = self.waiting.iter().rposition(|one| one.due_ms <= due_ms).map_or(0, |at| at + 1);
        self.waiting.insert(at, Waiting { symbol, due_ms });
    }

    /// The block is complete: its last own symbols, and those for repair.
    fn close(&mut self, now_ms: u64) {
        let size = self.config.symbol_bytes;
        let own = u16::try_from(self.bytes.len().div_ceil(size)).unwrap_or(SYMBOLS_MAX);
        for number in self.handed..own {
            let from = usize::from(number) * size;
            let to = (from + size).min(self.bytes.len());
            let bytes = self.bytes.get(from..to).unwrap_or_default().to_vec();
            self.wait(now_ms, number, Some(own), bytes);
        }
        self.counters.own_symbols += u64::from(own);
        let repairs = u32::try_from(self.repairs(u64::from(own))).unwrap_or(1);
        self.bytes.resize(usize::from(own) * size, 0);
        let encoder = SourceBlockEncoder::new(0, &shape(own, size), &self.bytes);
        let spread_ms = self.config.block_ms / 2;
        for (nth, packet) in encoder.repair_packets(0, repairs).into_iter().enumerate() {
            let nth = u64::try_from(nth).unwrap_or(0);
            let due_ms = now_ms + spread_ms * (nth + 1) / u64::from(repairs);
            let (place, bytes) = packet.split();
            let number = u16::try_from(place.encoding_symbol_id()).unwrap_or(u16::MAX);
            self.wait(due_ms, number, Some(own), bytes);
            self.counters.repair_symbols += 1;
        }
        self.counters.blocks += 1;
        self.block = self.block.wrapping_add(1);
        self.bytes.clear();
        self.handed = 0;
    }

    /// Everything due that the rate allows; to be asked every 10 ms or so.
    pub fn poll(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        if !self.bytes.is_empty() && now_ms >= self.began_ms + self.config.block_ms {
            self.close(now_ms);
        }
        let passed = now_ms.saturating_sub(self.credited_ms);
        self.credited_ms = now_ms;
        let most = (self.config.rate_bps * AHEAD_MS / 1_000).max(16_000);
        self.credit = (self.credit + self.config.rate_bps * passed / 1_000).min(most);
        let mut out = Vec::new();
        while let Some(first) = self.waiting.front() {
            if now_ms > first.due_ms + self.config.queue_ms {
                self.overflow();
                break;
            }
            let length = HEAD_BYTES + first.symbol.bytes.len();
            let bits = u64::try_from((length + AROUND_BYTES) * 8).unwrap_or(u64::MAX);
            if first.due_ms > now_ms || bits > self.credit {
                break;
            }
            self.credit -= bits;
            let Some(mut first) = self.waiting.pop_front() else { break };
            first.symbol.seq = self.seq;
            if let Some((block, last)) = &mut self.key
                && *block == first.symbol.block
            {
                *last = Some(self.seq);
            }
            self.seq = self.seq.wrapping_add(1);
            self.counters.bytes += u64::try_from(length).unwrap_or(0);
            out.push(first.symbol.write());
        }
        out
    }

    /// More came than the rate carries: what waits is old, and only a key frame
    /// helps.
    fn overflow(&mut self) {
        let waits = u64::try_from(self.waiting.len()).unwrap_or(0);
        self.counters.units_dropped += waits.min(1);
        self.drop_waiting();
        self.needs_key = true;
    }

    fn drop_waiting(&mut self) {
        self.waiting.clear();
        self.key = None;
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.block = self.block.wrapping_add(1);
            self.handed = 0;
        }
    }
}

/// Sequence numbers count round.
fn follows(seq: u16, other: u16) -> bool {
    seq.wrapping_sub(other) < 0x8000
}

/// What RaptorQ is to know of a block.
pub(super) fn shape(own: u16, symbol_bytes: usize) -> ObjectTransmissionInformation {
    let length = u64::from(own) * u64::try_from(symbol_bytes).unwrap_or(0);
    let size = u16::try_from(symbol_bytes).unwrap_or(8);
    ObjectTransmissionInformation::new(length, size, 1, 1, 8)
}
