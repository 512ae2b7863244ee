//! Who there is and what they do with calls, as `fake-people` reads it. It refuses
//! to say what that means: the fake does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How keys travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Rfc4733,
    Info,
    Inband,
    All,
}

/// What somebody does with a call; `fake-people` says what each means. Times that
/// are None are as it has them.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "does", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Does {
    NeverAnswers {},
    Answers {
        after_ms: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        stays_ms: Option<u64>,
    },
    Presses {
        keys: String,
        way: Way,
        /// Until the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
        /// Since the answer.
        first_after_ms: u64,
    },
    /// Only once the announcement was heard so often.
    PressesAfterHearing {
        times: u32,
        keys: String,
        way: Way,
    },
    /// 7.
    WrongKey {
        way: Way,
    },
    /// 7, then 1.
    WrongThenRight {
        way: Way,
    },
    VoiceMail {
        #[serde(skip_serializing_if = "Option::is_none")]
        stays_ms: Option<u64>,
    },
    EarlyMedia {
        sounds_ms: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
    Busy {},
    Declines {},
    Refuses {
        code: u16,
    },
    HangsUp {
        stays_ms: u64,
    },
    Unreachable {},
}

impl Does {
    /// Answers and presses `keys`.
    pub fn presses(keys: &str, way: Way) -> Self {
        Self::Presses { keys: keys.to_owned(), way, after_ms: None, first_after_ms: 1_500 }
    }

    /// Lets it ring for `after_ms`, answers and presses `keys`.
    pub fn presses_late(after_ms: u64, keys: &str, way: Way) -> Self {
        let after_ms = Some(after_ms);
        Self::Presses { keys: keys.to_owned(), way, after_ms, first_after_ms: 1_500 }
    }
}

/// A call that somebody makes once all of their process were registered. Times that are None
/// never come.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Dials {
    pub to: String,
    pub after_ms: u64,
    /// From the answer until they hang up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talks_ms: Option<u64>,
    /// From the INVITE until they stop calling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gives_up_ms: Option<u64>,
    /// From the answer on, for three seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_at_ms: Option<u64>,
}

impl Dials {
    pub fn to(number: &str) -> Self {
        Self { to: number.to_owned(), ..Self::default() }
    }
}

/// Somebody with a telephone.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    pub number: String,
    pub password: String,
    pub registrar: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The first call meets the first, and so on; the last one for all later ones.
    /// Calls at once.
    pub lines: usize,
    pub calls: Vec<Does>,
    /// A tone that they speak; they then listen for everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tone_hz: Option<u32>,
    pub dials: Vec<Dials>,
    /// What a text is answered with; 0 is no answer.
    pub message_code: u16,
}

impl Person {
    pub fn new(number: &str, password: &str, registrar: SocketAddr, calls: &[Does]) -> Self {
        Self {
            number: number.to_owned(),
            password: password.to_owned(),
            registrar,
            listen: None,
            lines: 1,
            calls: calls.to_vec(),
            tone_hz: None,
            dials: Vec::new(),
            message_code: 200,
        }
    }

    #[must_use]
    pub fn with_lines(mut self, lines: usize) -> Self {
        self.lines = lines;
        self
    }

    #[must_use]
    pub fn speaking(mut self, hz: u32) -> Self {
        self.tone_hz = Some(hz);
        self
    }

    #[must_use]
    pub fn dialling(mut self, dials: Dials) -> Self {
        self.dials.push(dials);
        self
    }
}

/// A way to the outside world.
#[derive(Debug, Clone, Serialize)]
pub struct Trunk {
    pub number: String,
    pub password: String,
    pub registrar: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    pub lines: usize,
    /// What they do who are reached by these numbers.
    pub outside: BTreeMap<String, Vec<Does>>,
    /// What everybody else does; nobody answers when it is empty.
    pub calls: Vec<Does>,
}

impl Trunk {
    pub fn new(number: &str, password: &str, registrar: SocketAddr, lines: usize) -> Self {
        Self {
            number: number.to_owned(),
            password: password.to_owned(),
            registrar,
            listen: None,
            lines,
            outside: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, outside: &str, calls: &[Does]) -> Self {
        self.outside.insert(outside.to_owned(), calls.to_vec());
        self
    }
}
