//! Session descriptions (RFC 8866), as little as a device reads: where audio
//! comes from and goes to, which codec it can have, how keys travel. It refuses
//! offers without an audio line it can play.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// Static payload types of RFC 3551. G.722's clock is 8,000 there, by an old
/// mistake that everybody keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    Pcmu,
    Pcma,
    G722,
}

impl Codec {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
        }
    }
}

/// What the caller offers, as far as this device can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Where the caller's RTP comes from; the device locks on it.
    pub source: SocketAddr,
    pub rtcp: SocketAddr,
    /// The first of the offer that the device knows.
    pub codec: Codec,
    pub payload_type: u8,
    pub sends: bool,
    /// Not on hold.
    pub receives: bool,
    /// The payload type of keys (RFC 4733), when the caller takes them.
    pub event: Option<u8>,
}

/// The lines of the session and of its first audio line that matter here.
#[derive(Default)]
struct Lines<'a> {
    address: Option<IpAddr>,
    port: u16,
    rtcp_port: Option<u16>,
    types: Vec<u8>,
    maps: Vec<(u8, &'a str)>,
    sends: bool,
    receives: bool,
}

pub fn offer(body: &[u8], codecs: &[Codec]) -> Option<Offer> {
    let text = std::str::from_utf8(body).ok()?;
    let lines = Lines::read(text)?;
    let (codec, payload_type) = lines.types.iter().find_map(|&payload_type| {
        let codec = codecs.iter().find(|codec| lines.means(payload_type, **codec))?;
        Some((*codec, payload_type))
    })?;
    let ip = lines.address?;
    Some(Offer {
        source: (ip, lines.port).into(),
        rtcp: (ip, lines.rtcp_port.unwrap_or(lines.port.checked_add(1)?)).into(),
        codec,
        payload_type,
        sends: lines.sends,
        // The old way to say hold.
        receives: lines.receives && !ip.is_unspecified(),
        event: lines.event(),
    })
}

impl<'a> Lines<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut lines = Self { sends: true, receives: true, ..Self::default() };
        let mut in_audio = false;
        for line in text.lines() {
            match line.split_at_checked(2) {
                Some(("m=", _)) if in_audio => break,
                Some(("m=", rest)) => in_audio = lines.media(rest).is_some(),
                Some(("c=", rest)) => {
                    lines.address = rest.split_whitespace().nth(2).and_then(|ip| ip.parse().ok());
                }
                Some(("a=", rest)) => lines.attribute(rest),
                _ => {}
            }
        }
        in_audio.then_some(lines)
    }

    /// `audio 4000 RTP/AVP 8 0`; port 0 is a refused line.
    fn media(&mut self, rest: &str) -> Option<()> {
        let mut words = rest.split_whitespace();
        let kind = words.next()?;
        let port = words.next()?.parse().ok()?;
        let profile = words.next()?;
        if kind != "audio" || port == 0 || profile != "RTP/AVP" {
            return None;
        }
        self.port = port;
        self.types = words.filter_map(|word| word.parse().ok()).collect();
        Some(())
    }

    fn attribute(&mut self, rest: &'a str) {
        match rest.split_once(':') {
            Some(("rtpmap", map)) => {
                if let Some((payload_type, name)) = map.split_once(' ')
                    && let Ok(payload_type) = payload_type.parse()
                {
                    self.maps.push((payload_type, name.trim()));
                }
            }
            Some(("rtcp", port)) => {
                self.rtcp_port = port.split_whitespace().next().and_then(|port| port.parse().ok());
            }
            None if rest == "recvonly" => (self.sends, self.receives) = (false, true),
            None if rest == "sendonly" => (self.sends, self.receives) = (true, false),
            None if rest == "sendrecv" => (self.sends, self.receives) = (true, true),
            None if rest == "inactive" => (self.sends, self.receives) = (false, false),
            _ => {}
        }
    }

    fn event(&self) -> Option<u8> {
        let named = |(_, name): &&(u8, &str)| name.eq_ignore_ascii_case("telephone-event/8000");
        let (payload_type, _) = self.maps.iter().find(named)?;
        self.types.contains(payload_type).then_some(*payload_type)
    }

    fn means(&self, payload_type: u8, codec: Codec) -> bool {
        match self.maps.iter().find(|(mapped, _)| *mapped == payload_type) {
            Some((_, name)) => {
                let wanted = format!("{}/8000", codec.name());
                // "/1" for one channel may follow.
                name.eq_ignore_ascii_case(&wanted)
                    || name.eq_ignore_ascii_case(&format!("{wanted}/1"))
            }
            None => payload_type == codec.payload_type(),
        }
    }
}

/// The payload type of keys in the device's own offers.
const KEYS: u8 = 101;

/// Which ways sound may go in the device's own opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It only ever listens.
    Listens,
    /// It listens and talks, and its keys travel as the offer allows.
    Talks,
}

/// The device's answer.
pub fn answer(offer: &Offer, at: SocketAddr, session: u32, version: u32, does: Does) -> String {
    let (ip, port) = (at.ip(), at.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let (payload_type, codec) = (offer.payload_type, offer.codec.name());
    let talks = does == Does::Talks && offer.receives;
    let direction = match (offer.sends, talks) {
        (true, true) => "sendrecv",
        (true, false) => "recvonly",
        (false, true) => "sendonly",
        (false, false) => "inactive",
    };
    let event = offer.event.filter(|_| does == Does::Talks);
    let (listed, mapped) = match event {
        Some(event) => (
            format!(" {event}"),
            format!("a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n"),
        ),
        None => (String::new(), String::new()),
    };
    format!(
        "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type}{listed}\r\n\
         a=rtpmap:{payload_type} {codec}/8000\r\n{mapped}a=ptime:20\r\na={direction}\r\n"
    )
}

/// An offer of one codec and of keys, `direction` as in RFC 8866 §6.7.
pub fn invitation(
    codec: Codec,
    at: SocketAddr,
    session: u32,
    version: u32,
    direction: &str,
) -> String {
    let (ip, port) = (at.ip(), at.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let (payload_type, name) = (codec.payload_type(), codec.name());
    format!(
        "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type} {KEYS}\r\na=rtpmap:{payload_type} {name}/8000\r\n\
         a=rtpmap:{KEYS} telephone-event/8000\r\na=fmtp:{KEYS} 0-15\r\na=ptime:20\r\n\
         a={direction}\r\n"
    )
}
