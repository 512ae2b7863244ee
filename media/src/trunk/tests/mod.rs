//! Two sites in one process, a road between them, and telephones at both ends, in
//! real time over real sockets.

mod calls;
mod changes;
mod conference;
mod cost;
mod limits;
mod strangers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use weir_model::directory::Codec;

use super::*;
use crate::voice::g711::{a_decode, a_encode, mu_decode, mu_encode};
use crate::voice::rtp;
use crate::wan::Telephone;

pub(super) const NODES: [NodeId; 2] = [NodeId(1), NodeId(2)];
pub(super) const SATELLITE: Link = Link::Satellite { bitrate_bps: 8_000 };
pub(super) const THIN: Link = Link::Thin { bitrate_bps: 16_000 };
pub(super) const PCMA: Telephone =
    Telephone { codec: Codec::Pcma, payload_type: 8, event_type: Some(101) };
pub(super) const PCMU: Telephone =
    Telephone { codec: Codec::Pcmu, payload_type: 0, event_type: Some(101) };
/// IP, UDP and QUIC around a datagram, as measured.
const AROUND: u64 = 58;

/// Loopback has many addresses: a test's own does not meet another's packets.
pub(super) fn host() -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 77, high, low | 1))
}

pub(super) fn ports() -> Ports {
    Ports::new(host(), &(20_000..=50_000)).unwrap()
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Road {
    pub(super) delay_ms: u64,
    pub(super) loss_ppm: u64,
}

/// What went over the road from each end.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) datagrams: AtomicU64,
    /// With IP, UDP and QUIC.
    pub(super) bytes: AtomicU64,
    dice: AtomicU64,
}

impl Traffic {
    fn is_lost(&self, ppm: u64) -> bool {
        // One of xorshift's; 0 is where it begins, and only here.
        let mut dice = self.dice.load(Ordering::Relaxed).max(0x9e37_79b9);
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.store(dice, Ordering::Relaxed);
        dice % 1_000_000 < ppm
    }
}

pub(super) struct Sites {
    pub(super) trunks: [Trunks; 2],
    pub(super) traffic: [Arc<Traffic>; 2],
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Sites {
    pub(super) fn new(road: Road, link: Link) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let traffic: [Arc<Traffic>; 2] = Default::default();
        let (sent, mut under_way) = mpsc::unbounded_channel::<(Instant, NodeId, Bytes)>();
        let trunks = [0, 1].map(|site| {
            let (sent, traffic) = (sent.clone(), traffic[site].clone());
            let send: SendDatagram = Arc::new(move |to: NodeId, datagram: Bytes| {
                traffic.datagrams.fetch_add(1, Ordering::Relaxed);
                let bytes = datagram.len() as u64 + AROUND;
                traffic.bytes.fetch_add(bytes, Ordering::Relaxed);
                let due = Instant::now() + Duration::from_millis(road.delay_ms);
                traffic.is_lost(road.loss_ppm) || sent.send((due, to, datagram)).is_ok()
            });
            Trunks::start(ports(), send, &tasks, stop.clone()).unwrap()
        });
        for (here, there) in [(0, 1), (1, 0)] {
            trunks[here].set_path(NODES[there], link);
        }
        let ends = trunks.clone();
        tasks.spawn(async move {
            while let Some((due, to, datagram)) = under_way.recv().await {
                // Nothing ends this wait but its time.
                let _ = timeout_at(due, std::future::pending::<()>()).await;
                let site = usize::from(to == NODES[1]);
                ends[site].received(NODES[1 - site], datagram);
            }
        });
        Self { trunks, traffic, tasks, stop }
    }

    /// A call between two telephones.
    pub(super) fn call(&self, telephones: [Telephone; 2]) -> Call {
        let trunks = [0, 1].map(|site| self.trunks[site].open(NODES[1 - site]).unwrap());
        let phones = [0, 1].map(|site| Phone::new(trunks[site].address().unwrap()));
        let call = Call { trunks, phones };
        call.join(0, telephones[0], true);
        call.join(1, telephones[1], true);
        call
    }

    pub(super) async fn end(self) {
        let Self { trunks, tasks, stop, .. } = self;
        drop(trunks);
        stop.cancel();
        tasks.close();
        // The road ends when both threads have dropped their ends of it.
        let ended = timeout(Duration::from_secs(5), tasks.wait()).await;
        ended.expect("threads end with the stop");
    }
}

pub(super) struct Call {
    pub(super) trunks: [Trunk; 2],
    pub(super) phones: [Phone; 2],
}

impl Call {
    pub(super) fn join(&self, site: usize, telephone: Telephone, hears: bool) {
        let theirs = self.trunks[1 - site].channel();
        let towards = self.phones[site].address;
        self.trunks[site].join(theirs, telephone, hears.then_some(towards));
    }
}

pub(super) struct Phone {
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    pub(super) to: SocketAddr,
    seq: u16,
    pub(super) heard: Vec<Vec<u8>>,
}

impl Phone {
    fn new(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind((host(), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address, to, seq: 0xfff0, heard: Vec::new() }
    }

    pub(super) fn send(&mut self, payload_type: u8, timestamp: u64, payload: &[u8]) {
        let (seq, ssrc) = (self.seq, 0xabcd);
        let timestamp = u32::try_from((timestamp + 0xffff_0000) & 0xffff_ffff).unwrap();
        let mut datagram = Vec::new();
        rtp::Packet { marker: false, payload_type, seq, timestamp, ssrc, payload }
            .write(&mut datagram);
        self.seq = seq.wrapping_add(1);
        self.socket.send_to(&datagram, self.to).unwrap();
    }

    /// Its `n`th 20 ms of a tone.
    pub(super) fn hum(&mut self, telephone: Telephone, hz: f64, n: u64) {
        let encode = if telephone.codec == Codec::Pcmu { mu_encode } else { a_encode };
        let payload: Vec<u8> = (n * 160..(n + 1) * 160).map(|at| encode(tone(hz, at))).collect();
        self.send(telephone.payload_type, n * 160, &payload);
    }

    pub(super) fn listen(&mut self) {
        let mut datagram = [0; 2_000];
        while let Ok(length) = self.socket.recv(&mut datagram) {
            self.heard.push(datagram[..length].to_vec());
        }
    }

    /// Payloads of one type; the whole was one RTP stream.
    pub(super) fn payloads(&self, payload_type: u8) -> Vec<Vec<u8>> {
        let packets: Vec<_> = self.heard.iter().filter_map(|one| rtp::parse(one)).collect();
        assert_eq!(packets.len(), self.heard.len(), "nothing but RTP");
        for pair in packets.windows(2) {
            assert_eq!(pair[0].ssrc, pair[1].ssrc);
            assert_eq!(pair[0].seq.wrapping_add(1), pair[1].seq, "the sequence goes on");
        }
        let of_type = packets.iter().filter(|packet| packet.payload_type == payload_type);
        of_type.map(|packet| packet.payload.to_vec()).collect()
    }

    pub(super) fn sound(&self, telephone: Telephone) -> Vec<i16> {
        let decode = if telephone.codec == Codec::Pcmu { mu_decode } else { a_decode };
        self.payloads(telephone.payload_type).concat().into_iter().map(decode).collect()
    }

    /// Keys that it was told, once each.
    pub(super) fn keys(&self) -> Vec<u8> {
        let packets = self.heard.iter().filter_map(|one| rtp::parse(one));
        let mut keys: Vec<(u32, u8)> = Vec::new();
        for packet in packets.filter(|packet| packet.payload_type == 101) {
            if keys.last().is_none_or(|(at, _)| *at != packet.timestamp) {
                keys.push((packet.timestamp, packet.payload[0]));
            }
        }
        keys.into_iter().map(|(_, key)| key).collect()
    }
}

/// Something every 20 ms, so many times.
pub(super) async fn every_tick(ticks: u64, mut each: impl FnMut(u64)) {
    let mut due = interval(Duration::from_millis(20));
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..ticks {
        due.tick().await;
        each(n);
    }
}

/// Waits until it is so.
pub(super) async fn until(what: &str, so: impl Fn() -> bool) {
    let mut due = interval(Duration::from_millis(5));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        due.tick().await;
    }
}

pub(super) fn tone(hz: f64, n: u64) -> i16 {
    let angle = core::f64::consts::TAU * hz * n as f64 / 8_000.0;
    (angle.sin() * 8_000.0) as i16
}

/// How much of the loudness is this tone, of a thousand; nothing is none.
pub(super) fn share_of(hz: f64, sound: &[i16]) -> u64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in sound.iter().enumerate() {
        let angle = core::f64::consts::TAU * hz * n as f64 / 8_000.0;
        let sample = f64::from(*sample);
        re += sample * angle.cos();
        im += sample * angle.sin();
        all += sample * sample;
    }
    let count = sound.len().max(1) as f64;
    if all < 1_000.0 * 1_000.0 * count {
        return 0;
    }
    (2.0 * (re * re + im * im) / count * 1_000.0 / all) as u64
}

/// Windows of 20 ms from the first with the tone to the last, and how many of a
/// thousand of these are without it.
pub(super) fn windows(hz: f64, sound: &[i16]) -> (usize, usize) {
    let there: Vec<bool> = sound.chunks_exact(160).map(|one| share_of(hz, one) > 800).collect();
    let first = there.iter().position(|there| *there);
    let last = there.iter().rposition(|there| *there);
    let (Some(first), Some(last)) = (first, last) else { return (0, 1_000) };
    let span = &there[first..=last];
    let missing = span.iter().filter(|there| !**there).count();
    (span.len(), missing * 1_000 / span.len())
}

/// A key as telephones tell it, in step `n` of a hum: seven packets and a pause.
pub(super) fn press(phone: &mut Phone, keys: &[u8], n: u64) {
    let place = n % 15;
    let Some(key) = usize::try_from(n / 15).ok().and_then(|at| keys.get(at)) else { return };
    if place < 7 {
        let began = (n - place) * 160;
        let held = u16::try_from((place + 1).min(5) * 160).unwrap().to_be_bytes();
        let end = if place >= 4 { 0x80 } else { 0 };
        phone.send(101, began, &[*key, end | 10, held[0], held[1]]);
    }
}
