//! One trunk as the thread sees it: a telephone or a room at one end, frames at
//! the other.

use std::net::SocketAddr;
use std::sync::Arc;

use weir_model::directory::Codec;
use weir_model::id::NodeId;
use weir_signaling::wan::{Frame, JitterCounters, Press};

use super::line::{LineEnd, Said};
use super::post::Join;
use super::stats::{CallCounters, Counters, add, set};
use super::wire::{Came, Wire};
use crate::voice::{First, rtp};
use crate::wan::{CodecError, Decoder, Encoder, Outgoing, TICK_MS};

/// Datagrams of one port in one turn: a flood on one starves no other.
const AT_ONCE: usize = 8;
/// Frames that a line holds.
const LINE_FRAMES: usize = 10;

/// Its end at this site.
#[derive(Debug)]
pub(super) enum Way {
    Wire(Box<Wire>),
    Line(Box<LineEnd>),
}

impl Way {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Wire(wire) => Some(wire.address()),
            Self::Line(_) => None,
        }
    }
}

/// A new trunk.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) peer: NodeId,
    pub(super) way: Way,
    pub(super) shared: Arc<CallCounters>,
    pub(super) first: First,
}

/// What connects it, once it is joined.
#[derive(Debug)]
struct Joined {
    join: Join,
    encoder: Encoder,
    decoder: Decoder,
    /// As counted before.
    seen: JitterCounters,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) peer: NodeId,
    way: Way,
    shared: Arc<CallCounters>,
    first: First,
    joined: Option<Joined>,
}

/// What is needed to carry any trunk.
pub(super) struct Desk<'a> {
    pub(super) now_ms: u64,
    pub(super) counters: &'a Counters,
    pub(super) datagram: &'a mut [u8],
    pub(super) packet: &'a mut Vec<u8>,
    pub(super) out: &'a mut Vec<Outgoing>,
}

/// Why a join was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("会议只用 G.711 A 律 / a conference speaks PCMA only")]
    Line,
}

impl Carried {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { peer, way, shared, first } = opening;
        Self { peer, way, shared, first, joined: None }
    }

    /// What our frames go under.
    pub(super) fn theirs(&self) -> Option<u16> {
        self.joined.as_ref().map(|joined| joined.join.theirs)
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined.is_some()
    }

    /// Whether what it says is coded here.
    pub(super) fn codes(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.encoder.codes())
    }

    pub(super) fn set_complexity(&mut self, complexity: u8) {
        if let Some(joined) = &mut self.joined {
            joined.encoder.set_complexity(complexity);
        }
    }

    /// What is still to be said under the old channel goes to `desk`. A call whose
    /// new telephone cannot be carried is silent, rather than noise to it.
    pub(super) fn join(
        &mut self,
        join: Join,
        phase_ms: u64,
        desk: &mut Desk<'_>,
    ) -> Result<(), Refused> {
        let holds = matches!(self.way, Way::Wire(_)) && join.towards.is_none();
        if let Some(joined) = self.joined.as_mut().filter(|_| holds) {
            desk.out.extend(joined.encoder.pause());
        }
        let joined = self.connect(join, phase_ms);
        if let Way::Wire(wire) = &mut self.way {
            wire.aim(join.towards.filter(|_| joined.is_ok()));
        }
        joined.inspect_err(|_| {
            add(&self.shared.refused, 1);
            add(&desk.counters.refused, 1);
        })
    }

    fn connect(&mut self, join: Join, phase_ms: u64) -> Result<(), Refused> {
        let Join { theirs, telephone, link, .. } = join;
        if matches!(self.way, Way::Line(_)) && telephone.codec != Codec::Pcma {
            return Err(Refused::Line);
        }
        match &mut self.joined {
            Some(joined) => {
                joined.encoder.change(theirs, telephone, link)?;
                joined.decoder.change(telephone, link)?;
                joined.join = join;
            }
            None => {
                let encoder = Encoder::new(theirs, telephone, link, phase_ms % TICK_MS)?;
                let decoder = Decoder::new(telephone, link, self.first)?;
                let seen = JitterCounters::default();
                self.joined = Some(Joined { join, encoder, decoder, seen });
            }
        }
        Ok(())
    }

    /// What waits at its port; what is to be said of it goes to `desk`. How many
    /// packets that were.
    pub(super) fn listen(&mut self, desk: &mut Desk<'_>) -> u64 {
        let Way::Wire(wire) = &mut self.way else { return 0 };
        let codec = self.joined.as_ref().map(|joined| joined.join.telephone.codec);
        let mut packets = 0;
        for _ in 0..AT_ONCE {
            match wire.receive(desk.now_ms, codec, desk.datagram) {
                Came::Nothing => break,
                Came::Stranger => add(&self.shared.strangers, 1),
                Came::Unusable => add(&self.shared.unusable, 1),
                Came::Rtp(packet) => {
                    let Some(joined) = &mut self.joined else { continue };
                    set(&self.shared.spoke, desk.now_ms.saturating_add(1));
                    let before = joined.encoder.counters();
                    desk.out.extend(joined.encoder.rtp(desk.now_ms, &packet));
                    let after = joined.encoder.counters();
                    let unusable = |of: crate::wan::EncoderCounters| of.strange + of.broken;
                    add(&self.shared.unusable, unusable(after) - unusable(before));
                    packets += 1;
                }
            }
        }
        packets
    }

    /// What the room has said; as [`Self::listen`].
    pub(super) fn listen_to_line(&mut self, desk: &mut Desk<'_>) -> u64 {
        let Way::Line(line) = &mut self.way else { return 0 };
        let mut packets = 0;
        for _ in 0..LINE_FRAMES {
            let kind = self.joined.as_ref().map_or(0, |one| one.join.telephone.payload_type);
            let said = line.hear(desk.now_ms, (kind, self.first), desk.packet);
            let Some(said) = said else { break };
            set(&self.shared.spoke, desk.now_ms.saturating_add(1));
            let Some(joined) = &mut self.joined else { continue };
            match said {
                Said::Rtp => {
                    let packet = rtp::parse(desk.packet);
                    let rtp = |packet| joined.encoder.rtp(desk.now_ms, &packet);
                    desk.out.extend(packet.map(rtp).unwrap_or_default());
                    packets += 1;
                }
                Said::FellSilent => desk.out.extend(joined.encoder.pause()),
                Said::Silence => {}
            }
        }
        packets
    }

    /// Something went out to the peer.
    pub(super) fn said(&self, what: &Outgoing, counters: &Counters) {
        let (own, all) = match what {
            Outgoing::Frame(_) => (&self.shared.frames_sent, &counters.frames_sent),
            Outgoing::Key(_) => (&self.shared.keys_sent, &counters.keys_sent),
        };
        add(own, 1);
        add(all, 1);
    }

    pub(super) fn frame(&mut self, at_ms: u64, frame: Frame, counters: &Counters) {
        let Some(joined) = &mut self.joined else { return };
        joined.decoder.frame(at_ms, frame);
        add(&self.shared.frames_received, 1);
        add(&counters.frames_received, 1);
        set(&self.shared.heard, at_ms.saturating_add(1));
    }

    pub(super) fn again(&mut self, at_ms: u64, step: u16) {
        if let Some(joined) = &mut self.joined {
            joined.decoder.again(at_ms, step);
        }
    }

    pub(super) fn key(&mut self, at_ms: u64, press: Press, counters: &Counters) {
        let Some(joined) = &mut self.joined else { return };
        joined.decoder.key(press);
        add(&self.shared.keys_received, 1);
        add(&counters.keys_received, 1);
        set(&self.shared.heard, at_ms.saturating_add(1));
    }

    /// The 20 ms that its telephone, or the room, hears now. How many frames came
    /// too late.
    pub(super) fn sound(&mut self, tick_ms: u64, desk: &mut Desk<'_>) -> u16 {
        let Some(joined) = &mut self.joined else { return 0 };
        if joined.decoder.tick(tick_ms, desk.packet) {
            let sent = match &self.way {
                Way::Wire(wire) => wire.send(desk.packet),
                Way::Line(line) => line.send(desk.packet),
            };
            add(&self.shared.unsent, u64::from(!sent));
        }
        if let Way::Wire(wire) = &mut self.way {
            wire.report(tick_ms, self.first.ssrc, desk.packet);
        }
        let now = joined.decoder.jitter();
        let seen = std::mem::replace(&mut joined.seen, now);
        let delay_ms = joined.decoder.delay_ms(tick_ms);
        set(&self.shared.delay, delay_ms.map_or(0, |delay_ms| delay_ms.saturating_add(1)));
        let both = [
            (&self.shared.concealed, &desk.counters.concealed, now.concealed - seen.concealed),
            (&self.shared.missing, &desk.counters.missing, now.missing - seen.missing),
            (&self.shared.late, &desk.counters.late, now.late - seen.late),
        ];
        for (own, all, more) in both.into_iter().filter(|(_, _, more)| *more > 0) {
            add(own, more);
            add(all, more);
        }
        joined.decoder.late()
    }
}
