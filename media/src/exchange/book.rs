//! The calls under way, as screens see them, and the way to end one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use weir_model::id::{CallId, PersonId, SiteId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    Ringing,
    Talked,
    /// One side has put the other on hold.
    Held,
}

impl CallState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Talked => "talked",
            Self::Held => "held",
        }
    }
}

/// One call under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallView {
    pub id: CallId,
    /// The number that digest accepted.
    pub from: String,
    pub dialled: String,
    /// Who answered.
    pub by: Option<String>,
    /// Who is rung, until somebody answers.
    pub rings: Vec<String>,
    pub state: CallState,
    pub since_unix_ms: u64,
    pub emergency: bool,
    /// The other site, of a call between two.
    pub at: Option<SiteId>,
    /// Keys pressed on both sides, each counted once.
    pub keys: u32,
}

#[derive(Debug)]
struct Entry {
    view: CallView,
    end: mpsc::Sender<Option<PersonId>>,
}

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    entries: Arc<Mutex<BTreeMap<CallId, Entry>>>,
    unrecorded: Arc<AtomicU64>,
}

impl Book {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<CallId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, view: CallView, end: mpsc::Sender<Option<PersonId>>) {
        self.entries().insert(view.id, Entry { view, end });
    }

    pub(super) fn close(&self, call: CallId) {
        self.entries().remove(&call);
    }

    pub(super) fn update(&self, call: CallId, change: impl FnOnce(&mut CallView)) {
        if let Some(entry) = self.entries().get_mut(&call) {
            change(&mut entry.view);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    pub(super) fn views(&self) -> Vec<CallView> {
        self.entries().values().map(|entry| entry.view.clone()).collect()
    }

    /// Told once is enough, so a full queue has been told.
    pub(super) fn end(&self, call: CallId, who: Option<PersonId>) -> bool {
        let end = self.entries().get(&call).map(|entry| entry.end.clone());
        end.is_some_and(|end| {
            !matches!(end.try_send(who), Err(mpsc::error::TrySendError::Closed(_)))
        })
    }

    pub(super) fn lost_a_record(&self) {
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }
}
