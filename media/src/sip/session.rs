//! How long a session lives without a word (RFC 4028): who refreshes it, when,
//! and when it counts as dead. Time is an argument; refuses intervals that would
//! keep both sides busy.

use super::head::{Address, Head, Name, split};

/// Shortest interval taken, in seconds (RFC 4028 §5).
pub(super) const MIN_SE_S: u32 = 90;
/// How long after a refresh that failed for the moment it is tried again.
const AGAIN_MS: u64 = 5_000;
/// Longest interval believed.
const MAX_S: u32 = 86_400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresher {
    Us,
    Them,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Session {
    interval_s: u32,
    /// What the far side, or a hop on the way, asks for at least.
    min_s: u32,
    refresher: Refresher,
    /// Whether the far side keeps a timer of its own.
    spoken: bool,
    refresh_ms: u64,
    expires_ms: u64,
}

/// `1800;refresher=uac`
fn expires(head: &Head) -> Option<(u32, Option<String>)> {
    let value = head.first(Name::SessionExpires)?;
    let parts = split(value, b';');
    let seconds: u32 = std::str::from_utf8(parts.first()?).ok()?.parse().ok()?;
    let who = super::head::parameter(parts.get(1..)?, "refresher");
    Some((seconds.min(MAX_S), who.map(|who| who.to_ascii_lowercase())))
}

pub(super) fn min_se(head: &Head) -> Option<u32> {
    let address = Address::read(head.first(Name::MinSe)?)?;
    address.uri.parse::<u32>().ok().map(|seconds| seconds.min(MAX_S))
}

fn speaks(head: &Head) -> bool {
    head.elements(Name::Supported).iter().any(|tag| tag.eq_ignore_ascii_case(b"timer"))
}

/// Whether an INVITE asks for refreshes more often than we serve. One that
/// knows no timers would not understand to be told (RFC 4028 §9).
pub(super) fn too_brief(head: &Head) -> bool {
    speaks(head) && expires(head).is_some_and(|(seconds, _)| seconds < MIN_SE_S)
}

/// What our first INVITE says; `min_s` as a 422 asked for.
pub(super) fn offered(session_s: u32, min_s: u32) -> Vec<String> {
    let interval_s = session_s.max(min_s).max(MIN_SE_S);
    let mut fields = vec!["Supported: timer".to_owned(), format!("Session-Expires: {interval_s}")];
    if min_s > MIN_SE_S {
        fields.push(format!("Min-SE: {min_s}"));
    }
    fields
}

impl Session {
    fn new(interval_s: u32, min_s: u32) -> Self {
        Self {
            interval_s: interval_s.max(min_s).max(MIN_SE_S),
            min_s,
            refresher: Refresher::Us,
            spoken: false,
            refresh_ms: u64::MAX,
            expires_ms: u64::MAX,
        }
    }

    /// Our first INVITE was answered.
    pub(super) fn called(now_ms: u64, head: &Head, session_s: u32, min_s: u32) -> Self {
        let mut session = Self::new(session_s, min_s);
        session.answered(now_ms, head);
        session
    }

    /// Their first INVITE, which is not [`too_brief`], is being answered.
    pub(super) fn taken(now_ms: u64, head: &Head, session_s: u32) -> Self {
        let mut session = Self::new(session_s, 0);
        session.asked(now_ms, head);
        session
    }

    fn begin(&mut self, now_ms: u64) {
        let interval_ms = u64::from(self.interval_s) * 1000;
        self.refresh_ms = match self.refresher {
            Refresher::Us => now_ms.saturating_add(interval_ms / 2),
            Refresher::Them => u64::MAX,
        };
        let spare_ms = (interval_ms / 3).min(32_000);
        // Whoever keeps no timer is asked, and that it does not answer is enough.
        self.expires_ms = match self.spoken {
            true => now_ms.saturating_add(interval_ms - spare_ms),
            false => u64::MAX,
        };
    }

    /// A 2xx to an INVITE of ours: §7.2.
    pub(super) fn answered(&mut self, now_ms: u64, head: &Head) {
        match expires(head) {
            Some((seconds, who)) => {
                self.interval_s = seconds.max(MIN_SE_S);
                self.spoken = true;
                let them = who.as_deref() == Some("uas");
                self.refresher = if them { Refresher::Them } else { Refresher::Us };
            }
            None => (self.spoken, self.refresher) = (false, Refresher::Us),
        }
        self.begin(now_ms);
    }

    /// An INVITE of theirs that we answer with 200 now: §9.
    pub(super) fn asked(&mut self, now_ms: u64, head: &Head) {
        self.min_s = min_se(head).unwrap_or_default().min(MAX_S);
        let asked = expires(head);
        self.spoken = speaks(head);
        self.interval_s =
            asked.as_ref().map_or(self.interval_s, |(s, _)| (*s).min(self.interval_s));
        self.interval_s = self.interval_s.max(self.min_s).max(MIN_SE_S);
        self.refresher = match asked.and_then(|(_, who)| who).as_deref() {
            Some("uac") if self.spoken => Refresher::Them,
            Some(_) => Refresher::Us,
            // It leaves that to us: as it was, at first ourselves.
            None if self.spoken => self.refresher,
            None => Refresher::Us,
        };
        self.begin(now_ms);
    }

    /// What our 200 says after [`asked`](Self::asked).
    pub(super) fn answer_fields(&self) -> Vec<String> {
        let mut fields = vec!["Supported: timer".to_owned()];
        if self.spoken {
            let them = self.refresher == Refresher::Them;
            let who = if them { "uac" } else { "uas" };
            if them {
                fields.push("Require: timer".into());
            }
            fields.push(format!("Session-Expires: {};refresher={who}", self.interval_s));
        }
        fields
    }

    /// What an INVITE of ours within the dialog says.
    pub(super) fn ask_fields(&self) -> Vec<String> {
        let who = if self.refresher == Refresher::Us { "uac" } else { "uas" };
        let mut fields = vec![
            "Supported: timer".to_owned(),
            format!("Session-Expires: {};refresher={who}", self.interval_s),
        ];
        if self.min_s > MIN_SE_S {
            fields.push(format!("Min-SE: {}", self.min_s));
        }
        fields
    }

    /// A 422 to an INVITE of ours within the dialog.
    pub(super) fn raise(&mut self, head: &Head) {
        self.min_s = min_se(head).unwrap_or(MIN_SE_S).max(self.min_s);
        self.interval_s = self.interval_s.max(self.min_s);
    }

    /// The refresh is out, or failed for the moment.
    pub(super) fn later(&mut self, now_ms: u64) {
        if self.refresher == Refresher::Us {
            let half_ms = u64::from(self.interval_s) * 500;
            let wait_ms = if self.spoken { AGAIN_MS } else { half_ms };
            self.refresh_ms = now_ms.saturating_add(wait_ms);
        }
    }

    pub(super) fn refresh_ms(&self) -> u64 {
        self.refresh_ms
    }

    pub(super) fn expires_ms(&self) -> u64 {
        self.expires_ms
    }
}
