//! The file that a sound is staged as: the same sound in every codec that a
//! loudspeaker may want. One sound has one encoding, so that one hash names it.
//!
//! | Bytes | What |
//! | --- | --- |
//! | 8 | kind 70, version 1, `sound`, 0 |
//! | 4 | length in milliseconds, whole frames |
//! | 2 | loudness in hundredths of a LUFS, signed |
//! | 2 | number of codecs |
//! | 12 each | RTP payload type, offset, length |
//! | | payloads, in the table's order, nothing between or behind |
//!
//! All numbers little-endian; the table in rising order of payload type (RFC
//! 3551 §6). The reader refuses whatever the writer would not have written.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_model::directory::Codec;

use super::clip::{Clip, FRAME_BYTES, FRAME_MS};

const MAGIC: [u8; 8] = [70, 1, b's', b'o', b'u', b'n', b'd', 0];
const HEAD_BYTES: usize = 16;
const ROW_BYTES: usize = 12;
/// Longest sound.
pub(super) const LENGTH_MAX_MS: u32 = 600_000;
const CODECS_MAX: usize = 3;
/// Ten minutes in three codecs, and the head.
pub const FILE_MAX_BYTES: usize =
    HEAD_BYTES + CODECS_MAX * (ROW_BYTES + (LENGTH_MAX_MS / FRAME_MS) as usize * FRAME_BYTES);

/// One sound, ready to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub ms: u32,
    /// Integrated, in hundredths of a LUFS.
    pub loudness_centi_lufs: i16,
    /// All of the same length.
    pub clips: BTreeMap<Codec, Clip>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StagedError {
    #[error("不是音频暂存文件；请重新生成 / not a staged sound; render it again")]
    Foreign,
    #[error(
        "音频暂存文件版本 {0} 较新；请升级本节点 / \
         a staged sound of version {0}; upgrade this node"
    )]
    Newer(u8),
    #[error("音频暂存文件不完整；请重新生成 / a staged sound without its end; render it again")]
    Truncated,
    #[error(
        "音频暂存文件内容有误（{0}）；请重新生成 / \
         a staged sound is wrong in its {0}; render it again"
    )]
    Wrong(&'static str),
}

fn payload_type(codec: Codec) -> Option<u32> {
    match codec {
        Codec::Pcmu => Some(0),
        Codec::Pcma => Some(8),
        Codec::G722 => Some(9),
        // It has no number of its own and no fixed frames.
        Codec::Opus => None,
    }
}

fn codec(payload_type: u32) -> Option<Codec> {
    match payload_type {
        0 => Some(Codec::Pcmu),
        8 => Some(Codec::Pcma),
        9 => Some(Codec::G722),
        _ => None,
    }
}

/// # Errors
/// When the clips are none, too long, or not of one length.
pub fn pack(loudness_centi_lufs: i16, clips: &[Clip]) -> Result<Bytes, StagedError> {
    let mut sorted = BTreeMap::new();
    for clip in clips {
        let number = payload_type(clip.codec).ok_or(StagedError::Wrong("codec"))?;
        if sorted.insert(number, clip).is_some() {
            return Err(StagedError::Wrong("codec"));
        }
    }
    let ms = clips.first().ok_or(StagedError::Wrong("number of codecs"))?.ms;
    let size = payload_bytes(ms)?;
    let mut file = Vec::with_capacity(HEAD_BYTES + sorted.len() * (ROW_BYTES + size));
    file.extend(MAGIC);
    file.extend(ms.to_le_bytes());
    file.extend(loudness_centi_lufs.to_le_bytes());
    file.extend((sorted.len() as u16).to_le_bytes());
    let payloads = HEAD_BYTES + sorted.len() * ROW_BYTES;
    for (row, (number, clip)) in sorted.iter().enumerate() {
        if clip.payload.len() != size {
            return Err(StagedError::Wrong("length"));
        }
        let place = [*number, (payloads + row * size) as u32, size as u32];
        file.extend(place.iter().flat_map(|field| field.to_le_bytes()));
    }
    sorted.values().for_each(|clip| file.extend_from_slice(&clip.payload));
    Ok(file.into())
}

/// Reads what [`pack`] wrote; the clips share the file's memory.
///
/// # Errors
/// For any other bytes.
pub fn parse(file: &Bytes) -> Result<Staged, StagedError> {
    let head = file.first_chunk::<HEAD_BYTES>().ok_or(StagedError::Truncated)?;
    let [k, v, s, o, u, n, d, z, a, b, c, e, low, high, few, many] = *head;
    match [k, v, s, o, u, n, d, z] {
        MAGIC => {}
        [70, version, b's', b'o', b'u', b'n', b'd', 0] if version > MAGIC[1] => {
            return Err(StagedError::Newer(version));
        }
        _ => return Err(StagedError::Foreign),
    }
    let ms = u32::from_le_bytes([a, b, c, e]);
    let size = payload_bytes(ms)?;
    let count = usize::from(u16::from_le_bytes([few, many]));
    if !(1..=CODECS_MAX).contains(&count) {
        return Err(StagedError::Wrong("number of codecs"));
    }
    let mut at = HEAD_BYTES + count * ROW_BYTES;
    match file.len().cmp(&(at + count * size)) {
        std::cmp::Ordering::Less => return Err(StagedError::Truncated),
        std::cmp::Ordering::Greater => return Err(StagedError::Wrong("end")),
        std::cmp::Ordering::Equal => {}
    }
    let mut clips = BTreeMap::new();
    let mut last = None;
    for row in file[HEAD_BYTES..at].as_chunks::<ROW_BYTES>().0 {
        let [number, offset, length] = fields(*row);
        let codec = codec(number).ok_or(StagedError::Wrong("codec"))?;
        if last.is_some_and(|last| last >= number) {
            return Err(StagedError::Wrong("order of codecs"));
        }
        last = Some(number);
        if (offset as usize, length as usize) != (at, size) {
            return Err(StagedError::Wrong("table"));
        }
        let clip = Clip::new(codec, file.slice(at..at + size));
        clips.insert(codec, clip.ok_or(StagedError::Wrong("length"))?);
        at += size;
    }
    let loudness_centi_lufs = i16::from_le_bytes([low, high]);
    Ok(Staged { ms, loudness_centi_lufs, clips })
}

/// Bytes that one codec takes for this length.
fn payload_bytes(ms: u32) -> Result<usize, StagedError> {
    if ms == 0 || ms > LENGTH_MAX_MS || !ms.is_multiple_of(FRAME_MS) {
        return Err(StagedError::Wrong("length"));
    }
    Ok((ms / FRAME_MS) as usize * FRAME_BYTES)
}

fn fields(row: [u8; ROW_BYTES]) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = row;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes)
}
