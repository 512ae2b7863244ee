//! H.264 access units as RTP payloads (RFC 6184, packetization mode 1): single NAL
//! units, parameter sets together in one STAP-A, the rest in FU-A. A key frame
//! never goes without its parameter sets; without having seen any it is refused,
//! because no browser could show it.

use std::sync::Arc;

use weir_signaling::picture::{UNIT_MAX, Unit, UnitKind};

/// Longest payload: SRTP, RTX, UDP and a tunnel or two still fit beside it.
pub(super) const PAYLOAD_MAX: usize = 1_100;
/// A unit of the longest size has 364; one of so many little pieces is no picture.
const PACKETS_MAX: usize = 1_000;
/// Parameter sets of either kind that are remembered, and their longest.
const SETS_MAX: usize = 8;
const SET_BYTES_MAX: usize = 1_000;

const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// One access unit, ready to be sent to everybody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) key: bool,
    pub(super) at_ms: u32,
    /// RTP payloads; the marker is on the last.
    pub(super) payloads: Vec<Arc<[u8]>>,
    pub(super) bytes: usize,
}

/// Why a unit cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unshown {
    /// A still: browsers get those another way.
    Still,
    Empty,
    TooLong,
    /// A key frame before any parameter sets.
    NoParameters,
}

/// Remembers a source's parameter sets.
#[derive(Debug, Default)]
pub(super) struct Packer {
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

fn kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |head| head & 0x1f)
}

/// The NAL units of an Annex B byte stream (H.264 annex B), without start codes.
pub(super) fn nals(stream: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while let Some(window) = stream.get(at..at + 3) {
        match window {
            [0, 0, 1] => {
                found.extend(begin.and_then(|begin| stream.get(begin..at)));
                at += 3;
                begin = Some(at);
            }
            // A start code ends in 1, and has no more than its zeros before.
            [_, _, third] if *third > 1 => at += 3,
            _ => at += 1,
        }
    }
    found.extend(begin.and_then(|begin| stream.get(begin..)));
    // Zeros behind a unit belong to the next start code, or to nobody.
    let mut found: Vec<&[u8]> = found.into_iter().map(trimmed).collect();
    found.retain(|nal| !nal.is_empty());
    found
}

fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or_default()
}

fn remember(sets: &mut Vec<Vec<u8>>, found: &[&[u8]], wanted: u8) {
    let of_kind = || found.iter().filter(|nal| kind(nal) == wanted);
    if of_kind().next().is_some() {
        let fit = of_kind().filter(|nal| nal.len() <= SET_BYTES_MAX);
        *sets = fit.take(SETS_MAX).map(|nal| nal.to_vec()).collect();
    }
}

/// One payload that holds them all; `None`: they are too long for that.
fn together(sets: &[&[u8]]) -> Option<Vec<u8>> {
    let importance = sets.iter().map(|set| set.first().map_or(0, |head| head & 0x60)).max()?;
    let mut payload = vec![importance | STAP_A];
    for set in sets {
        payload.extend(u16::try_from(set.len()).ok()?.to_be_bytes());
        payload.extend_from_slice(set);
    }
    (payload.len() <= PAYLOAD_MAX).then_some(payload)
}

/// In pieces of one size, as far as that goes: the last is not a crumb.
fn fragments(nal: &[u8], into: &mut Vec<Arc<[u8]>>) {
    let Some((head, rest)) = nal.split_first() else { return };
    let pieces = rest.len().div_ceil(PAYLOAD_MAX - 2).max(1);
    let size = rest.len().div_ceil(pieces).max(1);
    for (number, piece) in rest.chunks(size).enumerate() {
        let start = if number == 0 { 0x80 } else { 0 };
        let end = if (number + 1) * size >= rest.len() { 0x40 } else { 0 };
        let mut payload = Vec::with_capacity(piece.len() + 2);
        payload.extend([head & 0xe0 | FU_A, start | end | head & 0x1f]);
        payload.extend_from_slice(piece);
        into.push(payload.into());
    }
}

fn put(nal: &[u8], into: &mut Vec<Arc<[u8]>>) {
    if nal.len() <= PAYLOAD_MAX {
        into.push(nal.into());
    } else {
        fragments(nal, into);
    }
}

impl Packer {
    pub(super) fn pack(&mut self, unit: &Unit) -> Result<Frame, Unshown> {
        let key = match unit.kind {
            UnitKind::Still => return Err(Unshown::Still),
            UnitKind::Key => true,
            UnitKind::Delta => false,
        };
        if unit.bytes.len() > UNIT_MAX {
            return Err(Unshown::TooLong);
        }
        let mut found = nals(&unit.bytes);
        // Types from 24 on would be taken for aggregations by whoever reads them.
        found.retain(|nal| !matches!(kind(nal), 0 | DELIMITER | FILLER | STAP_A..));
        remember(&mut self.sps, &found, SPS);
        remember(&mut self.pps, &found, PPS);
        let mut payloads = Vec::new();
        if key {
            if self.sps.is_empty() || self.pps.is_empty() {
                return Err(Unshown::NoParameters);
            }
            found.retain(|nal| !matches!(kind(nal), SPS | PPS));
            if !found.iter().any(|nal| kind(nal) <= IDR) {
                return Err(Unshown::Empty);
            }
            let sets: Vec<&[u8]> = self.sps.iter().chain(&self.pps).map(Vec::as_slice).collect();
            match together(&sets) {
                Some(payload) => payloads.push(payload.into()),
                None => sets.iter().for_each(|set| put(set, &mut payloads)),
            }
        }
        for nal in found {
            put(nal, &mut payloads);
            if payloads.len() > PACKETS_MAX {
                return Err(Unshown::TooLong);
            }
        }
        if payloads.is_empty() {
            return Err(Unshown::Empty);
        }
        let bytes = payloads.iter().map(|payload| payload.len()).sum();
        Ok(Frame { key, at_ms: unit.at_ms, payloads, bytes })
    }
}
