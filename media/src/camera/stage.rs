//! Where a camera's pictures are handed to whoever watches. Who comes late begins
//! with the last key frame and what followed; who is slow loses pictures up to the
//! next key frame. It never waits for anybody and keeps no more than
//! [`GROUP_BYTES`] of the past.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::rung::Rung;

/// Pictures that may wait for a viewer: four seconds at 15 a second.
const WAITING: usize = 64;
/// Since the last key frame: ten seconds at 6 Mbit/s.
const GROUP_BYTES: usize = 8 << 20;
const GROUP_UNITS: usize = 1_000;

/// What a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// H.264 access unit (Annex B) that needs no other; parameter sets first.
    Key,
    /// H.264 access unit that follows the one before.
    Delta,
    /// JPEG.
    Still,
}

/// One picture.
#[derive(Debug, Clone)]
pub struct Unit {
    pub kind: UnitKind,
    /// What it was made for.
    pub rung: Rung,
    /// Counts the wishes for a rung: another number, another stream.
    pub order: u32,
    /// When it was taken: the machine's monotonic clock, in nanoseconds. It goes
    /// on through reconnections and new workers.
    pub taken_ns: u64,
    /// The same on this node's wall clock.
    pub taken_ms: u64,
    pub bytes: Bytes,
}

#[derive(Debug)]
pub(super) struct Stage {
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    /// None when it is over.
    viewers: Option<broadcast::Sender<Arc<Unit>>>,
    group: Vec<Arc<Unit>>,
    bytes: usize,
    last: Option<Instant>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let viewers = Some(broadcast::Sender::new(WAITING));
        Self { live: Mutex::new(Live { viewers, group: Vec::new(), bytes: 0, last: None }) }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, unit: Unit) {
        let unit = Arc::new(unit);
        let mut live = self.live();
        live.last = Some(Instant::now());
        live.keep(&unit);
        // Fails when nobody watches.
        live.viewers.as_ref().map(|viewers| viewers.send(unit));
    }

    /// What comes next does not follow what was.
    pub(super) fn cut(&self) {
        self.live().forget();
    }

    pub(super) fn end(&self) {
        let mut live = self.live();
        live.viewers = None;
        live.forget();
    }

    pub(super) fn subscribe(&self) -> Viewer {
        let live = self.live();
        let units = live.viewers.as_ref().map(broadcast::Sender::subscribe);
        let mut past = live.group.clone();
        past.reverse();
        Viewer { past, units, follows: false, lost: 0 }
    }

    pub(super) fn age(&self) -> Option<Duration> {
        self.live().last.map(|last| last.elapsed())
    }
}

impl Live {
    fn keep(&mut self, unit: &Arc<Unit>) {
        match unit.kind {
            UnitKind::Key | UnitKind::Still => self.forget(),
            UnitKind::Delta => {
                let last = self.group.last();
                if !last.is_some_and(|last| last.kind != UnitKind::Still) {
                    return;
                }
            }
        }
        self.bytes += unit.bytes.len();
        self.group.push(unit.clone());
        if self.bytes > GROUP_BYTES || self.group.len() > GROUP_UNITS {
            // Too long to catch up with: who comes now waits for the next one.
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.group = Vec::new();
        self.bytes = 0;
    }
}

/// One who watches.
#[derive(Debug)]
pub struct Viewer {
    /// The newest first.
    past: Vec<Arc<Unit>>,
    units: Option<broadcast::Receiver<Arc<Unit>>>,
    /// Whether the next delta frame can be understood.
    follows: bool,
    lost: u64,
}

impl Viewer {
    /// The next picture that can be understood; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Arc<Unit>> {
        loop {
            let unit = match self.past.pop() {
                Some(unit) => unit,
                None => match self.units.as_mut()?.recv().await {
                    Ok(unit) => unit,
                    Err(RecvError::Lagged(missed)) => {
                        self.lost += missed;
                        self.follows = false;
                        continue;
                    }
                    Err(RecvError::Closed) => return None,
                },
            };
            match unit.kind {
                UnitKind::Key => self.follows = true,
                UnitKind::Still => self.follows = false,
                UnitKind::Delta if !self.follows => {
                    self.lost += 1;
                    continue;
                }
                UnitKind::Delta => {}
            }
            return Some(unit);
        }
    }

    /// Pictures that it did not get, because it was slow or they led to nothing.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}
