//! The cluster as this node sees it: sites, links, who leads, and whether this
//! site stands alone.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::Serialize;
use weir_consensus::store::AppliedView;
use weir_consensus::{Part, Status};
use weir_model::decision::{Member, Role};
use weir_model::directory::Directory;
use weir_model::id::{NodeId, SiteId};

use crate::edge;
use crate::node::Node;
use crate::web::reach::{Health, Listening, LocalMode, Reach, ms};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Overview {
    node: String,
    site: String,
    cluster: String,
    version: String,
    directory_version: u64,
    leader: Option<String>,
    term: u64,
    /// Whether decisions can be taken, as far as this node can tell.
    quorum: bool,
    pub(crate) local_mode: LocalMode,
    unrecorded: bool,
    storage_stopped: Option<String>,
    now_ms: u64,
    sites: Vec<SiteLine>,
}

#[derive(Debug, Clone, Serialize)]
struct SiteLine {
    id: String,
    name_zh: String,
    name_en: Option<String>,
    class: Option<&'static str>,
    prefix: String,
    here: bool,
    health: Health,
    age_ms: Option<u64>,
    link: Option<LinkLine>,
    nodes: Vec<NodeLine>,
}

#[derive(Debug, Clone, Serialize)]
struct LinkLine {
    kind: &'static str,
    rtt_ms: u32,
}

#[derive(Debug, Clone, Serialize)]
struct NodeLine {
    name: String,
    id: u64,
    role: Role,
    satellite: bool,
    connected: bool,
    rtt_ms: Option<u64>,
    heard_ms_ago: Option<u64>,
    leader: bool,
}

/// How other sites are heard now.
pub(crate) fn reach(node: &Node, listening: &Listening) -> Reach {
    let members = node.consensus.view().borrow().state.members.clone();
    let me = (node.belonging.node(), &node.config.site);
    listening.reach(me, &members, &node.link.peers(), (Instant::now(), edge::wall()))
}

pub(crate) fn overview(node: &Node, reach: &Reach) -> Overview {
    let view = node.consensus.view().borrow().clone();
    let status = node.consensus.status();
    let members = &view.state.members;
    let name = |id| members.get(&id).map_or_else(|| format!("n{}", id.0), |m| m.name.to_string());
    let directory = &view.state.directory;
    let named = directory.sites.keys().chain(members.values().map(|member| &member.site));
    let sites: BTreeSet<&SiteId> = named.chain([&node.config.site]).collect();
    Overview {
        node: node.config.name.to_string(),
        site: node.config.site.to_string(),
        cluster: node.belonging.cluster.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        directory_version: directory.version,
        leader: status.leader.map(name),
        term: status.term,
        quorum: quorum(node, &status, &view, reach),
        local_mode: reach.local,
        unrecorded: node.site.view().borrow().unrecorded,
        storage_stopped: status.stopped.clone(),
        now_ms: edge::wall().0,
        sites: sites.into_iter().map(|site| line(node, &view, &status, reach, site)).collect(),
    }
}

/// A leader knows when a majority last answered it. Everybody else goes by the
/// leader: one that was cut off still believes in the leader it last heard.
fn quorum(node: &Node, status: &Status, view: &AppliedView, reach: &Reach) -> bool {
    let timing = weir_consensus::timing(node.belonging.profile);
    match (status.part, status.leader) {
        (Part::Leader, _) => {
            let alone = view.voters.len() <= 1;
            alone || status.quorum_age_ms.is_some_and(|age| age < 2 * timing.election_max_ms)
        }
        (Part::Stopped, _) | (_, None) => false,
        (_, Some(leader)) => reach.health_of(leader).is_some_and(|health| health < Health::Cut),
    }
}

fn line(
    node: &Node,
    view: &AppliedView,
    status: &Status,
    reach: &Reach,
    site: &SiteId,
) -> SiteLine {
    use weir_model::directory::Word;
    let known = view.state.directory.sites.get(site);
    let here = *site == node.config.site;
    let members = view.state.members.values().filter(|member| member.site == *site);
    let nodes: Vec<NodeLine> =
        members.map(|member| one(member, status, reach, node.belonging.node())).collect();
    SiteLine {
        id: site.to_string(),
        name_zh: known.map_or_else(|| site.to_string(), |known| known.name_zh.clone()),
        name_en: known.and_then(|known| known.name_en.clone()),
        class: known.map(|known| known.class.word()),
        prefix: known.map(|known| known.prefix.clone()).unwrap_or_default(),
        here,
        health: reach.site(site),
        age_ms: reach.age_ms(site),
        link: link(&view.state.directory, &node.config.site, site),
        nodes,
    }
}

fn one(member: &Member, status: &Status, reach: &Reach, me: NodeId) -> NodeLine {
    let heard = reach.nodes.get(&member.id);
    let own = member.id == me;
    NodeLine {
        name: member.name.to_string(),
        id: member.id.0,
        role: member.role,
        satellite: member.satellite,
        connected: own || heard.is_some_and(|heard| heard.connected),
        rtt_ms: heard.and_then(|heard| heard.rtt).map(ms),
        heard_ms_ago: if own { Some(0) } else { heard.and_then(|heard| heard.age).map(ms) },
        leader: status.leader == Some(member.id),
    }
}

/// The quickest way between two sites that the directory names.
fn link(directory: &Directory, here: &SiteId, there: &SiteId) -> Option<LinkLine> {
    use weir_model::directory::Word;
    let links = |from: &SiteId, to: &SiteId| {
        let to = to.clone();
        let links = directory.sites.get(from).into_iter().flat_map(|site| &site.links);
        links.filter(move |link| link.to == to)
    };
    let best = links(here, there).chain(links(there, here)).min_by_key(|link| link.rtt_ms)?;
    Some(LinkLine { kind: best.kind.word(), rtt_ms: best.rtt_ms })
}

impl Overview {
    /// The same but for what changes by itself with every moment.
    pub(crate) fn essence(&self) -> Self {
        let mut same = self.clone();
        same.now_ms = 0;
        same.local_mode.since_ms = same.local_mode.since_ms.map(|_| 0);
        for site in &mut same.sites {
            site.age_ms = site.age_ms.map(|_| 0);
            for node in &mut site.nodes {
                node.heard_ms_ago = node.heard_ms_ago.map(|_| 0);
                node.rtt_ms = node.rtt_ms.map(|_| 0);
            }
        }
        same
    }
}
