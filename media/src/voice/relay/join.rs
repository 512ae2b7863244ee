//! Both sides of one lane: what becomes of each datagram. It is given the
//! datagram, its source and the time, and says where the rewritten one goes;
//! sockets are the worker's.

use std::net::SocketAddr;
use std::sync::Arc;

use weir_signaling::sdp::Kind;

use super::passage::{Head, Passage};
use super::source::Source;
use super::stats::{SideCounters, add};
use super::{Aim, Heard, Side, reports};
use crate::voice::ear::{Ear, kind_of};
use crate::voice::{First, rtp};

/// Comfort noise (RFC 3389): agreed on or not, many send it.
const COMFORT_NOISE: u8 = 13;

/// Which of a side's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Rtp,
    Rtcp,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// RTP, rewritten in place, goes from the other side's port to this address.
    Sound(SocketAddr),
    /// RTCP, written into the buffer for reports, does.
    Report(SocketAddr),
    /// Nobody is to hear it, or nothing of it concerns the other side.
    Held,
    Stranger,
    Broken,
    Unknown,
}

/// One side.
#[derive(Debug)]
struct Half {
    aim: Option<Aim>,
    rtp: Source,
    rtcp: Source,
    /// Of what this side says to the other.
    passage: Passage,
    ear: Ear,
    clock_khz: u32,
    spoke_ms: Option<u64>,
    /// Its silence was told.
    quiet: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Join {
    call: u64,
    halves: [Half; 2],
    counters: Arc<[SideCounters; 2]>,
    /// Our own four addresses: what comes from there runs in a circle.
    own: [SocketAddr; 4],
}

fn clock_khz(kind: Kind) -> Option<u32> {
    match kind {
        Kind::Opus => Some(48),
        // G.722 samples at 16 kHz, but counts at 8 (RFC 3551 §4.5.2).
        Kind::Pcmu | Kind::Pcma | Kind::G722 => Some(8),
        Kind::Event => None,
    }
}

impl Half {
    fn new(first: First) -> Self {
        Self {
            aim: None,
            rtp: Source::default(),
            rtcp: Source::default(),
            passage: Passage::new(first),
            ear: Ear::default(),
            clock_khz: 8,
            spoke_ms: None,
            quiet: false,
        }
    }

    fn aim(&mut self, aim: Option<Aim>) {
        let address = |aim: &Option<Aim>| aim.as_ref().map(|aim| (aim.rtp, aim.also_from));
        if address(&self.aim) != address(&aim) {
            (self.spoke_ms, self.quiet) = (None, false);
        }
        let also_from = aim.as_ref().and_then(|aim| aim.also_from);
        self.rtp.aim(aim.as_ref().map(|aim| aim.rtp), also_from);
        self.rtcp.aim(aim.as_ref().map(|aim| aim.rtcp), also_from);
        let formats = |aim: &Option<Aim>| aim.as_ref().map(|aim| aim.formats.clone());
        // A key that is down stays one key when only the address changes.
        if formats(&self.aim) != formats(&aim) {
            let formats = formats(&aim).unwrap_or_default();
            self.ear = Ear::new(&formats);
            self.clock_khz =
                formats.iter().find_map(|(_, kind)| clock_khz(*kind)).unwrap_or(self.clock_khz);
        }
        self.aim = aim;
    }

    fn hears(&self) -> bool {
        self.aim.as_ref().is_some_and(|aim| aim.hears)
    }

    fn kind(&self, payload_type: u8) -> Option<Kind> {
        self.aim.as_ref().and_then(|aim| kind_of(&aim.formats, payload_type))
    }

    fn spoke(&mut self, now_ms: u64) {
        (self.spoke_ms, self.quiet) = (Some(now_ms), false);
    }
}

impl Join {
    /// `firsts`: how the passages from A and from B begin.
    pub(super) fn new(
        call: u64,
        firsts: [First; 2],
        counters: Arc<[SideCounters; 2]>,
        own: [SocketAddr; 4],
    ) -> Self {
        Self { call, halves: firsts.map(Half::new), counters, own }
    }

    pub(super) fn aim(&mut self, side: Side, aim: Option<Aim>) {
        let [a, b] = &mut self.halves;
        match side {
            Side::A => a.aim(aim),
            Side::B => b.aim(aim),
        }
    }

    /// A datagram that came to `port` of `side`. What is heard in it goes to
    /// `heard`, what RTCP becomes to `report`.
    pub(super) fn take(
        &mut self,
        now_ms: u64,
        (side, port): (Side, Port),
        from: SocketAddr,
        datagram: &mut [u8],
        report: &mut Vec<u8>,
        heard: &mut Vec<Heard>,
    ) -> Fate {
        let [a, b] = &mut self.halves;
        let [of_a, of_b] = &*self.counters;
        let (speaks, hears, counters) = match side {
            Side::A => (a, b, of_a),
            Side::B => (b, a, of_b),
        };
        // RTCP on the RTP port is told by its second byte (RFC 5761 §4).
        let muxed = matches!(datagram.get(1), Some(192..=223));
        let source = match port {
            Port::Rtp => &speaks.rtp,
            Port::Rtcp => &speaks.rtcp,
        };
        let fate = if self.own.contains(&from) || !source.believes(from, now_ms) {
            Fate::Stranger
        } else if port == Port::Rtp && !muxed {
            let tell = |digit, way| heard.push(Heard::Digit { call: self.call, side, digit, way });
            sound(now_ms, from, datagram, (speaks, hears), counters, tell)
        } else {
            told(now_ms, (port, from), datagram, (speaks, hears), counters, report)
        };
        match fate {
            Fate::Stranger => add(&counters.strangers, 1),
            Fate::Broken => add(&counters.broken, 1),
            Fate::Unknown => add(&counters.unknown, 1),
            Fate::Sound(_) | Fate::Report(_) | Fate::Held => {}
        }
        fate
    }

    /// Sides that have spoken and then say nothing for `quiet_ms`, once each.
    pub(super) fn quiet(&mut self, now_ms: u64, quiet_ms: u64, heard: &mut Vec<Heard>) {
        for (half, side) in self.halves.iter_mut().zip([Side::A, Side::B]) {
            let since = half.spoke_ms.filter(|_| half.aim.is_some() && !half.quiet);
            if since.is_some_and(|at| now_ms.saturating_sub(at) >= quiet_ms) {
                half.quiet = true;
                heard.push(Heard::Quiet { call: self.call, side });
            }
        }
    }
}

fn sound(
    now_ms: u64,
    from: SocketAddr,
    datagram: &mut [u8],
    (speaks, hears): (&mut Half, &mut Half),
    counters: &SideCounters,
    tell: impl FnMut(char, weir_signaling::digits::Way),
) -> Fate {
    let Some(packet) = rtp::parse(datagram) else { return Fate::Broken };
    speaks.rtp.learn(from, now_ms);
    speaks.spoke(now_ms);
    counters.heard(now_ms);
    // A sender uses its receiver's numbers (RFC 3264 §5.1), or so it should.
    let number = packet.payload_type;
    match hears.kind(number).or_else(|| speaks.kind(number)) {
        Some(kind) => {
            speaks.clock_khz = clock_khz(kind).unwrap_or(speaks.clock_khz);
            speaks.ear.hear(&packet, kind, tell);
        }
        None if number == COMFORT_NOISE => {}
        None => return Fate::Unknown,
    }
    let (ssrc, seq, timestamp) = (packet.ssrc, packet.seq, packet.timestamp);
    let head = Head { ssrc, seq, timestamp, payload: packet.payload.len() };
    add(&counters.packets, 1);
    add(&counters.bytes, u64::try_from(datagram.len()).unwrap_or(0));
    let Some(to) = hears.rtp.to().filter(|_| hears.hears()) else {
        speaks.passage.hold();
        return Fate::Held;
    };
    let lost = speaks.passage.pass(now_ms, from, speaks.clock_khz, head, datagram);
    counters.lost(lost);
    Fate::Sound(to)
}

fn told(
    now_ms: u64,
    (port, from): (Port, SocketAddr),
    datagram: &[u8],
    (speaks, hears): (&mut Half, &mut Half),
    counters: &SideCounters,
    report: &mut Vec<u8>,
) -> Fate {
    if reports::translate(datagram, &speaks.passage, &hears.passage, report).is_err() {
        return Fate::Broken;
    }
    match port {
        Port::Rtp => speaks.rtp.learn(from, now_ms),
        Port::Rtcp => speaks.rtcp.learn(from, now_ms),
    }
    speaks.spoke(now_ms);
    counters.heard(now_ms);
    match hears.rtcp.to().filter(|_| hears.hears() && !report.is_empty()) {
        Some(to) => Fate::Report(to),
        None => Fate::Held,
    }
}
