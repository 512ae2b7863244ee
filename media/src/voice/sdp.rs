//! SDP (RFC 8866) as far as a page needs it: one offer of one audio stream, and
//! the answer to it (RFC 3264). Answers come from cheap devices, so lines that
//! mean nothing here are passed over; an answer that leaves open where to send,
//! or in which codec, is refused with a reason.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use weir_model::directory::Codec;

use super::format::{FRAME_MS, Format};

/// Longest answer that is looked at, in bytes.
pub const ANSWER_MAX_BYTES: usize = 16 << 10;
/// Most payload types of an answer that are looked at.
const TYPES_MAX: usize = 32;

/// An offer to send audio from `from`, in these codecs, best first. `session`
/// tells offers of this node apart.
pub fn offer(from: SocketAddr, session: u64, codecs: &[Codec]) -> String {
    let (family, address, port) = (family(from.ip()), from.ip(), from.port());
    let formats: Vec<Format> = codecs.iter().copied().map(Format::of).collect();
    let mut sdp = format!(
        "v=0\r\no=weir {session} 1 IN {family} {address}\r\ns=page\r\n\
         c=IN {family} {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP"
    );
    // Writing to a String cannot fail. No direction is named, though nothing is
    // wanted back: devices are known that take `sendonly` for being put on hold.
    for format in &formats {
        let _ = write!(sdp, " {}", format.payload_type);
    }
    sdp.push_str("\r\n");
    for format in &formats {
        let _ = write!(sdp, "a=rtpmap:{} {}\r\n", format.payload_type, format.rtpmap);
    }
    let _ = write!(sdp, "a=ptime:{FRAME_MS}\r\n");
    sdp
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}

/// Where and how a device wants its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub codec: Codec,
    /// The answerer's own number for it.
    pub payload_type: u8,
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
}

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("应答过长，请检查设备 / the answer is too long; check the device")]
    TooLong,
    #[error("应答中没有音频，请检查设备 / the answer has no audio; check the device")]
    NoAudio,
    #[error("设备拒收音频，请检查其设置 / the device declines the audio; check its settings")]
    Declined,
    #[error("设备要求加密音频 / the device wants encrypted audio; switch SRTP off there")]
    Encrypted,
    #[error("应答未给出可用地址 / the answer names no usable address; check the device's network")]
    NoAddress,
    #[error("没有共同的编码，请核对设备档案 / no codec in common; correct the speaker's profile")]
    NoCodec,
}

/// The lines of an answer that matter.
#[derive(Default)]
struct Lines<'a> {
    address: Option<&'a str>,
    media: Option<&'a str>,
    media_address: Option<&'a str>,
    rtcp: Option<&'a str>,
    maps: Vec<(u8, &'a str)>,
    /// The last direction said, for the session or for the audio.
    receives_not: bool,
}

impl<'a> Lines<'a> {
    fn read(sdp: &'a str) -> Self {
        let mut lines = Self::default();
        let mut medias = 0;
        for line in sdp.lines() {
            let Some((kind, value)) = line.trim().split_once('=') else { continue };
            let value = value.trim();
            if kind.eq_ignore_ascii_case("m") {
                medias += 1;
                let audio = value.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("audio"));
                match (audio, lines.media) {
                    (true, None) => lines.media = Some(value),
                    // Other media have lines of their own.
                    _ if lines.media.is_some() => break,
                    _ => {}
                }
            } else if medias == 0 || lines.media.is_some() {
                lines.take(kind, value, medias > 0);
            }
        }
        lines
    }

    fn take(&mut self, kind: &str, value: &'a str, of_media: bool) {
        match (kind, of_media) {
            ("c" | "C", true) => self.media_address = Some(value),
            ("c" | "C", false) => self.address = Some(value),
            ("a" | "A", _) => self.attribute(value),
            _ => {}
        }
    }

    fn attribute(&mut self, value: &'a str) {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        let name = name.trim().to_ascii_lowercase();
        match name.as_str() {
            "rtcp" => self.rtcp = Some(rest.trim()),
            "rtpmap" if self.maps.len() < TYPES_MAX => {
                let mut parts = rest.split_whitespace();
                let number = parts.next().and_then(|number| number.parse().ok());
                self.maps.extend(number.zip(parts.next()));
            }
            "sendonly" | "inactive" => self.receives_not = true,
            "recvonly" | "sendrecv" => self.receives_not = false,
            _ => {}
        }
    }

    /// The codec of a payload type: as mapped, else as RFC 3551 numbers it.
    fn codec(&self, payload_type: u8) -> Option<Codec> {
        const ALL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];
        let mapped = self.maps.iter().find(|(number, _)| *number == payload_type);
        let Some((_, name)) = mapped else {
            let is = |codec: &Codec| Format::of(*codec).payload_type == payload_type;
            return ALL.into_iter().find(|codec| payload_type < 96 && is(codec));
        };
        let plain = |text: &str| text.split('/').next().unwrap_or(text).to_ascii_lowercase();
        ALL.into_iter().find(|codec| plain(Format::of(*codec).rtpmap) == plain(name))
    }
}

/// Reads the answer to an offer of these codecs.
///
/// # Errors
/// When it leaves open where to send or what, or declines.
pub fn answer(sdp: &str, offered: &[Codec]) -> Result<Answer, AnswerError> {
    if sdp.len() > ANSWER_MAX_BYTES {
        return Err(AnswerError::TooLong);
    }
    let lines = Lines::read(sdp);
    let mut media = lines.media.ok_or(AnswerError::NoAudio)?.split_whitespace().skip(1);
    // `49170/2` would be two streams; the first will do.
    let port = media.next().and_then(|port| port.split('/').next()?.parse::<u16>().ok());
    let port = port.ok_or(AnswerError::NoAudio)?;
    if port == 0 || lines.receives_not {
        return Err(AnswerError::Declined);
    }
    let transport = media.next().unwrap_or_default().to_ascii_uppercase();
    if transport.contains("SAVP") {
        return Err(AnswerError::Encrypted);
    }
    let address = lines.media_address.or(lines.address).and_then(address);
    let address = address.ok_or(AnswerError::NoAddress)?;
    let types = media.take(TYPES_MAX).filter_map(|number| number.parse::<u8>().ok());
    let known = types.filter(|number| *number < 128);
    let mut usable = known.filter_map(|number| Some((number, lines.codec(number)?)));
    let chosen = usable.find(|(_, codec)| offered.contains(codec));
    let (payload_type, codec) = chosen.ok_or(AnswerError::NoCodec)?;
    let rtp = SocketAddr::new(address, port);
    let rtcp = lines.rtcp.and_then(|said| rtcp(said, address));
    let next = SocketAddr::new(address, port.saturating_add(1));
    Ok(Answer { codec, payload_type, rtp, rtcp: rtcp.unwrap_or(next) })
}

/// The address of a `c=` line, if one host can be reached there.
fn address(line: &str) -> Option<IpAddr> {
    let said = line.split_whitespace().nth(2)?;
    let address: IpAddr = said.split('/').next()?.parse().ok()?;
    let everyone = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    let one = !address.is_unspecified() && !address.is_multicast() && !everyone;
    one.then_some(address)
}

/// `a=rtcp:53020` or `a=rtcp:53020 IN IP4 126.16.64.4` (RFC 3605). Another host
/// than the one that answered is not believed.
fn rtcp(said: &str, host: IpAddr) -> Option<SocketAddr> {
    let port: u16 = said.split_whitespace().next()?.parse().ok()?;
    (port != 0).then(|| SocketAddr::new(host, port))
}
