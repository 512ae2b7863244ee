//! RTP packets (RFC 3550 §5.1): writes the plain form that loudspeakers take,
//! reads any. Refuses what is cut short or of another version.

const HEADER: usize = 12;
const VERSION: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The first packet after silence.
    pub marker: bool,
    pub payload_type: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'a [u8],
}

impl Packet<'_> {
    /// Replaces what `into` held.
    pub fn write(&self, into: &mut Vec<u8>) {
        into.clear();
        into.push(VERSION << 6);
        into.push(u8::from(self.marker) << 7 | (self.payload_type & 0x7f));
        into.extend_from_slice(&self.seq.to_be_bytes());
        into.extend_from_slice(&self.timestamp.to_be_bytes());
        into.extend_from_slice(&self.ssrc.to_be_bytes());
        into.extend_from_slice(self.payload);
    }
}

/// `None`: not RTP.
pub fn parse(datagram: &[u8]) -> Option<Packet<'_>> {
    let (head, rest) = datagram.split_first_chunk::<HEADER>()?;
    let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *head;
    if first >> 6 != VERSION {
        return None;
    }
    let contributors = usize::from(first & 0x0f) * 4;
    let mut payload = rest.get(contributors..)?;
    if first & 0x10 != 0 {
        let (extension, after) = payload.split_first_chunk::<4>()?;
        let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        payload = after.get(words * 4..)?;
    }
    if first & 0x20 != 0 {
        let padding = usize::from(*payload.last()?);
        if padding == 0 {
            return None;
        }
        payload = payload.get(..payload.len().checked_sub(padding)?)?;
    }
    Some(Packet {
        marker: second & 0x80 != 0,
        payload_type: second & 0x7f,
        seq: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        payload,
    })
}
