//! Opus (RFC 6716) by Debian's libopus: mono at 16 kHz, frames of 20 or 60 ms, for
//! voice. The crate `opus` keeps what is unsafe to itself. Refuses packets that are
//! longer in time than what was agreed on, and makes up what is missing.

use opus::{Application, Bandwidth, Bitrate, Channels, Signal};
use thiserror::Error;

/// Samples of 20 ms at 16 kHz.
pub const PIECE: usize = 320;
pub const RATE_HZ: u32 = 16_000;
/// Where complexity begins before anything was measured.
pub const COMPLEXITY: u8 = 5;
/// The longest Opus packet (RFC 6716 §3.4), in samples: 120 ms.
const LONGEST: usize = 6 * PIECE;
/// No packet of voice is larger.
const PACKET_MAX: usize = 400;
/// Mean square below which nobody speaks: 50 dB under full level.
const QUIET: i64 = 100 * 100;
/// So much quiet goes before a silence, in pieces of 20 ms.
const QUIET_PIECES: u32 = 15;
const BITRATES: core::ops::RangeInclusive<i32> = 6_000..=64_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodecError {
    #[error(
        "Opus 编解码器无法启动（检查 libopus 是否安装） / Opus does not start; is libopus installed?"
    )]
    Start,
    #[error(
        "卫星链路不传 G.722，请与话机协商 G.711 / \
         a thin link carries no G.722; negotiate G.711 with the telephone"
    )]
    G722,
    #[error("音频无法编码 / the sound cannot be encoded")]
    Encode,
    #[error("音频无法解码 / the sound cannot be decoded")]
    Decode,
}

/// How long a packet of ours lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    Ms20,
    Ms60,
}

impl Frames {
    pub const fn samples(self) -> usize {
        match self {
            Self::Ms20 => PIECE,
            Self::Ms60 => 3 * PIECE,
        }
    }

    pub const fn steps(self) -> u8 {
        match self {
            Self::Ms20 => 1,
            Self::Ms60 => 3,
        }
    }
}

/// What came of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Sound(Vec<u8>),
    /// Nobody speaks: it need not be sent.
    Silence,
}

/// See the module.
#[derive(Debug)]
pub struct OpusEncoder {
    opus: opus::Encoder,
    frames: Frames,
    complexity: u8,
    quiet_pieces: u32,
}

impl OpusEncoder {
    /// `narrow`: the telephone has no more than 4 kHz, so none is sent.
    pub fn new(frames: Frames, bitrate_bps: i32, narrow: bool) -> Result<Self, CodecError> {
        let start = || {
            let mut opus = opus::Encoder::new(RATE_HZ, Channels::Mono, Application::Voip)?;
            let bits = bitrate_bps.clamp(*BITRATES.start(), *BITRATES.end());
            opus.set_bitrate(Bitrate::Bits(bits))?;
            // Bounded around the rate: a satellite's uplink is booked by it.
            opus.set_vbr(true)?;
            opus.set_vbr_constraint(true)?;
            opus.set_signal(Signal::Voice)?;
            let band = if narrow { Bandwidth::Narrowband } else { Bandwidth::Wideband };
            opus.set_max_bandwidth(band)?;
            // Its own judgement takes a steady tone for silence after a second.
            opus.set_dtx(false)?;
            // At 60 ms libopus has none at these rates; frames go twice instead.
            opus.set_inband_fec(false)?;
            opus.set_complexity(i32::from(COMPLEXITY))?;
            Ok::<_, opus::Error>(opus)
        };
        let opus = start().map_err(|_| CodecError::Start)?;
        Ok(Self { opus, frames, complexity: COMPLEXITY, quiet_pieces: 0 })
    }

    pub fn frames(&self) -> Frames {
        self.frames
    }

    /// 0 is cheapest, 10 is best.
    pub fn set_complexity(&mut self, complexity: u8) {
        let complexity = complexity.min(10);
        if complexity != self.complexity && self.opus.set_complexity(i32::from(complexity)).is_ok()
        {
            self.complexity = complexity;
        }
    }

    /// One frame of exactly [`Frames::samples`].
    pub fn encode(&mut self, sound: &[i16]) -> Result<Packet, CodecError> {
        if sound.len() != self.frames.samples() {
            return Err(CodecError::Encode);
        }
        if self.is_silence(sound) {
            return Ok(Packet::Silence);
        }
        let mut packet = [0; PACKET_MAX];
        let len = self.opus.encode(sound, &mut packet).map_err(|_| CodecError::Encode)?;
        packet.get(..len).map(|packet| Packet::Sound(packet.to_vec())).ok_or(CodecError::Encode)
    }

    /// By loudness alone, so that no tone, siren or music is ever taken for it.
    fn is_silence(&mut self, sound: &[i16]) -> bool {
        let energy: i64 = sound.iter().map(|sample| i64::from(*sample).pow(2)).sum();
        let samples = i64::try_from(sound.len()).unwrap_or(1);
        let quiet = energy < QUIET * samples;
        let before = core::mem::take(&mut self.quiet_pieces);
        if quiet {
            self.quiet_pieces = before.saturating_add(u32::from(self.frames.steps()));
        }
        quiet && before >= QUIET_PIECES
    }
}

/// See the module.
#[derive(Debug)]
pub struct OpusDecoder {
    opus: opus::Decoder,
}

impl OpusDecoder {
    pub fn new() -> Result<Self, CodecError> {
        let opus = opus::Decoder::new(RATE_HZ, Channels::Mono).map_err(|_| CodecError::Start)?;
        Ok(Self { opus })
    }

    /// All of a packet, in pieces of 20 ms: three of 60 ms.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Vec<i16>, CodecError> {
        if packet.is_empty() {
            return Err(CodecError::Decode);
        }
        let mut sound = vec![0; LONGEST];
        let len = self.opus.decode(packet, &mut sound, false);
        sound.truncate(len.map_err(|_| CodecError::Decode)?);
        Ok(sound)
    }

    /// What 20 ms may have been, judged by what went before; after a while it
    /// fades.
    pub fn conceal(&mut self) -> [i16; PIECE] {
        let mut sound = [0; PIECE];
        match self.opus.decode(&[], &mut sound, false) {
            Ok(_) => sound,
            Err(_) => [0; PIECE],
        }
    }
}
