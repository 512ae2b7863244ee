//! Classes of loudspeaker, as devices on the market behave, and faults a device
//! may have. It refuses to hold what a class does not do: what is not written
//! here is not simulated.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use weir_fakes::sip::digest::Hash;
use weir_fakes::sip::sdp::Codec;
use weir_fakes::sip::wire::Transport;

/// What makes the device pick up by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `Call-Info: <…>;answer-after=0`
    CallInfo,
    /// `Alert-Info` with "auto answer" in it, however spelt.
    AlertInfo,
    /// `Answer-Mode: Auto` (RFC 5373).
    AnswerMode,
    /// Every call.
    Always,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) transport: Transport,
    pub(crate) hash: Hash,
    pub(crate) dialect: Dialect,
    /// Asked for at the registrar; renewed at half of what was granted.
    pub(crate) expires_s: u32,
    pub(crate) codecs: &'static [Codec],
    /// Whether it sends receiver reports.
    pub(crate) rtcp: bool,
    /// Hangs up when no RTP came for so long.
    pub(crate) media_timeout: Option<Duration>,
    /// From the request to picking up.
    pub(crate) answers_ms: RangeInclusive<u64>,
}

const G711: &[Codec] = &[Codec::Pcma, Codec::Pcmu];
const WIDE: &[Codec] = &[Codec::G722, Codec::Pcma, Codec::Pcmu];
const MEDIA_TIMEOUT: Option<Duration> = Some(Duration::from_secs(20));

const PROFILES: [Profile; 5] = [
    // The cheapest horn: answers and plays, tells nothing, and stays in a call
    // that nobody ends.
    Profile {
        name: "horn-basic",
        transport: Transport::Udp,
        hash: Hash::Md5,
        dialect: Dialect::CallInfo,
        expires_s: 3600,
        codecs: G711,
        rtcp: false,
        media_timeout: None,
        answers_ms: 300..=800,
    },
    // A newer horn on the LAN.
    Profile {
        name: "horn-ip",
        transport: Transport::Udp,
        hash: Hash::Sha256,
        dialect: Dialect::AlertInfo,
        expires_s: 3600,
        codecs: WIDE,
        rtcp: true,
        media_timeout: MEDIA_TIMEOUT,
        answers_ms: 200..=500,
    },
    // A column on a wall, behind a connection that it keeps open.
    Profile {
        name: "column",
        transport: Transport::Tcp,
        hash: Hash::Sha256,
        dialect: Dialect::AnswerMode,
        expires_s: 60,
        codecs: WIDE,
        rtcp: true,
        media_timeout: MEDIA_TIMEOUT,
        answers_ms: 150..=400,
    },
    // The horn most often met.
    Profile {
        name: "horn-rtcp",
        transport: Transport::Udp,
        hash: Hash::Md5,
        dialect: Dialect::CallInfo,
        expires_s: 3600,
        codecs: G711,
        rtcp: true,
        media_timeout: MEDIA_TIMEOUT,
        answers_ms: 150..=600,
    },
    // A box that turns a call into a contact: picks up whatever is asked.
    Profile {
        name: "relay-box",
        transport: Transport::Udp,
        hash: Hash::Md5,
        dialect: Dialect::Always,
        expires_s: 60,
        codecs: G711,
        rtcp: false,
        media_timeout: MEDIA_TIMEOUT,
        answers_ms: 150..=300,
    },
];

impl Profile {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        const { &PROFILES }.iter().find(|profile| profile.name == name)
    }

    pub(crate) fn names() -> String {
        PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ")
    }
}

/// What is wrong with a device. Its SIP account is well in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// Rings and is never picked up.
    Ringing,
    /// Somebody switched answering by itself off: looks like ringing.
    NoAutoAnswer,
    /// The amplifier is dead: everything on the wire is well, nothing sounds.
    Mute,
    /// Says 486 to every call.
    Busy,
    /// Says nothing at all to an INVITE.
    Deaf,
    /// Loses power a while after picking up, and comes back later.
    Reboot,
    /// Hangs up a while after picking up.
    DropsMidPage,
}

impl Fault {
    /// How many calls it strikes when nobody says.
    pub(crate) fn times(self) -> u32 {
        match self {
            Self::Reboot => 1,
            Self::Ringing
            | Self::NoAutoAnswer
            | Self::Mute
            | Self::Busy
            | Self::Deaf
            | Self::DropsMidPage => u32::MAX,
        }
    }
}
