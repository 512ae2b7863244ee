//! One direction of one call on its way in: frames become the RTP of the telephone
//! at this end, one packet every 20 ms with a sequence and a clock that go on,
//! whatever the link lost. Keys become RFC 4733 again. Refuses frames that this
//! telephone's codec cannot be made of, and counts them.

use std::collections::VecDeque;

use weir_model::directory::Codec;
use weir_signaling::wan::{
    self, Arrived, Body, Frame, Jitter, JitterConfig, JitterCounters, Piece, Press,
};

use super::codec::{CodecError, Frames, OpusDecoder, OpusEncoder, PIECE, Packet};
use super::conceal::{Conceal, PIECE as NARROW};
use super::keys::KeyPlayer;
use super::resample::Down;
use super::{Link, Telephone};
use crate::voice::g711::{a_decode, a_encode, mu_decode, mu_encode};
use crate::voice::{First, Format, rtp};

/// Towards a telephone that speaks Opus, on its own network.
const LOCAL_BPS: i32 = 24_000;
/// The codec's own noise fills a silence for so many pieces after the last frame.
const NOISE_PIECES: u32 = 25;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecoderCounters {
    pub packets: u64,
    /// Frames of a codec that this telephone's cannot be made of, or broken ones.
    pub strange: u64,
    pub keys: u64,
    /// Keys for a telephone that knows no events, or more than can wait.
    pub keys_dropped: u64,
}

#[derive(Debug, Clone)]
struct Coded {
    codec: wan::Codec,
    payload: Vec<u8>,
}

/// What 20 ms sound like.
#[expect(clippy::large_enum_variant, reason = "lives for one tick; a box would be an allocation")]
enum Sound {
    /// In the telephone's own codec.
    Plain(Vec<u8>),
    Wide([i16; PIECE]),
    Narrow([i16; NARROW]),
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub struct Decoder {
    telephone: Telephone,
    format: Format,
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    /// The next packet of sound comes after none.
    marker: bool,
    jitter: Jitter<Coded>,
    late_told: u64,
    opus: Option<OpusDecoder>,
    /// Towards a telephone that speaks Opus.
    encoder: Option<OpusEncoder>,
    down: Down,
    conceal: Conceal,
    /// The rest of a frame of several pieces.
    wide: VecDeque<[i16; PIECE]>,
    plain: VecDeque<Vec<u8>>,
    quiet_pieces: u32,
    /// The last frame was in the node's codec.
    was_wide: bool,
    keys: KeyPlayer,
    counters: DecoderCounters,
}

impl Decoder {
    /// `first`: where its RTP begins, at random.
    pub fn new(telephone: Telephone, link: Link, first: First) -> Result<Self, CodecError> {
        if !link.carries(telephone.codec) {
            return Err(CodecError::G722);
        }
        let coded = link.frames().is_some();
        let delays = match link {
            // A cable has no excuse for a gap: a busy host's late wake-ups must fit.
            Link::Terrestrial => JitterConfig { start_ms: 40, least_ms: 40, most_ms: 400 },
            Link::Thin { .. } => JitterConfig::default(),
            // Frames go twice until losses are known: the second must be in time, and a
            // listener who has to be moved there hears every move.
            Link::Satellite { .. } => JitterConfig { start_ms: 200, ..JitterConfig::default() },
        };
        let mut decoder = Self {
            telephone,
            format: Format::of(telephone.codec),
            ssrc: first.ssrc,
            seq: first.seq,
            timestamp: first.timestamp,
            marker: true,
            jitter: Jitter::new(delays),
            late_told: 0,
            opus: None,
            encoder: None,
            down: Down::default(),
            conceal: Conceal::default(),
            wide: VecDeque::new(),
            plain: VecDeque::new(),
            quiet_pieces: NOISE_PIECES,
            was_wide: false,
            keys: KeyPlayer::default(),
            counters: DecoderCounters::default(),
        };
        if coded {
            decoder.prepare(telephone.codec)?;
        }
        Ok(decoder)
    }

    /// What frames of ours ask for, towards such a telephone.
    fn prepare(&mut self, towards: Codec) -> Result<(), CodecError> {
        if towards == Codec::Opus && self.encoder.is_none() {
            self.encoder = Some(OpusEncoder::new(Frames::Ms20, LOCAL_BPS, false)?);
        }
        if self.opus.is_none() {
            self.opus = Some(OpusDecoder::new()?);
        }
        Ok(())
    }

    /// The telephone or the link is another one from now on; its RTP and what is
    /// known of arrivals go on.
    ///
    /// # Errors
    /// As for [`Self::new`]; then nothing has changed.
    pub fn change(&mut self, telephone: Telephone, link: Link) -> Result<(), CodecError> {
        if !link.carries(telephone.codec) {
            return Err(CodecError::G722);
        }
        if link.frames().is_some() {
            self.prepare(telephone.codec)?;
        }
        if telephone.codec != self.telephone.codec {
            self.format = Format::of(telephone.codec);
            self.plain.clear();
            self.conceal = Conceal::default();
            self.marker = true;
        }
        self.telephone = telephone;
        Ok(())
    }

    pub fn counters(&self) -> DecoderCounters {
        self.counters
    }

    pub fn jitter(&self) -> JitterCounters {
        self.jitter.counters()
    }

    /// How long frames wait here.
    pub fn delay_ms(&self, now_ms: u64) -> Option<u64> {
        self.jitter.delay_ms(now_ms)
    }

    /// Frames that came too late since this was asked last: for the report.
    pub fn late(&mut self) -> u16 {
        let late = self.jitter.counters().late;
        let since = late.saturating_sub(self.late_told);
        self.late_told = late;
        u16::try_from(since).unwrap_or(u16::MAX)
    }

    pub fn frame(&mut self, now_ms: u64, frame: Frame) {
        let steps = frame.steps().unwrap_or(1);
        let (step, again) = (frame.step, frame.again);
        let sound = match frame.body {
            Body::Silence => None,
            Body::Sound { codec, payload } if self.takes(codec) => Some(Coded { codec, payload }),
            Body::Sound { .. } => {
                self.counters.strange += 1;
                return;
            }
        };
        self.jitter.push(now_ms, Arrived { step, steps, again, sound });
    }

    /// A second sending of what had come.
    pub fn again(&mut self, now_ms: u64, step: u16) {
        self.jitter.again(now_ms, step);
    }

    pub fn key(&mut self, press: Press) {
        if self.telephone.event_type.is_some() && self.keys.press(press) {
            self.counters.keys += u64::from(press.end);
        } else {
            self.counters.keys_dropped += 1;
        }
    }

    /// Every 20 ms: the packet for the telephone replaces what `into` held;
    /// `false` when there is none.
    pub fn tick(&mut self, now_ms: u64, into: &mut Vec<u8>) -> bool {
        let sounded = self.jitter.pull(now_ms);
        let mut sound = self.piece(sounded.piece);
        if let Some(second) = sounded.squeezed {
            let second = self.piece(second);
            sound = self.squeeze(sound, second);
        }
        let payload = self.payload(sound);
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(self.format.frame_steps);
        let key = self.keys.tick(timestamp, self.format.frame_steps);
        if let (Some(told), Some(payload_type)) = (key, self.telephone.event_type) {
            self.marker = true;
            self.write(payload_type, told.marker, told.timestamp, &told.payload, into);
            return true;
        }
        let Some(payload) = payload else {
            self.marker = true;
            return false;
        };
        let marker = core::mem::replace(&mut self.marker, false);
        self.write(self.telephone.payload_type, marker, timestamp, &payload, into);
        true
    }

    fn write(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        into: &mut Vec<u8>,
    ) {
        let (seq, ssrc) = (self.seq, self.ssrc);
        rtp::Packet { marker, payload_type, seq, timestamp, ssrc, payload }.write(into);
        self.seq = seq.wrapping_add(1);
        self.counters.packets += 1;
    }

    fn is_g711(&self) -> bool {
        matches!(self.telephone.codec, Codec::Pcma | Codec::Pcmu)
    }

    fn takes(&mut self, codec: wan::Codec) -> bool {
        match codec {
            // The other end may have judged the link to be thin before this one.
            wan::Codec::Opus60 | wan::Codec::Opus20 => {
                let towards = self.telephone.codec;
                towards != Codec::G722 && self.prepare(towards).is_ok()
            }
            wan::Codec::Pcma | wan::Codec::Pcmu => self.is_g711(),
            wan::Codec::G722 => self.telephone.codec == Codec::G722,
            wan::Codec::OpusAsIs => self.telephone.codec == Codec::Opus,
        }
    }

    fn piece(&mut self, piece: Piece<Coded>) -> Sound {
        match piece {
            Piece::Frame { sound, skip } => {
                self.quiet_pieces = 0;
                self.open(sound, skip);
                self.next_of_frame()
            }
            Piece::Rest => self.next_of_frame(),
            Piece::Conceal => self.made_up(),
            Piece::Silence => {
                self.quiet_pieces = self.quiet_pieces.saturating_add(1);
                let noise = self.was_wide && self.quiet_pieces < NOISE_PIECES;
                if noise { self.made_up() } else { Sound::Nothing }
            }
        }
    }

    /// Takes a frame apart into pieces.
    fn open(&mut self, coded: Coded, skip: u8) {
        self.wide.clear();
        self.plain.clear();
        let Coded { codec, payload } = coded;
        // It waited while the telephone changed.
        if !self.takes(codec) {
            self.counters.strange += 1;
            return;
        }
        match codec {
            wan::Codec::Opus60 | wan::Codec::Opus20 => {
                self.was_wide = true;
                let decoded = self.opus.as_mut().map(|opus| opus.decode(&payload));
                match decoded {
                    Some(Ok(sound)) => self.wide.extend(sound.as_chunks::<PIECE>().0),
                    Some(Err(_)) | None => self.counters.strange += 1,
                }
                self.wide.drain(..usize::from(skip).min(self.wide.len()));
            }
            wan::Codec::OpusAsIs => {
                self.was_wide = false;
                // One packet, whatever it holds; its time cannot be cut.
                self.plain.push_back(payload);
            }
            wan::Codec::Pcma | wan::Codec::Pcmu | wan::Codec::G722 => {
                self.was_wide = false;
                let pieces = payload.chunks_exact(NARROW).skip(usize::from(skip));
                let pieces: Vec<_> = pieces.map(|piece| self.in_own_law(codec, piece)).collect();
                self.plain.extend(pieces);
            }
        }
    }

    /// The two laws of G.711 need no more than a table between them.
    fn in_own_law(&self, codec: wan::Codec, piece: &[u8]) -> Vec<u8> {
        match (codec, self.telephone.codec) {
            (wan::Codec::Pcma, Codec::Pcmu) => {
                piece.iter().map(|byte| mu_encode(a_decode(*byte))).collect()
            }
            (wan::Codec::Pcmu, Codec::Pcma) => {
                piece.iter().map(|byte| a_encode(mu_decode(*byte))).collect()
            }
            _ => piece.to_vec(),
        }
    }

    fn next_of_frame(&mut self) -> Sound {
        if let Some(wide) = self.wide.pop_front() {
            return Sound::Wide(wide);
        }
        match self.plain.pop_front() {
            Some(plain) if self.is_g711() => self.joined(plain),
            Some(plain) => Sound::Plain(plain),
            None => Sound::Nothing,
        }
    }

    /// After made-up pieces a real one is joined to them; otherwise it passes
    /// as it came.
    fn joined(&mut self, plain: Vec<u8>) -> Sound {
        let Some(mut piece) = self.linear(&plain) else { return Sound::Nothing };
        let before = piece;
        self.conceal.heard(&mut piece);
        if piece == before { Sound::Plain(plain) } else { Sound::Narrow(piece) }
    }

    fn made_up(&mut self) -> Sound {
        let narrow = self.is_g711();
        match &mut self.opus {
            Some(opus) if self.was_wide => Sound::Wide(opus.conceal()),
            _ if narrow => Sound::Narrow(self.conceal.missing()),
            // The telephone's own decoder does it best.
            _ => Sound::Nothing,
        }
    }

    fn linear(&self, plain: &[u8]) -> Option<[i16; NARROW]> {
        let bytes = plain.as_array::<NARROW>()?;
        Some(match self.telephone.codec {
            Codec::Pcmu => bytes.map(mu_decode),
            Codec::Pcma | Codec::G722 | Codec::Opus => bytes.map(a_decode),
        })
    }

    fn law(&self, piece: &[i16]) -> Vec<u8> {
        let encode = if self.telephone.codec == Codec::Pcmu { mu_encode } else { a_encode };
        piece.iter().map(|sample| encode(*sample)).collect()
    }

    /// Two pieces in the time of one: the first fades into the second.
    fn squeeze(&self, first: Sound, second: Sound) -> Sound {
        match (first, second) {
            (Sound::Wide(first), Sound::Wide(second)) => Sound::Wide(fade(first, second)),
            (Sound::Narrow(first), Sound::Narrow(second)) => Sound::Narrow(fade(first, second)),
            (Sound::Plain(first), Sound::Plain(second)) if self.is_g711() => {
                match (self.linear(&first), self.linear(&second)) {
                    (Some(first), Some(second)) => Sound::Narrow(fade(first, second)),
                    _ => Sound::Plain(second),
                }
            }
            (first, Sound::Nothing) => first,
            (_, second) => second,
        }
    }

    fn payload(&mut self, sound: Sound) -> Option<Vec<u8>> {
        match sound {
            Sound::Plain(plain) => Some(plain),
            Sound::Narrow(piece) => self.is_g711().then(|| self.law(&piece)),
            Sound::Wide(piece) if self.is_g711() => {
                let mut narrow = Vec::with_capacity(NARROW);
                self.down.run(&piece, &mut narrow);
                Some(self.law(&narrow))
            }
            Sound::Wide(piece) => match self.encoder.as_mut()?.encode(&piece) {
                Ok(Packet::Sound(payload)) => Some(payload),
                Ok(Packet::Silence) | Err(_) => None,
            },
            Sound::Nothing => self.format.silence.map(|byte| vec![byte; NARROW]),
        }
    }
}

fn fade<const N: usize>(first: [i16; N], second: [i16; N]) -> [i16; N] {
    let mut faded = second;
    let total = i32::try_from(N).unwrap_or(1);
    for ((i, sample), old) in (0_i32..).zip(faded.iter_mut()).zip(first) {
        let mixed = (i32::from(*sample) * i + i32::from(old) * (total - i)) / total;
        *sample = i16::try_from(mixed).unwrap_or(*sample);
    }
    faded
}
