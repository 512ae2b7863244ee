//! WAV files as telephones play and record them: 16-bit samples, of two channels the
//! left. It refuses other kinds, and believes a file's length rather than its header: a
//! telephone that is stopped leaves the header as it was at first.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Bytes before the samples.
const HEADER: usize = 44;
/// About -12 dBFS.
const LOUD: f64 = 8_000.0;

/// Samples and how many there are a second.
#[derive(Debug, Clone, Default)]
pub struct Wave {
    pub rate: u32,
    pub samples: Vec<i16>,
}

impl Wave {
    /// # Errors
    /// When it cannot be read or is of another kind. One without a sample is empty.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("no sound at {}", path.display()))?;
        if bytes.len() < HEADER {
            return Ok(Self::default());
        }
        ensure!(bytes.starts_with(b"RIFF"), "{} is no WAV file", path.display());
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let kind = (short(20), short(22), short(34));
        let known = matches!(kind, (1, 1 | 2, 16));
        ensure!(known, "{}: format, channels, bits are {kind:?}", path.display());
        let channels = usize::from(kind.1);
        let rate = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
        let data = bytes.windows(4).position(|tag| tag == b"data").context("no data")?;
        let samples = bytes.get(data + 8..).unwrap_or_default().as_chunks().0;
        let left = samples.iter().step_by(channels);
        Ok(Self { rate, samples: left.map(|pair| i16::from_le_bytes(*pair)).collect() })
    }

    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.max(1))
    }

    /// The part between two times; up to the end when it is shorter.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times of a file")]
    pub fn part(&self, from_s: f64, to_s: f64) -> &[i16] {
        let at = |s: f64| ((s * f64::from(self.rate)) as usize).min(self.samples.len());
        self.samples.get(at(from_s)..at(to_s)).unwrap_or_default()
    }

    /// With the same on every channel.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path, channels: u16) -> Result<()> {
        let width = u32::from(channels) * 2;
        let length = u32::try_from(self.samples.len())? * width;
        let mut bytes = Vec::with_capacity(HEADER + self.samples.len() * 2);
        bytes.extend(b"RIFF");
        bytes.extend((length + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        bytes.extend(channels.to_le_bytes());
        bytes.extend(self.rate.to_le_bytes());
        bytes.extend((self.rate * width).to_le_bytes());
        bytes.extend((channels * 2).to_le_bytes());
        bytes.extend(b"\x10\0data");
        bytes.extend(length.to_le_bytes());
        for sample in &self.samples {
            (0..channels).for_each(|_| bytes.extend(sample.to_le_bytes()));
        }
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A tone of whole seconds, so that it goes on when it is played over and over.
#[expect(clippy::cast_possible_truncation, reason = "within 16 bits")]
pub fn sine(rate: u32, hz: u32, seconds: u32) -> Wave {
    let angle = |at: u32| TAU * f64::from(hz) * f64::from(at) / f64::from(rate);
    let samples = (0..rate * seconds).map(|at| (LOUD * angle(at).sin()) as i16).collect();
    Wave { rate, samples }
}

/// One sample as A-law (ITU-T G.711).
pub(super) fn a_law(sample: i16) -> u8 {
    let sign: u8 = if sample >= 0 { 0x80 } else { 0 };
    let size = i32::from(sample).abs().min(32_635);
    let mut code = u8::try_from(size >> 4).unwrap_or(0x0f);
    if size >= 256 {
        let octave = (1..=7_u8).rev().find(|octave| size >= 128 << octave).unwrap_or(1);
        let step = u8::try_from((size >> (octave + 3)) & 0x0f).unwrap_or(0);
        code = octave << 4 | step;
    }
    (code | sign) ^ 0x55
}
