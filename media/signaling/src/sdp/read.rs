//! Reads an offer or an answer of a real telephone. Refuses, with a reason,
//! what leaves open where to send, or in which format that is relayed here.

use core::net::{IpAddr, SocketAddr};

use super::format::number;
use super::lines::{Lines, Media, Section, payload_type};
use super::{Audio, Direction, Format, MAX_BYTES, Other, Profile, SdpError, Session};

/// Milliseconds a packet that are passed on.
const PTIME_MS: core::ops::RangeInclusive<u32> = 5..=200;

/// Reads one session description.
///
/// # Errors
/// When nothing of it can be relayed; the reason tells what to answer.
pub fn read(text: &str) -> Result<Session, SdpError> {
    read_knowing(text, &[])
}

/// Payload types without `a=rtpmap` mean what `known` says: telephones answer
/// with a number alone that was explained in the offer.
pub(super) fn read_knowing(text: &str, known: &[Format]) -> Result<Session, SdpError> {
    if text.len() > MAX_BYTES {
        return Err(SdpError::TooLong);
    }
    let lines = Lines::read(text)?;
    let mut worst = SdpError::NoAudio;
    for (place, media) in lines.media.iter().enumerate() {
        match usable(media, &lines.top, known) {
            Ok((profile, audio)) => {
                let rest = lines.media.iter().enumerate().filter(|(at, _)| *at != place);
                let others = rest.map(|(_, media)| other(media)).collect();
                return Ok(Session { audio, place, profile, others });
            }
            // What came nearest to being of use says most.
            Err(error) => worst = worst.max(error),
        }
    }
    Err(worst)
}

fn other(media: &Media<'_>) -> Other {
    Other {
        media: media.name.into(),
        profile: media.profile.into(),
        format: media.formats.first().copied().unwrap_or("0").into(),
    }
}

fn usable(
    media: &Media<'_>,
    top: &Section<'_>,
    known: &[Format],
) -> Result<(Profile, Audio), SdpError> {
    if !media.name.eq_ignore_ascii_case("audio") {
        return Err(SdpError::NoAudio);
    }
    if media.port == 0 {
        return Err(SdpError::Declined);
    }
    let profile = match media.profile.to_ascii_uppercase().as_str() {
        "RTP/AVP" => Profile::Avp,
        "RTP/AVPF" => Profile::Avpf,
        other if other.contains("SAVP") => return Err(SdpError::Encrypted),
        _ => return Err(SdpError::NoAudio),
    };
    let formats = formats(media, known);
    if !formats.iter().any(|format| format.kind.is_voice()) {
        return Err(SdpError::NoFormat);
    }
    let below = &media.below;
    let host = below.address.or(top.address).and_then(host).ok_or(SdpError::NoAddress)?;
    let said = below.direction.or(top.direction).unwrap_or(Direction::Both);
    // The old way to put on hold: send me nothing.
    let direction = Direction::new(said.sends(), said.receives() && !host.is_unspecified());
    let beside = media.port.saturating_add(1);
    let rtcp = below.rtcp.and_then(|said| rtcp_port(said, host)).unwrap_or(beside);
    let ptime = below.ptime.or(top.ptime).and_then(number);
    let audio = Audio {
        rtp: SocketAddr::new(host, media.port),
        rtcp: SocketAddr::new(host, rtcp),
        direction,
        formats,
        ptime_ms: ptime.filter(|ms| PTIME_MS.contains(ms)),
    };
    Ok((profile, audio))
}

fn formats(media: &Media<'_>, known: &[Format]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for which in media.formats.iter().filter_map(|word| payload_type(word)) {
        let (map, fmtp) = (media.below.map(which), media.below.fmtp(which));
        let explained = known.iter().find(|format| format.payload_type == which);
        let map = map.or_else(|| explained.map(|format| format.rtpmap.as_str()));
        let twice = formats.iter().any(|format| format.payload_type == which);
        if let Some(format) = Format::new(which, map, fmtp).filter(|_| !twice) {
            formats.push(format);
        }
    }
    formats
}

/// The address of a `c=` line: one host, or nobody at all (hold).
fn host(line: &str) -> Option<IpAddr> {
    let said = line.split_ascii_whitespace().nth(2)?;
    let host: IpAddr = said.split('/').next()?.parse().ok()?;
    let host = host.to_canonical();
    let everyone = matches!(host, IpAddr::V4(v4) if v4.is_broadcast());
    (!host.is_multicast() && !everyone).then_some(host)
}

/// `a=rtcp:53020` or `a=rtcp:53020 IN IP4 126.16.64.4` (RFC 3605). Another host
/// than the one that receives the sound is not believed: reports would flood it.
fn rtcp_port(said: &str, rtp: IpAddr) -> Option<u16> {
    let mut words = said.split_ascii_whitespace();
    let port = u16::try_from(number(words.next()?)?).ok().filter(|port| *port != 0)?;
    let named = words.nth(2).map(str::parse::<IpAddr>);
    let same = named.is_none_or(|named| named.is_ok_and(|named| named.to_canonical() == rtp));
    same.then_some(port)
}
