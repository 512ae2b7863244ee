//! One side of a call as a maker of sound: what it said, and what it was told of
//! the other. Refuses to forget where a side is when it is put on hold without
//! an address.

use core::net::SocketAddr;

use crate::sdp::{Audio, Direction, Format, Kind, Writer};

use super::order::{Aim, Leg};

#[derive(Debug, Clone)]
pub(super) struct Party {
    pub(super) writer: Writer,
    /// What it said last, as far as it was agreed.
    said: Option<Audio>,
    /// The direction that it wants, whatever the other side leaves room for.
    will: Direction,
    /// What it was told last, and took.
    pub(super) told: Option<Audio>,
    /// Where it was when it last named an address.
    place: Option<(SocketAddr, SocketAddr)>,
    /// Answers to changes that nobody waits for any more.
    pub(super) late: u32,
}

impl Party {
    pub(super) fn new(session: u64, at: SocketAddr) -> Self {
        let writer = Writer::new(session, at);
        Self { writer, said: None, will: Direction::Both, told: None, place: None, late: 0 }
    }

    pub(super) fn said(&self) -> Option<&Audio> {
        self.said.as_ref()
    }

    /// It offers. While it is on hold it may say so in its offers, and means
    /// nothing by it.
    pub(super) fn offers(&mut self, audio: Audio) {
        let room = self.told.as_ref().map_or(Direction::Both, |told| told.direction);
        let follows = room != Direction::Both && audio.direction == Direction::Both.answering(room);
        if !follows {
            self.will = audio.direction;
        }
        self.says(audio);
    }

    /// It answers what it was `offered`, and takes that. One who is put on hold
    /// answers `recvonly`, and wants to talk all the same.
    pub(super) fn answers(&mut self, audio: Audio, offered: Audio) {
        if self.will.answering(offered.direction) != audio.direction {
            let most = Direction::Both.answering(offered.direction);
            let content = audio.direction == most;
            self.will = if content { Direction::Both } else { audio.direction };
        }
        self.told = Some(offered);
        self.says(audio);
    }

    pub(super) fn will(&self) -> Direction {
        self.will
    }

    /// What to offer the other side in its name.
    pub(super) fn wish(&self) -> Option<Audio> {
        let said = self.said.clone()?;
        Some(Audio { direction: self.will, ..said })
    }

    /// Whether it put the other side on hold.
    pub(super) fn holds(&self) -> bool {
        self.will != Direction::Both
    }

    /// Whether it knows this of the other side already.
    pub(super) fn knows(&self, other: &Audio) -> bool {
        self.told.as_ref().is_some_and(|told| {
            told.direction == other.direction
                && told.formats == other.formats
                && told.ptime_ms == other.ptime_ms
        })
    }

    fn says(&mut self, audio: Audio) {
        if !audio.rtp.ip().is_unspecified() {
            self.place = Some((audio.rtp, audio.rtcp));
        }
        self.said = Some(audio);
    }

    pub(super) fn aim(&self, leg: Leg) -> Option<Aim> {
        let said = self.said.as_ref()?;
        let (rtp, rtcp) = self.place.unwrap_or((said.rtp, said.rtcp));
        let mut formats: Vec<(u8, Kind)> = Vec::new();
        let told = self.told.iter().flat_map(|told| &told.formats);
        for Format { payload_type, kind, .. } in told.chain(&said.formats) {
            if formats.iter().all(|(number, _)| number != payload_type) {
                formats.push((*payload_type, *kind));
            }
        }
        Some(Aim { leg, rtp, rtcp, hears: said.direction.receives(), formats })
    }

    /// Whether it would send something that `other` does not take, or not under
    /// that number.
    pub(super) fn missends_to(&self, other: &Audio) -> bool {
        let (Some(told), Some(said)) = (&self.told, &self.said) else { return false };
        let number = |audio: &Audio, like: &Format| Some(audio.like(like)?.payload_type);
        said.formats.iter().any(|format| number(told, format) != number(other, format))
    }
}
