//! A participant on the network: one pair of ports. Sound comes in from whom it
//! is believed, and leaves as a stream that never stops, whether anybody speaks
//! or not. It waits for nothing: what has not come at a tick is silence.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;

use weir_signaling::digits::Way;

use super::jitter::{FRAME, Jitter, Put};
use super::law::Law;
use super::stats::{Counters, SeatShared, add};
use super::{Aim, Part};
use crate::voice::ear::{Ear, kind_of};
use crate::voice::ports::PortPair;
use crate::voice::relay::source::Source;
use crate::voice::rtcp::{self, SenderReport};
use crate::voice::{First, rtp};

/// Most datagrams of one socket at a tick.
const DATAGRAMS_MAX: usize = 16;
/// What an Ethernet carries; one more byte shows that a datagram was longer.
const DATAGRAM_MAX: usize = 1_500;
const HEADER: usize = 12;
/// Comfort noise (RFC 3389): silence, agreed on or not.
const COMFORT_NOISE: u8 = 13;
/// Sender's reports, and looking for the receiver's, in ticks.
const REPORT_TICKS: u64 = 250;
const LOOK_TICKS: u64 = 25;

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    pair: PortPair,
    /// Our two addresses: what comes from there runs in a circle.
    own: [SocketAddr; 2],
    aim: Option<Aim>,
    /// What it is sent.
    sends: Option<(u8, Law)>,
    rtp: Source,
    rtcp: Source,
    ear: Ear,
    /// Tones are listened for even where events were agreed on.
    keen: bool,
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    /// The next packet comes after silence.
    marker: bool,
    packets: u32,
    octets: u32,
    ticks: u64,
}

/// What every wire of a thread uses in turn.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) now_ms: u64,
    datagram: Box<[u8; DATAGRAM_MAX + 1]>,
    report: Vec<u8>,
    pub(super) keys: Vec<(char, Way)>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            now_ms: 0,
            datagram: Box::new([0; DATAGRAM_MAX + 1]),
            report: Vec::with_capacity(DATAGRAM_MAX),
            keys: Vec::new(),
        }
    }
}

impl Wire {
    pub(super) fn new(pair: PortPair, first: First) -> Self {
        pair.expect_sound();
        let rtp = pair.address();
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        Self {
            pair,
            own: [rtp, rtcp],
            aim: None,
            sends: None,
            rtp: Source::default(),
            rtcp: Source::default(),
            ear: Ear::default(),
            keen: false,
            ssrc: first.ssrc,
            seq: first.seq,
            timestamp: first.timestamp,
            marker: true,
            packets: 0,
            octets: 0,
            // So that not all report at once.
            ticks: u64::from(first.seq) % REPORT_TICKS,
        }
    }

    pub(super) fn aim(&mut self, aim: Option<Aim>) {
        let also_from = aim.as_ref().and_then(|aim| aim.also_from);
        self.rtp.aim(aim.as_ref().map(|aim| aim.rtp), also_from);
        self.rtcp.aim(aim.as_ref().map(|aim| aim.rtcp), also_from);
        let formats = |aim: &Option<Aim>| aim.as_ref().map(|aim| aim.formats.clone());
        // A key that is down stays one key when only the address changes.
        if formats(&self.aim) != formats(&aim) {
            let formats = formats(&aim).unwrap_or_default();
            self.ear = if self.keen { Ear::keen() } else { Ear::new(&formats) };
            let law = |&(number, kind)| Some((number, Law::of(kind)?));
            self.sends = formats.iter().find_map(law);
        }
        self.marker = true;
        self.aim = aim;
    }

    /// A gateway may agree to events and pass tones on.
    pub(super) fn listen_keenly(&mut self, keen: bool) {
        if std::mem::replace(&mut self.keen, keen) != keen {
            let formats = self.aim.as_ref().map_or(&[][..], |aim| &aim.formats);
            self.ear = if keen { Ear::keen() } else { Ear::new(formats) };
        }
    }

    fn hears(&self) -> bool {
        self.aim.as_ref().is_some_and(|aim| aim.hears)
    }

    /// What it is to be sent; `None`: nothing now.
    pub(super) fn law(&self) -> Option<Law> {
        self.sends.filter(|_| self.hears()).map(|(_, law)| law)
    }

    /// What has come since the last tick.
    pub(super) fn receive(
        &mut self,
        part: Part,
        jitter: &mut Jitter,
        desk: &mut Desk,
        shared: &SeatShared,
        counters: &Counters,
    ) {
        for _ in 0..DATAGRAMS_MAX {
            let Some((length, from)) = read(&self.pair.rtp, &mut desk.datagram[..]) else { break };
            if self.own.contains(&from) || !self.rtp.believes(from, desk.now_ms) {
                count(&shared.strangers, &counters.strangers);
                continue;
            }
            let now_ms = desk.now_ms;
            let Desk { datagram, keys, .. } = desk;
            let Some(datagram) = datagram.get(..length).filter(|_| length <= DATAGRAM_MAX) else {
                count(&shared.broken, &counters.broken);
                continue;
            };
            // RTCP on the RTP port is told by its second byte (RFC 5761 §4).
            if matches!(datagram.get(1), Some(192..=223)) {
                reported(datagram, self.ssrc, shared);
            } else if let Some(packet) = rtp::parse(datagram) {
                self.rtp.learn(from, now_ms);
                self.sound(&packet, part, jitter, keys, shared);
            } else {
                count(&shared.broken, &counters.broken);
                continue;
            }
            shared.heard(now_ms);
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(LOOK_TICKS) {
            self.look(desk, shared);
        }
    }

    fn sound(
        &mut self,
        packet: &rtp::Packet<'_>,
        part: Part,
        jitter: &mut Jitter,
        keys: &mut Vec<(char, Way)>,
        shared: &SeatShared,
    ) {
        let formats = self.aim.as_ref().map_or(&[][..], |aim| &aim.formats);
        let kind = kind_of(formats, packet.payload_type);
        let Some(kind) = kind else {
            if packet.payload_type != COMFORT_NOISE {
                add(&shared.unknown, 1);
            }
            return;
        };
        add(&shared.packets, 1);
        if part == Part::Person {
            self.ear.hear(packet, kind, |digit, way| keys.push((digit, way)));
        }
        // Whoever is on hold plays music to it, if anything.
        let Some(law) = Law::of(kind).filter(|_| self.hears()) else { return };
        let samples = law.decode(packet.payload);
        if jitter.put(packet.ssrc, packet.timestamp, samples) == Put::Late {
            add(&shared.late, 1);
        }
    }

    /// What their reports say.
    fn look(&mut self, desk: &mut Desk, shared: &SeatShared) {
        for _ in 0..DATAGRAMS_MAX {
            let Some((length, from)) = read(&self.pair.rtcp, &mut desk.datagram[..]) else {
                return;
            };
            if self.own.contains(&from) || !self.rtcp.believes(from, desk.now_ms) {
                add(&shared.strangers, 1);
                continue;
            }
            self.rtcp.learn(from, desk.now_ms);
            shared.heard(desk.now_ms);
            reported(desk.datagram.get(..length).unwrap_or_default(), self.ssrc, shared);
        }
    }

    /// The packet of this tick. It is made up even where there is nowhere to
    /// send it, so that time goes on.
    pub(super) fn send(
        &mut self,
        payload: &[u8; FRAME],
        desk: &mut Desk,
        shared: &SeatShared,
        counters: &Counters,
    ) {
        let to = self.rtp.to();
        let timestamp = self.timestamp;
        self.skip(1);
        let Some(((payload_type, _), to)) = self.sends.zip(to) else { return };
        let marker = std::mem::take(&mut self.marker);
        let packet = head(marker, payload_type, self.seq, timestamp, self.ssrc, payload);
        self.seq = self.seq.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(FRAME).unwrap_or(0));
        if write(&self.pair.rtp, &packet, to) {
            add(&shared.sent, 1);
        } else {
            count(&shared.unsent, &counters.unsent);
        }
        if self.ticks.is_multiple_of(REPORT_TICKS)
            && let Some(to) = self.rtcp.to()
        {
            rtcp::write_sender(&self.report(desk.now_ms), &mut desk.report);
            write(&self.pair.rtcp, &desk.report, to);
        }
    }

    /// Ticks at which nothing was sent; the marker says so.
    pub(super) fn skip(&mut self, ticks: u32) {
        let frame = u32::try_from(FRAME).unwrap_or(0);
        self.timestamp = self.timestamp.wrapping_add(ticks.wrapping_mul(frame));
    }

    /// The next packet comes after a gap.
    pub(super) fn mark(&mut self) {
        self.marker = true;
    }

    pub(super) fn goodbye(&self, desk: &mut Desk) {
        if self.packets > 0
            && let Some(to) = self.rtcp.to()
        {
            rtcp::write_goodbye(&self.report(desk.now_ms), &mut desk.report);
            write(&self.pair.rtcp, &desk.report, to);
        }
    }

    fn report(&self, now_ms: u64) -> SenderReport {
        let fraction = ((now_ms % 1_000) << 32) / 1_000;
        SenderReport {
            ssrc: self.ssrc,
            ntp: (now_ms / 1_000) << 32 | fraction,
            timestamp: self.timestamp,
            packets: self.packets,
            octets: self.octets,
        }
    }
}

fn count(own: &std::sync::atomic::AtomicU64, all: &std::sync::atomic::AtomicU64) {
    add(own, 1);
    add(all, 1);
}

fn reported(datagram: &[u8], ssrc: u32, shared: &SeatShared) {
    if let Some(block) = rtcp::blocks(datagram).iter().rfind(|block| block.ssrc == ssrc) {
        shared.far_lost.store(u32::from(block.fraction_lost), Ordering::Relaxed);
        shared.far_jitter.store(block.jitter, Ordering::Relaxed);
    }
}

/// The plain form of RTP (RFC 3550 §5.1), without a list to be grown.
fn head(
    marker: bool,
    payload_type: u8,
    seq: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &[u8; FRAME],
) -> [u8; HEADER + FRAME] {
    let mut packet = [0; HEADER + FRAME];
    let (head, body) = packet.split_at_mut(HEADER);
    let [s0, s1] = seq.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    let second = u8::from(marker) << 7 | (payload_type & 0x7f);
    head.copy_from_slice(&[2 << 6, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]);
    body.copy_from_slice(payload);
    packet
}

fn read(socket: &UdpSocket, into: &mut [u8]) -> Option<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(into) {
            Ok(received) => return Some(received),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

fn write(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> bool {
    loop {
        match socket.send_to(datagram, to) {
            Ok(_) => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
