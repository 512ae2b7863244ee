//! The answers given in the last half minute, so that the same request again
//! gets the same answer again and nothing happens twice (RFC 3261 §17.2).
//! Refuses to grow: the oldest goes first.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::message::Request;

/// 64 × T1.
const KEPT_MS: u64 = 32_000;
/// Most answers kept.
const MOST: usize = 8_192;

/// What makes a request the same one (RFC 3261 §17.2.3). The source belongs to
/// it, so that nobody is handed a stranger's answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    source: SocketAddr,
    branch: String,
    sent_by: (String, Option<u16>),
    method: String,
    call_id: String,
    cseq: u32,
}

impl Key {
    pub(super) fn of(request: &Request, source: SocketAddr) -> Self {
        Self {
            source,
            branch: request.via.branch.clone(),
            sent_by: (request.via.host.clone(), request.via.port),
            method: request.method_text.clone(),
            call_id: request.call_id.clone(),
            cseq: request.cseq,
        }
    }

    /// The INVITE that a CANCEL means: the same but for its method (§9.1).
    pub(super) fn invite(mut self) -> Self {
        self.method = "INVITE".into();
        self
    }
}

/// What makes two requests one that came by two ways (RFC 3261 §8.2.2.2).
pub(super) type Merged = (String, String, u32, String);

pub(super) fn merged(request: &Request) -> Merged {
    let Request { call_id, from_tag, cseq, method_text, .. } = request;
    (call_id.clone(), from_tag.clone(), *cseq, method_text.clone())
}

#[derive(Debug)]
struct Given {
    bytes: Vec<u8>,
    merged: Option<Merged>,
}

#[derive(Debug, Default)]
pub(super) struct Answered {
    given: BTreeMap<Key, Given>,
    merged: BTreeMap<Merged, Key>,
    order: VecDeque<(u64, Key)>,
}

impl Answered {
    /// The answer that this very request got before.
    pub(super) fn again(&self, key: &Key) -> Option<&[u8]> {
        self.given.get(key).map(|given| given.bytes.as_slice())
    }

    /// Whether the same request was answered when it came by another way.
    pub(super) fn came_otherwise(&self, request: &Request) -> bool {
        request.to_tag.is_none() && self.merged.contains_key(&merged(request))
    }

    /// Whether the INVITE that this CANCEL means was answered here.
    pub(super) fn knows_invite_of(&self, cancel: Key) -> bool {
        self.given.contains_key(&cancel.invite())
    }

    /// Remembers an answer; `merged` for those that count as *came otherwise*.
    /// One that challenges does not: some devices answer it under the same CSeq.
    pub(super) fn keep(&mut self, now_ms: u64, key: Key, merged: Option<Merged>, bytes: Vec<u8>) {
        self.expire(now_ms);
        while self.given.len() >= MOST {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            self.forget(&oldest);
        }
        if let Some(merged) = &merged {
            self.merged.insert(merged.clone(), key.clone());
        }
        if self.given.insert(key.clone(), Given { bytes, merged }).is_none() {
            self.order.push_back((now_ms, key));
        }
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        while let Some((at_ms, _)) = self.order.front() {
            if at_ms.saturating_add(KEPT_MS) > now_ms {
                return;
            }
            if let Some((_, key)) = self.order.pop_front() {
                self.forget(&key);
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        let merged = self.given.remove(key).and_then(|given| given.merged);
        if let Some(merged) = merged.filter(|merged| self.merged.get(merged) == Some(key)) {
            self.merged.remove(&merged);
        }
    }
}
