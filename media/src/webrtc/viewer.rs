//! One viewer: its WebRTC session, its own numbers on the packets it is sent, and
//! how far it has come. What breaks in here ends this viewer and no other.

use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::media::{Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Event, Input, Output, Rtc, RtcError};

use super::ViewerId;
use super::pack::Frame;
use super::picture::Shared;
use super::post::{Newcomer, Post};
use super::stage::{Next, Place, Stage};
use super::stats::add;

/// A late viewer gets so many packets so often: some 50 Mbit/s, which the road to
/// it and its socket can take.
const CATCH_UP_PACKETS: usize = 64;
const CATCH_UP_EVERY: Duration = Duration::from_millis(10);
/// What one input may lead to: the longest frame and a second's worth of resends.
/// Beyond that somebody plays with us.
const OUTPUTS_MAX: usize = 8_000;
/// A session whose time-out is due at once is not asked again before this.
const BREATH: Duration = Duration::from_millis(1);
/// Addresses that one viewer proves to be at; browsers try several.
const ADDRESSES_MAX: usize = 8;

/// The socket, and what is counted of it.
pub(super) struct Wire {
    pub(super) socket: UdpSocket,
    pub(super) six: bool,
    /// What viewers think they talk to.
    pub(super) here: SocketAddr,
    pub(super) post: Arc<Post>,
}

impl Wire {
    fn send(&self, datagram: &[u8], to: SocketAddr) {
        let to = match to {
            SocketAddr::V4(four) if self.six => {
                SocketAddr::new(four.ip().to_ipv6_mapped().into(), four.port())
            }
            to => to,
        };
        let counters = &self.post.counters;
        match self.socket.send_to(datagram, to) {
            Ok(sent) => {
                add(&counters.packets, 1);
                add(&counters.bytes, u64::try_from(sent).unwrap_or(0));
            }
            // Also when its queue is full: late packets help nobody.
            Err(_) => add(&counters.unsent, 1),
        }
    }
}

/// What a viewer is being shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Nothing before the next key frame.
    Waiting,
    /// What came before it did.
    Catching(Place),
    Live,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) connected: bool,
    pub(super) wants_key: bool,
    /// The viewer has left.
    pub(super) left: bool,
    /// The session broke.
    pub(super) failed: bool,
}

/// See the module.
pub(super) struct Viewer {
    pub(super) id: ViewerId,
    pub(super) picture: Arc<Shared>,
    pub(super) ufrag: String,
    pub(super) addresses: Vec<SocketAddr>,
    /// When it is to be looked at again.
    pub(super) due: Instant,
    rtc: Rtc,
    mid: Mid,
    pt: Pt,
    seq: u64,
    sight: Sight,
    connected: bool,
    joined: Instant,
    heard: Instant,
}

/// Its outputs, until it waits for something.
fn settle(rtc: &mut Rtc, now: Instant, wire: &Wire, told: &mut Told) -> Result<Instant, RtcError> {
    let mut again = true;
    for _ in 0..OUTPUTS_MAX {
        match rtc.poll_output()? {
            Output::Transmit(datagram) => wire.send(&datagram.contents, datagram.destination),
            Output::Event(Event::Connected) => told.connected = true,
            Output::Event(Event::KeyframeRequest(_)) => told.wants_key = true,
            Output::Event(Event::Closed) => told.left = true,
            // It was told that we take nothing; states are read off its silence.
            Output::Event(_) => {}
            Output::Timeout(due) if due <= now && again => {
                again = false;
                rtc.handle_input(Input::Timeout(now))?;
            }
            Output::Timeout(due) => return Ok(due.max(now + BREATH)),
        }
    }
    told.failed = true;
    Ok(now + BREATH)
}

impl Viewer {
    /// `first_seq`: random (RFC 3550 §5.1).
    pub(super) fn new(newcomer: Newcomer, first_seq: u16, now: Instant) -> Self {
        let Newcomer { id, picture, opened } = newcomer;
        let (rtc, mid, pt, ufrag) = (opened.rtc, opened.mid, opened.pt, opened.ufrag);
        Self {
            id,
            picture,
            ufrag,
            addresses: Vec::new(),
            due: now,
            rtc,
            mid,
            pt,
            // Small enough that its first wrap is one that a receiver sees.
            seq: u64::from(first_seq >> 1),
            sight: Sight::Waiting,
            connected: false,
            joined: now,
            heard: now,
        }
    }

    pub(super) fn connected(&self) -> bool {
        self.connected
    }

    pub(super) fn waits(&self) -> bool {
        self.connected && self.sight == Sight::Waiting
    }

    /// Whether it did not connect in time, or says nothing any more.
    pub(super) fn expired(&self, now: Instant, connect: Duration, silence: Duration) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        if self.connected { since(self.heard) > silence } else { since(self.joined) > connect }
    }

    /// Does something to the session and all that follows from it.
    fn run(
        &mut self,
        now: Instant,
        wire: &Wire,
        act: impl FnOnce(&mut Rtc) -> Result<(), RtcError>,
    ) -> Told {
        let mut told = Told::default();
        let rtc = &mut self.rtc;
        // Its library meets a stranger's bytes on a thread that serves everybody.
        let due = catch_unwind(AssertUnwindSafe(|| {
            if act(rtc).is_err() {
                // One bad datagram need not be the viewer's own.
                add(&wire.post.counters.broken, 1);
            }
            settle(rtc, now, wire, &mut told)
        }));
        match due {
            Ok(Ok(due)) => self.due = due,
            Ok(Err(_)) | Err(_) => told.failed = true,
        }
        told.left |= !self.rtc.is_alive();
        self.connected |= told.connected;
        if let Sight::Catching(_) = self.sight {
            self.due = self.due.min(now + CATCH_UP_EVERY);
        }
        told
    }

    pub(super) fn tick(&mut self, now: Instant, wire: &Wire) -> Told {
        self.run(now, wire, |rtc| rtc.handle_input(Input::Timeout(now)))
    }

    /// And whether it was this viewer's: time goes on either way.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        wire: &Wire,
        from: SocketAddr,
        datagram: &[u8],
    ) -> (bool, Told) {
        let here = wire.here;
        let mut accepted = false;
        let told = self.run(now, wire, |rtc| {
            let receive = Receive::new(Protocol::Udp, from, here, datagram)?;
            let input = Input::Receive(now, receive);
            accepted = rtc.accepts(&input);
            if accepted { rtc.handle_input(input) } else { Ok(()) }
        });
        if accepted {
            self.heard = now;
        }
        (accepted, told)
    }

    /// Whether a datagram that was accepted brought up a new address.
    pub(super) fn learn(&mut self, from: SocketAddr) -> bool {
        let new = !self.addresses.contains(&from) && self.addresses.len() < ADDRESSES_MAX;
        if new {
            self.addresses.push(from);
        }
        new
    }

    /// It is there: shows it what there is.
    pub(super) fn begin(&mut self, now: Instant, stage: &mut Stage) {
        self.sight = stage.begin().map_or(Sight::Waiting, Sight::Catching);
        if self.sight == Sight::Waiting {
            stage.want_key();
        }
        self.due = now;
    }

    /// Something is missing from the picture.
    pub(super) fn wait(&mut self) {
        self.sight = Sight::Waiting;
    }

    pub(super) fn show(&mut self, now: Instant, wire: &Wire, frame: &Frame, ticks: u32) -> Told {
        let sees = match self.sight {
            Sight::Live => true,
            Sight::Waiting => frame.key,
            // It comes to this frame by itself.
            Sight::Catching(_) => false,
        };
        if !self.connected || !sees {
            return Told::default();
        }
        self.sight = Sight::Live;
        let last = frame.payloads.len().saturating_sub(1);
        let payloads = frame.payloads.iter().enumerate();
        let packets = payloads.map(|(number, payload)| (payload.clone(), ticks, number == last));
        self.send(now, wire, packets)
    }

    /// The next packets of a late viewer.
    pub(super) fn catch_up(&mut self, now: Instant, wire: &Wire, stage: &mut Stage) -> Told {
        let mut packets = Vec::new();
        while packets.len() < CATCH_UP_PACKETS {
            let Sight::Catching(place) = self.sight else { break };
            self.sight = match stage.next(place) {
                Next::Payload { payload, ticks, marker, then } => {
                    packets.push((payload.clone(), ticks, marker));
                    Sight::Catching(then)
                }
                Next::Caught => Sight::Live,
                Next::Gone => stage.begin().map_or(Sight::Waiting, Sight::Catching),
            };
        }
        if self.sight == Sight::Waiting {
            stage.want_key();
        }
        self.send(now, wire, packets.into_iter())
    }

    pub(super) fn is_catching_up(&self) -> bool {
        matches!(self.sight, Sight::Catching(_))
    }

    fn send(
        &mut self,
        now: Instant,
        wire: &Wire,
        packets: impl Iterator<Item = (Arc<[u8]>, u32, bool)>,
    ) -> Told {
        let (mid, pt, mut seq) = (self.mid, self.pt, self.seq);
        let next = &mut seq;
        let told = self.run(now, wire, |rtc| {
            if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                for (payload, ticks, marker) in packets {
                    let number = SeqNo::from(*next);
                    let packet = RtpWrite::new(pt, number, ticks, now, payload);
                    stream.write_rtp(packet.marker(marker).nackable(true));
                    *next += 1;
                }
            }
            rtc.handle_input(Input::Timeout(now))
        });
        self.seq = seq;
        told
    }

    /// Says goodbye, so that its browser need not find out.
    pub(super) fn close(&mut self, now: Instant, wire: &Wire) {
        self.run(now, wire, Rtc::close);
    }
}
