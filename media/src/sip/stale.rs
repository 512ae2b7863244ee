//! BYE into a dialog that an earlier life of this node left behind. Refuses to
//! wait long: the caller has a restart to get on with.

use tokio::sync::oneshot;

use super::call::{DialogNote, Ended};
use super::message::{Method, Response};
use super::script::{Asked, Script};
use super::wire::Hop;

/// How far above the last CSeq known; the earlier life may have used some more
/// before it ended.
const CSEQ_AHEAD: u32 = 100_000;
/// How long an answer is waited for.
const PATIENCE_MS: u64 = 2_000;
/// RFC 3261 §17.1.2.2: the first repetition.
const T1_MS: u64 = 500;

#[derive(Debug)]
pub(super) struct Stale {
    pub(super) hop: Hop,
    pub(super) call_id: String,
    bytes: Vec<u8>,
    branch: String,
    next_ms: u64,
    gap_ms: u64,
    until_ms: u64,
    told: Option<oneshot::Sender<Ended>>,
}

impl Stale {
    /// The first BYE is [`bytes`](Self::bytes).
    pub(super) fn new(
        now_ms: u64,
        note: &DialogNote,
        mut script: Script,
        hop: Hop,
        told: oneshot::Sender<Ended>,
    ) -> Self {
        let branch = script.branch();
        let bytes = script.bytes(&Asked {
            method: "BYE",
            uri: &note.target,
            route: &note.route,
            to: &note.to,
            // §8.1.1.5: below 2^31.
            cseq: note.cseq.saturating_add(CSEQ_AHEAD).min((1 << 31) - 1),
            branch: &branch,
            fields: &[],
            kind: "",
            body: &[],
        });
        let next_ms = match hop {
            Hop::Udp(_) => now_ms.saturating_add(T1_MS),
            Hop::Tcp(_) => u64::MAX,
        };
        let until_ms = now_ms.saturating_add(PATIENCE_MS);
        let (call_id, told) = (note.call_id.clone(), Some(told));
        Self { hop, call_id, bytes, branch, next_ms, gap_ms: T1_MS, until_ms, told }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    pub(super) fn next_ms(&self) -> u64 {
        self.next_ms.min(self.until_ms)
    }

    /// Time went by: perhaps it is sent again.
    pub(super) fn tick(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        if self.until_ms <= now_ms {
            self.end(Ended::Silent);
            return None;
        }
        if self.next_ms > now_ms {
            return None;
        }
        self.gap_ms *= 2;
        self.next_ms = now_ms.saturating_add(self.gap_ms);
        Some(self.bytes.clone())
    }

    /// A response with its Call-ID; what it amounts to, if it was the answer.
    pub(super) fn response(&mut self, response: &Response) -> Option<Ended> {
        let ours = response.method == Method::Bye && response.branch == self.branch;
        let ended = match response.code {
            _ if !ours => return None,
            ..200 => return None,
            200..=299 => Ended::Done,
            408 | 481 => Ended::WasOver,
            code => Ended::Refused { code },
        };
        self.end(ended);
        Some(ended)
    }

    pub(super) fn end(&mut self, ended: Ended) {
        if let Some(told) = self.told.take() {
            let _nobody_waits = told.send(ended);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.told.is_none()
    }
}
