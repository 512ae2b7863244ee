//! One INVITE that came, from its first answer to its ACK (RFC 3261 §13.3.1,
//! §17.2.1; RFC 6026). A machine: it reads no clock. Refuses to give a second
//! final answer.

use std::net::SocketAddr;

use super::answer::Answer;
use super::answered::{Key, Merged, merged};
use super::head::Name;
use super::line::Output;
use super::message::Request;
use super::repeats::{PATIENCE_MS, T1_MS, T2_MS};
use super::wire::Hop;

/// How a request came: as what it is known when it comes again, and the way its
/// answers take.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) key: Key,
    pub(super) merged: Option<Merged>,
    pub(super) source: SocketAddr,
    pub(super) back: Hop,
}

impl Came {
    pub(super) fn new(request: &Request, key: Key, source: SocketAddr, back: Hop) -> Self {
        let merged = request.to_tag.is_none().then(|| merged(request));
        Self { key, merged, source, back }
    }
}

/// What became of it when time went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    No,
    /// Nobody acknowledged our 200.
    Unacknowledged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No final answer yet.
    Open,
    Accepted,
    Refused,
    Done,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Served {
    request: Box<Request>,
    came: Came,
    tag: String,
    stage: Stage,
    /// The final answer.
    bytes: Vec<u8>,
    next_ms: u64,
    gap_ms: u64,
    until_ms: u64,
}

impl Served {
    pub(super) fn new(request: &Request, came: Came, tag: &str) -> Self {
        Self {
            request: Box::new(request.clone()),
            came,
            tag: tag.into(),
            stage: Stage::Open,
            bytes: Vec::new(),
            next_ms: u64::MAX,
            gap_ms: T1_MS,
            until_ms: u64::MAX,
        }
    }

    /// Itself, for whoever holds it from now on; what stays behind is over.
    pub(super) fn moved(&mut self) -> Self {
        let moved = Self {
            request: self.request.clone(),
            came: self.came.clone(),
            tag: self.tag.clone(),
            bytes: std::mem::take(&mut self.bytes),
            ..*self
        };
        self.stage = Stage::Done;
        moved
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Our 200 is out and not acknowledged.
    pub(super) fn waits_for_ack(&self) -> bool {
        self.stage == Stage::Accepted
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(super) fn is_it(&self, key: &Key) -> bool {
        self.came.key == *key
    }

    /// An answer, provisional or final; nothing after a final one.
    pub(super) fn answer(&mut self, now_ms: u64, mut answer: Answer) -> Option<Output> {
        if self.stage != Stage::Open {
            return None;
        }
        let code = answer.code;
        // §12.1.1: whoever recorded its route on the way in is in the dialog.
        if (101..300).contains(&code) {
            for route in self.request.head.all(Name::RecordRoute) {
                answer = answer.with("Record-Route", String::from_utf8_lossy(route));
            }
        }
        let bytes = answer.bytes(&self.request, self.came.source, &self.tag);
        if code >= 200 {
            let udp = matches!(self.came.back, Hop::Udp(_));
            self.stage = match code {
                ..300 => Stage::Accepted,
                // Over a connection it arrived, or nothing does any more.
                _ if !udp => Stage::Done,
                _ => Stage::Refused,
            };
            self.bytes = bytes.clone();
            self.next_ms = now_ms.saturating_add(T1_MS);
            self.until_ms = now_ms.saturating_add(PATIENCE_MS);
        }
        Some(Output::Reply { came: self.came.clone(), code, bytes })
    }

    /// Its ACK came; whether it was one for our 200.
    pub(super) fn acknowledged(&mut self, cseq: u32) -> bool {
        if self.request.cseq != cseq || self.stage == Stage::Open {
            return false;
        }
        let accepted = self.stage == Stage::Accepted;
        self.stage = Stage::Done;
        accepted
    }

    /// A later request shows that our answer was taken.
    pub(super) fn taken(&mut self) {
        self.stage = Stage::Done;
    }

    /// Nobody can be answered any more.
    pub(super) fn abandon(&mut self) -> Option<Output> {
        let open = self.is_open();
        self.stage = Stage::Done;
        open.then(|| Output::Forget(self.came.key.clone()))
    }

    pub(super) fn next_ms(&self) -> u64 {
        match self.stage {
            Stage::Accepted | Stage::Refused => self.next_ms.min(self.until_ms),
            Stage::Open | Stage::Done => u64::MAX,
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Lost {
        if !matches!(self.stage, Stage::Accepted | Stage::Refused) {
            return Lost::No;
        }
        if self.until_ms <= now_ms {
            let accepted = self.stage == Stage::Accepted;
            self.stage = Stage::Done;
            return if accepted { Lost::Unacknowledged } else { Lost::No };
        }
        if self.next_ms <= now_ms {
            self.gap_ms = (self.gap_ms * 2).min(T2_MS);
            self.next_ms = now_ms.saturating_add(self.gap_ms);
            out.push(Output::Again { to: self.came.back, bytes: self.bytes.clone() });
        }
        Lost::No
    }
}
