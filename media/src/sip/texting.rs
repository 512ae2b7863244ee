//! One MESSAGE to a telephone (RFC 3428), sent again until it is answered or its
//! timer F runs out. Refuses to answer a challenge: 401 and 407 are answers like
//! any other.

use tokio::sync::oneshot;

use super::call::MessageError;
use super::message::Response;
use super::repeats::{PATIENCE_MS, T1_MS, T2_MS};
use super::script::{Asked, Script};
use super::wire::Hop;

/// Its Content-Type.
const PLAIN: &str = "text/plain;charset=UTF-8";

#[derive(Debug)]
pub(super) struct Texting {
    pub(super) hop: Hop,
    bytes: Vec<u8>,
    branch: String,
    /// Unguessable, unlike the branch.
    call_id: String,
    next_ms: u64,
    gap_ms: u64,
    until_ms: u64,
    told: Option<oneshot::Sender<Result<u16, MessageError>>>,
}

impl Texting {
    /// It is sent for the first time by whoever asks for its [`bytes`](Self::bytes).
    pub(super) fn new(
        now_ms: u64,
        mut script: Script,
        hop: Hop,
        text: &str,
        told: oneshot::Sender<Result<u16, MessageError>>,
    ) -> Self {
        let branch = script.branch();
        let bytes = script.bytes(&Asked {
            method: "MESSAGE",
            uri: &script.uri,
            route: &script.route,
            to: &script.to,
            cseq: 1,
            branch: &branch,
            fields: &[],
            kind: PLAIN,
            body: text.as_bytes(),
        });
        let next_ms = match hop {
            Hop::Udp(_) => now_ms.saturating_add(T1_MS),
            Hop::Tcp(_) => u64::MAX,
        };
        let until_ms = now_ms.saturating_add(PATIENCE_MS);
        Self {
            hop,
            bytes,
            branch,
            call_id: script.call_id,
            next_ms,
            gap_ms: T1_MS,
            until_ms,
            told: Some(told),
        }
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
            self.end(Err(MessageError::Silent));
            return None;
        }
        if self.next_ms > now_ms {
            return None;
        }
        self.gap_ms = (self.gap_ms * 2).min(T2_MS);
        self.next_ms = now_ms.saturating_add(self.gap_ms);
        Some(self.bytes.clone())
    }

    pub(super) fn response(&mut self, now_ms: u64, response: &Response) {
        if response.branch != self.branch || response.call_id != self.call_id {
            return;
        }
        match response.code {
            // §17.1.2.2: from now on every four seconds.
            ..200 => {
                self.gap_ms = T2_MS;
                if self.next_ms < u64::MAX {
                    self.next_ms = now_ms.saturating_add(T2_MS);
                }
            }
            code => self.end(Ok(code)),
        }
    }

    pub(super) fn end(&mut self, ended: Result<u16, MessageError>) {
        if let Some(told) = self.told.take() {
            let _nobody_waits = told.send(ended);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.told.is_none()
    }
}
