//! What is known about the connections to a peer, in numbers. It refuses to
//! judge: whether a silence is a cut is for the caller to say.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quinn::Connection;
use weir_model::id::NodeId;

use crate::error::CallError;

/// Sums of what QUIC counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// In UDP datagrams, without IP and UDP headers.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_packets: u64,
    pub received_packets: u64,
    /// Inside packets that decrypted: a stranger adds nothing to it.
    pub received_frames: u64,
    /// Sent by us and never acknowledged.
    pub lost_packets: u64,
    /// That left; several may share a packet.
    pub sent_datagrams: u64,
}

impl Traffic {
    pub(crate) fn of(connection: &Connection) -> Self {
        let stats = connection.stats();
        let heard = &stats.frame_rx;
        Self {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
            sent_packets: stats.udp_tx.datagrams,
            received_packets: stats.udp_rx.datagrams,
            // Between them, in every packet a living peer sends.
            received_frames: [heard.acks, heard.ping, heard.stream, heard.crypto, heard.datagram]
                .into_iter()
                .sum(),
            lost_packets: stats.path.lost_packets,
            sent_datagrams: stats.frame_tx.datagram,
        }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.sent_packets += other.sent_packets;
        self.received_packets += other.received_packets;
        self.received_frames += other.received_frames;
        self.lost_packets += other.lost_packets;
        self.sent_datagrams += other.sent_datagrams;
    }
}

/// Datagrams of one class, since the peer is known. All of it only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatagramTraffic {
    /// That somebody here wanted to send and that were no longer than allowed.
    pub offered: u64,
    pub offered_bytes: u64,
    /// That left. The rest found no connection or no room, was pushed out by
    /// newer ones, or still waits.
    pub sent: u64,
    /// Packets that left and were never acknowledged, the connection's own too.
    pub lost_packets: u64,
    /// That were handed to the node.
    pub received: u64,
    pub received_bytes: u64,
}

/// What QUIC does not count by itself.
#[derive(Debug, Default)]
pub(crate) struct DatagramCounts {
    offered: AtomicU64,
    offered_bytes: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
}

impl DatagramCounts {
    pub(crate) fn offered(&self, bytes: usize) {
        self.offered.fetch_add(1, Ordering::Relaxed);
        self.offered_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// `traffic`: of the same class.
    pub(crate) fn with(&self, traffic: &Traffic) -> DatagramTraffic {
        DatagramTraffic {
            offered: self.offered.load(Ordering::Relaxed),
            offered_bytes: self.offered_bytes.load(Ordering::Relaxed),
            sent: traffic.sent_datagrams,
            lost_packets: traffic.lost_packets,
            received: self.received.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }
}

/// How things stand with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    pub node: NodeId,
    /// A control connection stands; a cut shows here only after the idle
    /// time-out, in `last_heard` at once.
    pub connected: bool,
    /// Of all classes.
    pub connections: usize,
    /// Round trip, smoothed, of the control connection or else any other.
    pub rtt: Option<Duration>,
    /// When anything was last received, to a fifth of a second.
    pub last_heard: Option<Instant>,
    pub traffic: Traffic,
    pub voice: DatagramTraffic,
    pub video: DatagramTraffic,
    /// Why the last dial failed, if none succeeded since.
    pub last_failure: Option<CallError>,
}

/// Notices that something came by comparing counts: what was counted had passed
/// decryption, so a stranger cannot feign a peer's life.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    seen: Mutex<(u64, Option<Instant>)>,
}

impl Hearing {
    /// `heard` only ever grows.
    pub(crate) fn note(&self, heard: u64, now: Instant) -> Option<Instant> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if heard > seen.0 {
            *seen = (heard, Some(now));
        }
        seen.1
    }
}
