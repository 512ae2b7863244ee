//! Facts leave for safe keeping: beside Raft, to nodes of other sites,
//! resumable by sequence. A receiver says how far it keeps a journal; the
//! sender goes on from there. It refuses to count what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_model::codec;
use weir_model::decision::{Member, Role};
use weir_model::fact::{Fact, FactId, Head};
use weir_model::id::{NodeId, SiteId};

use super::driver::Site;
use super::inbox::Mail;
use super::wire::{ShipFrame, ShipOpening};
use crate::disk::{Disk, Limit};
use crate::net::{Lane, Pipe, SendError, Transport};
use crate::store::AppliedView;
use crate::types::Runtime;

/// One frame: a second at 128 kbit/s.
const PAGE: Limit = Limit { count: 64, bytes: 16 << 10 };
/// How long the other side may take to sync a frame, satellite included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between tries at a peer that does not answer.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// To how many other sites a journal is shipped.
const SITES: usize = 3;
/// Over a satellite every byte is paid for.
const SATELLITE_SITES: usize = 2;

/// Why a shipping session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the peer closed the shipping pipe")]
    Closed,
    #[error("the peer did not answer in time")]
    Silent,
    #[error("the peer keeps no more of this journal: {0}")]
    Refused(String),
    #[error(transparent)]
    Decode(#[from] codec::DecodeError),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    #[error("the peer knows more of this node than it does itself")]
    RolledBack,
    #[error("this site's task has stopped")]
    Stopped,
}

/// Voters of other sites, one a site: they are on terrestrial links and hold
/// what the centres want to see.
fn destinations(members: &BTreeMap<NodeId, Member>, me: &Member) -> BTreeMap<NodeId, SiteId> {
    let most = if me.satellite { SATELLITE_SITES } else { SITES };
    let mut sites = BTreeSet::new();
    members
        .values()
        .filter(|m| m.role == Role::Voter && m.site != me.site)
        .filter(|m| sites.insert(m.site.clone()))
        .take(most)
        .map(|m| (m.id, m.site.clone()))
        .collect()
}

impl<D: Disk> Site<D> {
    /// Ships this node's journal until stopped, to whoever should keep it.
    pub async fn ship<R: Runtime, T: Transport>(
        self,
        me: NodeId,
        transport: T,
        mut agreed: watch::Receiver<Arc<AppliedView>>,
        stop: CancellationToken,
    ) {
        let mut under_way: BTreeMap<NodeId, CancellationToken> = BTreeMap::new();
        loop {
            let members = agreed.borrow_and_update().state.members.clone();
            let wanted = members.get(&me).map(|m| destinations(&members, m)).unwrap_or_default();
            under_way.retain(|id, token| {
                let stays = wanted.contains_key(id);
                if !stays {
                    token.cancel();
                }
                stays
            });
            for (id, site) in wanted {
                under_way.entry(id).or_insert_with(|| {
                    let token = stop.child_token();
                    let shipping =
                        self.clone().ship_to(me, (id, site), transport.clone(), token.clone());
                    // Owned by its token, which ends with the destination.
                    drop(R::spawn(shipping));
                    token
                });
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = agreed.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn ship_to<T: Transport>(
        self,
        me: NodeId,
        to: (NodeId, SiteId),
        transport: T,
        stop: CancellationToken,
    ) {
        let mut wait = RETRY;
        loop {
            let began = tokio::time::Instant::now();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                ended = self.session(me, &to, &transport) => {
                    if let Err(why) = ended {
                        tracing::debug!(to = %to.0, %why, "a shipping session ended");
                    }
                }
            }
            // A session that lasted was a good one; start over with short waits.
            wait = if began.elapsed() > RETRY_MAX { RETRY } else { (wait * 2).min(RETRY_MAX) };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }

    async fn session<T: Transport>(
        &self,
        me: NodeId,
        (to, site): &(NodeId, SiteId),
        transport: &T,
    ) -> Result<(), Ended> {
        let mut view = self.view();
        let opening = ShipOpening { head: view.borrow().head.clone() };
        let first = codec::encode(&opening)?.into();
        let mut pipe = transport.open(*to, Lane::Control, first, PATIENCE).await?;
        let mut after = self.kept(me, site, &mut pipe).await?;
        loop {
            // What is readable may not be synced yet: a crash now would leave the
            // peer with facts that this node never had, and then a fork.
            let synced = view.borrow_and_update().head.id;
            let mut page = self.reader().page(me, after, PAGE).await?;
            page.retain(|bytes| {
                let id = codec::decode::<Fact>(bytes).map(|fact| fact.id);
                id.is_ok_and(|id| (id.incarnation, id.seq) <= (synced.incarnation, synced.seq))
            });
            if page.is_empty() {
                tokio::select! {
                    // Nothing is due from the peer: whatever comes is its end.
                    _ = pipe.incoming.recv() => return Err(Ended::Closed),
                    changed = view.changed() => changed.map_err(|_| Ended::Stopped)?,
                }
                continue;
            }
            let frame = codec::encode(&ShipFrame::Facts(page))?;
            let sent = timeout(PATIENCE, pipe.outgoing.send(frame.into())).await;
            sent.map_err(|_| Ended::Silent)?.map_err(|_| Ended::Closed)?;
            after = self.kept(me, site, &mut pipe).await?;
        }
    }

    /// What the peer says that it keeps, noted.
    async fn kept(
        &self,
        me: NodeId,
        site: &SiteId,
        pipe: &mut Pipe,
    ) -> Result<Option<FactId>, Ended> {
        let frame = timeout(PATIENCE, pipe.incoming.recv()).await.map_err(|_| Ended::Silent)?;
        let ShipFrame::Kept { head, refused } = codec::decode(&frame.ok_or(Ended::Closed)?)? else {
            return Err(Ended::Closed);
        };
        let head = head.filter(|head| head.id.node == me);
        if let Some(known) = &head {
            let own = self.view().borrow().head.id;
            let ahead = (known.id.incarnation, known.id.seq) > (own.incarnation, own.seq);
            let mail = match ahead {
                true => Mail::RolledBack { known: known.clone() },
                false => Mail::Acknowledged { site: site.clone(), head: known.clone() },
            };
            self.mail.send(mail).await.map_err(|_| Ended::Stopped)?;
            if ahead {
                return Err(Ended::RolledBack);
            }
        }
        match refused {
            Some(why) => Err(Ended::Refused(why)),
            None => Ok(head.map(|head| head.id)),
        }
    }

    /// Keeps what `from` ships, until it closes the pipe. `site` is the site of
    /// `from` as the members have it.
    pub async fn serve_shipping(&self, from: NodeId, site: Option<SiteId>, mut pipe: Pipe) {
        let here = match self.reader().last_of(from).await {
            Ok(here) => here,
            Err(error) => return tracing::error!(%error, "a journal cannot be read"),
        };
        // What was just read may still wait for its sync. The site's task takes
        // one letter at a time and syncs before it takes the next: once it has
        // answered this empty one, what was read is durable.
        let (answer, answered) = oneshot::channel();
        let mail = Mail::Shipped { from, site: site.clone(), facts: Vec::new(), answer };
        if self.mail.send(mail).await.is_err() || answered.await.is_err() {
            return;
        }
        let mut head = here;
        let mut refused = None;
        loop {
            let kept = ShipFrame::Kept { head: head.clone(), refused: refused.clone() };
            let Ok(frame) = codec::encode(&kept) else { return };
            if pipe.outgoing.send(frame.into()).await.is_err() || refused.is_some() {
                return;
            }
            let Some(frame) = pipe.incoming.recv().await else { return };
            let facts = match unpack(from, &frame) {
                Ok(facts) => facts,
                Err(why) => {
                    refused = Some(why);
                    continue;
                }
            };
            let (answer, answered) = oneshot::channel();
            let mail = Mail::Shipped { from, site: site.clone(), facts, answer };
            if self.mail.send(mail).await.is_err() {
                return;
            }
            let Ok(kept) = answered.await else { return };
            head = kept.head.or(head);
            refused = kept.refused;
        }
    }
}

type Unpacked = Vec<(Fact, Vec<u8>, weir_model::id::Hash)>;

/// A node ships its own facts and nobody else's.
fn unpack(from: NodeId, frame: &[u8]) -> Result<Unpacked, String> {
    let frame: ShipFrame = codec::decode(frame).map_err(|error| error.to_string())?;
    let ShipFrame::Facts(raw) = frame else { return Err("expected facts".into()) };
    let mut facts = Vec::with_capacity(raw.len());
    for bytes in raw {
        let fact: Fact = codec::decode(&bytes).map_err(|error| error.to_string())?;
        if fact.id.node != from {
            return Err(format!("{from} shipped a fact of {}", fact.id.node));
        }
        let head = Head { id: fact.id, hash: Fact::hash_of(&bytes) };
        facts.push((fact, bytes, head.hash));
    }
    Ok(facts)
}
