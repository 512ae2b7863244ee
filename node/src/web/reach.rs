//! Which other sites this node hears, and so whether its own site stands alone.
//!
//! A peer's silence is measured from the last packet of it that decrypted. On
//! the ground every peer sends something each second, over a satellite every six
//! (the keep-alives of `weir-link`), so that three seconds and fifteen of nothing
//! are no accident. It refuses to take a missing quorum for a cut, or a site that
//! this node never had to speak to for a lost one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use weir_link::PeerStatus;
use weir_model::decision::Member;
use weir_model::id::{NodeId, SiteId, WallMs};

#[derive(Debug, Clone, Copy)]
struct Patience {
    suspect: Duration,
    cut: Duration,
}

const GROUND: Patience =
    Patience { suspect: Duration::from_millis(1_800), cut: Duration::from_secs(3) };
const SATELLITE: Patience =
    Patience { suspect: Duration::from_secs(8), cut: Duration::from_secs(14) };

/// Ordered from the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Health {
    Ok,
    Suspect,
    Cut,
    NoNode,
}

/// How one other node is heard.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) connected: bool,
    pub(crate) rtt: Option<Duration>,
    /// `None`: never since this node started.
    pub(crate) age: Option<Duration>,
    health: Health,
    /// What local mode goes by: a node never heard is silent since the start.
    silent: Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct LocalMode {
    pub(crate) on: bool,
    pub(crate) since_ms: Option<u64>,
    pub(crate) suspect: bool,
}

/// All of it, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) nodes: BTreeMap<NodeId, Heard>,
    sites: BTreeMap<SiteId, Health>,
    ages: BTreeMap<SiteId, u64>,
    pub(crate) local: LocalMode,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Listening {
    started: Instant,
    alone_since: Mutex<Option<WallMs>>,
}

pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn health(age: Duration, patience: Patience) -> Health {
    match age {
        age if age < patience.suspect => Health::Ok,
        age if age < patience.cut => Health::Suspect,
        _ => Health::Cut,
    }
}

impl Listening {
    pub(crate) fn new(now: Instant) -> Self {
        Self { started: now, alone_since: Mutex::new(None) }
    }

    pub(crate) fn reach(
        &self,
        (me, own_site): (NodeId, &SiteId),
        members: &BTreeMap<NodeId, Member>,
        peers: &[PeerStatus],
        (now, wall): (Instant, WallMs),
    ) -> Reach {
        let own_dish = members.get(&me).is_some_and(|member| member.satellite);
        let (mut nodes, mut sites) = (BTreeMap::new(), BTreeMap::new());
        let mut ages: BTreeMap<SiteId, u64> = BTreeMap::from([(own_site.clone(), 0)]);
        let mut others = Vec::new();
        for member in members.values().filter(|member| member.id != me) {
            let peer = peers.iter().find(|peer| peer.node == member.id);
            let patience = if own_dish || member.satellite { SATELLITE } else { GROUND };
            let heard = self.heard(peer, patience, now);
            let site: &mut Health = sites.entry(member.site.clone()).or_insert(Health::Cut);
            *site = heard.health.min(*site);
            if let Some(age) = heard.age.map(ms) {
                let youngest = ages.entry(member.site.clone()).or_insert(age);
                *youngest = age.min(*youngest);
            }
            if member.site != *own_site {
                others.push((heard.silent, heard.age));
            }
            nodes.insert(member.id, heard);
        }
        sites.insert(own_site.clone(), Health::Ok);
        let local = self.local(&others, (now, wall));
        if local.on {
            // Whom nobody here ever spoke to is out of reach now as well.
            let elsewhere = sites.iter_mut().filter(|(site, _)| *site != own_site);
            elsewhere.for_each(|(_, health)| *health = Health::Cut);
        }
        Reach { nodes, sites, ages, local }
    }

    fn heard(&self, peer: Option<&PeerStatus>, patience: Patience, now: Instant) -> Heard {
        let age = peer.and_then(|peer| peer.last_heard).map(|at| now.duration_since(at));
        let silent = health(age.unwrap_or(now.duration_since(self.started)), patience);
        let failed = peer.is_some_and(|peer| peer.last_failure.is_some());
        let health = match age {
            Some(age) => health(age, patience),
            None if failed => silent.max(Health::Suspect),
            // Nothing was ever asked of it: nobody knows.
            None => Health::Suspect,
        };
        let connected = peer.is_some_and(|peer| peer.connected);
        Heard { connected, rtt: peer.and_then(|peer| peer.rtt), age, health, silent }
    }

    /// `others`: everybody at other sites. A cluster of one site has nobody to
    /// lose.
    fn local(
        &self,
        others: &[(Health, Option<Duration>)],
        (now, wall): (Instant, WallMs),
    ) -> LocalMode {
        let best = others.iter().map(|(silent, _)| *silent).min();
        let on = best == Some(Health::Cut);
        let mut since = self.alone_since.lock().unwrap_or_else(PoisonError::into_inner);
        if on && since.is_none() {
            // It began with the last packet, not when somebody noticed.
            let youngest = others.iter().filter_map(|(_, age)| *age).min();
            let age = youngest.unwrap_or(now.duration_since(self.started));
            *since = Some(WallMs(wall.0.saturating_sub(ms(age))));
        }
        if !on {
            *since = None;
        }
        let since_ms = since.map(|at| at.0);
        LocalMode { on, since_ms, suspect: best == Some(Health::Suspect) }
    }
}

impl Reach {
    pub(crate) fn site(&self, site: &SiteId) -> Health {
        self.sites.get(site).copied().unwrap_or(Health::NoNode)
    }

    /// Since anything was last heard of a site; `None`: never.
    pub(crate) fn age_ms(&self, site: &SiteId) -> Option<u64> {
        self.ages.get(site).copied()
    }

    pub(crate) fn health_of(&self, node: NodeId) -> Option<Health> {
        self.nodes.get(&node).map(|heard| heard.health)
    }
}
