//! Sound from one telephone to another over a bad link.

mod cost;
mod parts;
mod satellite;
mod terrestrial;

use std::collections::BTreeMap;

use weir_signaling::wan::{
    Copies, Item, Packer, PackerConfig, PackerCounters, Unpacker, UnpackerCounters,
};

use super::*;
use crate::voice::g711::{a_decode, a_encode};
use crate::voice::{First, rtp};

pub(super) const SATELLITE: Link = Link::Satellite { bitrate_bps: 8_000 };
pub(super) const PCMA: Telephone =
    Telephone { codec: Codec::Pcma, payload_type: 8, event_type: Some(101) };
pub(super) const FIRST: First = First { ssrc: 0xfeed_0001, seq: 0xfff0, timestamp: 0xffff_f000 };

/// Sample `n` of a tone at 8 kHz.
pub(super) fn tone(hz: f64, n: u64) -> i16 {
    let angle = core::f64::consts::TAU * hz * n as f64 / 8_000.0;
    (angle.sin() * 8_000.0) as i16
}

/// Something like speech: a buzz whose pitch and loudness move, with pauses
/// between syllables but none long enough to be silence.
pub(super) fn speech(n: u64, who: u64) -> i16 {
    let t = n as f64 / 8_000.0 + who as f64 * 0.37;
    let pitch = 120.0 + 30.0 * (t * 1.7).sin() + who as f64 * 9.0;
    let loud = 0.15 + 0.85 * (t * 9.0).sin().abs();
    let mut sum = 0.0;
    for k in 1..20_u32 {
        let k = f64::from(k);
        let formant = 1.0 / (1.0 + ((pitch * k - 600.0 - 300.0 * (t * 3.1).sin()) / 400.0).powi(2));
        sum += formant * (core::f64::consts::TAU * pitch * k * t).sin();
    }
    (sum * loud * 3_000.0) as i16
}

/// One packet of a telephone: 20 ms from its `n`th on.
pub(super) fn packet(n: u64, sound: impl Fn(u64) -> i16) -> Vec<u8> {
    let payload: Vec<u8> = (n * 160..(n + 1) * 160).map(|at| a_encode(sound(at))).collect();
    rtp_of(8, n, &payload)
}

pub(super) fn rtp_of(payload_type: u8, n: u64, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let seq = u16::try_from(n & 0xffff).unwrap();
    let timestamp = u32::try_from((n * 160 + 0xffff_0000) & 0xffff_ffff).unwrap();
    rtp::Packet { marker: n == 0, payload_type, seq, timestamp, ssrc: 77, payload }
        .write(&mut datagram);
    datagram
}

/// How much of the loudness is this tone, of a thousand.
pub(super) fn share_of(hz: f64, sound: &[i16]) -> u64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, sample) in sound.iter().enumerate() {
        let angle = core::f64::consts::TAU * hz * n as f64 / 8_000.0;
        let sample = f64::from(*sample);
        re += sample * angle.cos();
        im += sample * angle.sin();
        all += sample * sample;
    }
    let tone = 2.0 * (re * re + im * im) / sound.len().max(1) as f64;
    (tone * 1_000.0 / f64::max(all, 1.0)) as u64
}

/// What becomes of the datagrams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Road {
    pub(super) delay_ms: u64,
    pub(super) loss_ppm: u64,
    /// Of a million datagrams so many begin a burst of three.
    pub(super) bursts_ppm: u64,
    pub(super) copies: Copies,
}

/// Calls over one link, one direction, in virtual time.
pub(super) struct Trunk {
    road: Road,
    pub(super) encoders: Vec<Encoder>,
    pub(super) decoders: Vec<Decoder>,
    pub(super) packer: Packer,
    unpacker: Unpacker,
    tick_ms: u64,
    under_way: BTreeMap<u64, Vec<Vec<u8>>>,
    dice: u64,
    burst: u32,
    /// Of datagrams with IP, UDP and QUIC.
    pub(super) wire_bytes: u64,
    pub(super) now_ms: u64,
    pub(super) heard: Vec<Vec<Vec<u8>>>,
}

/// IP, UDP and QUIC around a datagram, as measured.
pub(super) const AROUND: u64 = 58;

impl Trunk {
    pub(super) fn new(link: Link, road: Road, telephones: &[(Telephone, Telephone)]) -> Self {
        let ends = (0_u16..).zip(telephones);
        let encoders = ends.map(|(channel, ends)| Encoder::new(channel, ends.0, link, 0).unwrap());
        let decoders = telephones.iter().map(|ends| Decoder::new(ends.1, link, FIRST).unwrap());
        Self {
            road,
            encoders: encoders.collect(),
            decoders: decoders.collect(),
            packer: Packer::new(
                PackerConfig { copies: road.copies, ..PackerConfig::default() },
                65_000,
            ),
            unpacker: Unpacker::default(),
            tick_ms: if matches!(link, Link::Satellite { .. }) { TICK_MS } else { 20 },
            under_way: BTreeMap::new(),
            dice: 0x9e37_79b9_7f4a_7c15,
            burst: 0,
            wire_bytes: 0,
            now_ms: 0,
            heard: vec![Vec::new(); telephones.len()],
        }
    }

    pub(super) fn unpacked(&self) -> UnpackerCounters {
        self.unpacker.counters()
    }

    pub(super) fn packed(&self) -> PackerCounters {
        self.packer.counters()
    }

    fn chance(&mut self, ppm: u64) -> bool {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % 1_000_000 < ppm
    }

    /// What the telephone of this call sends now.
    pub(super) fn speak(&mut self, call: usize, datagram: &[u8]) {
        let packet = rtp::parse(datagram).expect("RTP");
        for out in self.encoders[call].rtp(self.now_ms, &packet) {
            match out {
                Outgoing::Frame(frame) => self.packer.frame(self.now_ms, frame),
                Outgoing::Key(key) => self.packer.key(self.now_ms, key),
            }
        }
    }

    /// Twenty milliseconds.
    pub(super) fn pass(&mut self) {
        if self.now_ms.is_multiple_of(self.tick_ms) {
            for datagram in self.packer.pack(self.now_ms) {
                self.wire_bytes += datagram.len() as u64 + AROUND;
                if self.chance(self.road.bursts_ppm) {
                    self.burst = 3;
                }
                let lost = self.burst > 0 || self.chance(self.road.loss_ppm);
                self.burst = self.burst.saturating_sub(1);
                if !lost {
                    let at_ms = self.now_ms + self.road.delay_ms;
                    self.under_way.entry(at_ms).or_default().push(datagram);
                }
            }
        }
        let later = self.under_way.split_off(&(self.now_ms + 1));
        for (at_ms, datagrams) in core::mem::replace(&mut self.under_way, later) {
            for datagram in datagrams {
                for item in self.unpacker.take(at_ms, &datagram).expect("our own") {
                    self.arrived(at_ms, item);
                }
            }
        }
        for (decoder, heard) in self.decoders.iter_mut().zip(&mut self.heard) {
            let mut datagram = Vec::new();
            if decoder.tick(self.now_ms, &mut datagram) {
                heard.push(datagram);
            }
        }
        if let Some(report) = self.unpacker.report(self.now_ms) {
            self.packer.heard(self.now_ms, &report);
        }
        self.now_ms += 20;
    }

    fn arrived(&mut self, at_ms: u64, item: Item) {
        match item {
            Item::Frame(frame) => {
                self.decoders[usize::from(frame.channel)].frame(at_ms, frame);
            }
            Item::Again { channel, step } => {
                self.decoders[usize::from(channel)].again(at_ms, step);
            }
            Item::Key(press) => self.decoders[usize::from(press.channel)].key(press),
            Item::Report(_) => panic!("nobody reported"),
        }
    }

    /// All that one telephone heard, as samples; checked to be one RTP stream.
    pub(super) fn sound(&self, call: usize) -> Vec<i16> {
        let mut sound = Vec::new();
        let mut next = (FIRST.seq, None);
        for datagram in &self.heard[call] {
            let packet = rtp::parse(datagram).expect("RTP");
            assert_eq!((packet.ssrc, packet.seq), (FIRST.ssrc, next.0), "sequence goes on");
            assert!(next.1.is_none_or(|timestamp| timestamp == packet.timestamp));
            let after = packet.timestamp.wrapping_add(160);
            next = (packet.seq.wrapping_add(1), Some(after));
            sound.extend(packet.payload.iter().map(|byte| a_decode(*byte)));
        }
        sound
    }
}
