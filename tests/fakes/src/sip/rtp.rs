//! RTP as a receiver sees it (RFC 3550): packets, what was lost, how evenly
//! they came, and the report about it. It refuses packets of other versions and
//! ones whose length does not fit their header.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

impl<'a> Packet<'a> {
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        if first >> 6 != 2 {
            return None;
        }
        let mut start = 12 + usize::from(first & 15) * 4;
        if first & 0x10 != 0 {
            start += 4 + usize::from(u16_at(bytes, start + 2)?) * 4;
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*bytes.last()?) };
        let end = bytes.len().checked_sub(padding)?;
        Some(Self {
            payload_type: second & 0x7f,
            sequence: u16_at(bytes, 2)?,
            timestamp: u32_at(bytes, 4)?,
            ssrc: u32_at(bytes, 8)?,
            payload: bytes.get(start..end)?,
        })
    }
}

/// A jump of sequence numbers further than this is a sender that began anew.
const JUMP: u16 = 3_000;

/// What came of one source.
#[derive(Debug)]
pub struct Reception {
    pub ssrc: u32,
    pub received: u64,
    first: u32,
    /// Highest sequence number, with its cycles above it.
    highest: u32,
    expected_before: u64,
    received_before: u64,
    /// In timestamp units, times 16 (RFC 3550 A.8).
    jitter: u32,
    transit: Option<u32>,
    /// The last sender report: middle of its NTP time, and when it came.
    report: Option<(u32, Instant)>,
}

impl Reception {
    pub fn new(packet: &Packet<'_>) -> Self {
        let first = u32::from(packet.sequence);
        Self {
            ssrc: packet.ssrc,
            received: 0,
            first,
            highest: first,
            expected_before: 0,
            received_before: 0,
            jitter: 0,
            transit: None,
            report: None,
        }
    }

    /// Whether the packet goes on with what came before.
    pub fn continues(&self, packet: &Packet<'_>) -> bool {
        let ahead = packet.sequence.wrapping_sub(self.highest as u16);
        packet.ssrc == self.ssrc && (ahead < JUMP || ahead.wrapping_neg() < JUMP)
    }

    /// `arrived` is the time since the call's media began.
    pub fn count(&mut self, packet: &Packet<'_>, arrived: Duration) {
        self.received += 1;
        let ahead = packet.sequence.wrapping_sub(self.highest as u16);
        if ahead < JUMP {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        }
        // 8 timestamp units a millisecond, in a 32-bit circle.
        let units = (arrived.as_micros() * 8 / 1_000) as u32;
        let transit = units.wrapping_sub(packet.timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let apart = (transit.wrapping_sub(before) as i32).unsigned_abs();
            self.jitter = self.jitter.saturating_add(apart) - ((self.jitter + 8) >> 4);
        }
    }

    pub fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }

    /// Not below zero, although doubled packets can make it so.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// A packet from the sender's RTCP port; only sender reports matter.
    pub fn report(&mut self, bytes: &[u8], now: Instant) {
        let is_sender_report = bytes.first().is_some_and(|first| first >> 6 == 2)
            && bytes.get(1) == Some(&200)
            && u32_at(bytes, 4) == Some(self.ssrc);
        if is_sender_report && let Some(middle) = u32_at(bytes, 10) {
            self.report = Some((middle, now));
        }
    }

    /// A receiver report and the name that must come with it (RFC 3550 §6.1).
    pub fn answer(&mut self, own_ssrc: u32, name: &str, now: Instant) -> Vec<u8> {
        let expected = self.expected();
        let expected_now = expected.saturating_sub(self.expected_before);
        let received_now = self.received.saturating_sub(self.received_before);
        (self.expected_before, self.received_before) = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u32;
        let lost = self.lost().min(0x7f_ffff) as u32;
        let (last, since) = match self.report {
            // In 1/65536 s.
            Some((middle, at)) => (middle, ((now - at).as_micros() * 65_536 / 1_000_000) as u32),
            None => (0, 0),
        };
        let mut bytes = vec![0x81, 201, 0, 7];
        let words = [own_ssrc, self.ssrc, fraction << 24 | lost, self.highest, self.jitter >> 4];
        for word in words.into_iter().chain([last, since]) {
            bytes.extend(word.to_be_bytes());
        }
        // One chunk: SSRC, CNAME, its end, padded to a whole word.
        let name = &name.as_bytes()[..name.len().min(64)];
        let mut chunk = own_ssrc.to_be_bytes().to_vec();
        chunk.extend([1, name.len() as u8]);
        chunk.extend(name);
        chunk.push(0);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        bytes.extend([0x81, 202, 0, (chunk.len() / 4) as u8]);
        bytes.extend(chunk);
        bytes
    }
}
