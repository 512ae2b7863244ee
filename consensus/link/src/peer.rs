//! One peer: its addresses, its lanes, and how it was last heard.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use weir_model::id::NodeId;

use crate::class::Class;
use crate::config::{PeerAddress, Satellite};
use crate::lane::Lane;
use crate::status::{Hearing, PeerStatus, Traffic};
use crate::tls::DialTls;
use crate::uplink::PathState;

#[derive(Debug, Clone, Default)]
pub(crate) struct Route {
    pub(crate) addrs: Vec<SocketAddr>,
    pub(crate) satellite: Option<Satellite>,
}

/// See the module.
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    /// By class, because lanes dial at the same time and each reads the verdict
    /// of its own handshake.
    tls: [DialTls; Class::ALL.len()],
    lanes: [Lane; Class::ALL.len()],
    route: Mutex<Route>,
    hearing: Hearing,
}

impl Peer {
    pub(crate) fn new(id: NodeId, tls: [DialTls; Class::ALL.len()]) -> Self {
        Self {
            id,
            tls,
            lanes: Default::default(),
            route: Mutex::default(),
            hearing: Hearing::default(),
        }
    }

    pub(crate) fn lane(&self, class: Class) -> &Lane {
        &self.lanes[class.index()]
    }

    pub(crate) fn tls(&self, class: Class) -> &DialTls {
        &self.tls[class.index()]
    }

    fn lock_route(&self) -> MutexGuard<'_, Route> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn route(&self) -> Route {
        self.lock_route().clone()
    }

    /// The address that answered goes first next time.
    pub(crate) fn prefer(&self, addr: SocketAddr) {
        let mut route = self.lock_route();
        if let Some(at) = route.addrs.iter().position(|known| *known == addr) {
            route.addrs[..=at].rotate_right(1);
        }
    }

    pub(crate) fn set_address(&self, address: PeerAddress) {
        let mut route = self.lock_route();
        let same = route.addrs.len() == address.addrs.len()
            && address.addrs.iter().all(|addr| route.addrs.contains(addr));
        route.satellite = address.satellite;
        if !same {
            route.addrs = address.addrs;
            drop(route);
            self.lanes.iter().for_each(Lane::forget_failures);
        }
    }

    pub(crate) fn forget_address(&self) {
        *self.lock_route() = Route::default();
    }

    /// The peer has started anew as `boot`: what led to its earlier lives leads
    /// nowhere, though we may not have noticed.
    pub(crate) fn end_other_lives(&self, boot: u64) {
        self.lanes.iter().for_each(|lane| lane.end_other_lives(boot));
    }

    fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        for lane in &self.lanes {
            sum += lane.traffic();
        }
        sum
    }

    /// Looked at often enough, this is when the peer was last heard.
    pub(crate) fn listen(&self, now: Instant) -> Option<Instant> {
        self.hearing.note(self.traffic().received_frames, now)
    }

    /// As QUIC sees it.
    pub(crate) fn path(&self) -> Option<PathState> {
        let live = self.lanes.iter().find_map(Lane::preferred)?;
        let (rtt, stats) = (live.connection.rtt(), live.connection.stats().path);
        let window_bits = u128::from(stats.cwnd) * 8;
        let rate_bps = window_bits * 1_000_000 / rtt.as_micros().max(1);
        let lost =
            u128::from(stats.lost_packets) * 1_000_000 / u128::from(stats.sent_packets.max(1));
        Some(PathState {
            rate_bps: u64::try_from(rate_bps).unwrap_or(u64::MAX),
            rtt,
            loss_ppm: u32::try_from(lost).unwrap_or(u32::MAX),
            queue: Duration::ZERO,
        })
    }

    pub(crate) fn status(&self, now: Instant) -> PeerStatus {
        let traffic = self.traffic();
        let control = self.lane(Class::Control);
        let chosen = control.preferred();
        let any = || self.lanes.iter().find_map(Lane::preferred);
        PeerStatus {
            node: self.id,
            connected: chosen.is_some(),
            connections: self.lanes.iter().map(|lane| lane.open_connections().len()).sum(),
            rtt: chosen.or_else(any).map(|live| live.connection.rtt()),
            last_heard: self.hearing.note(traffic.received_frames, now),
            traffic,
            voice: self.lane(Class::Voice).datagrams(),
            video: self.lane(Class::Video).datagrams(),
            last_failure: control.last_failure(),
        }
    }
}
