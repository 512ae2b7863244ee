//! The thread that owns all viewers and their one socket. It sleeps until there
//! is a datagram, a letter or something due. A datagram finds its viewer by its
//! source; STUN by the name that it carries, and only STUN that proves to know our
//! password makes a source known. To anything else it does not answer at all.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use str0m::ice::StunMessage;

use super::picture::Shared;
use super::post::{Letters, Newcomer, Parcel, Post};
use super::stage::Stage;
use super::stats::add;
use super::viewer::{Told, Viewer, Wire};
use super::{Limits, ViewerId, dice};

/// Datagrams in one turn: what is due is not kept waiting by a flood.
const DATAGRAMS: usize = 256;
/// Longest datagram; one more byte shows that it was longer.
const DATAGRAM_MAX: usize = 2_000;
/// How often the silent are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// A picture and who watches it.
struct Shown {
    picture: Weak<Shared>,
    stage: Stage,
    watchers: Vec<ViewerId>,
}

/// See the module.
pub(super) struct Worker {
    post: Arc<Post>,
    wire: Wire,
    limits: Limits,
    viewers: HashMap<ViewerId, Viewer>,
    by_ufrag: HashMap<String, ViewerId>,
    by_address: HashMap<SocketAddr, ViewerId>,
    pictures: HashMap<u64, Shown>,
    looked: Instant,
}

/// Why a viewer goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Left,
    Expired,
    Failed,
}

/// A picture is known from its first viewer or its first frame on.
fn shown<'a>(pictures: &'a mut HashMap<u64, Shown>, picture: &Arc<Shared>) -> &'a mut Shown {
    pictures.entry(picture.id).or_insert_with(|| Shown {
        picture: Arc::downgrade(picture),
        stage: Stage::new(dice()),
        watchers: Vec::new(),
    })
}

impl Worker {
    pub(super) fn new(wire: Wire, limits: Limits, now: Instant) -> Self {
        Self {
            post: wire.post.clone(),
            wire,
            limits,
            viewers: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            pictures: HashMap::new(),
            looked: now,
        }
    }

    /// Until the post is stopped.
    pub(super) fn run(mut self) {
        while !self.post.is_stopped() {
            self.wait();
            let now = Instant::now();
            let letters = self.post.read();
            self.letters(now, letters);
            self.datagrams(now);
            self.due(now);
            if now.saturating_duration_since(self.looked) >= LOOK {
                self.looked = now;
                self.look(now);
            }
            self.ask(now);
        }
        let now = Instant::now();
        self.viewers.values_mut().for_each(|viewer| viewer.close(now, &self.wire));
        self.post.close();
    }

    fn wait(&self) {
        let due = self.viewers.values().map(|viewer| viewer.due);
        let asks = self.pictures.values().filter_map(|shown| shown.stage.asks_at());
        let next = due.chain(asks).chain([self.looked + LOOK]).min();
        let patience = next.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
        let patience = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        let mut both = [
            PollFd::new(&self.post.bell, PollFlags::IN),
            PollFd::new(&self.wire.socket, PollFlags::IN),
        ];
        // Interrupted, it comes back here at once.
        let _ = poll(&mut both, Some(&patience));
    }

    fn letters(&mut self, now: Instant, letters: Letters) {
        for newcomer in letters.newcomers {
            self.welcome(now, newcomer);
        }
        for id in letters.ended {
            if let Some(viewer) = self.viewers.get_mut(&id) {
                viewer.close(now, &self.wire);
                self.remove(id, Why::Left);
            }
        }
        for parcel in letters.parcels {
            self.parcel(now, parcel);
        }
    }

    fn welcome(&mut self, now: Instant, newcomer: Newcomer) {
        let [first, second, ..] = dice().to_be_bytes();
        let viewer = Viewer::new(newcomer, u16::from_be_bytes([first, second]), now);
        shown(&mut self.pictures, &viewer.picture).watchers.push(viewer.id);
        self.by_ufrag.insert(viewer.ufrag.clone(), viewer.id);
        self.viewers.insert(viewer.id, viewer);
    }

    fn parcel(&mut self, now: Instant, parcel: Parcel) {
        parcel.picture.taken();
        let shown = shown(&mut self.pictures, &parcel.picture);
        if parcel.gap {
            shown.stage.forget();
            for id in &shown.watchers {
                if let Some(viewer) = self.viewers.get_mut(id) {
                    viewer.wait();
                }
            }
        }
        let frame = parcel.frame.map(|frame| (shown.stage.show(now, &frame), frame));
        let mut told = Vec::new();
        for id in &shown.watchers {
            let Some(viewer) = self.viewers.get_mut(id) else { continue };
            if let Some((ticks, frame)) = &frame {
                told.push((*id, viewer.show(now, &self.wire, frame, *ticks)));
            }
            if viewer.waits() {
                shown.stage.want_key();
            }
        }
        for (id, told) in told {
            self.heed(now, id, told);
        }
    }

    fn datagrams(&mut self, now: Instant) {
        let mut datagram = [0; DATAGRAM_MAX + 1];
        for _ in 0..DATAGRAMS {
            // An error is that of one datagram, or there are none.
            let Ok((length, from)) = self.wire.socket.recv_from(&mut datagram) else { return };
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            match datagram.get(..length) {
                Some(datagram) if length <= DATAGRAM_MAX => self.datagram(now, from, datagram),
                Some(_) | None => add(&self.post.counters.broken, 1),
            }
        }
    }

    fn datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let named = if matches!(datagram.first(), Some(0 | 1)) {
            match StunMessage::parse(datagram) {
                Ok(message) => message
                    .split_username()
                    .and_then(|(ours, _)| self.by_ufrag.get(ours).map(|id| (*id, true))),
                Err(_) => return add(&self.post.counters.broken, 1),
            }
        } else {
            None
        };
        let by_source = || self.by_address.get(&from).map(|id| (*id, false));
        let Some((id, named)) = named.or_else(by_source) else {
            return add(&self.post.counters.strangers, 1);
        };
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        let (accepted, told) = viewer.receive(now, &self.wire, from, datagram);
        if !accepted {
            add(&self.post.counters.strangers, 1);
        } else if named && (viewer.learn(from) || viewer.addresses.contains(&from)) {
            // What it proved by STUN, others may have claimed before.
            self.by_address.insert(from, id);
        }
        self.heed(now, id, told);
    }

    fn due(&mut self, now: Instant) {
        let due = self.viewers.values().filter(|viewer| viewer.due <= now);
        let due: Vec<ViewerId> = due.map(|viewer| viewer.id).collect();
        for id in due {
            let Some(viewer) = self.viewers.get_mut(&id) else { continue };
            let shown = self.pictures.get_mut(&viewer.picture.id);
            let told = match shown.filter(|_| viewer.is_catching_up()) {
                Some(shown) => viewer.catch_up(now, &self.wire, &mut shown.stage),
                None => viewer.tick(now, &self.wire),
            };
            self.heed(now, id, told);
        }
    }

    fn heed(&mut self, now: Instant, id: ViewerId, told: Told) {
        if told.failed || told.left {
            return self.remove(id, if told.failed { Why::Failed } else { Why::Left });
        }
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        let Some(shown) = self.pictures.get_mut(&viewer.picture.id) else { return };
        if told.wants_key {
            shown.stage.want_key();
        }
        if told.connected {
            add(&self.post.counters.connected, 1);
            viewer.begin(now, &mut shown.stage);
            self.count(id);
        }
    }

    /// Tells the picture of `id` how many watch it.
    fn count(&self, id: ViewerId) {
        let Some(viewer) = self.viewers.get(&id) else { return };
        let Some(shown) = self.pictures.get(&viewer.picture.id) else { return };
        let watchers = shown.watchers.iter().filter_map(|id| self.viewers.get(id));
        viewer.picture.set_viewers(watchers.filter(|viewer| viewer.connected()).count());
    }

    fn remove(&mut self, id: ViewerId, why: Why) {
        let counters = &self.post.counters;
        match why {
            Why::Left => {}
            Why::Expired => add(&counters.expired, 1),
            Why::Failed => add(&counters.failed, 1),
        }
        if let Some(viewer) = self.viewers.get(&id) {
            if let Some(shown) = self.pictures.get_mut(&viewer.picture.id) {
                shown.watchers.retain(|watcher| *watcher != id);
            }
            self.count(id);
        }
        if let Some(viewer) = self.viewers.remove(&id) {
            self.by_ufrag.remove(&viewer.ufrag);
            for address in &viewer.addresses {
                if self.by_address.get(address) == Some(&id) {
                    self.by_address.remove(address);
                }
            }
        }
        self.post.gone(id);
    }

    fn look(&mut self, now: Instant) {
        let (connect, silence) = (self.limits.connect, self.limits.silence);
        let gone = self.viewers.values().filter(|viewer| viewer.expired(now, connect, silence));
        let gone: Vec<ViewerId> = gone.map(|viewer| viewer.id).collect();
        for id in gone {
            self.remove(id, Why::Expired);
        }
        self.pictures.retain(|_, shown| shown.picture.strong_count() > 0);
    }

    /// Tells pictures that a key frame is wanted.
    fn ask(&mut self, now: Instant) {
        for shown in self.pictures.values_mut() {
            if let Some(picture) = shown.picture.upgrade()
                && shown.stage.ask(now)
            {
                picture.ask_for_key();
                add(&self.post.counters.keys_asked, 1);
            }
        }
    }
}
