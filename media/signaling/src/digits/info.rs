//! Keys in the bodies of INFO requests: `application/dtmf-relay` (lines of
//! `Signal=` and `Duration=`) and `application/dtmf` (the bare key). No standard
//! says what these hold; makers agree well enough. Refuses any other type, and
//! bodies longer than a key can need.

use super::key;

const BODY_MAX: usize = 256;
/// How long a key is held when nothing is said of it.
const HELD_MS: u32 = 160;
/// No longer is believed.
const HELD_MAX_MS: u32 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressed {
    pub digit: char,
    /// From key down until INFO was sent.
    pub held_ms: u32,
}

/// `None`: no key. `kind` is the content type, with or without parameters.
pub fn read(kind: &str, body: &[u8]) -> Option<Pressed> {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let relay = kind.eq_ignore_ascii_case("application/dtmf-relay");
    if !relay && !kind.eq_ignore_ascii_case("application/dtmf") {
        return None;
    }
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= BODY_MAX)?;
    let named = lines(text);
    // Both are written under both names.
    if named.is_none() { bare(text) } else { named }
}

fn lines(text: &str) -> Option<Pressed> {
    let said = text.split(['\r', '\n']).filter_map(|line| line.split_once('='));
    let (mut digit, mut held_ms) = (None, HELD_MS);
    for (name, value) in said {
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("signal") && digit.is_none() {
            digit = Some(signal(value)?);
        } else if name.eq_ignore_ascii_case("duration") {
            held_ms = value.parse().unwrap_or(HELD_MS).min(HELD_MAX_MS);
        }
    }
    digit.map(|digit| Pressed { digit, held_ms })
}

fn bare(text: &str) -> Option<Pressed> {
    signal(text.trim()).map(|digit| Pressed { digit, held_ms: HELD_MS })
}

/// The key itself, or its event code: 10 for the star, 11 for the hash.
fn signal(said: &str) -> Option<char> {
    let mut letters = said.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => {
            let letter = letter.to_ascii_uppercase();
            super::KEYS.contains(&letter).then_some(letter)
        }
        (Some('1'), Some('0'..='5')) if said.len() == 2 => key(said.parse().ok()?),
        _ => None,
    }
}
