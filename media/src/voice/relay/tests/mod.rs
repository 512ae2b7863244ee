//! Two telephones and what stands between them: decided in simulated time, and
//! over real sockets.

mod any;
mod joined;
mod keys;
mod reporting;
mod wired;

use std::net::SocketAddr;
use std::sync::Arc;

use weir_signaling::sdp::Kind;

use super::join::{Fate, Join, Port};
use super::stats::SideCounters;
use super::*;
use crate::voice::{First, rtp};

/// Begin shortly before their numbers wrap.
pub(super) const FIRSTS: [First; 2] = [
    First { ssrc: 0xaaaa_0001, seq: 0xfffe, timestamp: 0xffff_ff00 },
    First { ssrc: 0xbbbb_0002, seq: 100, timestamp: 5_000 },
];

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn aim(rtp: &str) -> Aim {
    let rtp = address(rtp);
    Aim {
        rtp,
        rtcp: SocketAddr::new(rtp.ip(), rtp.port() + 1),
        also_from: None,
        hears: true,
        formats: vec![(8, Kind::Pcma), (0, Kind::Pcmu), (101, Kind::Event)],
    }
}

/// A packet as telephones send it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sound {
    pub(super) ssrc: u32,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    pub(super) payload: &'static [u8],
}

pub(super) const SOUND: Sound =
    Sound { ssrc: 7, seq: 1_000, timestamp: 80_000, payload_type: 8, payload: &[0xd5; 160] };

impl Sound {
    pub(super) fn bytes(self) -> Vec<u8> {
        let Self { ssrc, seq, timestamp, payload_type, payload } = self;
        let mut bytes = Vec::new();
        rtp::Packet { marker: false, payload_type, seq, timestamp, ssrc, payload }
            .write(&mut bytes);
        bytes
    }

    /// So many packets later, in step.
    pub(super) fn later(self, packets: u16) -> Self {
        Self {
            seq: self.seq.wrapping_add(packets),
            timestamp: self.timestamp.wrapping_add(u32::from(packets) * 160),
            ..self
        }
    }
}

/// What came out on the other side: marker, number, time stamp, SSRC.
pub(super) type Out = (bool, u16, u32, u32);

pub(super) struct Bench {
    pub(super) join: Join,
    pub(super) counters: Arc<[SideCounters; 2]>,
    pub(super) heard: Vec<Heard>,
    pub(super) report: Vec<u8>,
}

pub(super) const A: &str = "10.0.0.1:4000";
pub(super) const B: &str = "10.0.0.2:5000";

impl Bench {
    /// Both sides aimed at where they really are.
    pub(super) fn new() -> Self {
        let mut bench = Self::unaimed();
        bench.join.aim(Side::A, Some(aim(A)));
        bench.join.aim(Side::B, Some(aim(B)));
        bench
    }

    pub(super) fn unaimed() -> Self {
        let counters: Arc<[SideCounters; 2]> = Arc::default();
        let own = [1, 2, 3, 4].map(|port| SocketAddr::new([10, 0, 0, 9].into(), port));
        let join = Join::new(42, FIRSTS, counters.clone(), own);
        Self { join, counters, heard: Vec::new(), report: Vec::new() }
    }

    pub(super) fn take(&mut self, at: u64, side: Side, from: &str, bytes: &mut [u8]) -> Fate {
        let (report, heard) = (&mut self.report, &mut self.heard);
        self.join.take(at, (side, Port::Rtp), address(from), bytes, report, heard)
    }

    pub(super) fn reports(&mut self, at: u64, side: Side, from: &str, bytes: &[u8]) -> Fate {
        let (report, heard) = (&mut self.report, &mut self.heard);
        self.join.take(at, (side, Port::Rtcp), address(from), &mut bytes.to_vec(), report, heard)
    }

    /// A packet that must go on: where to, and as what.
    pub(super) fn pass(&mut self, at: u64, side: Side, from: &str, sound: Sound) -> (String, Out) {
        let mut bytes = sound.bytes();
        let fate = self.take(at, side, from, &mut bytes);
        let Fate::Sound(to) = fate else { panic!("{fate:?} at {at}: {sound:?}") };
        let out = rtp::parse(&bytes).unwrap();
        assert_eq!((out.payload, out.payload_type), (sound.payload, sound.payload_type));
        (to.to_string(), (out.marker, out.seq, out.timestamp, out.ssrc))
    }

    pub(super) fn out(&mut self, at: u64, side: Side, from: &str, sound: Sound) -> Out {
        self.pass(at, side, from, sound).1
    }
}
