//! One request carried out: decode, level, encode, write. Refuses files that are
//! none, too large, too long, cut or silent, before a loudspeaker finds out.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use serde::Serialize;
use weir_model::directory::{Codec, Word};

use crate::chain::{self, NARROW, WIDE};
use crate::level::{self, Levelled};
use crate::wire::Request;
use crate::wrong::Wrong;

/// Longest sound, in seconds.
pub(crate) const LENGTH_MAX_S: u32 = 600;
/// Largest file: ten minutes of stereo at 48 kHz and 32 bits, and a cover.
pub(crate) const FILE_MAX_MIB: u64 = 256;
/// Frames of 20 ms, 160 bytes each in all three codecs.
const FRAME_MS: u32 = 20;
const FRAME_BYTES: usize = 160;

/// What was made.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    ms: u32,
    /// Of what was made; where rates differ, the one farther from the target.
    loudness_lufs: f64,
    true_peak_dbtp: f64,
}

pub(crate) fn carry_out(request: &Request) -> Result<Done, Wrong> {
    if request.codecs.is_empty() || request.codecs.len() > Codec::ALL.len() {
        return Err(Wrong::Request("codecs: one to four".into()));
    }
    if request.codecs.contains(&Codec::Opus) {
        return Err(Wrong::Codec(Codec::Opus));
    }
    check_file(&request.input)?;
    let mut sound = chain::decode(&request.input)?;
    if sound.is_empty() {
        return Err(Wrong::Empty);
    }
    level::without_offset(&mut sound, WIDE);
    // Whole frames in every codec, and the same number of them.
    let frames = sound.len().div_ceil(frame_samples(WIDE));
    let mut done: Option<Done> = None;
    for rate in [NARROW, WIDE] {
        let codecs: Vec<Codec> =
            request.codecs.iter().copied().filter(|&codec| rate_of(codec) == rate).collect();
        if codecs.is_empty() {
            continue;
        }
        let samples = if rate == WIDE { sound.clone() } else { chain::narrowed(&sound)? };
        let levelled = level::levelled(samples, rate)?;
        let samples = whole_numbers(&levelled.samples, frames * frame_samples(rate));
        for codec in codecs {
            write(&request.output, codec, &encode(codec, &samples, frames)?)?;
        }
        done = Some(farther(done, &levelled, frames as u32 * FRAME_MS));
    }
    done.ok_or(Wrong::Empty)
}

/// Opened once to know that it can be, and looked at before GStreamer sees it:
/// a pipe or a device would be read for ever.
fn check_file(path: &Path) -> Result<(), Wrong> {
    let unreadable = |error| Wrong::Open(path.to_owned(), error);
    let known = fs::metadata(path).map_err(unreadable)?;
    if !known.is_file() {
        return Err(Wrong::NotAFile(path.to_owned()));
    }
    match known.len() {
        0 => return Err(Wrong::Empty),
        len if len > FILE_MAX_MIB << 20 => return Err(Wrong::TooLarge),
        _ => {}
    }
    let mut head = [0; 12];
    let mut file = File::open(path).map_err(unreadable)?;
    if file.read_exact(&mut head).is_ok() {
        check_riff(head, known.len())?;
    }
    Ok(())
}

/// GStreamer plays what is there of a WAV; half an evacuation order is worse
/// than a refusal.
fn check_riff(head: [u8; 12], len: u64) -> Result<(), Wrong> {
    let [b'R', b'I', b'F', b'F', a, b, c, d, b'W', b'A', b'V', b'E'] = head else {
        return Ok(());
    };
    let says = u64::from(u32::from_le_bytes([a, b, c, d]));
    // Who writes into a pipe does not know the length and says so with a zero or
    // a very large number.
    if (1..0x7fff_0000).contains(&says) && says > len {
        let why = format!("{len} bytes of {says}");
        return Err(Wrong::Damaged(why));
    }
    Ok(())
}

fn rate_of(codec: Codec) -> u32 {
    match codec {
        Codec::Pcma | Codec::Pcmu => NARROW,
        Codec::G722 | Codec::Opus => WIDE,
    }
}

fn frame_samples(rate: u32) -> usize {
    (rate * FRAME_MS / 1_000) as usize
}

/// To 16 bits, rounded without dither: the same sound gives the same file.
fn whole_numbers(samples: &[f32], len: usize) -> Vec<i16> {
    let whole = |sample: &f32| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    let mut samples: Vec<i16> = samples.iter().map(whole).collect();
    samples.resize(len, 0);
    samples
}

fn encode(codec: Codec, samples: &[i16], frames: usize) -> Result<Vec<u8>, Wrong> {
    let payload = match codec {
        Codec::Pcma => chain::encoded(samples, NARROW, "alawenc", "audio/x-alaw"),
        Codec::Pcmu => chain::encoded(samples, NARROW, "mulawenc", "audio/x-mulaw"),
        Codec::G722 => chain::encoded(samples, WIDE, "avenc_g722", "audio/G722"),
        Codec::Opus => Err(Wrong::Codec(codec)),
    }?;
    let (has, wants) = (payload.len(), frames * FRAME_BYTES);
    if has == wants {
        Ok(payload)
    } else {
        Err(Wrong::Pipeline(format!("{codec}: {has} bytes where {wants} belong")))
    }
}

fn write(folder: &Path, codec: Codec, payload: &[u8]) -> Result<(), Wrong> {
    // Only read back by the one who asked, so not synced.
    let open = OpenOptions::new().write(true).create_new(true).open(folder.join(codec.word()));
    open.and_then(|mut file| file.write_all(payload)).map_err(Wrong::Write)
}

fn farther(before: Option<Done>, levelled: &Levelled, ms: u32) -> Done {
    let off = |lufs: f64| (lufs - level::TARGET_LUFS).abs();
    let peak = before.as_ref().map_or(f64::NEG_INFINITY, |done| done.true_peak_dbtp);
    let loudness = match before {
        Some(done) if off(done.loudness_lufs) > off(levelled.lufs) => done.loudness_lufs,
        _ => levelled.lufs,
    };
    Done { ms, loudness_lufs: loudness, true_peak_dbtp: peak.max(levelled.peak_dbtp) }
}
