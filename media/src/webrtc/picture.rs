//! A picture that browsers may watch: whoever has it pushes access units, whatever
//! source they come from. Pushing never waits, and costs the same however many
//! watch. It decodes nothing and asks no source for anything; it says when a key
//! frame is wanted.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use weir_signaling::picture::Unit;

use super::pack::{Packer, Unshown};
use super::post::{Parcel, Post};
use super::stats::add;

/// Frames of one picture that wait to be sent: more are lost.
const WAITING_MAX: u32 = 64;

/// What all clones share, and the thread that serves viewers.
pub(super) struct Shared {
    /// Never given to another picture.
    pub(super) id: u64,
    post: Arc<Post>,
    packer: Mutex<Packer>,
    waiting: AtomicU32,
    gap: AtomicBool,
    viewers: AtomicU32,
    wants_key: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(id: u64, post: Arc<Post>) -> Self {
        Self {
            id,
            post,
            packer: Mutex::default(),
            waiting: AtomicU32::new(0),
            gap: AtomicBool::new(false),
            viewers: AtomicU32::new(0),
            wants_key: watch::Sender::new(0),
        }
    }

    /// A parcel of it was read.
    pub(super) fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn ask_for_key(&self) {
        self.wants_key.send_modify(|asked| *asked = asked.wrapping_add(1));
    }

    pub(super) fn set_viewers(&self, viewers: usize) {
        self.viewers.store(u32::try_from(viewers).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    fn send(self: &Arc<Self>, frame: Option<Arc<super::pack::Frame>>) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.taken();
            self.gap.store(true, Ordering::Relaxed);
            return false;
        }
        let gap = self.gap.swap(false, Ordering::Relaxed) || frame.is_none();
        let sent = self.post.frame(Parcel { picture: self.clone(), frame, gap });
        if !sent {
            self.taken();
            self.gap.store(true, Ordering::Relaxed);
        }
        sent
    }
}

/// Clones share it. When the last is dropped and nobody watches, it is forgotten.
#[derive(Clone)]
pub struct Picture {
    pub(super) shared: Arc<Shared>,
}

impl Picture {
    /// The next access unit: H.264 of constrained baseline, Annex B. Stills are
    /// passed over. `false`: it is not shown; where that leaves a gap, viewers
    /// wait for the next key frame and one is asked for.
    pub fn push(&self, unit: &Unit) -> bool {
        let shared = &self.shared;
        let counters = &shared.post.counters;
        // Held until the frame is on its way: two sources do not overtake.
        let mut packer = shared.packer.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = match packer.pack(unit) {
            Ok(frame) => shared.send(Some(Arc::new(frame))),
            // Nothing that follows needs these.
            Err(Unshown::Still | Unshown::Empty) => return false,
            Err(Unshown::TooLong | Unshown::NoParameters) => {
                shared.gap.store(true, Ordering::Relaxed);
                false
            }
        };
        add(if shown { &counters.frames } else { &counters.unshown }, 1);
        shown
    }

    /// Something was lost on the way here: viewers wait for the next key frame
    /// rather than be shown what builds on it.
    pub fn lost(&self) {
        let _packer = self.shared.packer.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.send(None);
    }

    /// Changes each time that a key frame is wanted: at most once a second,
    /// whoever and however many ask.
    pub fn wants_key(&self) -> watch::Receiver<u64> {
        self.shared.wants_key.subscribe()
    }

    /// How many are connected and watch.
    pub fn viewers(&self) -> u32 {
        self.shared.viewers.load(Ordering::Relaxed)
    }
}
