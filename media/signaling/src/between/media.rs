//! One end's SDP with its own bridge, and what of it the other site is told. Each
//! end has its own address, payload types and `o=` line; across goes only codec,
//! keys and direction. Refuses codecs that the way does not carry, and to give a
//! payload type two meanings in one call.

use core::net::SocketAddr;

use weir_model::directory::Codec;

use super::message::{CODECS_MAX, Said};
use crate::sdp::{
    Audio, Direction, Format, Kind, SdpError, Session, Writer, own_audio, read, read_answer,
};

/// Where payload types are free to choose.
const DYNAMIC: core::ops::RangeInclusive<u8> = 96..=127;
const PTIME_MS: u32 = 20;

/// What lies between the sites, as far as codecs depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Frames pass unchanged: both telephones must speak the same codec.
    pub same: bool,
    /// G.722 passes.
    pub wide: bool,
}

impl Path {
    fn carries(self, codec: Codec) -> bool {
        codec != Codec::G722 || self.wide
    }
}

/// How the sound of this end's bridge looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telephone {
    pub codec: Codec,
    pub payload_type: u8,
    /// Of telephone-event (RFC 4733), where it has one.
    pub event_type: Option<u8>,
}

/// What an exchange of descriptions settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) telephone: Telephone,
    /// Where the bridge takes sound.
    pub(super) towards: SocketAddr,
}

/// One end as its bridge sees it.
#[derive(Debug, Clone)]
pub struct End {
    path: Path,
    at: SocketAddr,
    writer: Writer,
    /// What a payload type has meant in this call.
    known: Vec<Format>,
}

fn codec(kind: Kind) -> Option<Codec> {
    match kind {
        Kind::Pcmu => Some(Codec::Pcmu),
        Kind::Pcma => Some(Codec::Pcma),
        Kind::G722 => Some(Codec::G722),
        Kind::Opus => Some(Codec::Opus),
        Kind::Event => None,
    }
}

fn kind(codec: Codec) -> Kind {
    match codec {
        Codec::Pcmu => Kind::Pcmu,
        Codec::Pcma => Kind::Pcma,
        Codec::G722 => Kind::G722,
        Codec::Opus => Kind::Opus,
    }
}

impl End {
    /// `session` tells sessions of this node apart; `at` is where our side of the
    /// call takes the bridge's sound.
    pub fn new(session: u64, at: SocketAddr, path: Path) -> Self {
        Self { path, at, writer: Writer::new(session, at), known: Vec::new() }
    }

    /// What the bridge offers, in words for the other site.
    pub(super) fn hear_offer(&mut self, sdp: &str) -> Result<(Session, Said), SdpError> {
        let session = read(sdp)?;
        let mut codecs: Vec<Codec> = Vec::new();
        for codec in session.audio.formats.iter().filter_map(|format| codec(format.kind)) {
            if self.path.carries(codec) && !codecs.contains(&codec) && codecs.len() < CODECS_MAX {
                codecs.push(codec);
            }
        }
        if codecs.is_empty() {
            return Err(SdpError::NoFormat);
        }
        let events = session.audio.formats.iter().any(|format| format.kind == Kind::Event);
        let said = Said { codecs, events, direction: session.audio.direction };
        self.learn(&session.audio);
        Ok((session, said))
    }

    /// The bridge is offered what the other site said. `None`: there is nothing
    /// that the way carries.
    pub(super) fn offer(&mut self, said: &Said) -> Option<(Audio, String)> {
        let path = self.path;
        let mut codecs: Vec<Codec> = said.codecs.clone();
        if !path.same {
            // Every telephone has its own codec: what is coded anew may be any.
            codecs.extend([Codec::Pcma, Codec::Pcmu].iter().filter(|c| !said.codecs.contains(c)));
        }
        codecs.retain(|codec| path.carries(*codec));
        let own = own_audio(self.at);
        let mut formats: Vec<Format> = Vec::new();
        for codec in &codecs {
            let format = own.formats.iter().find(|format| format.kind == kind(*codec))?;
            formats.push(self.numbered(format.clone(), &formats));
        }
        let events = own.formats.iter().find(|format| format.kind == Kind::Event);
        if let Some(event) = events.filter(|_| said.events) {
            // Keys are timed by the clock of the voice beside them.
            if codecs.iter().any(|codec| *codec != Codec::Opus) {
                formats.push(self.numbered(event.clone(), &formats));
            }
            if codecs.contains(&Codec::Opus) {
                let rtpmap = "telephone-event/48000".to_owned();
                let event = Format { clock_hz: 48_000, rtpmap, payload_type: 102, ..event.clone() };
                formats.push(self.numbered(event, &formats));
            }
        }
        if codecs.is_empty() {
            return None;
        }
        let audio = self.audio(formats, said.direction);
        self.learn(&audio);
        let text = self.writer.write(&audio);
        Some((audio, text))
    }

    /// What the bridge answered to `offered`: the other site is told the one codec
    /// that is used.
    pub(super) fn hear_answer(
        &mut self,
        sdp: &str,
        offered: &Audio,
    ) -> Result<(Said, Settled), SdpError> {
        let audio = read_answer(sdp, offered)?.audio;
        let voice = audio.formats.iter().find_map(|format| {
            let codec = codec(format.kind).filter(|codec| self.path.carries(*codec))?;
            Some((codec, format))
        });
        let (codec, voice) = voice.ok_or(SdpError::NoFormat)?;
        let event = event_beside(&audio, voice);
        let event_type = event.map(|event| event.payload_type);
        let said =
            Said { codecs: vec![codec], events: event.is_some(), direction: audio.direction };
        let telephone = Telephone { codec, payload_type: voice.payload_type, event_type };
        self.learn(&audio);
        Ok((said, Settled { telephone, towards: audio.rtp }))
    }

    /// The bridge is answered, with exactly one codec, what the other site said to
    /// its offer. `None`: they have none in common.
    pub(super) fn answer(&mut self, offer: &Session, said: &Said) -> Option<(String, Settled)> {
        let mut voices = offer.audio.formats.iter().filter_map(|format| {
            let codec = codec(format.kind).filter(|codec| self.path.carries(*codec))?;
            Some((codec, format))
        });
        let (codec, voice) = if self.path.same {
            let wanted = said.codecs.first()?;
            voices.find(|(codec, _)| codec == wanted)?
        } else {
            voices.next()?
        };
        let event = event_beside(&offer.audio, voice).filter(|_| said.events);
        let payload_type = voice.payload_type;
        let event_type = event.map(|event| event.payload_type);
        let formats = [Some(voice), event].into_iter().flatten().cloned().collect();
        let direction = said.direction.answering(offer.audio.direction);
        let audio = self.audio(formats, direction);
        self.writer.follow(offer);
        let text = self.writer.write(&audio);
        let telephone = Telephone { codec, payload_type, event_type };
        Some((text, Settled { telephone, towards: offer.audio.rtp }))
    }

    fn audio(&self, formats: Vec<Format>, direction: Direction) -> Audio {
        Audio { direction, formats, ptime_ms: Some(PTIME_MS), ..own_audio(self.at) }
    }

    fn learn(&mut self, audio: &Audio) {
        for format in &audio.formats {
            let taken = |one: &Format| one.payload_type == format.payload_type;
            if !self.known.iter().any(|one| taken(one) || one.is_like(format)) {
                self.known.push(format.clone());
            }
        }
    }

    /// With the number that it has had, or its usual one, or one that is free.
    fn numbered(&self, format: Format, beside: &[Format]) -> Format {
        if let Some(known) = self.known.iter().find(|one| one.is_like(&format)) {
            return Format { payload_type: known.payload_type, ..format };
        }
        let taken =
            |number: u8| self.known.iter().chain(beside).any(|one| one.payload_type == number);
        let mut numbers = core::iter::once(format.payload_type).chain(DYNAMIC);
        let payload_type = numbers.find(|number| !taken(*number)).unwrap_or(format.payload_type);
        Format { payload_type, ..format }
    }
}

/// Keys on the clock of the voice, else any.
fn event_beside<'a>(audio: &'a Audio, voice: &Format) -> Option<&'a Format> {
    let mut events = audio.formats.iter().filter(|format| format.kind == Kind::Event);
    let same = events.clone().find(|event| event.clock_hz == voice.clock_hz);
    same.or_else(|| events.next())
}
