//! What a person does with a call, as times and deeds: the list that a call works
//! off. It refuses to do anything itself.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;

use crate::voice::Voice;

/// Between the last key and what is said then.
const AFTER_KEYS: Duration = Duration::from_millis(400);
/// More keys than anybody presses in one call.
const KEYS_MAX: usize = 32;

const fn rings() -> u64 {
    300
}

const fn first() -> u64 {
    1_500
}

const fn soon() -> u64 {
    300
}

const fn gap() -> u64 {
    1_000
}

const fn thinks() -> u64 {
    3_000
}

const fn twice() -> u32 {
    2
}

const fn a_minute() -> u64 {
    60_000
}

const fn unavailable() -> u16 {
    480
}

fn yes() -> String {
    "1".to_owned()
}

fn wrong() -> String {
    "7".to_owned()
}

fn wrong_then_right() -> String {
    "71".to_owned()
}

/// How keys travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    #[default]
    Rfc4733,
    Info,
    Inband,
    /// All three at once, as some gateways do.
    All,
}

impl Way {
    /// Which of the three it is.
    pub(crate) fn means(self, way: Self) -> bool {
        self == Self::All || self == way
    }
}

/// See the table in `main.rs`.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    tag = "does",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub(crate) enum Does {
    NeverAnswers {},
    Answers {
        #[serde(default = "rings")]
        after_ms: u64,
        #[serde(default)]
        stays_ms: Option<u64>,
    },
    Presses {
        #[serde(default = "yes")]
        keys: String,
        #[serde(default)]
        way: Way,
        #[serde(default = "rings")]
        after_ms: u64,
        #[serde(default = "first")]
        first_after_ms: u64,
        #[serde(default = "gap")]
        gap_ms: u64,
    },
    PressesAfterHearing {
        #[serde(default = "twice")]
        times: u32,
        #[serde(default = "yes")]
        keys: String,
        #[serde(default)]
        way: Way,
        #[serde(default = "rings")]
        after_ms: u64,
        #[serde(default = "soon")]
        first_after_ms: u64,
        #[serde(default = "gap")]
        gap_ms: u64,
    },
    WrongKey {
        #[serde(default = "wrong")]
        keys: String,
        #[serde(default)]
        way: Way,
        #[serde(default = "rings")]
        after_ms: u64,
        #[serde(default = "first")]
        first_after_ms: u64,
        #[serde(default = "gap")]
        gap_ms: u64,
    },
    WrongThenRight {
        #[serde(default = "wrong_then_right")]
        keys: String,
        #[serde(default)]
        way: Way,
        #[serde(default = "rings")]
        after_ms: u64,
        #[serde(default = "first")]
        first_after_ms: u64,
        #[serde(default = "thinks")]
        gap_ms: u64,
    },
    VoiceMail {
        #[serde(default)]
        after_ms: u64,
        #[serde(default = "a_minute")]
        stays_ms: u64,
    },
    EarlyMedia {
        #[serde(default = "thinks")]
        sounds_ms: u64,
        #[serde(default)]
        after_ms: Option<u64>,
    },
    Busy {
        #[serde(default = "rings")]
        after_ms: u64,
    },
    Declines {
        #[serde(default = "rings")]
        after_ms: u64,
    },
    Refuses {
        #[serde(default = "unavailable")]
        code: u16,
        #[serde(default)]
        reason: String,
        #[serde(default = "rings")]
        after_ms: u64,
    },
    HangsUp {
        #[serde(default = "rings")]
        after_ms: u64,
        #[serde(default)]
        stays_ms: u64,
    },
    Unreachable {},
}

/// A call that somebody makes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dials {
    pub(crate) to: String,
    /// From when everybody of the process was registered once.
    #[serde(default)]
    pub(crate) after_ms: u64,
    /// From the answer until BYE; for good when it is not said.
    #[serde(default)]
    pub(crate) talks_ms: Option<u64>,
    /// From the INVITE until CANCEL.
    #[serde(default)]
    pub(crate) gives_up_ms: Option<u64>,
    /// From the answer on.
    #[serde(default)]
    pub(crate) holds_at_ms: Option<u64>,
    #[serde(default = "thinks")]
    pub(crate) held_ms: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Ring,
    /// 183 with a description of media.
    Early,
    Answer,
    Say(Voice),
    Press(char, Way),
    HangUp,
    Refuse(u16, String),
}

/// What is done when. What comes before the answer counts from the INVITE, what
/// comes after it from the answer.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) ringing: VecDeque<(Duration, Act)>,
    pub(crate) talking: VecDeque<(Duration, Act)>,
    /// What is done once the announcement was heard so often, counted from then.
    pub(crate) hears: Option<(u32, VecDeque<(Duration, Act)>)>,
    /// Says nothing to anything.
    pub(crate) deaf: bool,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn presses(keys: &str, way: Way, first_ms: u64, gap_ms: u64) -> VecDeque<(Duration, Act)> {
    let key = |(at, key)| (ms(first_ms + gap_ms * at), Act::Press(key, way));
    (0..).zip(keys.chars().take(KEYS_MAX)).map(key).collect()
}

impl Plan {
    fn new(name: &'static str) -> Self {
        Self { name, ringing: [(ms(0), Act::Ring)].into(), ..Self::default() }
    }

    fn answering(name: &'static str, after_ms: u64) -> Self {
        let mut plan = Self::new(name);
        plan.ringing.push_back((ms(after_ms), Act::Answer));
        plan
    }

    fn pressing(name: &'static str, after_ms: u64, talking: VecDeque<(Duration, Act)>) -> Self {
        Self { talking, ..Self::answering(name, after_ms) }
    }

    pub(crate) fn refusing(name: &'static str, after_ms: u64, code: u16, reason: &str) -> Self {
        let mut plan = if after_ms > 0 { Self::new(name) } else { Self::default() };
        plan.name = name;
        plan.ringing.push_back((ms(after_ms), Act::Refuse(code, reason.to_owned())));
        plan
    }

    /// Speaks this tone from the answer on, or from the last key on. A machine has a
    /// voice of its own.
    #[must_use]
    pub(crate) fn speaking(mut self, hz: u32) -> Self {
        if self.talking.iter().any(|(_, act)| matches!(act, Act::Say(_))) {
            return self;
        }
        let acts = self.hears.as_mut().map_or(&mut self.talking, |(_, acts)| acts);
        let keys = acts.iter().filter(|(_, act)| matches!(act, Act::Press(..)));
        let at = keys.map(|(at, _)| *at + AFTER_KEYS).max().unwrap_or_default();
        let place = acts.partition_point(|(other, _)| *other < at);
        acts.insert(place, (at, Act::Say(Voice::Tone(hz))));
        self
    }

    fn voice_mail(after_ms: u64, stays_ms: u64) -> Self {
        let talking = [
            (ms(0), Act::Say(Voice::Speech)),
            (ms(3_000), Act::Say(Voice::Beep)),
            (ms(3_500), Act::Say(Voice::Quiet)),
            (ms(stays_ms), Act::HangUp),
        ];
        Self { talking: talking.into(), ..Self::answering("voice-mail", after_ms) }
    }

    fn early_media(sounds_ms: u64, after_ms: Option<u64>) -> Self {
        let mut ringing: VecDeque<_> = [
            (ms(0), Act::Early),
            (ms(0), Act::Say(Voice::ColourRing)),
            (ms(sounds_ms), Act::Say(Voice::Quiet)),
            (ms(sounds_ms), Act::Ring),
        ]
        .into();
        if let Some(after_ms) = after_ms {
            ringing.push_back((ms(after_ms.max(sounds_ms)), Act::Answer));
        }
        Self { name: "early-media", ringing, ..Self::default() }
    }
}

impl Does {
    pub(crate) fn plan(&self) -> Plan {
        match *self {
            Self::NeverAnswers {} => Plan::new("never-answers"),
            Self::Answers { after_ms, stays_ms } => {
                let hangs_up = stays_ms.map(|stays_ms| (ms(stays_ms), Act::HangUp));
                Plan::pressing("answers", after_ms, hangs_up.into_iter().collect())
            }
            Self::Presses { ref keys, way, after_ms, first_after_ms, gap_ms } => {
                Plan::pressing("presses", after_ms, presses(keys, way, first_after_ms, gap_ms))
            }
            Self::WrongKey { ref keys, way, after_ms, first_after_ms, gap_ms } => {
                Plan::pressing("wrong-key", after_ms, presses(keys, way, first_after_ms, gap_ms))
            }
            Self::WrongThenRight { ref keys, way, after_ms, first_after_ms, gap_ms } => {
                let keys = presses(keys, way, first_after_ms, gap_ms);
                Plan::pressing("wrong-then-right", after_ms, keys)
            }
            Self::PressesAfterHearing {
                times,
                ref keys,
                way,
                after_ms,
                first_after_ms,
                gap_ms,
            } => Plan {
                hears: Some((times, presses(keys, way, first_after_ms, gap_ms))),
                ..Plan::answering("presses-after-hearing", after_ms)
            },
            Self::VoiceMail { after_ms, stays_ms } => Plan::voice_mail(after_ms, stays_ms),
            Self::EarlyMedia { sounds_ms, after_ms } => Plan::early_media(sounds_ms, after_ms),
            Self::Busy { after_ms } => Plan::refusing("busy", after_ms, 486, "Busy Here"),
            Self::Declines { after_ms } => Plan::refusing("declines", after_ms, 603, "Decline"),
            Self::Refuses { code, ref reason, after_ms } => {
                // Anything else would be no refusal.
                Plan::refusing("refuses", after_ms, code.clamp(300, 699), reason)
            }
            Self::HangsUp { after_ms, stays_ms } => {
                let talking = [(ms(stays_ms), Act::HangUp)].into();
                Plan::pressing("hangs-up", after_ms, talking)
            }
            Self::Unreachable {} => Plan { deaf: true, name: "unreachable", ..Plan::default() },
        }
    }
}
