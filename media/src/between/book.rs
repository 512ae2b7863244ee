//! Which calls there are with which peer. Refuses more than a peer may have, and
//! keeps the last places for emergencies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use weir_model::id::NodeId;
use weir_signaling::between::CallKey;

use super::Wire;

/// Most calls with one peer, and with all.
pub(super) const PEER_MAX: usize = 96;
pub(super) const ALL_MAX: usize = 512;
const FOR_EMERGENCIES: usize = 16;
/// Streams brought for one call and not taken up yet.
const WIRES: usize = 2;

/// A stream in place of one that was lost.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) expects: u32,
    pub(super) wire: Wire,
}

#[derive(Debug, Default)]
struct Entries {
    /// Calls that came, by who dialled.
    called: BTreeMap<(NodeId, CallKey), mpsc::Sender<Resumed>>,
    counts: BTreeMap<NodeId, usize>,
    all: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    entries: Arc<Mutex<Entries>>,
    last: Arc<AtomicU64>,
}

/// A call's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    book: Book,
    id: u64,
    peer: NodeId,
    called: Option<CallKey>,
}

impl Place {
    /// Unique in the node's life, among calls between sites.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.book.entries();
        entries.all = entries.all.saturating_sub(1);
        if let Some(count) = entries.counts.get_mut(&self.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                entries.counts.remove(&self.peer);
            }
        }
        if let Some(key) = self.called {
            entries.called.remove(&(self.peer, key));
        }
    }
}

impl Entries {
    fn count(&mut self, peer: NodeId, emergency: bool) -> bool {
        let count = self.counts.get(&peer).copied().unwrap_or(0);
        let kept = if emergency { 0 } else { FOR_EMERGENCIES };
        let room = count + kept < PEER_MAX && self.all + kept < ALL_MAX;
        if room {
            self.all += 1;
            self.counts.insert(peer, count + 1);
        }
        room
    }
}

impl Book {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, peer: NodeId, called: Option<CallKey>) -> Place {
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        Place { book: self.clone(), id, peer, called }
    }

    pub(super) fn len(&self) -> usize {
        self.entries().all
    }

    /// A place for a call of ours. `None`: there is none.
    pub(super) fn dials(&self, peer: NodeId, emergency: bool) -> Option<Place> {
        let room = self.entries().count(peer, emergency);
        room.then(|| self.place(peer, None))
    }

    /// A place for a call that came, and its new streams, should it lose one.
    pub(super) fn is_called(
        &self,
        peer: NodeId,
        key: CallKey,
        emergency: bool,
    ) -> Option<(Place, mpsc::Receiver<Resumed>)> {
        let mut entries = self.entries();
        if entries.called.contains_key(&(peer, key)) || !entries.count(peer, emergency) {
            return None;
        }
        let (bring, wires) = mpsc::channel(WIRES);
        entries.called.insert((peer, key), bring);
        drop(entries);
        Some((self.place(peer, Some(key)), wires))
    }

    /// Brings a call its new stream; gives it back when there is no such call.
    pub(super) fn resume(&self, peer: NodeId, key: CallKey, resumed: Resumed) -> Option<Wire> {
        let bring = self.entries().called.get(&(peer, key)).cloned();
        match bring {
            // One stream too many closes, and is opened again.
            Some(bring) => match bring.try_send(resumed) {
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => None,
                Err(mpsc::error::TrySendError::Closed(resumed)) => Some(resumed.wire),
            },
            None => Some(resumed.wire),
        }
    }
}
