//! What a telephone and a seat in the room say to each other of sound: SDP on one
//! side, an aim on the other; and the announcement as samples. Rooms mix G.711
//! and nothing else, so nothing else is offered or agreed to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use weir_model::directory::Codec;
use weir_signaling::sdp::{Audio, Direction, Format, Kind, Writer};

use crate::audio::Clip;
use crate::voice::g711;
use crate::voice::mixer::{Aim, Prompt};

/// The clock of all that is mixed.
const CLOCK_HZ: u32 = 8_000;
/// What we ask keys to be sent as (RFC 4733).
const EVENT_TYPE: u8 = 101;
/// A beep of 200 ms in two seconds.
const BEEP_SAMPLES: usize = 1_600;
const BEEP_PAUSE_SAMPLES: usize = 8_000;
const BEEP: i16 = 3_000;

fn is_mixed(format: &Format) -> bool {
    let known = matches!(format.kind, Kind::Pcma | Kind::Pcmu | Kind::Event);
    known && format.clock_hz == CLOCK_HZ
}

fn is_voice(format: &&Format) -> bool {
    is_mixed(format) && format.kind.is_voice()
}

/// What we offer.
pub(super) fn offered(writer: &Writer) -> Audio {
    let mut audio = writer.own();
    audio.formats.retain(is_mixed);
    audio
}

/// What we agree to of an offer: one codec, and keys. `None`: nothing of it is
/// mixed.
pub(super) fn agreed(theirs: &Audio) -> Option<Audio> {
    let voice = theirs.formats.iter().find(is_voice)?;
    let keys = theirs.formats.iter().find(|format| is_mixed(format) && !is_voice(format));
    Some(Audio {
        direction: Direction::Both.answering(theirs.direction),
        formats: [Some(voice), keys].into_iter().flatten().cloned().collect(),
        ptime_ms: Some(20),
        ..theirs.clone()
    })
}

/// Where this telephone is. Who put us on hold hears nothing and is not heard.
/// `None`: nothing that it wants is mixed.
pub(super) fn aim(theirs: &Audio, also_from: IpAddr) -> Option<Aim> {
    theirs.formats.iter().find(is_voice)?;
    let usable = theirs.formats.iter().filter(|format| is_mixed(format));
    let mut formats: Vec<(u8, Kind)> =
        usable.map(|format| (format.payload_type, format.kind)).collect();
    // What we have offered it may send, whatever number it gave in its answer.
    if formats.iter().all(|(number, _)| *number != EVENT_TYPE) {
        formats.push((EVENT_TYPE, Kind::Event));
    }
    Some(Aim {
        rtp: theirs.rtp,
        rtcp: theirs.rtcp,
        also_from: Some(also_from),
        hears: theirs.direction.receives(),
        formats,
    })
}

/// The announcement; beeps when there is none in G.711.
pub(super) fn prompt(clips: &BTreeMap<Codec, Clip>) -> Prompt {
    let of = |codec, decode: fn(u8) -> i16| {
        let clip = clips.get(&codec)?;
        Some(clip.payload.iter().map(|byte| decode(*byte)).collect::<Vec<i16>>())
    };
    let samples = of(Codec::Pcma, g711::a_decode).or_else(|| of(Codec::Pcmu, g711::mu_decode));
    Prompt::new(samples.unwrap_or_else(beep))
}

/// 1 kHz, so that whoever answers knows that something is wanted.
fn beep() -> Vec<i16> {
    let wave = [BEEP, BEEP, BEEP, BEEP, -BEEP, -BEEP, -BEEP, -BEEP];
    let beep = wave.into_iter().cycle().take(BEEP_SAMPLES);
    beep.chain(std::iter::repeat_n(0, BEEP_PAUSE_SAMPLES)).collect()
}
