//! One picture on its way from another node: asked for at the camera's node, or
//! where that one says it can be had, and asked for again as long as it is
//! wanted. Whoever sends may die; then it is asked for anew at the camera's node.

use weir_model::id::{CameraId, NodeId};
use weir_model::refusal::Said;
use weir_signaling::picture::{Receiver, ReceiverConfig, Unit};

use super::message::{Answer, RENEW_MS, Request, Sends, Show};
use super::out::Out;
use super::state::Standing;

/// An answer that has not come by then never will.
const ANSWER_MS: u64 = 5_000;
/// Before it is tried again.
const AGAIN_MS: u64 = 1_000;
/// Who sends nothing of a moving picture for so long is not relied upon.
const SILENT_MS: u64 = 5_000;
/// From node to node at most.
const HOPS_MAX: u8 = 3;
/// Of others who take it from here: their wishes cross the link this seldom, and
/// less and less where no key frame helps for long. All pay for each of them.
const KEY_EVERY_MS: (u64, u64) = (2_000, 60_000);
const HELPED_MS: u64 = 20_000;

/// A stream that was asked for.
#[derive(Debug)]
struct Held {
    node: NodeId,
    stream: u16,
    receiver: Receiver,
    granted: bool,
    /// When it was granted, and when anything came.
    heard_ms: u64,
}

#[derive(Debug)]
struct Asking {
    id: u64,
    until_ms: u64,
}

/// What the node tells: whether the way crosses a dish, and whether that is our own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Way {
    pub(super) far: bool,
    pub(super) dished: bool,
}

#[derive(Debug)]
pub(super) struct Intake {
    camera: CameraId,
    pub(super) home: NodeId,
    held: Option<Held>,
    asking: Option<Asking>,
    follow: Option<NodeId>,
    hops: u8,
    next_ms: u64,
    show: Show,
    refused: Option<Said>,
    key_due_ms: u64,
    key_every_ms: u64,
}

const COMING: Show = Show { sends: Sends::Coming, trouble: None };

impl Intake {
    pub(super) fn new(now_ms: u64, camera: CameraId, home: NodeId) -> Self {
        Self {
            camera,
            home,
            held: None,
            asking: None,
            follow: None,
            hops: 0,
            next_ms: now_ms,
            show: COMING,
            refused: None,
            key_due_ms: 0,
            key_every_ms: KEY_EVERY_MS.0,
        }
    }

    /// Who sends it, as far as anybody was found.
    pub(super) fn from(&self) -> Option<NodeId> {
        self.held.as_ref().map(|held| held.node)
    }

    pub(super) fn is(&self, node: NodeId, stream: u16) -> bool {
        self.held.as_ref().is_some_and(|held| (held.node, held.stream) == (node, stream))
    }

    pub(super) fn show(&self) -> Show {
        match &self.held {
            Some(held) if held.granted => self.show.clone(),
            _ => COMING,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match (&self.held, &self.refused) {
            (Some(held), _) if held.granted => Standing::Fed(self.show.clone()),
            (_, Some(why)) => Standing::Refused(why.clone()),
            _ => Standing::Asking,
        }
    }

    /// Asks when it is time. `way`: to a node.
    pub(super) fn survey(&mut self, now_ms: u64, way: impl Fn(NodeId) -> Way, out: &mut Out) {
        if self.asking.as_ref().is_some_and(|asking| now_ms >= asking.until_ms) {
            self.asking = None;
            self.failed(now_ms, out);
        }
        let moving = self.show.sends == Sends::Moving && self.show.trouble.is_none();
        let silent = self.held.as_ref().is_some_and(|held| {
            held.granted && held.node != self.home && now_ms >= held.heard_ms + SILENT_MS
        });
        if moving && silent && self.asking.is_none() {
            self.leave(out);
            self.drop_held(out);
            self.next_ms = now_ms;
        }
        if self.asking.is_none() && now_ms >= self.next_ms {
            self.ask(now_ms, way, out);
        }
    }

    fn ask(&mut self, now_ms: u64, way: impl Fn(NodeId) -> Way, out: &mut Out) {
        let camera = self.camera.clone();
        let (to, request) = match &self.held {
            Some(held) if held.granted => {
                (held.node, Request::Renew { camera, stream: held.stream })
            }
            _ => {
                let (node, stream) = (self.follow.unwrap_or(self.home), out.stream());
                self.drop_held(out);
                let Way { far, dished } = way(node);
                let hold_ms = if far { ReceiverConfig::default().hold_ms } else { 400 };
                let config = ReceiverConfig { hold_ms, ..ReceiverConfig::default() };
                let receiver = Receiver::new(stream, config);
                // What is sent may be here before the answer is.
                let held = Held { node, stream, receiver, granted: false, heard_ms: now_ms };
                self.held = Some(held);
                (node, Request::Watch { camera, stream, dished })
            }
        };
        let id = out.ask(to, request);
        self.asking = Some(Asking { id, until_ms: now_ms + ANSWER_MS });
        self.next_ms = now_ms + RENEW_MS;
    }

    pub(super) fn awaits(&self, id: u64) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.id == id)
    }

    /// `None`: no answer came.
    pub(super) fn answered(&mut self, now_ms: u64, answer: Option<Answer>, out: &mut Out) {
        self.asking = None;
        match answer {
            Some(Answer::Sent { show }) => {
                (self.show, self.refused, self.hops) = (show, None, 0);
                if let Some(held) = &mut self.held
                    && !held.granted
                {
                    (held.granted, held.heard_ms) = (true, now_ms);
                }
            }
            Some(Answer::Follow { node }) => {
                self.drop_held(out);
                self.hops += 1;
                if self.hops > HOPS_MAX {
                    (self.hops, self.follow, self.next_ms) = (0, None, now_ms + AGAIN_MS);
                } else {
                    (self.follow, self.next_ms) = (Some(node), now_ms);
                }
            }
            Some(Answer::Refused { why }) => {
                self.drop_held(out);
                self.refused = Some(why);
                self.next_ms = now_ms + RENEW_MS;
            }
            Some(Answer::Gone | Answer::Left) => {
                self.drop_held(out);
                self.next_ms = now_ms;
            }
            None => self.failed(now_ms, out),
        }
    }

    /// As long as the picture comes in, an answer that does not is no reason to
    /// give it up.
    fn failed(&mut self, now_ms: u64, out: &mut Out) {
        let comes = |held: &Held| held.granted && now_ms < held.heard_ms + SILENT_MS;
        if !self.held.as_ref().is_some_and(comes) {
            self.drop_held(out);
        }
        self.next_ms = now_ms + AGAIN_MS;
    }

    /// The next is asked for at the camera's node.
    fn drop_held(&mut self, out: &mut Out) {
        self.follow = None;
        if let Some(held) = self.held.take() {
            out.stats.add(&held.receiver.counters());
        }
    }

    fn leave(&self, out: &mut Out) {
        if let Some(held) = &self.held {
            let (camera, stream) = (self.camera.clone(), held.stream);
            // Nobody waits for the answer; without it the lease ends by itself.
            out.ask(held.node, Request::Leave { camera, stream });
        }
    }

    pub(super) fn close(mut self, out: &mut Out) {
        self.leave(out);
        self.drop_held(out);
    }

    pub(super) fn take(&mut self, now_ms: u64, datagram: &[u8]) {
        if let Some(held) = &mut self.held {
            held.heard_ms = now_ms;
            // It counts what it refuses.
            let _ = held.receiver.take(now_ms, datagram);
        }
    }

    /// Somebody who takes it from here needs a key frame.
    pub(super) fn ask_for_key(&mut self, now_ms: u64) {
        let Some(held) = self.held.as_mut().filter(|_| now_ms >= self.key_due_ms) else { return };
        let (least, most) = KEY_EVERY_MS;
        let again = self.key_due_ms > 0 && now_ms < self.key_due_ms + HELPED_MS;
        self.key_every_ms = if again { (self.key_every_ms * 2).min(most) } else { least };
        self.key_due_ms = now_ms + self.key_every_ms;
        held.receiver.ask_for_key();
    }

    /// What can be shown now.
    pub(super) fn flow(&mut self, now_ms: u64, out: &mut Out) -> Vec<Unit> {
        let Some(held) = &mut self.held else { return Vec::new() };
        let units = held.receiver.poll(now_ms);
        if let Some(report) = held.receiver.report(now_ms) {
            out.send(held.node, report.write());
        }
        units
    }

    pub(super) fn add_to(&self, stats: &mut super::VideoStats) {
        if let Some(held) = &self.held {
            stats.streams_in += 1;
            stats.add(&held.receiver.counters());
        }
    }
}
