//! Prometheus metrics (text format 0.0.4): `weir_…`, base units, one registry a
//! scrape, so that a peer that left takes its series with it.

use crate::media::{self, MediaReading, SoundsReading};
use prometheus::{Encoder, Gauge, GaugeVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// Of the answer to a scrape.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// One peer's connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeerReading {
    pub peer: String,
    pub connected: bool,
    pub rtt_seconds: Option<f64>,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub lost_packets: u64,
}

/// The node as it is now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    pub is_leader: bool,
    pub has_leader: bool,
    pub stopped: bool,
    pub term: u64,
    pub last_log: u64,
    pub committed: u64,
    pub applied: u64,
    pub members: u64,
    pub directory_version: u64,
    pub decided: u64,
    pub refused: u64,
    pub unknown: u64,
    pub no_leader: u64,
    pub peers: Vec<PeerReading>,
    /// Sequence of this node's newest fact, and of the newest kept at two sites.
    pub journal_seq: u64,
    pub journal_kept_at_two_seq: u64,
    pub unrecorded: bool,
    pub forks: u64,
    pub activations_running: u64,
    pub sounds: SoundsReading,
    /// `None`: this node has no telephony.
    pub media: Option<MediaReading>,
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The text of a scrape.
///
/// # Errors
/// When a name is registered twice, which a test would have shown.
pub fn render(reading: &Reading) -> Result<String, prometheus::Error> {
    let registry = Registry::new();
    gauges(&registry, reading)?;
    proposals(&registry, reading)?;
    links(&registry, &reading.peers)?;
    media::sounds(&registry, reading.sounds)?;
    if let Some(reading) = &reading.media {
        media::media(&registry, reading)?;
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn gauges(registry: &Registry, reading: &Reading) -> Result<(), prometheus::Error> {
    let gauges = [
        ("weir_raft_leader", "1 on the node that leads.", u64::from(reading.is_leader)),
        ("weir_raft_leader_known", "1 while a leader is known.", u64::from(reading.has_leader)),
        ("weir_raft_stopped", "1 after storage failed.", u64::from(reading.stopped)),
        ("weir_raft_term", "Current term.", reading.term),
        ("weir_raft_last_log_index", "Last entry in the log.", reading.last_log),
        ("weir_raft_committed_index", "Last entry known committed.", reading.committed),
        ("weir_raft_applied_index", "Last entry applied.", reading.applied),
        ("weir_members", "Nodes of the cluster.", reading.members),
        ("weir_directory_version", "Version of the directory.", reading.directory_version),
        ("weir_journal_seq", "Sequence of this node's newest fact.", reading.journal_seq),
        (
            "weir_journal_kept_at_two_seq",
            "Sequence of this node's newest fact that two sites keep.",
            reading.journal_kept_at_two_seq,
        ),
        ("weir_journal_unrecorded", "1 after the journal failed.", u64::from(reading.unrecorded)),
        ("weir_journal_forks", "Facts of which two histories are known.", reading.forks),
        ("weir_activations_running", "Plans running here.", reading.activations_running),
    ];
    for (name, help, value) in gauges {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(whole(value));
        registry.register(Box::new(gauge))?;
    }
    let build = Gauge::with_opts(
        Opts::new("weir_build_info", "Always 1; the version is a label.")
            .const_label("version", env!("CARGO_PKG_VERSION")),
    )?;
    build.set(1.0);
    registry.register(Box::new(build))
}

fn proposals(registry: &Registry, reading: &Reading) -> Result<(), prometheus::Error> {
    let counter = IntCounterVec::new(
        Opts::new("weir_proposals_total", "Decisions proposed at this node, by outcome."),
        &["outcome"],
    )?;
    let outcomes = [
        ("decided", reading.decided),
        ("refused", reading.refused),
        ("unknown", reading.unknown),
        ("no_leader", reading.no_leader),
    ];
    for (outcome, count) in outcomes {
        counter.with_label_values(&[outcome]).inc_by(count);
    }
    registry.register(Box::new(counter))
}

fn links(registry: &Registry, peers: &[PeerReading]) -> Result<(), prometheus::Error> {
    let gauge = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &["peer"]);
    let connected = gauge("weir_link_connected", "1 while the peer is connected.")?;
    let rtt = gauge("weir_link_rtt_seconds", "Round trip to the peer.")?;
    let bytes = IntCounterVec::new(
        Opts::new("weir_link_bytes_total", "UDP payload exchanged with the peer."),
        &["peer", "direction"],
    )?;
    let lost = IntCounterVec::new(
        Opts::new("weir_link_lost_packets_total", "Packets to the peer declared lost."),
        &["peer"],
    )?;
    for reading in peers {
        let peer = reading.peer.as_str();
        connected.with_label_values(&[peer]).set(f64::from(u8::from(reading.connected)));
        if let Some(seconds) = reading.rtt_seconds {
            rtt.with_label_values(&[peer]).set(seconds);
        }
        bytes.with_label_values(&[peer, "sent"]).inc_by(reading.sent_bytes);
        bytes.with_label_values(&[peer, "received"]).inc_by(reading.received_bytes);
        lost.with_label_values(&[peer]).inc_by(reading.lost_packets);
    }
    registry.register(Box::new(connected))?;
    registry.register(Box::new(rtt))?;
    registry.register(Box::new(bytes))?;
    registry.register(Box::new(lost))
}
