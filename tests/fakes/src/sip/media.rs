//! The media of one call: a port for RTP, one above it for RTCP, locked onto
//! the address that the caller's description names. It refuses packets from
//! anywhere else and notes that they came.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::g711;
use super::recorder::{Gap, Recorder};
use super::rtp::{Packet, Reception};
use super::sdp::Codec;
use super::sdp::Offer;

const PORT_TRIES: usize = 64;
const EVERY: Duration = Duration::from_secs(1);
const DATAGRAM_MAX: usize = 2_048;
/// Packets of ten seconds that nobody asked for.
const NEWEST_MAX: usize = 500;

/// What a device may find worth writing down.
#[derive(Debug)]
pub struct Noted {
    pub event: &'static str,
    pub more: Value,
}

fn noted(event: &'static str, more: Value) -> Noted {
    Noted { event, more }
}

/// Samples as one packet brought them.
#[derive(Debug)]
pub struct Piece {
    pub timestamp: u32,
    pub samples: Vec<i16>,
}

/// What the media of a call are made from.
#[derive(Debug)]
pub struct Setup<'a> {
    pub ip: IpAddr,
    pub offer: Offer,
    pub folder: &'a Path,
    /// Name of the file, without its ending.
    pub stem: String,
    pub mute: bool,
    pub ssrc: u32,
    pub reports: bool,
    /// Whether the device itself wants to hear it, see [`Media::newest`].
    pub listens: bool,
}

pub struct Media {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    buffer: Box<[u8; DATAGRAM_MAX]>,
    offer: Offer,
    ssrc: u32,
    name: String,
    recorder: Recorder,
    file: PathBuf,
    /// When the first packet came.
    began: Option<Instant>,
    last: Instant,
    longest_gap: Duration,
    reception: Option<Reception>,
    /// Of sources before the present one.
    packets_before: u64,
    lost_before: u64,
    strangers: u64,
    note_at: Option<Instant>,
    report_at: Option<Instant>,
    newest: Option<Vec<Piece>>,
}

/// A datagram in the buffer: which port, how long, from where.
#[derive(Debug, Clone, Copy)]
pub struct Came {
    is_rtp: bool,
    len: usize,
    from: SocketAddr,
}

impl Media {
    pub async fn open(now: Instant, setup: Setup<'_>) -> io::Result<Self> {
        let (rtp, rtcp) = ports(setup.ip).await?;
        let ending = if setup.offer.codec == Codec::G722 { "g722" } else { "pcm" };
        let file = setup.folder.join(format!("{}.{ending}", setup.stem));
        Ok(Self {
            rtp,
            rtcp,
            buffer: Box::new([0; DATAGRAM_MAX]),
            offer: setup.offer,
            ssrc: setup.ssrc,
            name: setup.stem,
            recorder: Recorder::create(&file, setup.offer.codec, setup.mute)?,
            file,
            began: None,
            last: now,
            longest_gap: Duration::ZERO,
            reception: None,
            packets_before: 0,
            lost_before: 0,
            strangers: 0,
            note_at: None,
            report_at: setup.reports.then_some(now + EVERY),
            newest: setup.listens.then(Vec::new),
        })
    }

    pub fn local(&self) -> io::Result<SocketAddr> {
        self.rtp.local_addr()
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The caller moved within the call: same codec, perhaps another address.
    pub fn follow(&mut self, now: Instant, offer: Offer) {
        self.offer = offer;
        self.last = now;
    }

    /// When RTP, or the answer if none came yet, was last seen.
    pub fn last(&self) -> Instant {
        self.last
    }

    /// Samples since the last time, in order of arrival.
    pub fn newest(&mut self) -> Vec<Piece> {
        self.newest.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// One packet of the device's own, from the port it listens on.
    pub async fn send(&self, packet: &[u8]) {
        // What is lost is told by the other side.
        let _ = self.rtp.send_to(packet, self.offer.source).await;
    }

    pub async fn next(&mut self) -> Came {
        let mut other = [0; DATAGRAM_MAX];
        loop {
            let (is_rtp, came) = tokio::select! {
                came = self.rtp.recv_from(&mut *self.buffer) => (true, came),
                came = self.rtcp.recv_from(&mut other) => (false, came),
            };
            // What comes back by ICMP is no packet.
            if let Ok((len, from)) = came {
                if !is_rtp {
                    *self.buffer = other;
                }
                return Came { is_rtp, len, from };
            }
        }
    }

    pub fn take(&mut self, now: Instant, came: Came) -> Vec<Noted> {
        let buffer = self.buffer.clone();
        let bytes = &buffer[..came.len];
        if !came.is_rtp {
            if let Some(reception) = self.reception.as_mut()
                && came.from.ip() == self.offer.source.ip()
            {
                reception.report(bytes, now);
            }
            return Vec::new();
        }
        if came.from.ip() != self.offer.source.ip() {
            self.strangers += 1;
            let first = self.strangers == 1;
            let more = json!({ "from": came.from.to_string() });
            return first.then(|| noted("stranger", more)).into_iter().collect();
        }
        match Packet::read(bytes) {
            Some(packet) if packet.payload_type == self.offer.payload_type => {
                self.sounded(now, &packet)
            }
            _ => Vec::new(),
        }
    }

    fn sounded(&mut self, now: Instant, packet: &Packet<'_>) -> Vec<Noted> {
        let mut notes = Vec::new();
        let ssrc = format!("{:08x}", packet.ssrc);
        let began = *self.began.get_or_insert_with(|| {
            notes.push(noted("rtp-first", json!({ "ssrc": ssrc, "from": self.offer.source })));
            self.note_at = Some(now + EVERY);
            self.last = now;
            now
        });
        let at = now - began;
        self.longest_gap = self.longest_gap.max(now - self.last);
        self.last = now;
        if let Some(before) = self.reception.take_if(|known| !known.continues(packet)) {
            self.packets_before += before.received;
            self.lost_before += before.lost();
            self.recorder.begin_anew(packet, at);
            notes.push(noted("rtp-restarted", json!({ "ssrc": ssrc, "at_ms": whole_ms(at) })));
        }
        self.reception.get_or_insert_with(|| Reception::new(packet)).count(packet, at);
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.len() < NEWEST_MAX) {
            let samples = g711::decode(self.offer.codec, packet.payload).unwrap_or_default();
            newest.push(Piece { timestamp: packet.timestamp, samples });
        }
        if let Err(error) = self.recorder.play(packet, at) {
            eprintln!("录音写入失败 / {} cannot be written: {error}", self.file.display());
        }
        notes
    }

    pub fn due(&self) -> Option<Instant> {
        [self.note_at, self.report_at].into_iter().flatten().min()
    }

    /// What the second brought; sends the report of it.
    pub async fn tick(&mut self, now: Instant) -> Vec<Noted> {
        let mut notes = Vec::new();
        if self.note_at.is_some_and(|at| at <= now) {
            self.note_at = Some(now + EVERY);
            notes.extend(self.gaps(now, false));
            notes.push(self.tally());
        }
        if self.report_at.is_some_and(|at| at <= now) {
            self.report_at = Some(now + EVERY);
            if let Some(reception) = &mut self.reception {
                let report = reception.answer(self.ssrc, &self.name, now);
                // A report lost is a report lost.
                let _ = self.rtcp.send_to(&report, self.offer.rtcp).await;
            }
        }
        notes
    }

    /// The last words about a call that had media.
    pub fn finish(&mut self, now: Instant) -> Vec<Noted> {
        self.recorder.sync();
        let mut notes = self.gaps(now, true);
        if self.began.is_some() {
            notes.push(self.tally());
        }
        notes
    }

    fn gaps(&mut self, now: Instant, over: bool) -> Vec<Noted> {
        let at = self.began.map_or(Duration::ZERO, |began| now - began);
        let gaps = self.recorder.gaps(at, over).into_iter();
        gaps.map(|Gap { start_ms, ms }| noted("gap", json!({ "start_ms": start_ms, "ms": ms })))
            .collect()
    }

    /// All figures are of the whole call so far.
    fn tally(&self) -> Noted {
        let present = self.reception.as_ref();
        let (packets, lost) = present.map_or((0, 0), |now| (now.received, now.lost()));
        let more = json!({
            "packets": self.packets_before + packets,
            "lost": self.lost_before + lost,
            "late": self.recorder.late,
            "strangers": self.strangers,
            "max_gap_ms": whole_ms(self.longest_gap),
            "audio_ms": self.recorder.ms(),
            "sounding_ms": self.recorder.sounding_ms(),
            "ssrc": present.map(|now| format!("{:08x}", now.ssrc)),
        });
        noted("rtp", more)
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An even port and the odd one above it (RFC 3550 §11).
async fn ports(ip: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..PORT_TRIES {
        let found = UdpSocket::bind((ip, 0)).await?;
        let port = found.local_addr()?.port();
        let (even, partner) = if port % 2 == 0 { (true, port + 1) } else { (false, port - 1) };
        if let Ok(partner) = UdpSocket::bind((ip, partner)).await {
            return Ok(if even { (found, partner) } else { (partner, found) });
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}
