//! The ways to other sites: which node drives one, what lies between, and whether
//! it is heard now. Streams, questions and datagrams of voice leave here. It
//! refuses to relay: a site that this node does not reach itself is not reached.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::net::QuicTransport;
use weir_consensus::store::AppliedView;
use weir_link::{Admission, Class, Kind, Link, Urgency};
use weir_media::between::{Admit, OpenWire, Wire};
use weir_media::conference::{Ask, Conferences, PeerOf};
use weir_media::exchange::Declined;
use weir_media::trunk::{SendDatagram, Trunks};
use weir_media::wan;
use weir_model::id::{NodeId, SiteId};

/// What a satellite carries of one call each way, in Opus.
const SATELLITE_VOICE_BPS: i32 = 8_000;
/// What a call, or a conference's trunk, is admitted with: alone in its datagrams,
/// sent twice where loss asks for it, headers in.
const SATELLITE_CALL_BPS: u64 = 26_000;
/// G.711 with all headers.
const CALL_BPS: u64 = 90_000;
/// A stream to another site opens within this time or not at all.
const OPEN: Duration = Duration::from_secs(5);
/// An answer from another site's node, over a satellite and once lost.
const ASK: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(500);
/// A site whose node was not heard for so long is cut off; the keep-alives of
/// the link come each second, over a satellite every six.
const GROUND_CUT: Duration = Duration::from_secs(3);
const SATELLITE_CUT: Duration = Duration::from_secs(14);

/// See the module; clones share it.
#[derive(Clone)]
pub(crate) struct Sites {
    pub(crate) me: NodeId,
    pub(crate) own: SiteId,
    pub(crate) link: Link,
    pub(crate) agreed: watch::Receiver<Arc<AppliedView>>,
    pub(crate) pumps: TaskTracker,
}

impl Sites {
    /// The node that drives a site's devices: its first.
    pub(crate) fn peer_of(&self, site: &SiteId) -> Option<NodeId> {
        let view = self.agreed.borrow();
        let of_site = view.state.members.values().filter(|member| member.site == *site);
        of_site.map(|member| member.id).min()
    }

    pub(crate) fn site_of(&self, node: NodeId) -> Option<SiteId> {
        self.agreed.borrow().state.members.get(&node).map(|member| member.site.clone())
    }

    fn is_far(&self, peer: NodeId) -> bool {
        let view = self.agreed.borrow();
        let dish = |node| view.state.members.get(node).is_some_and(|member| member.satellite);
        dish(&self.me) || dish(&peer)
    }

    fn path(&self, peer: NodeId) -> wan::Link {
        match self.is_far(peer) {
            true => wan::Link::Satellite { bitrate_bps: SATELLITE_VOICE_BPS },
            false => wan::Link::Terrestrial,
        }
    }

    /// Voice to a peer; a datagram without a connection is lost and opens one.
    pub(crate) fn sender(&self) -> SendDatagram {
        let link = self.link.clone();
        Arc::new(move |peer, datagram| link.datagram(peer, Class::Voice, datagram).is_ok())
    }

    /// A stream for the signalling of one call.
    pub(crate) fn opener(&self) -> OpenWire {
        let (link, pumps) = (self.link.clone(), self.pumps.clone());
        Arc::new(move |peer, emergency, first| {
            // Voice follows, and its first words must find a connection.
            link.prepare(peer, Class::Voice);
            let (link, pumps) = (link.clone(), pumps.clone());
            Box::pin(async move {
                let urgency = if emergency { Urgency::EmergencyPage } else { Urgency::Ordinary };
                let opened = link.open(peer, Class::Control, urgency, first, OPEN).await;
                let stream = opened.map_err(|error| error.to_string())?;
                Ok(wire(&pumps, stream))
            })
        })
    }

    pub(crate) fn peers(&self) -> PeerOf {
        let sites = self.clone();
        Arc::new(move |site| sites.peer_of(site))
    }

    /// Room for one more call on the way to a peer.
    pub(crate) fn admission(&self) -> Admit {
        let sites = self.clone();
        Arc::new(move |peer, emergency| {
            let bps = if sites.is_far(peer) { SATELLITE_CALL_BPS } else { CALL_BPS };
            let kind = if emergency { Kind::EmergencyVoice } else { Kind::Voice };
            match sites.link.admit(peer, kind, bps) {
                Ok(room) => Ok(Box::new(room) as Box<dyn Send + Sync>),
                Err(error) => Err(Declined { code: 503, words: error.to_string() }),
            }
        })
    }

    /// A question to the node that drives a site, and its answer.
    pub(crate) fn asker(&self) -> Ask {
        let sites = self.clone();
        Arc::new(move |site: SiteId, body: Bytes| {
            let sites = sites.clone();
            Box::pin(async move {
                let Some(peer) = sites.peer_of(&site) else {
                    return Err(format!("站点 {site} 没有节点 / site {site} has no node"));
                };
                let asked = sites.link.call(peer, Class::Control, Urgency::Orange, body, ASK);
                asked.await.map_err(|error| error.to_string())
            })
        })
    }

    /// Tells voice what lies on the way to each peer, and conferences which sites
    /// are heard; until `stop`.
    pub(crate) async fn watch(
        self,
        trunks: Trunks,
        conferences: Conferences,
        stop: CancellationToken,
    ) {
        let mut known: BTreeMap<SiteId, bool> = BTreeMap::new();
        let mut rooms: BTreeMap<NodeId, (u64, Admission)> = BTreeMap::new();
        let mut turns = interval(LOOK);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = turns.tick() => {}
            }
            let members = self.agreed.borrow().state.members.clone();
            for member in members.values().filter(|member| member.id != self.me) {
                trunks.set_path(member.id, self.path(member.id));
            }
            self.make_room(&conferences, &mut rooms);
            let others: BTreeSet<SiteId> =
                members.values().map(|member| member.site.clone()).collect();
            for site in others.into_iter().filter(|site| *site != self.own) {
                let up = self.peer_of(&site).is_some_and(|peer| self.is_heard(peer));
                if known.insert(site.clone(), up) != Some(up) {
                    if !up && let Some(peer) = self.peer_of(&site) {
                        // What went into the cut holds up what follows it.
                        self.link.let_go(peer, Class::Voice);
                    }
                    conferences.linked(&site, up);
                }
            }
        }
    }

    /// Voice of conferences on the way to satellite sites. Where there is none left
    /// they go on with what is never taken from voice.
    fn make_room(&self, conferences: &Conferences, rooms: &mut BTreeMap<NodeId, (u64, Admission)>) {
        let mut wanted: BTreeMap<NodeId, u64> = BTreeMap::new();
        let views = conferences.views();
        let trunks = views.iter().flat_map(|view| &view.trunks).filter(|trunk| trunk.open);
        for peer in trunks.filter_map(|trunk| self.peer_of(&trunk.site)) {
            if self.is_far(peer) {
                *wanted.entry(peer).or_default() += SATELLITE_CALL_BPS;
            }
        }
        rooms.retain(|peer, (bps, _)| wanted.get(peer) == Some(bps));
        for (peer, bps) in wanted {
            if let Entry::Vacant(place) = rooms.entry(peer) {
                match self.link.admit(peer, Kind::OrangeVoice, bps) {
                    Ok(room) => drop(place.insert((bps, room))),
                    Err(error) => tracing::debug!(%peer, %error, "no room for a conference"),
                }
            }
        }
    }

    fn is_heard(&self, peer: NodeId) -> bool {
        let patience = if self.is_far(peer) { SATELLITE_CUT } else { GROUND_CUT };
        let heard = self.link.peer(peer).and_then(|peer| peer.last_heard);
        let now = Instant::now();
        heard.is_some_and(|heard| now.saturating_duration_since(heard) < patience)
    }
}

/// A stream as the media side holds it.
pub(crate) fn wire(pumps: &TaskTracker, stream: weir_link::FrameStream) -> Wire {
    let pipe = QuicTransport::pipe(pumps, stream);
    Wire { outgoing: pipe.outgoing, incoming: pipe.incoming }
}
