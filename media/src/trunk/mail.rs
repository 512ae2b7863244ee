//! Datagrams between their arrival and the thread's next turn. Each is stamped
//! when it comes, so that waiting here does not look like the link's unevenness.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use weir_model::id::NodeId;
use weir_signaling::wan::DATAGRAM_MAX;

use super::stats::{Counters, add};

/// Of one peer: more than arrives in 100 ms on the busiest link.
const WAITING: usize = 256;

/// What came, from whom and when.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: NodeId,
    pub(super) at_ms: u64,
    pub(super) datagram: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mail {
    boxes: Mutex<BTreeMap<NodeId, VecDeque<(u64, Bytes)>>>,
}

impl Mail {
    fn boxes(&self) -> MutexGuard<'_, BTreeMap<NodeId, VecDeque<(u64, Bytes)>>> {
        // Nothing in here is ever half done.
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There are trunks to this peer: what it sends is wanted.
    pub(super) fn open(&self, peer: NodeId) {
        self.boxes().entry(peer).or_default();
    }

    pub(super) fn close(&self, peer: NodeId) {
        self.boxes().remove(&peer);
    }

    pub(super) fn close_all(&self) {
        self.boxes().clear();
    }

    /// Old sound is worth less than new.
    pub(super) fn receive(&self, from: NodeId, at_ms: u64, datagram: Bytes, counters: &Counters) {
        if datagram.len() > DATAGRAM_MAX {
            add(&counters.broken, 1);
            return;
        }
        let mut boxes = self.boxes();
        let Some(waiting) = boxes.get_mut(&from) else {
            add(&counters.strangers, 1);
            return;
        };
        if waiting.len() >= WAITING {
            waiting.pop_front();
            add(&counters.dropped, 1);
        }
        waiting.push_back((at_ms, datagram));
    }

    pub(super) fn read(&self, into: &mut Vec<Letter>) {
        for (&from, waiting) in self.boxes().iter_mut() {
            let letter = |(at_ms, datagram)| Letter { from, at_ms, datagram };
            into.extend(waiting.drain(..).map(letter));
        }
    }
}
