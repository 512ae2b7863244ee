//! The viewer's side: blocks are put together again, in order, and given up when
//! what is missing cannot come in time. A unit is passed on as soon as all of it
//! is there, long before its block is complete.

use std::collections::BTreeMap;

use raptorq::{EncodingPacket, PayloadId, SourceBlockDecoder};

use super::format::{Broken, Piece, Report, Symbol, read};
use super::sender::{UNIT_HEAD, shape};
use super::{UNIT_MAX, Unit, UnitKind};

/// Blocks held at once, beyond the one that is passed on.
const BLOCKS_MAX: u32 = 16;
/// Datagrams in a row that loss alone may take.
const BURST_MAX: u16 = 64;
/// Symbols held at once.
const SYMBOLS_HELD: usize = 4_096;
/// A still may be sent for so long.
const STILL_HOLD_MS: u64 = 60_000;
/// How the bytes of a still's block begin.
const STILL: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// How long a block is waited for after its first sign.
    pub hold_ms: u64,
    pub report_ms: u64,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self { hold_ms: 900, report_ms: 500 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverCounters {
    pub datagrams: u64,
    pub lost: u64,
    pub repeated: u64,
    pub broken: u64,
    pub units: u64,
    /// Built on what was lost.
    pub units_dropped: u64,
    pub blocks: u64,
    pub blocks_repaired: u64,
    pub blocks_lost: u64,
}

#[derive(Debug)]
struct Block {
    symbol_bytes: usize,
    symbols: Option<u16>,
    held: BTreeMap<u16, Vec<u8>>,
    /// Own symbols that are there without a gap, joined.
    joined: Vec<u8>,
    next: u16,
    read: usize,
    since_ms: u64,
    /// How many symbols it had when decoding last failed.
    tried: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Receiver {
    stream: u16,
    config: ReceiverConfig,
    blocks: BTreeMap<u32, Block>,
    /// The block that is passed on now; `None` before the first.
    now: Option<u32>,
    newest: Option<u16>,
    /// Of the last 64 sequence numbers, those that came; bit 0 is the newest.
    seen: u64,
    needs_key: bool,
    needs_key_of_others: bool,
    /// What was passed on last was a still.
    stills: bool,
    report_due_ms: u64,
    counters: ReceiverCounters,
}

impl Receiver {
    pub fn new(stream: u16, config: ReceiverConfig) -> Self {
        Self {
            stream,
            config,
            blocks: BTreeMap::new(),
            now: None,
            newest: None,
            seen: 0,
            needs_key: true,
            needs_key_of_others: false,
            stills: false,
            report_due_ms: 0,
            counters: ReceiverCounters::default(),
        }
    }

    pub fn counters(&self) -> ReceiverCounters {
        self.counters
    }

    /// Takes a datagram; what it completes comes with the next [`Self::poll`].
    ///
    /// # Errors
    /// When it is no symbol of this stream; it is counted.
    pub fn take(&mut self, now_ms: u64, datagram: &[u8]) -> Result<(), Broken> {
        let read = read(datagram);
        let symbol = match read {
            Ok(Piece::Symbol(symbol)) if symbol.stream == self.stream => symbol,
            Ok(_) => {
                self.counters.broken += 1;
                return Err(Broken::Wrong);
            }
            Err(error) => {
                self.counters.broken += 1;
                return Err(error);
            }
        };
        if self.count(symbol.seq) {
            self.keep(now_ms, symbol);
        }
        Ok(())
    }

    /// Whether it is new.
    fn count(&mut self, seq: u16) -> bool {
        let Some(newest) = self.newest else {
            (self.newest, self.seen) = (Some(seq), 1);
            self.counters.datagrams += 1;
            return true;
        };
        let ahead = seq.wrapping_sub(newest);
        if ahead == 0 {
            self.counters.repeated += 1;
            return false;
        }
        if ahead < 0x8000 {
            // A longer gap is a cut, and says nothing of the loss there is now.
            if ahead <= BURST_MAX {
                self.counters.lost += u64::from(ahead) - 1;
            }
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.newest = Some(seq);
            self.counters.datagrams += 1;
            return true;
        }
        let behind = u32::from(newest.wrapping_sub(seq));
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        if bit == 0 || self.seen & bit != 0 {
            self.counters.repeated += 1;
            return false;
        }
        self.seen |= bit;
        // It was counted as lost, and is only late.
        self.counters.lost = self.counters.lost.saturating_sub(1);
        self.counters.datagrams += 1;
        true
    }

    fn keep(&mut self, now_ms: u64, symbol: Symbol) {
        let now = *self.now.get_or_insert(symbol.block);
        let ahead = symbol.block.wrapping_sub(now);
        if ahead >= 0x8000_0000 {
            return;
        }
        if ahead > BLOCKS_MAX {
            // The link was gone for so long that all of this is over.
            self.counters.blocks_lost += 1;
            self.blocks.clear();
            self.now = Some(symbol.block);
            self.needs_key = true;
        }
        let held: usize = self.blocks.values().map(|block| block.held.len()).sum();
        if held >= SYMBOLS_HELD {
            return;
        }
        let block = self.blocks.entry(symbol.block).or_insert_with(|| Block {
            symbol_bytes: symbol.symbol_bytes,
            symbols: None,
            held: BTreeMap::new(),
            joined: Vec::new(),
            next: 0,
            read: 0,
            since_ms: now_ms,
            tried: 0,
        });
        block.take(symbol);
    }

    /// What can be shown now, in order.
    pub fn poll(&mut self, now_ms: u64) -> Vec<Unit> {
        let mut units = Vec::new();
        while let Some(now) = self.now {
            let Some(block) = self.blocks.get_mut(&now) else {
                if self.is_lost(now_ms, now) {
                    self.give_up(now);
                    continue;
                }
                break;
            };
            let repaired = block.join();
            let (read, sane) = block.units();
            self.counters.blocks_repaired += u64::from(repaired);
            let over = block.is_over();
            read.into_iter().for_each(|unit| self.pass(unit, &mut units));
            if over {
                self.counters.blocks += 1;
                self.blocks.remove(&now);
                self.now = Some(now.wrapping_add(1));
            } else if !sane || self.is_lost(now_ms, now) {
                self.give_up(now);
            } else {
                break;
            }
        }
        units
    }

    fn pass(&mut self, unit: Unit, units: &mut Vec<Unit>) {
        match unit.kind {
            UnitKind::Key | UnitKind::Still => {
                (self.needs_key, self.needs_key_of_others) = (false, false);
            }
            UnitKind::Delta if self.needs_key => {
                self.counters.units_dropped += 1;
                return;
            }
            UnitKind::Delta => {}
        }
        self.stills = unit.kind == UnitKind::Still;
        self.counters.units += 1;
        units.push(unit);
    }

    /// What comes next is wanted by somebody who needs a key frame.
    pub fn ask_for_key(&mut self) {
        self.needs_key_of_others = true;
    }

    /// Its time is over: since it was first seen, or any after it.
    fn is_lost(&self, now_ms: u64, block: u32) -> bool {
        self.blocks.iter().any(|(other, held)| {
            let hold_ms = match other.wrapping_sub(block) {
                // It comes as slowly as it must; only what follows ends it.
                0 if held.is_still(self.stills) => STILL_HOLD_MS.max(self.config.hold_ms),
                0x8000_0000.. => return false,
                _ => self.config.hold_ms,
            };
            now_ms >= held.since_ms + hold_ms
        })
    }

    fn give_up(&mut self, block: u32) {
        self.blocks.remove(&block);
        self.now = Some(block.wrapping_add(1));
        self.counters.blocks_lost += 1;
        self.needs_key = true;
    }

    /// What the sending side is to know, when it is time to tell it.
    pub fn report(&mut self, now_ms: u64) -> Option<Report> {
        let newest = self.newest?;
        if now_ms < self.report_due_ms {
            return None;
        }
        self.report_due_ms = now_ms + self.config.report_ms;
        #[expect(clippy::cast_possible_truncation, reason = "they count round")]
        let report = Report {
            stream: self.stream,
            newest,
            received: self.counters.datagrams as u32,
            lost: self.counters.lost as u32,
            blocks_lost: self.counters.blocks_lost as u16,
            wants_key: self.needs_key || self.needs_key_of_others,
        };
        Some(report)
    }
}

impl Block {
    fn take(&mut self, symbol: Symbol) {
        let Symbol { number, symbols, symbol_bytes, mut bytes, .. } = symbol;
        // Whoever contradicts the first symbol of a block is not believed.
        let other = self.symbols.is_some() && symbols.is_some() && self.symbols != symbols;
        if symbol_bytes != self.symbol_bytes || other {
            return;
        }
        self.symbols = self.symbols.or(symbols);
        bytes.resize(symbol_bytes, 0);
        if number >= self.next {
            self.held.insert(number, bytes);
        }
    }

    /// `stills`: what it is taken for as long as its beginning is not there.
    fn is_still(&self, stills: bool) -> bool {
        let first = self.joined.first().or_else(|| self.held.get(&0)?.first());
        first.map_or(stills, |first| *first == STILL)
    }

    fn is_own(&self, number: u16) -> bool {
        self.symbols.is_none_or(|symbols| number < symbols)
    }

    /// Joins what is there without a gap; whether it had to be repaired.
    fn join(&mut self) -> bool {
        while self.is_own(self.next) {
            let Some(bytes) = self.held.remove(&self.next) else { break };
            self.joined.extend(bytes);
            self.next += 1;
        }
        let Some(symbols) = self.symbols else { return false };
        let have = usize::from(self.next) + self.held.len();
        let wanted = usize::from(symbols);
        if self.next >= symbols || have < wanted || have <= self.tried {
            return false;
        }
        self.tried = have;
        let Some(whole) = self.decode(symbols) else { return false };
        self.joined = whole;
        self.next = symbols;
        self.held.clear();
        true
    }

    fn decode(&self, symbols: u16) -> Option<Vec<u8>> {
        let shape = shape(symbols, self.symbol_bytes);
        let length = u64::from(symbols) * u64::try_from(self.symbol_bytes).ok()?;
        let mut decoder = SourceBlockDecoder::new(0, &shape, length);
        let first = self.joined.chunks_exact(self.symbol_bytes).map(<[u8]>::to_vec);
        let own = (0..self.next).zip(first);
        let rest = self.held.iter().map(|(number, bytes)| (*number, bytes.clone()));
        let packets = own.chain(rest).map(|(number, bytes)| {
            EncodingPacket::new(PayloadId::new(0, u32::from(number)), bytes)
        });
        decoder.decode(packets.collect::<Vec<_>>())
    }

    /// Units that are whole, and whether what was read makes sense.
    fn units(&mut self) -> (Vec<Unit>, bool) {
        let mut units = Vec::new();
        while let Some(head) = self.joined.get(self.read..self.read + UNIT_HEAD) {
            let kind = match head[0] {
                0 => break,
                1 => UnitKind::Key,
                2 => UnitKind::Delta,
                3 => UnitKind::Still,
                _ => return (units, false),
            };
            let at_ms = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let Some(length) = usize::try_from(length).ok().filter(|length| *length <= UNIT_MAX)
            else {
                return (units, false);
            };
            let from = self.read + UNIT_HEAD;
            let Some(bytes) = self.joined.get(from..from + length) else { break };
            units.push(Unit { kind, at_ms, bytes: bytes.to_vec() });
            self.read = from + length;
        }
        (units, true)
    }

    /// All of it was joined, and so all of it was read.
    fn is_over(&self) -> bool {
        self.symbols.is_some_and(|symbols| self.next >= symbols)
    }
}
