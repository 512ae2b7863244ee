//! Writes what one leg is told: the far side's audio with our address in it.
//! Refuses to change a word without a new version, or a version without a
//! change (RFC 3264 §8): a refresh is the same to the byte.

use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};

use super::{Audio, Direction, Format, Other, Profile, Session};

/// One `m=` line of this leg's session. Lines stay where they are for the life
/// of the session, whoever offers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    Audio(Profile),
    Declined(Other),
}

/// The writer of one leg.
#[derive(Debug, Clone)]
pub struct Writer {
    session: u64,
    at: SocketAddr,
    slots: Vec<Slot>,
    /// Of what was written last.
    version: u64,
    /// All but the `o=` line of it.
    last: Option<String>,
}

impl Writer {
    /// `session` tells sessions of this node apart; `at` is where this leg is to
    /// send its sound.
    pub fn new(session: u64, at: SocketAddr) -> Self {
        Self { session, at, slots: vec![Slot::Audio(Profile::Avp)], version: 0, last: None }
    }

    /// Takes the `m=` lines of what this leg offered: the answer, and every
    /// later offer, has as many in the same order.
    pub fn follow(&mut self, heard: &Session) {
        let others = heard.others.iter().cloned().map(Slot::Declined);
        self.slots = others.collect();
        let place = heard.place.min(self.slots.len());
        self.slots.insert(place, Slot::Audio(heard.profile));
    }

    /// What to tell this leg of the far side, as an offer or as an answer.
    pub fn write(&mut self, far: &Audio) -> String {
        let rest = self.rest(far);
        if self.last.as_ref() != Some(&rest) {
            self.version = self.version.saturating_add(1);
        }
        let text = self.text(&rest);
        self.last = Some(rest);
        text
    }

    /// An offer of all that is relayed, for one who called without any.
    pub fn own_offer(&mut self) -> String {
        self.write(&self.own())
    }

    /// What [`own_offer`](Self::own_offer) offers.
    pub fn own(&self) -> Audio {
        own_audio(self.at)
    }

    /// Whether [`write`](Self::write) would give what it gave last.
    pub fn is_refresh(&self, far: &Audio) -> bool {
        self.last.as_ref().is_some_and(|last| *last == self.rest(far))
    }

    /// The version of what was written last; 0: nothing was.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn text(&self, rest: &str) -> String {
        let (family, ip) = (family(self.at.ip()), self.at.ip());
        let (session, version) = (self.session, self.version);
        format!("v=0\r\no=weir {session} {version} IN {family} {ip}\r\n{rest}")
    }

    /// All below the `o=` line. Writing to a String cannot fail.
    fn rest(&self, far: &Audio) -> String {
        let (family, ip) = (family(self.at.ip()), self.at.ip());
        let mut text = format!("s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
        for slot in &self.slots {
            match slot {
                Slot::Audio(profile) => self.audio(&mut text, *profile, far),
                Slot::Declined(Other { media, profile, format }) => {
                    let _ = write!(text, "m={media} 0 {profile} {format}\r\n");
                }
            }
        }
        text
    }

    fn audio(&self, text: &mut String, profile: Profile, far: &Audio) {
        let _ = write!(text, "m=audio {} {}", self.at.port(), profile.name());
        for format in &far.formats {
            let _ = write!(text, " {}", format.payload_type);
        }
        text.push_str("\r\n");
        for Format { payload_type, rtpmap, fmtp, .. } in &far.formats {
            let _ = write!(text, "a=rtpmap:{payload_type} {rtpmap}\r\n");
            if let Some(fmtp) = fmtp {
                let _ = write!(text, "a=fmtp:{payload_type} {fmtp}\r\n");
            }
        }
        if let Some(ms) = far.ptime_ms {
            let _ = write!(text, "a=ptime:{ms}\r\n");
        }
        let _ = write!(text, "a={}\r\n", far.direction.name());
    }
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

/// All that is relayed, best first, with numbers of our own.
pub fn own_audio(at: SocketAddr) -> Audio {
    let format = |payload_type, map: &str, fmtp| Format::new(payload_type, Some(map), fmtp);
    let formats = [
        format(96, "opus/48000/2", Some("useinbandfec=1")),
        format(9, "G722/8000", None),
        format(8, "PCMA/8000", None),
        format(0, "PCMU/8000", None),
        format(101, "telephone-event/8000", Some("0-15")),
    ];
    Audio {
        rtp: at,
        rtcp: SocketAddr::new(at.ip(), at.port().saturating_add(1)),
        direction: Direction::Both,
        formats: formats.into_iter().flatten().collect(),
        ptime_ms: Some(20),
    }
}
