//! One direction of one call on its way out: a telephone's RTP becomes frames on a
//! time line of our own, which goes on whatever the telephone does to its clock or
//! its source. Refuses payload types that were not agreed on, and packets that
//! come after their time.

use weir_model::directory::Codec;
use weir_signaling::wan::{self, Body, Frame, KeyPress, opus_steps};

use super::codec::{CodecError, Frames, OpusDecoder, OpusEncoder, PIECE, Packet};
use super::conceal::Conceal;
use super::keys::{Event, KeyReader};
use super::resample::Up;
use super::{Link, Telephone};
use crate::voice::g711::{a_decode, mu_decode};
use crate::voice::{Format, rtp};

/// Over a satellite everything of a peer is packed once in so long.
pub const TICK_MS: u64 = 60;
/// A frame is ready so long before its tick.
const READY_MS: core::ops::Range<u64> = 5..25;
/// Comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;
/// Missing packets are filled up to so many steps; beyond, it was a pause.
const FILL_STEPS: u32 = 3;
/// A clock that jumps further began anew.
const ANEW_STEPS: u32 = 250;
/// The beginning of a silence is told in so many frames.
const SILENCES: u8 = 2;
/// Packets longer than this are no telephone's.
const STEPS_MAX: u32 = 6;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    Frame(Frame),
    Key(KeyPress),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncoderCounters {
    pub packets: u64,
    pub frames: u64,
    pub silences: u64,
    pub keys: u64,
    /// Late, or twice.
    pub late: u64,
    /// Of a type that was not agreed on.
    pub strange: u64,
    /// Not what its codec makes, or too long.
    pub broken: u64,
    /// The telephone's source or clock changed.
    pub restarts: u64,
}

/// The telephone's clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    ssrc: u32,
    /// Of the packet that is expected.
    timestamp: u32,
    heard_ms: u64,
}

/// What this packet is to the one before.
enum Follows {
    /// After so many clock steps that are missing.
    After(u32),
    Late,
    Anew,
}

/// From the telephone's codec to ours.
#[derive(Debug)]
struct Coder {
    opus: OpusEncoder,
    /// For telephones that speak Opus themselves.
    decoder: Option<OpusDecoder>,
    up: Up,
    conceal: Conceal,
    sound: Vec<i16>,
    silences: u8,
    /// Waits for a good moment to begin, so that frames are ready when packed.
    waits: bool,
}

impl Coder {
    /// `None` where the telephone's own frames pass.
    fn new(telephone: Telephone, link: Link) -> Result<Option<Self>, CodecError> {
        let Some((frames, bitrate_bps)) = link.frames() else { return Ok(None) };
        let wide = telephone.codec == Codec::Opus;
        Ok(Some(Self {
            opus: OpusEncoder::new(frames, bitrate_bps, !wide)?,
            decoder: wide.then(OpusDecoder::new).transpose()?,
            up: Up::default(),
            conceal: Conceal::default(),
            sound: Vec::with_capacity(6 * PIECE),
            silences: 0,
            waits: frames == Frames::Ms60,
        }))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Encoder {
    channel: u16,
    telephone: Telephone,
    link: Link,
    frame_steps: u32,
    /// When ticks are, modulo [`TICK_MS`].
    phase_ms: u64,
    clock: Option<Clock>,
    /// What comes next has nothing to do with what came, though it may look so.
    changed: bool,
    /// Where the next frame begins.
    step: u16,
    begins: bool,
    /// Less than a frame, as it came.
    plain: Vec<u8>,
    coder: Option<Coder>,
    keys: KeyReader,
    counters: EncoderCounters,
}

impl Encoder {
    /// `phase_ms`: the peer's bundles are packed when the clock, modulo
    /// [`TICK_MS`], is this.
    pub fn new(
        channel: u16,
        telephone: Telephone,
        link: Link,
        phase_ms: u64,
    ) -> Result<Self, CodecError> {
        if !link.carries(telephone.codec) {
            return Err(CodecError::G722);
        }
        Ok(Self {
            channel,
            telephone,
            link,
            frame_steps: Format::of(telephone.codec).frame_steps,
            phase_ms: phase_ms % TICK_MS,
            clock: None,
            changed: false,
            step: 0,
            begins: true,
            plain: Vec::new(),
            coder: Coder::new(telephone, link)?,
            keys: KeyReader::default(),
            counters: EncoderCounters::default(),
        })
    }

    pub fn counters(&self) -> EncoderCounters {
        self.counters
    }

    /// The telephone, the link or the far channel is another one from now on; the
    /// time line and the count of keys go on, so that nothing is taken for old.
    ///
    /// # Errors
    /// As for [`Self::new`]; then nothing has changed.
    pub fn change(
        &mut self,
        channel: u16,
        telephone: Telephone,
        link: Link,
    ) -> Result<(), CodecError> {
        if !link.carries(telephone.codec) {
            return Err(CodecError::G722);
        }
        if (telephone.codec, link) != (self.telephone.codec, self.link) {
            let coder = Coder::new(telephone, link)?;
            self.drop_part();
            self.coder = coder;
            self.link = link;
            self.frame_steps = Format::of(telephone.codec).frame_steps;
            self.begins = true;
            self.changed = true;
        }
        self.telephone = telephone;
        self.channel = channel;
        Ok(())
    }

    /// Whether it codes, and does not only pass on.
    pub fn codes(&self) -> bool {
        self.coder.is_some()
    }

    /// Nothing more comes for now: said once, so that nobody takes it for a loss.
    pub fn pause(&mut self) -> Vec<Outgoing> {
        let mut out = Vec::new();
        self.fall_silent(&mut out);
        out
    }

    /// What all calls' measured work allows.
    pub fn set_complexity(&mut self, complexity: u8) {
        if let Some(coder) = &mut self.coder {
            coder.opus.set_complexity(complexity);
        }
    }

    /// A packet from the telephone: what is to be said of it.
    pub fn rtp(&mut self, now_ms: u64, packet: &rtp::Packet<'_>) -> Vec<Outgoing> {
        self.counters.packets += 1;
        let mut out = Vec::new();
        let kind = packet.payload_type;
        if self.telephone.event_type == Some(kind) {
            let (ssrc, timestamp, payload) = (packet.ssrc, packet.timestamp, packet.payload);
            let event = Event { ssrc, timestamp, payload, frame_steps: self.frame_steps };
            let key = self.keys.hear(self.channel, self.step, event);
            self.counters.keys += u64::from(key.is_some());
            out.extend(key.map(Outgoing::Key));
        } else if kind == COMFORT_NOISE && kind != self.telephone.payload_type {
            self.fall_silent(&mut out);
        } else if kind == self.telephone.payload_type {
            self.sound(now_ms, packet, &mut out);
        } else {
            self.counters.strange += 1;
        }
        out
    }

    /// In steps of the RTP clock; `None`: no packet of this codec.
    fn length(&self, payload: &[u8]) -> Option<u32> {
        let length = match self.telephone.codec {
            Codec::Pcma | Codec::Pcmu | Codec::G722 => u32::try_from(payload.len()).ok()?,
            Codec::Opus => u32::from(opus_steps(payload)?) * self.frame_steps,
        };
        (1..=STEPS_MAX * self.frame_steps).contains(&length).then_some(length)
    }

    fn sound(&mut self, now_ms: u64, packet: &rtp::Packet<'_>, out: &mut Vec<Outgoing>) {
        let Some(length) = self.length(packet.payload) else {
            self.counters.broken += 1;
            return;
        };
        match self.follows(packet) {
            Follows::Late => {
                self.counters.late += 1;
                return;
            }
            Follows::After(0) => {}
            Follows::After(missing) => self.bridge(missing, out),
            Follows::Anew => self.begin_anew(now_ms),
        }
        let timestamp = packet.timestamp.wrapping_add(length);
        self.clock = Some(Clock { ssrc: packet.ssrc, timestamp, heard_ms: now_ms });
        match (&self.coder, self.telephone.codec) {
            (Some(_), _) => self.code(now_ms, packet.payload, out),
            (None, Codec::Opus) => {
                let payload = packet.payload.to_vec();
                let body = Body::Sound { codec: wan::Codec::OpusAsIs, payload };
                self.say(body, length / self.frame_steps, out);
            }
            (None, Codec::Pcma) => self.pass(wan::Codec::Pcma, packet.payload, out),
            (None, Codec::Pcmu) => self.pass(wan::Codec::Pcmu, packet.payload, out),
            (None, Codec::G722) => self.pass(wan::Codec::G722, packet.payload, out),
        }
    }

    fn follows(&self, packet: &rtp::Packet<'_>) -> Follows {
        let goes_on = |clock: &Clock| clock.ssrc == packet.ssrc && !self.changed;
        let Some(clock) = self.clock.filter(goes_on) else {
            return Follows::Anew;
        };
        let ahead = packet.timestamp.wrapping_sub(clock.timestamp);
        let anew = ANEW_STEPS * self.frame_steps;
        match (ahead, ahead.wrapping_neg()) {
            (ahead, _) if ahead < anew => Follows::After(ahead),
            (_, back) if back < anew => Follows::Late,
            _ => Follows::Anew,
        }
    }

    /// Our time line goes on by the time that passed.
    fn begin_anew(&mut self, now_ms: u64) {
        self.changed = false;
        self.drop_part();
        if let Some(clock) = self.clock {
            self.counters.restarts += 1;
            let passed = now_ms.saturating_sub(clock.heard_ms) / wan::STEP_MS;
            self.move_on(u32::try_from(passed).unwrap_or(u32::MAX).max(1));
        }
        self.begins = true;
        self.wait();
    }

    /// Some packets are missing, or the telephone was silent.
    fn bridge(&mut self, missing: u32, out: &mut Vec<Outgoing>) {
        let steps = missing.div_ceil(self.frame_steps);
        if steps <= FILL_STEPS && self.coder.is_some() {
            for _ in 0..missing / self.frame_steps {
                self.fill(out);
            }
            return;
        }
        let part = u32::try_from(self.plain.len()).unwrap_or(0);
        self.drop_part();
        self.move_on((missing + part).div_ceil(self.frame_steps));
        if steps > FILL_STEPS {
            self.begins = true;
            self.wait();
        }
    }

    fn wait(&mut self) {
        if let Some(coder) = &mut self.coder {
            coder.waits = coder.opus.frames() == Frames::Ms60;
        }
    }

    /// What is less than a frame is given up, and its place on the line passed.
    fn drop_part(&mut self) {
        self.plain.clear();
        let part = self.coder.as_mut().map_or(0, |coder| {
            let part = coder.sound.len().div_ceil(PIECE);
            coder.sound.clear();
            part
        });
        self.move_on(u32::try_from(part).unwrap_or(0));
    }

    fn move_on(&mut self, steps: u32) {
        let steps = u16::try_from(steps & 0xffff).unwrap_or(0);
        self.step = self.step.wrapping_add(steps);
    }

    fn say(&mut self, body: Body, steps: u32, out: &mut Vec<Outgoing>) {
        let silence = body == Body::Silence;
        if silence {
            self.counters.silences += 1;
        } else {
            self.counters.frames += 1;
        }
        let (channel, step) = (self.channel, self.step);
        let begins = self.begins && !silence;
        out.push(Outgoing::Frame(Frame { channel, step, begins, again: false, body }));
        self.begins = silence;
        self.move_on(steps);
    }

    fn fall_silent(&mut self, out: &mut Vec<Outgoing>) {
        // Comfort noise is said again and again; silence is not.
        if !self.begins {
            self.drop_part();
            self.say(Body::Silence, 1, out);
            // Its place on the line stands for the telephone's next 20 ms; else
            // every pause would put our line further ahead of its clock.
            if let Some(clock) = &mut self.clock {
                clock.timestamp = clock.timestamp.wrapping_add(self.frame_steps);
                clock.heard_ms = clock.heard_ms.saturating_add(wan::STEP_MS);
            }
        }
    }

    /// Recut to 20 ms, whatever the telephone's packets hold.
    fn pass(&mut self, codec: wan::Codec, payload: &[u8], out: &mut Vec<Outgoing>) {
        let mut plain = core::mem::take(&mut self.plain);
        plain.extend_from_slice(payload);
        let size = usize::try_from(self.frame_steps).unwrap_or(1);
        let mut pieces = plain.chunks_exact(size);
        for piece in &mut pieces {
            let body = Body::Sound { codec, payload: piece.to_vec() };
            self.say(body, 1, out);
        }
        self.plain = pieces.remainder().to_vec();
    }

    fn fill(&mut self, out: &mut Vec<Outgoing>) {
        let Some(coder) = &mut self.coder else { return };
        match &mut coder.decoder {
            Some(decoder) => coder.sound.extend(decoder.conceal()),
            None => coder.up.run(&coder.conceal.missing(), &mut coder.sound),
        }
        self.encode(out);
    }

    fn code(&mut self, now_ms: u64, payload: &[u8], out: &mut Vec<Outgoing>) {
        let into_tick_ms = (now_ms + TICK_MS - self.phase_ms) % TICK_MS;
        // Three packets from now a frame is ready: this long before its tick.
        let ready_ms = (2 * TICK_MS - into_tick_ms - 40) % TICK_MS;
        let Some(coder) = &mut self.coder else { return };
        if coder.waits && !READY_MS.contains(&ready_ms) && coder.sound.is_empty() {
            // At most two packets of the very beginning.
            let steps = match &coder.decoder {
                Some(_) => u32::from(opus_steps(payload).unwrap_or(1)),
                None => u32::try_from(payload.len()).unwrap_or(0).div_ceil(self.frame_steps),
            };
            coder.waits = steps == 1;
            self.move_on(steps);
            return;
        }
        coder.waits = false;
        let decode = match self.telephone.codec {
            Codec::Pcmu => mu_decode,
            Codec::Pcma | Codec::G722 | Codec::Opus => a_decode,
        };
        match &mut coder.decoder {
            Some(decoder) => match decoder.decode(payload) {
                Ok(sound) => coder.sound.extend(sound),
                Err(_) => {
                    self.counters.broken += 1;
                    coder.sound.extend(decoder.conceal());
                }
            },
            None => {
                let mut sound: Vec<i16> = payload.iter().map(|byte| decode(*byte)).collect();
                for piece in sound.as_chunks_mut().0 {
                    coder.conceal.heard(piece);
                }
                coder.up.run(&sound, &mut coder.sound);
            }
        }
        self.encode(out);
    }

    fn encode(&mut self, out: &mut Vec<Outgoing>) {
        loop {
            let Some(coder) = &mut self.coder else { return };
            let frames = coder.opus.frames();
            let Some(sound) = coder.sound.get(..frames.samples()) else { return };
            let packet = coder.opus.encode(sound);
            coder.sound.drain(..frames.samples());
            let steps = u32::from(frames.steps());
            let codec = match frames {
                Frames::Ms20 => wan::Codec::Opus20,
                Frames::Ms60 => wan::Codec::Opus60,
            };
            match packet {
                Ok(Packet::Sound(payload)) => {
                    coder.silences = 0;
                    self.say(Body::Sound { codec, payload }, steps, out);
                }
                Ok(Packet::Silence) if coder.silences < SILENCES => {
                    coder.silences += 1;
                    self.say(Body::Silence, steps, out);
                }
                Ok(Packet::Silence) => self.move_on(steps),
                Err(_) => {
                    self.counters.broken += 1;
                    self.move_on(steps);
                }
            }
        }
    }
}
