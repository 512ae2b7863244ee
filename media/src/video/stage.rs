//! Where the pictures of one camera are handed to whoever watches at this node.
//! It never waits for anybody; who is slow loses pictures up to the next key
//! frame, and keeps no more than a bounded past for those who come late.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use weir_model::id::CameraId;
use weir_signaling::picture::{Unit, UnitKind};

use super::state::{Standing, WatchState};

/// Pictures that may wait for a slow reader.
const WAITING: usize = 128;
/// Kept since the last key frame.
const PAST_BYTES: usize = 3 << 20;
const PAST_UNITS: usize = 300;

pub(super) struct Stage {
    live: Mutex<Live>,
}

struct Live {
    units: broadcast::Sender<Arc<Unit>>,
    past: Vec<Arc<Unit>>,
    past_bytes: usize,
    still: Option<(Arc<[u8]>, u64)>,
    last_ms: Option<u64>,
    standing: Standing,
}

impl Stage {
    pub(super) fn new(standing: Standing) -> Self {
        let live = Live {
            units: broadcast::Sender::new(WAITING),
            past: Vec::new(),
            past_bytes: 0,
            still: None,
            last_ms: None,
            standing,
        };
        Self { live: Mutex::new(live) }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // Nothing in here is ever half done.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, now_ms: u64, unit: Arc<Unit>) {
        let mut live = self.live();
        live.last_ms = Some(now_ms);
        if unit.kind == UnitKind::Still {
            live.still = Some((unit.bytes.as_slice().into(), now_ms));
        }
        live.keep(&unit);
        // Fails when nobody reads.
        let _ = live.units.send(unit);
    }

    /// What comes next does not follow what was.
    pub(super) fn cut(&self) {
        self.live().forget();
    }

    /// The last key frame and what followed.
    pub(super) fn past(&self) -> Vec<Arc<Unit>> {
        self.live().past.clone()
    }

    pub(super) fn set(&self, standing: Standing) {
        self.live().standing = standing;
    }

    pub(super) fn state(&self, now_ms: u64) -> WatchState {
        let live = self.live();
        let age_ms = live.last_ms.map(|last_ms| now_ms.saturating_sub(last_ms));
        live.standing.state(age_ms)
    }

    pub(super) fn units(&self) -> Units {
        let live = self.live();
        let mut past = live.past.clone();
        past.reverse();
        Units { past, units: live.units.subscribe(), follows: false, lost: 0 }
    }
}

impl Live {
    fn keep(&mut self, unit: &Arc<Unit>) {
        match unit.kind {
            UnitKind::Key | UnitKind::Still => self.forget(),
            UnitKind::Delta if self.past.first().is_none_or(|one| one.kind != UnitKind::Key) => {
                return;
            }
            UnitKind::Delta => {}
        }
        self.past_bytes += unit.bytes.len();
        self.past.push(unit.clone());
        if self.past_bytes > PAST_BYTES || self.past.len() > PAST_UNITS {
            // Too much to catch up with.
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.past = Vec::new();
        self.past_bytes = 0;
    }
}

/// Somebody watches a camera; it ends when this is dropped. It outlives its
/// sources: they die and come back, and it goes on.
#[derive(Clone)]
pub struct Watch {
    pub(super) camera: CameraId,
    pub(super) stage: Arc<Stage>,
    pub(super) began: Instant,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({} {:?})", self.camera, self.state())
    }
}

impl Watch {
    pub fn camera(&self) -> &CameraId {
        &self.camera
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Begins with the last key frame and what followed, where that is known.
    pub fn units(&self) -> Units {
        self.stage.units()
    }

    /// The last still (JPEG), and how many milliseconds ago it came.
    pub fn still(&self) -> Option<(Arc<[u8]>, u64)> {
        let now_ms = self.now_ms();
        let still = self.stage.live().still.clone();
        still.map(|(bytes, at_ms)| (bytes, now_ms.saturating_sub(at_ms)))
    }

    /// How long ago the last picture came.
    pub fn age_ms(&self) -> Option<u64> {
        let last_ms = self.stage.live().last_ms?;
        Some(self.now_ms().saturating_sub(last_ms))
    }

    pub fn state(&self) -> WatchState {
        self.stage.state(self.now_ms())
    }
}

/// The pictures of a [`Watch`], one after the other.
#[derive(Debug)]
pub struct Units {
    /// The newest first.
    past: Vec<Arc<Unit>>,
    units: broadcast::Receiver<Arc<Unit>>,
    /// Whether the next delta frame can be understood.
    follows: bool,
    lost: u64,
}

impl Units {
    /// The next picture that can be understood; `None` when nobody watches any
    /// more, or the node stops.
    pub async fn next(&mut self) -> Option<Arc<Unit>> {
        loop {
            let unit = match self.past.pop() {
                Some(unit) => unit,
                None => match self.units.recv().await {
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
