//! The lines of a description that matter, sorted to where they belong: the
//! session or one `m=` line. Where something is said twice the first counts;
//! what means nothing here is passed over.

use super::format::number;
use super::{Direction, MEDIA_MAX, SdpError, TYPES_MAX};

/// Longest word of an `m=` line, in bytes.
const WORD_MAX_BYTES: usize = 64;

/// What was said for the session, or below one `m=` line.
#[derive(Default)]
pub(super) struct Section<'a> {
    pub(super) address: Option<&'a str>,
    pub(super) direction: Option<Direction>,
    pub(super) rtcp: Option<&'a str>,
    pub(super) ptime: Option<&'a str>,
    maps: Vec<(u8, &'a str)>,
    fmtps: Vec<(u8, &'a str)>,
}

pub(super) struct Media<'a> {
    pub(super) name: &'a str,
    pub(super) port: u16,
    pub(super) profile: &'a str,
    pub(super) formats: Vec<&'a str>,
    pub(super) below: Section<'a>,
}

#[derive(Default)]
pub(super) struct Lines<'a> {
    pub(super) top: Section<'a>,
    pub(super) media: Vec<Media<'a>>,
}

impl<'a> Lines<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, SdpError> {
        let mut lines = Self::default();
        let mut said = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let version = said.next().and_then(|line| line.split_once('='));
        if !version.is_some_and(|(kind, value)| kind == "v" && value.trim() == "0") {
            return Err(SdpError::Unparsable);
        }
        for line in said {
            let Some((kind, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            match kind {
                "m" if lines.media.len() >= MEDIA_MAX => return Err(SdpError::TooManyMedia),
                "m" => lines.media.push(Media::read(value).ok_or(SdpError::Unparsable)?),
                _ => {
                    let last = lines.media.last_mut().map(|media| &mut media.below);
                    last.unwrap_or(&mut lines.top).take(kind, value);
                }
            }
        }
        Ok(lines)
    }
}

impl<'a> Media<'a> {
    /// `audio 49170/2 RTP/AVP 8 0`; of several ports the first counts.
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().filter(|word| is_word(word))?;
        let port = words.next()?.split('/').next()?;
        let port = u16::try_from(number(port)?).ok()?;
        let profile = words.next().filter(|word| is_word(word))?;
        let formats: Vec<&str> = words.take(TYPES_MAX).collect();
        let whole = formats.first().is_some_and(|word| is_word(word));
        whole.then(|| Self { name, port, profile, formats, below: Section::default() })
    }
}

/// What may be repeated to others as it stands.
fn is_word(word: &str) -> bool {
    word.len() <= WORD_MAX_BYTES && word.bytes().all(|byte| byte.is_ascii_graphic())
}

impl<'a> Section<'a> {
    fn take(&mut self, kind: &str, value: &'a str) {
        match kind {
            "c" => first(&mut self.address, value),
            "a" => self.attribute(value),
            _ => {}
        }
    }

    fn attribute(&mut self, value: &'a str) {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        let (name, rest) = (name.trim(), rest.trim());
        if let Some(direction) = Direction::named(name) {
            self.direction.get_or_insert(direction);
            return;
        }
        match name.to_ascii_lowercase().as_str() {
            "rtcp" => first(&mut self.rtcp, rest),
            "ptime" => first(&mut self.ptime, rest),
            "rtpmap" => keep(&mut self.maps, rest),
            "fmtp" => keep(&mut self.fmtps, rest),
            _ => {}
        }
    }

    pub(super) fn map(&self, payload_type: u8) -> Option<&'a str> {
        find(&self.maps, payload_type)
    }

    pub(super) fn fmtp(&self, payload_type: u8) -> Option<&'a str> {
        find(&self.fmtps, payload_type)
    }
}

fn first<'a>(slot: &mut Option<&'a str>, value: &'a str) {
    slot.get_or_insert(value);
}

/// `101 telephone-event/8000`, unless that number has one already.
fn keep<'a>(kept: &mut Vec<(u8, &'a str)>, said: &'a str) {
    let Some((which, what)) = said.split_once([' ', '\t']) else { return };
    let Some(which) = payload_type(which) else { return };
    if kept.len() < TYPES_MAX && find(kept, which).is_none() {
        kept.push((which, what.trim()));
    }
}

fn find<'a>(kept: &[(u8, &'a str)], which: u8) -> Option<&'a str> {
    kept.iter().find(|(number, _)| *number == which).map(|(_, what)| *what)
}

pub(super) fn payload_type(word: &str) -> Option<u8> {
    number(word).and_then(|said| u8::try_from(said).ok()).filter(|said| *said < 128)
}
