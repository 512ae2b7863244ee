//! The thread that carries all trunks. It looks at its ports every 5 ms, so that
//! packets wake nobody, and every 20 ms, by an absolute clock, it lets everybody
//! hear the next piece and packs what there is to say. A stall is made up for
//! while a telephone's own buffer can bear it; the rest is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use weir_model::id::NodeId;
use weir_signaling::wan::{Item, STEP_MS};

use super::carried::{Carried, Desk};
use super::handle::ms;
use super::mail;
use super::peer::Peer;
use super::post::{Letter, Post};
use super::stats::{Counters, add, set};
use super::wire::DATAGRAM_MAX;
use super::{SendDatagram, TRUNKS_MAX};
use crate::wan::{Effort, Outgoing};

/// Between two looks at the ports.
const LOOK_MS: u64 = 5;
/// Without trunks, only peers are forgotten.
const IDLE: Duration = Duration::from_secs(1);
/// Ticks that are made up for after a stall: 100 ms.
const MADE_UP: u64 = 5;
/// Thousandths of a core that coding may take.
const SHARE: u64 = 300;
const EVENTS: usize = TRUNKS_MAX as usize;

/// What coding has cost since the last tick.
#[derive(Debug, Default)]
struct Coding {
    pieces: u64,
    took: Duration,
}

/// See the module.
pub(super) struct Worker {
    post: Arc<Post>,
    send: SendDatagram,
    peers: BTreeMap<NodeId, Peer>,
    trunks: BTreeMap<u16, Box<Carried>>,
    effort: Effort,
    coding: Coding,
    /// `None`: nobody is there.
    tick_ms: Option<u64>,
    /// Of the peers that there ever were: phases are dealt in turn.
    dealt: u64,
    dice: u32,
    datagram: Box<[u8; DATAGRAM_MAX + 1]>,
    packet: Vec<u8>,
    out: Vec<Outgoing>,
    mail: Vec<mail::Letter>,
}

fn timespec(duration: Duration) -> Timespec {
    let tv_sec = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec, tv_nsec: i64::from(duration.subsec_nanos()) }
}

impl Worker {
    /// `dice`: anything; numbers of bundles begin by it.
    pub(super) fn new(post: Arc<Post>, send: SendDatagram, dice: u32) -> Self {
        Self {
            post,
            send,
            peers: BTreeMap::new(),
            trunks: BTreeMap::new(),
            effort: Effort::new(SHARE),
            coding: Coding::default(),
            tick_ms: None,
            dealt: 0,
            dice,
            datagram: Box::new([0; DATAGRAM_MAX + 1]),
            packet: Vec::with_capacity(DATAGRAM_MAX),
            out: Vec::new(),
            mail: Vec::new(),
        }
    }

    /// Until the post is stopped; then all ports close.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let rung = self.wait();
            if self.post.is_stopped() {
                break;
            }
            let now = self.post.began.elapsed();
            self.turn(ms(now), rung, &mut events);
            let busy = self.post.began.elapsed().saturating_sub(now);
            add(&self.post.counters.busy_us, u64::try_from(busy.as_micros()).unwrap_or(0));
        }
        self.trunks.clear();
        self.post.end();
    }

    /// Whether the bell has rung.
    fn wait(&self) -> bool {
        let now = self.post.began.elapsed();
        let patience = if !self.trunks.is_empty() {
            let next_ms = (ms(now) / LOOK_MS + 1) * LOOK_MS;
            Some(Duration::from_millis(next_ms).saturating_sub(now))
        } else if self.peers.is_empty() {
            None
        } else {
            Some(IDLE)
        };
        let patience = patience.map(timespec);
        let mut bell = [PollFd::new(&self.post.bell, PollFlags::IN)];
        // Interrupted, it looks a little early.
        let _ = poll(&mut bell, patience.as_ref());
        let [bell] = bell;
        bell.revents().contains(PollFlags::IN)
    }

    fn turn(&mut self, now_ms: u64, rung: bool, events: &mut Vec<epoll::Event>) {
        if rung {
            self.letters(now_ms);
        }
        self.listen(now_ms, events);
        self.arrivals();
        self.ticks(now_ms);
    }

    /// What handles have ordered since.
    fn letters(&mut self, now_ms: u64) {
        let post = self.post.clone();
        let written = post.read();
        for (peer, path) in written.paths {
            if let Some(peer) = self.peers.get_mut(&peer) {
                peer.set_link(path);
            }
        }
        for (channel, letter) in written.letters {
            let Letter { open, join, close } = letter;
            if let Some(opening) = open {
                self.peer(now_ms, opening.peer).open(channel);
                self.trunks.insert(channel, Box::new(Carried::new(opening)));
            }
            if close {
                self.close(now_ms, channel);
            } else if let Some(join) = join {
                self.join(now_ms, channel, join);
            }
        }
        if self.trunks.is_empty() {
            self.tick_ms = None;
        }
    }

    /// Known, or made now.
    fn peer(&mut self, now_ms: u64, node: NodeId) -> &mut Peer {
        // It may have been forgotten since.
        self.post.mail.open(node);
        let (dealt, dice) = (&mut self.dealt, &mut self.dice);
        let post = &self.post;
        self.peers.entry(node).or_insert_with(|| {
            *dealt += 1;
            // No secret: a peer need not take ours for what another life sent.
            *dice = dice.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
            let [high, low, ..] = dice.to_be_bytes();
            let phase_ms = *dealt % 3 * STEP_MS;
            Peer::new(now_ms, post.path_of(node), phase_ms, u16::from_be_bytes([high, low]))
        })
    }

    fn close(&mut self, now_ms: u64, channel: u16) {
        let Some(trunk) = self.trunks.remove(&channel) else { return };
        let (node, theirs) = (trunk.peer, trunk.theirs());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.close(now_ms, channel, theirs);
        }
        // The ports close before the number can be given out again.
        drop(trunk);
        self.post.give_back(channel, node);
    }

    fn join(&mut self, now_ms: u64, channel: u16, join: super::post::Join) {
        let Self { post, peers, trunks, datagram, packet, out, effort, .. } = self;
        let Some(trunk) = trunks.get_mut(&channel) else { return };
        let Some(peer) = peers.get_mut(&trunk.peer) else { return };
        let mut desk =
            Desk { now_ms, counters: &post.counters, datagram: &mut datagram[..], packet, out };
        if let Some(theirs) = trunk.theirs().filter(|theirs| *theirs != join.theirs) {
            peer.moved(theirs);
        }
        if let Err(refused) = trunk.join(join, peer.phase_ms(), &mut desk) {
            tracing::warn!(channel, %refused, "a call to another site has no sound");
        }
        trunk.set_complexity(effort.complexity());
        say(now_ms, trunk, peer, out, &post.counters);
    }

    /// What has come to the ports.
    fn listen(&mut self, now_ms: u64, events: &mut Vec<epoll::Event>) {
        if self.trunks.is_empty() {
            return;
        }
        events.clear();
        let found = spare_capacity(events);
        let at_once = timespec(Duration::ZERO);
        // Interrupted, it comes back here in 5 ms.
        if epoll::wait(&self.post.epoll, found, Some(&at_once)).is_err() {
            return;
        }
        let Self { post, peers, trunks, datagram, packet, out, coding, .. } = self;
        for event in &*events {
            let channel = u16::try_from(event.data.u64()).unwrap_or(0);
            // Its letter may not be read yet.
            let Some(trunk) = trunks.get_mut(&channel) else { continue };
            let Some(peer) = peers.get_mut(&trunk.peer) else { continue };
            let counters = &post.counters;
            let mut desk = Desk { now_ms, counters, datagram: &mut datagram[..], packet, out };
            let begun = Instant::now();
            let pieces = trunk.listen(&mut desk);
            coding.count(trunk, pieces, begun);
            say(now_ms, trunk, peer, out, counters);
        }
    }

    /// What peers have sent.
    fn arrivals(&mut self) {
        self.post.mail.read(&mut self.mail);
        let Self { post, peers, trunks, mail, .. } = self;
        let counters = &post.counters;
        for mail::Letter { from, at_ms, datagram } in mail.drain(..) {
            let Some(peer) = peers.get_mut(&from) else { continue };
            add(&counters.bundles_received, 1);
            add(&counters.bytes_received, u64::try_from(datagram.len()).unwrap_or(0));
            let Ok(items) = peer.take(at_ms, &datagram) else {
                add(&counters.broken, 1);
                continue;
            };
            for item in items {
                arrived(at_ms, item, peer, trunks, counters);
            }
        }
    }

    /// Those that are due by now.
    fn ticks(&mut self, now_ms: u64) {
        if self.trunks.is_empty() {
            self.forget(now_ms);
            return;
        }
        let next_ms = *self.tick_ms.get_or_insert((now_ms / STEP_MS + 1) * STEP_MS);
        let Some(late_ms) = now_ms.checked_sub(next_ms) else { return };
        let missed = late_ms / STEP_MS;
        let left_out = missed.saturating_sub(MADE_UP);
        add(&self.post.counters.skipped, left_out);
        for n in left_out..=missed {
            self.tick(next_ms + n * STEP_MS);
        }
        self.tick_ms = Some(next_ms + (missed + 1) * STEP_MS);
    }

    fn tick(&mut self, tick_ms: u64) {
        let Self { post, peers, trunks, datagram, packet, out, coding, .. } = self;
        let (counters, now_ms) = (&post.counters, tick_ms);
        for trunk in trunks.values_mut() {
            let Some(peer) = peers.get_mut(&trunk.peer) else { continue };
            let mut desk = Desk { now_ms, counters, datagram: &mut datagram[..], packet, out };
            let begun = Instant::now();
            let pieces = trunk.listen_to_line(&mut desk);
            coding.count(trunk, pieces, begun);
            let late = trunk.sound(tick_ms, &mut desk);
            peer.late(late);
            say(tick_ms, trunk, peer, out, counters);
        }
        for (node, peer) in &mut *peers {
            for datagram in peer.tick(tick_ms) {
                let length = u64::try_from(datagram.len()).unwrap_or(0);
                if (self.send)(*node, Bytes::from(datagram)) {
                    add(&counters.bundles_sent, 1);
                    add(&counters.bytes_sent, length);
                } else {
                    add(&counters.bundles_unsent, 1);
                }
            }
        }
        add(&counters.ticks, 1);
        self.judge();
        self.forget(tick_ms);
    }

    /// How much work the codec may do, by what it cost.
    fn judge(&mut self) {
        let Coding { pieces, took } = std::mem::take(&mut self.coding);
        if pieces > 0 {
            let before = self.effort.complexity();
            self.effort.measured(pieces, took, pieces);
            let complexity = self.effort.complexity();
            if complexity != before {
                self.trunks.values_mut().for_each(|trunk| trunk.set_complexity(complexity));
            }
        }
        let counters = &self.post.counters;
        set(&counters.complexity, u64::from(self.effort.complexity()));
        let doubled = self.peers.values().filter(|peer| peer.doubles()).count();
        set(&counters.doubled, u64::try_from(doubled).unwrap_or(0));
        let loss_ppm = self.peers.values().map(Peer::loss_ppm).max().unwrap_or(0);
        set(&counters.loss_ppm, loss_ppm);
    }

    /// Peers to which there was no trunk for long.
    fn forget(&mut self, now_ms: u64) {
        let mail = &self.post.mail;
        self.peers.retain(|node, peer| {
            let over = peer.is_over(now_ms);
            if over {
                mail.close(*node);
            }
            !over
        });
        set(&self.post.counters.peers, u64::try_from(self.peers.len()).unwrap_or(0));
    }
}

impl Coding {
    fn count(&mut self, trunk: &Carried, pieces: u64, begun: Instant) {
        if pieces > 0 && trunk.codes() {
            self.pieces += pieces;
            self.took += begun.elapsed();
        }
    }
}

fn say(
    now_ms: u64,
    trunk: &Carried,
    peer: &mut Peer,
    out: &mut Vec<Outgoing>,
    counters: &Counters,
) {
    for what in out.drain(..) {
        trunk.said(&what, counters);
        peer.say(now_ms, what);
    }
}

/// A channel of another peer is as unknown as one that is not open.
fn arrived(
    at_ms: u64,
    item: Item,
    peer: &mut Peer,
    trunks: &mut BTreeMap<u16, Box<Carried>>,
    counters: &Counters,
) {
    let channel = match &item {
        Item::Frame(frame) => frame.channel,
        Item::Again { channel, .. } => *channel,
        Item::Key(press) => press.channel,
        Item::Report(report) => {
            peer.told(at_ms, report);
            return;
        }
    };
    let trunk = trunks.get_mut(&channel).filter(|trunk| peer.has(channel) && trunk.is_joined());
    let Some(trunk) = trunk else {
        add(&counters.unknown, 1);
        return;
    };
    peer.heard();
    match item {
        Item::Frame(frame) => trunk.frame(at_ms, frame, counters),
        Item::Again { step, .. } => trunk.again(at_ms, step),
        Item::Key(press) => trunk.key(at_ms, press, counters),
        Item::Report(_) => {}
    }
}
