//! Requests of ours that go out again until they are answered (RFC 3261 §17.1).
//! Refuses to go on for longer than a transaction lives.

use super::kept::Transport;
use super::line::Output;

/// RFC 3261 §17.1.1.1: the round trip we assume, and the slowest repetition.
pub(super) const T1_MS: u64 = 500;
pub(super) const T2_MS: u64 = 4_000;
/// After this long a transaction is over.
pub(super) const PATIENCE_MS: u64 = 64 * T1_MS;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite,
    Cancel,
    Bye,
    /// BYE to a second answer.
    ForkBye,
    Info,
}

/// A request that is sent again until it is answered.
#[derive(Debug, Clone)]
struct Repeat {
    bytes: Vec<u8>,
    branch: String,
    purpose: Purpose,
    /// Over TCP it is sent once.
    next_ms: Option<u64>,
    gap_ms: u64,
    until_ms: u64,
}

/// All of one leg.
#[derive(Debug, Default)]
pub(super) struct Repeats(Vec<Repeat>);

impl Repeats {
    /// Sends it, and again from now on.
    pub(super) fn begin(
        &mut self,
        now_ms: u64,
        transport: Transport,
        purpose: Purpose,
        branch: String,
        bytes: Vec<u8>,
    ) -> Output {
        let again = transport == Transport::Udp;
        let next_ms = again.then(|| now_ms.saturating_add(T1_MS));
        let until_ms = now_ms.saturating_add(PATIENCE_MS);
        let sent = Output::Send(bytes.clone());
        self.0.push(Repeat { bytes, branch, purpose, next_ms, gap_ms: T1_MS, until_ms });
        sent
    }

    pub(super) fn next_ms(&self) -> u64 {
        let each = self.0.iter().map(|r| r.next_ms.unwrap_or(u64::MAX).min(r.until_ms));
        each.min().unwrap_or(u64::MAX)
    }

    /// Sends what is due; the purposes of those whose patience has ended.
    pub(super) fn tick(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Vec<Purpose> {
        for repeat in &mut self.0 {
            let due = repeat.next_ms.filter(|next_ms| *next_ms <= now_ms);
            let Some(next_ms) = due.filter(|_| now_ms < repeat.until_ms) else { continue };
            let doubled = repeat.gap_ms * 2;
            // Timer A doubles without end, timer E up to T2.
            let invite = repeat.purpose == Purpose::Invite;
            repeat.gap_ms = if invite { doubled } else { doubled.min(T2_MS) };
            repeat.next_ms = Some(next_ms.max(now_ms).saturating_add(repeat.gap_ms));
            out.push(Output::Send(repeat.bytes.clone()));
        }
        let ended = self.0.extract_if(.., |repeat| repeat.until_ms <= now_ms);
        ended.map(|repeat| repeat.purpose).collect()
    }

    /// It was answered; whether it was waited for.
    pub(super) fn answered(&mut self, branch: &str, purpose: Purpose) -> bool {
        let before = self.0.len();
        self.0.retain(|r| r.branch != branch || r.purpose != purpose);
        self.0.len() < before
    }

    /// A provisional answer to an INVITE: it is sent no more, and may take twice
    /// as long from now on.
    pub(super) fn heard_of(&mut self, now_ms: u64, branch: &str) {
        for repeat in self.0.iter_mut().filter(|r| r.branch == branch) {
            repeat.next_ms = None;
            repeat.until_ms = now_ms.saturating_add(2 * PATIENCE_MS);
        }
    }

    pub(super) fn count(&self, purpose: Purpose) -> usize {
        self.0.iter().filter(|r| r.purpose == purpose).count()
    }

    pub(super) fn keep_only(&mut self, purpose: Purpose) {
        self.0.retain(|r| r.purpose == purpose);
    }

    pub(super) fn stop(&mut self, purpose: Purpose) {
        self.0.retain(|r| r.purpose != purpose);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
