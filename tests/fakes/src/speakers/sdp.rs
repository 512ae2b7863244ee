//! Session descriptions (RFC 8866), as little as a loudspeaker reads: where
//! audio comes from and which codec it can have. It refuses offers without an
//! audio line it can play.

use std::net::{IpAddr, SocketAddr};

use crate::profile::Codec;

/// What the caller offers, as far as this device can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Where the caller's RTP comes from; the device locks on it.
    pub(crate) source: SocketAddr,
    pub(crate) rtcp: SocketAddr,
    /// The first of the offer that the device knows.
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    pub(crate) sends: bool,
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
}

pub(crate) fn offer(body: &[u8], codecs: &[Codec]) -> Option<Offer> {
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
    })
}

impl<'a> Lines<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut lines = Self { sends: true, ..Self::default() };
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
            None if rest == "recvonly" || rest == "inactive" => self.sends = false,
            None if rest == "sendonly" || rest == "sendrecv" => self.sends = true,
            _ => {}
        }
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

/// The device's answer: it only ever listens.
pub(crate) fn answer(offer: &Offer, at: SocketAddr, session: u32, version: u32) -> String {
    let (ip, port) = (at.ip(), at.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let (payload_type, codec) = (offer.payload_type, offer.codec.name());
    let direction = if offer.sends { "recvonly" } else { "inactive" };
    format!(
        "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {codec}/8000\r\n\
         a=ptime:20\r\na={direction}\r\n"
    )
}
