//! How well the telephone's packets reach our port, as its reports need it (RFC
//! 3550 §6.4.1, A.3 and A.8). It judges nothing.

use crate::voice::rtcp::Block;
use crate::voice::rtp::Packet;

/// A number further off than this is a new beginning.
const JUMP: u16 = 3_000;

#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    first: u32,
    /// Cycles in the upper half.
    highest: u32,
    received: u32,
    expected_before: u32,
    received_before: u32,
    transit: u32,
    /// Times 16.
    jitter: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reception {
    stream: Option<Stream>,
}

impl Reception {
    /// `clock`: our time in steps of its clock.
    pub(super) fn heard(&mut self, clock: u32, packet: &Packet<'_>) {
        let transit = clock.wrapping_sub(packet.timestamp);
        let goes_on = |stream: &&mut Stream| {
            let [_, _, high, low] = stream.highest.to_be_bytes();
            let ahead = packet.seq.wrapping_sub(u16::from_be_bytes([high, low]));
            stream.ssrc == packet.ssrc && (ahead < JUMP || ahead.wrapping_neg() < JUMP)
        };
        let Some(stream) = self.stream.as_mut().filter(goes_on) else {
            let first = u32::from(packet.seq);
            self.stream = Some(Stream {
                ssrc: packet.ssrc,
                first,
                highest: first,
                received: 1,
                expected_before: 0,
                received_before: 0,
                transit,
                jitter: 0,
            });
            return;
        };
        let [_, _, high, low] = stream.highest.to_be_bytes();
        let ahead = packet.seq.wrapping_sub(u16::from_be_bytes([high, low]));
        if ahead < JUMP {
            stream.highest = stream.highest.wrapping_add(u32::from(ahead));
        }
        stream.received = stream.received.wrapping_add(1);
        let there = transit.wrapping_sub(stream.transit);
        // What lies further apart than ten seconds is a new clock, no jitter.
        let difference = there.min(there.wrapping_neg()).min(480_000);
        stream.transit = transit;
        stream.jitter = stream.jitter + difference - stream.jitter.div_ceil(16);
    }

    /// The report that is due now; `None` where nothing came yet.
    pub(super) fn report(&mut self) -> Option<Block> {
        let stream = self.stream.as_mut()?;
        let expected = stream.highest.wrapping_sub(stream.first).wrapping_add(1);
        let lost = i64::from(expected) - i64::from(stream.received);
        let expected_now = expected.wrapping_sub(stream.expected_before);
        let received_now = stream.received.wrapping_sub(stream.received_before);
        let lost_now = expected_now.saturating_sub(received_now);
        (stream.expected_before, stream.received_before) = (expected, stream.received);
        let fraction = (u64::from(lost_now) << 8).checked_div(u64::from(expected_now));
        Some(Block {
            ssrc: stream.ssrc,
            fraction_lost: u8::try_from(fraction.unwrap_or(0)).unwrap_or(u8::MAX),
            lost: i32::try_from(lost).unwrap_or(i32::MAX),
            highest_seq: stream.highest,
            jitter: stream.jitter / 16,
            ..Block::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fourth_lost_is_said() {
        let mut reception = Reception::default();
        for n in (0..400_u32).filter(|n| n % 4 != 1) {
            let seq = u16::try_from((65_400 + n) & 0xffff).unwrap();
            let packet = Packet {
                marker: false,
                payload_type: 8,
                seq,
                timestamp: n * 160,
                ssrc: 5,
                payload: &[],
            };
            reception.heard(n * 160 + 7, &packet);
        }
        let block = reception.report().unwrap();
        assert_eq!((block.ssrc, block.lost, block.fraction_lost), (5, 100, 64));
        assert_eq!((block.highest_seq, block.jitter), (65_799, 0));
        assert_eq!(reception.report().unwrap().fraction_lost, 0);
    }
}
