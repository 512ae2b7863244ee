//! RTCP on its way from one side to the other (RFC 3550 §6.4 to §6.6): what the
//! telephones say of each other, in the numbers that each of them knows. Reports
//! on streams that do not pass here, and kinds of packet that are not in RFC
//! 3550, are left out; a compound that is wrong anywhere is refused whole.

use super::passage::Passage;

const VERSION: u8 = 2;
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const BLOCK: usize = 24;

/// Neither RTCP nor a compound whose lengths hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Writes into `out` what the other side is told; empty when nothing is left.
/// `said` is the passage of the side that sent this, `heard` that of the other.
pub(super) fn translate(
    datagram: &[u8],
    said: &Passage,
    heard: &Passage,
    out: &mut Vec<u8>,
) -> Result<(), Broken> {
    out.clear();
    check(datagram)?;
    let mut rest = datagram;
    let mut by = None;
    while let Some((packet, next)) = split(rest) {
        rest = next;
        match packet.kind {
            SENDER => {
                by = by.or(word(packet.body, 0));
                sender(&packet, said, heard, out).ok_or(Broken)?;
            }
            RECEIVER => {
                by = by.or(word(packet.body, 0));
                let body = packet.body.get(4..).ok_or(Broken)?;
                report(RECEIVER, packet.count, said.ssrc(), &[], body, heard, out).ok_or(Broken)?;
            }
            DESCRIPTION => describe(&packet, by, said, out).ok_or(Broken)?,
            GOODBYE => goodbye(&packet, by, said, out).ok_or(Broken)?,
            _ => {}
        }
    }
    Ok(())
}

/// One packet of a compound, without padding.
struct Part<'a> {
    count: usize,
    kind: u8,
    body: &'a [u8],
}

fn split(datagram: &[u8]) -> Option<(Part<'_>, &[u8])> {
    let (head, after) = datagram.split_first_chunk::<4>()?;
    let [flags, kind, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low])) * 4;
    let (mut body, next) = after.split_at_checked(length)?;
    if flags & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        let whole = padding > 0 && padding.is_multiple_of(4) && next.is_empty();
        body = body.get(..body.len().checked_sub(padding)?).filter(|_| whole)?;
    }
    (flags >> 6 == VERSION).then_some((Part { count: usize::from(flags & 0x1f), kind, body }, next))
}

/// RFC 3550 A.2: begins with a report, and the lengths add up.
fn check(datagram: &[u8]) -> Result<(), Broken> {
    let (first, mut rest) = split(datagram).ok_or(Broken)?;
    if !matches!(first.kind, SENDER | RECEIVER) {
        return Err(Broken);
    }
    while !rest.is_empty() {
        rest = split(rest).ok_or(Broken)?.1;
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(word))
}

fn sender(part: &Part<'_>, said: &Passage, heard: &Passage, out: &mut Vec<u8>) -> Option<()> {
    let (ssrc, timestamp) = (word(part.body, 0)?, word(part.body, 12)?);
    let ntp = part.body.get(4..12)?;
    let blocks = part.body.get(24..)?;
    let sent = said.sent();
    // Of a sender that nothing was passed of, only what it received is told.
    let Some(timestamp) = said.ours(ssrc, timestamp) else {
        return report(RECEIVER, part.count, sent.ssrc, &[], blocks, heard, out);
    };
    let mut info = [0; 20];
    let (clock, counts) = info.split_at_mut(8);
    clock.copy_from_slice(ntp);
    let words = [timestamp, sent.packets, sent.octets];
    for (place, word) in counts.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    report(SENDER, part.count, sent.ssrc, &info, blocks, heard, out)
}

/// A report with the blocks that are about what passes here.
fn report(
    kind: u8,
    count: usize,
    ssrc: u32,
    info: &[u8],
    blocks: &[u8],
    heard: &Passage,
    out: &mut Vec<u8>,
) -> Option<()> {
    let blocks = blocks.get(..count * BLOCK)?;
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(info);
    let mut kept = 0;
    for block in blocks.chunks_exact(BLOCK) {
        let about = word(block, 0)?;
        let theirs = heard.theirs(word(block, 8)?).filter(|_| about == heard.ssrc());
        if let Some((ssrc, highest)) = theirs {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(block.get(4..8)?);
            out.extend_from_slice(&highest.to_be_bytes());
            out.extend_from_slice(block.get(12..)?);
            kept += 1;
        }
    }
    close(begin, kept, kind, out);
    Some(())
}

/// Writes the head of the packet that began at `begin`, and fills it up.
fn close(begin: usize, count: u8, kind: u8, out: &mut Vec<u8>) {
    let length = (out.len() - begin).next_multiple_of(4);
    out.resize(begin + length, 0);
    let words = u16::try_from(length / 4 - 1).unwrap_or(u16::MAX);
    let [high, low] = words.to_be_bytes();
    if let Some(head) = out.get_mut(begin..begin + 4) {
        head.copy_from_slice(&[VERSION << 6 | (count & 0x1f), kind, high, low]);
    }
}

/// The descriptions of the sender itself; of others nothing is known here.
fn describe(part: &Part<'_>, by: Option<u32>, said: &Passage, out: &mut Vec<u8>) -> Option<()> {
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    let (mut kept, mut rest) = (0, part.body);
    for _ in 0..part.count {
        let ssrc = word(rest, 0)?;
        let items = items(rest.get(4..)?)?;
        if kept == 0 && (Some(ssrc) == by || Some(ssrc) == said.speaker_ssrc()) {
            out.extend_from_slice(&said.ssrc().to_be_bytes());
            out.extend_from_slice(rest.get(4..4 + items)?);
            kept += 1;
        }
        rest = rest.get(4 + items..)?;
    }
    match kept {
        0 => out.truncate(begin),
        _ => close(begin, kept, DESCRIPTION, out),
    }
    Some(())
}

/// Length of a chunk's items, with the end mark and what fills the word.
fn items(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while *bytes.get(at)? != 0 {
        at += 2 + usize::from(*bytes.get(at + 1)?);
    }
    let whole = (at + 1).next_multiple_of(4);
    (whole <= bytes.len()).then_some(whole)
}

fn goodbye(part: &Part<'_>, by: Option<u32>, said: &Passage, out: &mut Vec<u8>) -> Option<()> {
    let sources = part.body.get(..part.count * 4)?;
    let own = sources.chunks_exact(4).filter_map(|source| word(source, 0)).any(|ssrc| {
        // One that has stopped before its successor spoke is no end of ours.
        said.speaker_ssrc().map_or(Some(ssrc) == by, |speaker| speaker == ssrc)
    });
    if !own {
        return Some(());
    }
    let reason = part.body.get(part.count * 4..)?;
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&said.ssrc().to_be_bytes());
    if let Some(length) = reason.first() {
        out.extend_from_slice(reason.get(..=usize::from(*length))?);
    }
    close(begin, 1, GOODBYE, out);
    Some(())
}
