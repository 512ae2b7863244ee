//! `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;
use weir_consensus::Part;
use weir_media::page::PagerCounters;
use weir_media::sip::SipCounters;
use weir_ops::{BetweenReading, MediaReading, PeerReading, Reading, SoundsReading};

use super::Shared;
use crate::node::Node;
use crate::telephony::Telephony;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn live() -> &'static str {
    "ok\n"
}

#[derive(Debug, Deserialize)]
struct Verbose {
    verbose: Option<String>,
}

/// Ready when decisions can be taken or at least followed. A node that is not
/// ready still pages: this is for load balancers and people, not for sirens.
async fn ready(State(node): Shared, Query(verbose): Query<Verbose>) -> impl IntoResponse {
    let status = node.consensus.status();
    let checks = [
        ("consensus", status.stopped.is_none()),
        ("leader", status.leader.is_some()),
        ("founded", node.consensus.view().borrow().state.cluster.is_some()),
    ];
    let good = checks.iter().all(|(_, good)| *good);
    let code = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |good: bool| if good { "ok" } else { "failed" };
    let text = if verbose.verbose.is_some() {
        checks.iter().map(|(name, good)| format!("{name} {}\n", word(*good))).collect()
    } else {
        format!("{}\n", word(good))
    };
    (code, text)
}

async fn metrics(State(node): Shared) -> impl IntoResponse {
    match weir_ops::render(&reading(&node)) {
        Ok(text) => {
            let kind = [(header::CONTENT_TYPE, weir_ops::CONTENT_TYPE)];
            (StatusCode::OK, kind, text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn reading(node: &Node) -> Reading {
    let status = node.consensus.status();
    let view = node.consensus.view().borrow().clone();
    let name =
        |id| view.state.members.get(&id).map_or_else(|| id.to_string(), |m| m.name.to_string());
    let site = node.site.view().borrow().clone();
    let running = site.picture.activations.iter().filter(|run| run.ended.is_none());
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let peers = node.link.peers().into_iter().map(|peer| PeerReading {
        peer: name(peer.node),
        connected: peer.connected,
        rtt_seconds: peer.rtt.map(|rtt| rtt.as_secs_f64()),
        sent_bytes: peer.traffic.sent_bytes,
        received_bytes: peer.traffic.received_bytes,
        lost_packets: peer.traffic.lost_packets,
    });
    Reading {
        is_leader: status.part == Part::Leader,
        has_leader: status.leader.is_some(),
        stopped: status.stopped.is_some(),
        term: status.term,
        last_log: status.last_log,
        committed: status.committed,
        applied: view.applied,
        members: view.state.members.len() as u64,
        directory_version: view.state.directory.version,
        decided: load(&node.counters.decided),
        refused: load(&node.counters.refused),
        unknown: load(&node.counters.unknown),
        no_leader: load(&node.counters.no_leader),
        peers: peers.collect(),
        journal_seq: site.head.id.seq,
        journal_kept_at_two_seq: site.kept_at_two,
        unrecorded: site.unrecorded,
        forks: site.forks.len() as u64,
        activations_running: running.count() as u64,
        sounds: sounds(node),
        media: node.telephony.as_ref().map(media),
    }
}

fn sounds(node: &Node) -> SoundsReading {
    let said = super::sounds::staged(node).get(&node.belonging.node()).copied();
    said.map_or_else(SoundsReading::default, |said| SoundsReading {
        have: u64::from(said.have),
        of: u64::from(said.of),
    })
}

fn media(telephony: &Telephony) -> MediaReading {
    let (sip, pages): (SipCounters, PagerCounters) =
        (telephony.sip.counters(), telephony.pager.counters());
    MediaReading {
        registrations: sip.registrations_now,
        calls_under_way: sip.calls_now,
        requests: vec![
            ("register", sip.requests_register),
            ("options", sip.requests_options),
            ("invite", sip.requests_invite),
            ("ack", sip.requests_ack),
            ("bye", sip.requests_bye),
            ("cancel", sip.requests_cancel),
            ("other", sip.requests_other),
        ],
        refused: vec![
            ("credentials", sip.refused_credentials),
            ("replayed", sip.refused_replayed),
            ("digest", sip.refused_malformed_digest),
            ("guessing", sip.refused_guessing),
            ("register", sip.refused_register),
            ("malformed", sip.refused_malformed),
            ("unreadable", sip.dropped_unreadable),
            ("rate", sip.dropped_rate),
            ("queue", sip.dropped_queue),
            ("stranger", sip.calls_strangers),
        ],
        calls: vec![
            ("started", sip.calls_started),
            ("answered", sip.calls_answered),
            ("refused", sip.calls_refused),
            ("silent", sip.calls_silent),
            ("ended_far", sip.calls_ended_far),
            ("in", sip.calls_in),
            ("in_answered", sip.calls_in_answered),
            ("in_refused", sip.calls_in_refused),
            ("in_cancelled", sip.calls_in_cancelled),
            ("in_too_many", sip.calls_in_too_many),
            ("unrecorded", telephony.exchange.unrecorded()),
        ],
        pages: vec![
            ("done", pages.pages_done),
            ("failed", pages.pages_failed),
            ("unreachable", pages.pages_unreachable),
            ("ceased", pages.pages_ceased),
            ("not_begun", pages.pages_not_begun),
        ],
        speakers_receiving: pages.speakers_receiving,
        packets_sent: pages.packets_sent,
        frames_late: pages.frames_late,
        between: between(telephony),
    }
}

fn between(telephony: &Telephony) -> BetweenReading {
    let trunks = telephony.trunks.stats();
    let conferences = telephony.conferences.views();
    BetweenReading {
        calls: telephony.between.calls() as u64,
        trunks: trunks.trunks,
        conferences: conferences.len() as u64,
        members: conferences.iter().map(|one| u64::from(one.joined)).sum(),
        frames: vec![
            ("sent", trunks.frames_sent),
            ("received", trunks.frames_received),
            ("concealed", trunks.concealed),
            ("missing", trunks.missing),
            ("late", trunks.late),
        ],
        bytes: vec![("sent", trunks.bytes_sent), ("received", trunks.bytes_received)],
    }
}
