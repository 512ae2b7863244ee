//! The camera's side: units become blocks of a bounded length in time; own
//! symbols leave as soon as they are full, those for repair follow spread over a
//! part of the next block, because losses come in bursts.

use std::collections::VecDeque;

use raptorq::{ObjectTransmissionInformation, SourceBlockEncoder};

use super::format::{HEAD_BYTES, Report, SYMBOL_BYTES_MAX, SYMBOLS_MAX, Symbol};
use super::{UNIT_MAX, Unit, UnitKind};

/// Headers of QUIC, UDP and IP around each datagram.
const AROUND_BYTES: usize = 70;
/// Before each unit in a block: kind, time, length.
pub(super) const UNIT_HEAD: usize = 9;
/// What a burst may be ahead of its time.
const AHEAD_MS: u64 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderConfig {
    /// What may be sent, headers in.
    pub rate_bps: u64,
    pub block_ms: u64,
    /// Smaller symbols survive bursts better where little is sent. A multiple of 8.
    pub symbol_bytes: usize,
    /// Older than this, waiting symbols are no use any more.
    pub queue_ms: u64,
}

impl SenderConfig {
    pub fn at(rate_bps: u64) -> Self {
        let symbol_bytes = if rate_bps < 200_000 { 544 } else { SYMBOL_BYTES_MAX };
        Self { rate_bps, block_ms: 400, symbol_bytes, queue_ms: 1_500 }
    }

    /// For stills, each of which may take as long as until the next.
    pub fn stills(rate_bps: u64, every_ms: u64) -> Self {
        Self { queue_ms: every_ms.max(1_500), ..Self::at(rate_bps) }
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

    /// What is left for the picture itself, of all that may be sent.
    pub fn picture_bps(&self) -> u64 {
        let symbol = u64::try_from(self.config.symbol_bytes).unwrap_or(1);
        let around = u64::try_from(AROUND_BYTES + HEAD_BYTES).unwrap_or(0);
        let block_bits = self.config.rate_bps * self.config.block_ms / 1_000;
        let all = (block_bits / 8 / (symbol + around)).max(2);
        let own = (1..=all).rev().find(|own| own + self.repairs(*own) <= all).unwrap_or(1);
        own * symbol * 8 * 1_000 / self.config.block_ms.max(1) * 95 / 100
    }

    /// So many symbols for repair: for the loss that was seen, and a burst.
    fn repairs(&self, own: u64) -> u64 {
        1 + (own * (100_000 + 3 * self.loss_ppm)).div_ceil(1_000_000)
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
        // Out of order: an older report than the last.
        if all > u64::from(u32::MAX / 2) {
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
        if report.wants_key {
            self.needs_key = true;
        }
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
        self.waiting.clear();
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.block = self.block.wrapping_add(1);
            self.handed = 0;
        }
        self.needs_key = true;
    }
}

/// What RaptorQ is to know of a block.
pub(super) fn shape(own: u16, symbol_bytes: usize) -> ObjectTransmissionInformation {
    let length = u64::from(own) * u64::try_from(symbol_bytes).unwrap_or(0);
    let size = u16::try_from(symbol_bytes).unwrap_or(8);
    ObjectTransmissionInformation::new(length, size, 1, 1, 8)
}
