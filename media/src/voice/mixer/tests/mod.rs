//! Real sockets in simulated time: telephones send, a tick is due, telephones
//! listen. Nothing waits, but where a story is about the thread itself.

mod limits;
mod prompts;
mod rooms;
mod running;
mod strangers;
mod trunks;
mod way;

use std::f64::consts::TAU;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use weir_signaling::sdp::Kind;

use super::beat::TICK;
use super::jitter::FRAME;
use super::*;
use crate::voice::{g711, rtcp, rtp};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const FRAME_STEPS: u32 = 160;
const LOUD: f64 = 8_000.0;
const KEYS: u8 = 101;

/// A mixer whose time is the test's.
struct Site {
    mixer: Mixer,
    worker: Worker,
    heard: mpsc::Receiver<Heard>,
    now: Duration,
}

impl Site {
    fn new() -> Self {
        Self::with(MixerConfig::default())
    }

    fn with(config: MixerConfig) -> Self {
        let ports = Ports::new(HOST, &(20_000..=50_000)).unwrap();
        let began = Instant::now();
        let (told, heard) = mpsc::channel(64);
        let post = Arc::new(Post::new(config.rooms, config.seats));
        let worker = Worker::new(post.clone(), config, began, told);
        let shared = Shared { ports, posts: vec![post], began, room_seats: config.room_seats };
        Self { mixer: Mixer { shared: Arc::new(shared) }, worker, heard, now: Duration::ZERO }
    }

    fn tick(&mut self) {
        self.now += TICK;
        self.worker.turn(self.now);
    }
}

/// A telephone that hums.
struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    hz: f64,
    amplitude: f64,
    kind: Kind,
    seq: u16,
    timestamp: u32,
    ssrc: u32,
    to: Option<SocketAddr>,
    heard: Vec<i16>,
    /// Marker, number and time of what came.
    heads: Vec<(bool, u16, u32, u32)>,
    payloads: Vec<Vec<u8>>,
}

fn number(kind: Kind) -> u8 {
    if kind == Kind::Pcmu { 0 } else { 8 }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((HOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

impl Phone {
    fn new(hz: f64) -> Self {
        Self {
            rtp: socket(),
            rtcp: socket(),
            hz,
            amplitude: LOUD,
            kind: Kind::Pcma,
            seq: 65_530,
            timestamp: u32::MAX - 1_000,
            ssrc: 0x1234_5678 ^ u32::from(hz.to_bits() as u16),
            to: None,
            heard: Vec::new(),
            heads: Vec::new(),
            payloads: Vec::new(),
        }
    }

    fn silent() -> Self {
        Self { amplitude: 0.0, ..Self::new(0.0) }
    }

    fn aim(&self) -> Aim {
        Aim {
            rtp: self.rtp.local_addr().unwrap(),
            rtcp: self.rtcp.local_addr().unwrap(),
            also_from: None,
            hears: true,
            formats: vec![(number(self.kind), self.kind), (KEYS, Kind::Event)],
        }
    }

    /// Takes a seat.
    fn join(&mut self, room: &Room, who: u64) -> Seat {
        let seat = room.add(who, Part::Person).unwrap();
        seat.aim(Some(self.aim()));
        self.to = seat.address();
        seat
    }

    fn send(&self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let (seq, ssrc) = (self.seq, self.ssrc);
        let packet = rtp::Packet { marker: false, payload_type, seq, timestamp, ssrc, payload };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        if let Some(to) = self.to {
            self.rtp.send_to(&bytes, to).unwrap();
        }
    }

    fn hum(&mut self) {
        let sample = |n: u32| {
            let at = f64::from(self.timestamp.wrapping_add(n) % 800_000) / 8_000.0;
            (self.amplitude * (TAU * self.hz * at).sin()) as i16
        };
        let encode = if self.kind == Kind::Pcmu { g711::mu_encode } else { g711::a_encode };
        let payload: Vec<u8> = (0..FRAME_STEPS).map(|n| encode(sample(n))).collect();
        self.send(number(self.kind), self.timestamp, &payload);
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_STEPS);
    }

    fn listen(&mut self) {
        let mut buffer = [0; 1_500];
        while let Ok((length, _)) = self.rtp.recv_from(&mut buffer) {
            let packet = rtp::parse(&buffer[..length]).unwrap();
            assert_eq!(packet.payload.len(), FRAME);
            let decode = if packet.payload_type == 0 { g711::mu_decode } else { g711::a_decode };
            self.heard.extend(packet.payload.iter().map(|byte| decode(*byte)));
            self.heads.push((packet.marker, packet.seq, packet.timestamp, packet.ssrc));
            self.payloads.push(packet.payload.to_vec());
        }
    }

    /// How loud a tone is in what was heard last.
    fn hears(&self, hz: f64, samples: usize) -> f64 {
        amplitude(&self.heard[self.heard.len() - samples..], hz)
    }

    /// The longest time without a tone, once it was there.
    fn longest_gap_ms(&self, hz: f64) -> usize {
        let limit = self.amplitude / 2.0;
        let present: Vec<bool> =
            self.heard.chunks_exact(FRAME).map(|frame| amplitude(frame, hz) > limit).collect();
        let first = present.iter().position(|present| *present).expect("it was never heard");
        present[first..].split(|present| *present).map(<[bool]>::len).max().unwrap_or(0) * 20
    }

    fn reports(&self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 1_500];
        let mut reports = Vec::new();
        while let Ok((length, _)) = self.rtcp.recv_from(&mut buffer) {
            reports.push(buffer[..length].to_vec());
        }
        reports
    }
}

/// Of one tone among others (Goertzel).
fn amplitude(samples: &[i16], hz: f64) -> f64 {
    let step = 2.0 * (TAU * hz / 8_000.0).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) + step * last - before, last);
    }
    let power = last * last + before * before - step * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// All telephones of a site for so many ticks.
fn talk(site: &mut Site, phones: &mut [&mut Phone], ticks: usize) {
    for _ in 0..ticks {
        phones.iter_mut().for_each(|phone| phone.hum());
        site.tick();
        phones.iter_mut().for_each(|phone| phone.listen());
    }
}

const HALF_A_SECOND: usize = 4_000;

fn assert_hears(phone: &Phone, others: &[f64]) {
    for hz in others {
        let heard = phone.hears(*hz, HALF_A_SECOND);
        assert!((heard - LOUD).abs() < LOUD / 5.0, "{hz} Hz at {heard:.0}");
    }
}

fn assert_misses(phone: &Phone, others: &[f64]) {
    for hz in others {
        let heard = phone.hears(*hz, HALF_A_SECOND);
        assert!(heard < LOUD / 50.0, "{hz} Hz at {heard:.0}");
    }
}
