//! Conferences as screens see them: written by their tasks whenever something
//! changes, with levels read when somebody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use weir_model::id::SiteId;
use weir_signaling::focus::State;

use crate::trunk::Trunk;
use crate::voice::mixer::Seat;

/// A telephone that sends nothing for so long, though its call is up, is shown.
const SILENT: Duration = Duration::from_secs(30);

/// One conference under way.
#[derive(Debug, Clone, PartialEq)]
pub struct ConferenceView {
    pub conference: u64,
    pub number: String,
    pub title: String,
    /// It was ordered here; otherwise this site is a branch of `root`.
    pub root: SiteId,
    /// Its root has forgotten it; it lasts as long as somebody is in it.
    pub orphaned: bool,
    pub since_unix_ms: u64,
    pub locked: bool,
    pub lecture: bool,
    pub chair: Option<String>,
    /// The key with which whoever is rung joins.
    pub confirm: Option<char>,
    /// How many have joined and are heard here.
    pub joined: u32,
    pub members: Vec<MemberView>,
    pub trunks: Vec<TrunkView>,
    /// Sites whose people are not heard here now.
    pub missing: BTreeSet<SiteId>,
}

/// A member, of whatever site. Sound is known of this site's only.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberView {
    pub who: String,
    pub site: SiteId,
    pub state: State,
    pub muted: bool,
    /// Which telephone, when one has answered.
    pub number: Option<String>,
    /// It has answered and is asked for the key.
    pub asked: bool,
    /// It put us on hold.
    pub held: bool,
    pub speaks: bool,
    /// Below the loudest there can be.
    pub level_dbfs: Option<f32>,
    /// Its call is up, and no sound has come for half a minute.
    pub silent: bool,
}

/// Sound to another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkView {
    pub site: SiteId,
    /// Both ends agreed; otherwise it is asked for.
    pub open: bool,
    pub age: Duration,
    /// Since the last frame; `None`: none came.
    pub heard_ago: Option<Duration>,
}

/// What a task writes: the view, and where the rest is read.
pub(super) struct Page {
    pub(super) view: ConferenceView,
    /// By place among the members, since when it sits.
    pub(super) seats: Vec<(usize, Arc<Seat>, Instant)>,
    /// By place among the trunks, since when it is there.
    pub(super) trunks: Vec<(usize, Arc<Trunk>, Instant)>,
}

impl Page {
    fn read(&self) -> ConferenceView {
        let mut view = self.view.clone();
        for (at, seat, since) in &self.seats {
            let Some(member) = view.members.get_mut(*at) else { continue };
            let age = since.elapsed();
            let heard_ago = seat.stats().heard_ago.map_or(age, |ago| ago.min(age));
            member.speaks = seat.speaks();
            member.level_dbfs = Some(seat.level_dbfs());
            // Whoever holds need not send anything.
            member.silent = heard_ago >= SILENT && !member.held;
        }
        for (at, trunk, since) in &self.trunks {
            let Some(shown) = view.trunks.get_mut(*at) else { continue };
            shown.age = since.elapsed();
            shown.heard_ago = trunk.stats().heard_ago;
        }
        view
    }
}

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct Book {
    pages: Arc<Mutex<BTreeMap<u64, Page>>>,
    unrecorded: Arc<AtomicU64>,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, BTreeMap<u64, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, page: Page) {
        let before = self.pages().insert(page.view.conference, page);
        // Seats and trunks are closed without the lock.
        drop(before);
    }

    pub(super) fn remove(&self, conference: u64) {
        let page = self.pages().remove(&conference);
        drop(page);
    }

    pub(super) fn views(&self) -> Vec<ConferenceView> {
        self.pages().values().map(Page::read).collect()
    }

    pub(super) fn lost_a_record(&self) {
        self.unrecorded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }
}
