//! RTCP (RFC 3550 §6): the sender's reports of a page and the receivers' answers
//! to them. A datagram that goes wrong half-way is believed up to there; report
//! blocks say something only of whose SSRC they name.

const VERSION: u8 = 2;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const CNAME: u8 = 1;
const BLOCK: usize = 24;
/// Most report blocks taken from one datagram.
const BLOCKS_MAX: usize = 31;

/// What a sender says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    pub ssrc: u32,
    /// Seconds in the upper half, fractions in the lower. Time since the stream
    /// began will do (RFC 3550 §6.4.1).
    pub ntp: u64,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// What one receiver says of one sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block {
    /// Of the sender that is reported on.
    pub ssrc: u32,
    pub fraction_lost: u8,
    /// Signed, 24 bits.
    pub lost: i32,
    /// Cycles in the upper half.
    pub highest_seq: u32,
    pub jitter: u32,
    pub last_report: u32,
    pub since_last_report: u32,
}

fn head(count: u8, kind: u8, words_after: u16) -> [u8; 4] {
    let [high, low] = words_after.to_be_bytes();
    [VERSION << 6 | (count & 0x1f), kind, high, low]
}

/// A sender's report and its name, as one datagram must hold both.
pub fn write_sender(report: &SenderReport, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&head(0, SENDER_REPORT, 6));
    into.extend_from_slice(&report.ssrc.to_be_bytes());
    into.extend_from_slice(&report.ntp.to_be_bytes());
    into.extend_from_slice(&report.timestamp.to_be_bytes());
    into.extend_from_slice(&report.packets.to_be_bytes());
    into.extend_from_slice(&report.octets.to_be_bytes());
    write_name(report.ssrc, into);
}

/// The stream has ended: receivers need not wait for more.
pub fn write_goodbye(report: &SenderReport, into: &mut Vec<u8>) {
    write_sender(report, into);
    into.extend_from_slice(&head(1, GOODBYE, 1));
    into.extend_from_slice(&report.ssrc.to_be_bytes());
}

/// The canonical name is as random as the SSRC: nothing is told of the node.
fn write_name(ssrc: u32, into: &mut Vec<u8>) {
    let name = format!("{ssrc:08x}");
    // SSRC, item head and name, an end mark, padded to whole words.
    let bytes = 4 + 2 + name.len() + 1;
    let words = bytes.div_ceil(4);
    into.extend_from_slice(&head(1, SOURCE_DESCRIPTION, u16::try_from(words).unwrap_or(0)));
    into.extend_from_slice(&ssrc.to_be_bytes());
    into.extend_from_slice(&[CNAME, u8::try_from(name.len()).unwrap_or(0)]);
    into.extend_from_slice(name.as_bytes());
    into.resize(into.len() + 1 + (words * 4 - bytes), 0);
}

/// What a receiver answers; only those who hear sound send it.
pub fn write_receiver(from: u32, block: &Block, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&head(1, RECEIVER_REPORT, 7));
    into.extend_from_slice(&from.to_be_bytes());
    into.extend_from_slice(&block.ssrc.to_be_bytes());
    let lost = block.lost.clamp(-(1 << 23), (1 << 23) - 1).to_be_bytes();
    into.extend_from_slice(&[block.fraction_lost, lost[1], lost[2], lost[3]]);
    into.extend_from_slice(&block.highest_seq.to_be_bytes());
    into.extend_from_slice(&block.jitter.to_be_bytes());
    into.extend_from_slice(&block.last_report.to_be_bytes());
    into.extend_from_slice(&block.since_last_report.to_be_bytes());
}

/// The report blocks of a datagram, from sender's and receiver's reports.
pub fn blocks(datagram: &[u8]) -> Vec<Block> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while let Some((first, after)) = rest.split_first_chunk::<4>() {
        let [flags, kind, high, low] = *first;
        let len = usize::from(u16::from_be_bytes([high, low])) * 4;
        let Some((body, next)) = after.split_at_checked(len) else { return found };
        if flags >> 6 != VERSION {
            return found;
        }
        let skipped = match kind {
            SENDER_REPORT => Some(24),
            RECEIVER_REPORT => Some(4),
            _ => None,
        };
        let reports = skipped.and_then(|skipped| body.get(skipped..)).unwrap_or_default();
        let count = usize::from(flags & 0x1f);
        let all = reports.chunks_exact(BLOCK).take(count).filter_map(block);
        found.extend(all.take(BLOCKS_MAX - found.len()));
        rest = next;
    }
    found
}

fn block(bytes: &[u8]) -> Option<Block> {
    let word = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
    let [fraction_lost, l0, l1, l2] = word(4)?;
    // The sign of the upper byte is drawn out.
    let lost = i32::from_be_bytes([l0, l1, l2, 0]) >> 8;
    Some(Block {
        ssrc: u32::from_be_bytes(word(0)?),
        fraction_lost,
        lost,
        highest_seq: u32::from_be_bytes(word(8)?),
        jitter: u32::from_be_bytes(word(12)?),
        last_report: u32::from_be_bytes(word(16)?),
        since_last_report: u32::from_be_bytes(word(20)?),
    })
}
