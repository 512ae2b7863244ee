//! Hears the keys that one sender presses, in its RTP: as events (RFC 4733), or,
//! where it has none of these, as tones in G.711. It tells each key once and does
//! nothing about it.

use weir_signaling::digits::tone::Detector;
use weir_signaling::digits::{Way, event};
use weir_signaling::sdp::Kind;

use super::g711;
use super::rtp::Packet;

/// Sound that was not sent or was lost counts as silence; no more of it is put
/// in than ends any tone.
const SILENCE_MAX: u32 = 800;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ear {
    events: event::Reader,
    tones: Option<Box<Tones>>,
}

#[derive(Debug, Default)]
struct Tones {
    detector: Detector,
    ssrc: u32,
    /// Where the sound goes on; `None`: nothing came yet.
    next: Option<u32>,
}

/// What a payload type stands for.
pub(super) fn kind_of(formats: &[(u8, Kind)], payload_type: u8) -> Option<Kind> {
    formats.iter().find(|(number, _)| *number == payload_type).map(|(_, kind)| *kind)
}

impl Ear {
    /// Tones are listened for only when `formats` have no events.
    pub(super) fn new(formats: &[(u8, Kind)]) -> Self {
        let events = formats.iter().any(|(_, kind)| *kind == Kind::Event);
        Self { events: event::Reader::default(), tones: (!events).then(Box::default) }
    }

    /// Listens for both: a gateway may agree to events and pass tones on.
    pub(super) fn keen() -> Self {
        Self { events: event::Reader::default(), tones: Some(Box::default()) }
    }

    /// A packet as its sender numbered it; each key in it goes to `told`.
    pub(super) fn hear(
        &mut self,
        packet: &Packet<'_>,
        kind: Kind,
        mut told: impl FnMut(char, Way),
    ) {
        let decode = match kind {
            Kind::Event => {
                let key = self.events.hear(packet.ssrc, packet.timestamp, packet.payload);
                if let Some(digit) = key {
                    told(digit, Way::Event);
                }
                return;
            }
            Kind::Pcmu => g711::mu_decode,
            Kind::Pcma => g711::a_decode,
            Kind::G722 | Kind::Opus => return,
        };
        if let Some(tones) = &mut self.tones {
            tones.hear(packet, decode, |digit| told(digit, Way::Tone));
        }
    }
}

impl Tones {
    fn hear(&mut self, packet: &Packet<'_>, decode: fn(u8) -> i16, mut told: impl FnMut(char)) {
        let next = self.next.filter(|_| self.ssrc == packet.ssrc).unwrap_or(packet.timestamp);
        let missing = packet.timestamp.wrapping_sub(next);
        // Repeated or overtaken; a clock that really began anew is far off.
        if missing.wrapping_neg() <= SILENCE_MAX && missing != 0 {
            return;
        }
        for _ in 0..missing.min(SILENCE_MAX) {
            self.detector.hear([0], &mut told);
        }
        self.detector.hear(packet.payload.iter().map(|byte| decode(*byte)), &mut told);
        let length = u32::try_from(packet.payload.len()).unwrap_or(0);
        self.ssrc = packet.ssrc;
        self.next = Some(packet.timestamp.wrapping_add(length));
    }
}
