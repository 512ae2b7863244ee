//! The one kind of WAV that a speech program writes and the worker is handed:
//! mono, 16 bits. Refuses every other kind; foreign files are the worker's.

use super::speech::Speech;

const HEAD_BYTES: u32 = 36;
const PCM: u16 = 1;

/// `None`: not this kind of WAV. A program that writes into a pipe does not know
/// the length, so all that follows the head of the data is data.
pub(super) fn read(file: &[u8]) -> Option<Speech> {
    let rest = file.strip_prefix(b"RIFF")?.get(4..)?;
    let mut rest = rest.strip_prefix(b"WAVE")?;
    let mut rate = None;
    loop {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (len, after) = after.split_first_chunk::<4>()?;
        if name == b"data" {
            let samples = after.as_chunks().0.iter().map(|two| i16::from_le_bytes(*two));
            return Some(Speech { rate: rate?, samples: samples.collect() });
        }
        let (body, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        if name == b"fmt " {
            rate = Some(mono_rate(body)?);
        }
        rest = after;
    }
}

fn mono_rate(format: &[u8]) -> Option<u32> {
    let [kind_low, kind_high, 1, 0, a, b, c, d, _, _, _, _, 2, 0, 16, 0] =
        *format.first_chunk::<16>()?
    else {
        return None;
    };
    let rate = u32::from_le_bytes([a, b, c, d]);
    let fits = u16::from_le_bytes([kind_low, kind_high]) == PCM && (8_000..=96_000).contains(&rate);
    fits.then_some(rate)
}

/// With a true length, or the worker would think it cut.
pub(super) fn write(speech: &Speech) -> Vec<u8> {
    let data = (speech.samples.len() * size_of::<i16>()) as u32;
    let mut file = Vec::with_capacity((data + HEAD_BYTES + 8) as usize);
    file.extend(b"RIFF");
    file.extend((HEAD_BYTES + data).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend(PCM.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(speech.rate.to_le_bytes());
    file.extend((speech.rate * 2).to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(16_u16.to_le_bytes());
    file.extend(b"data");
    file.extend(data.to_le_bytes());
    file.extend(speech.samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}
