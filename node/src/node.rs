//! One running node: disk, link, consensus, the local API, and the order in
//! which they start and stop. Stopping is starting backwards.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::disk::RocksDisk;
use weir_consensus::net::QuicTransport;
use weir_consensus::site::{self, Gate, Outbox, Site};
use weir_consensus::store::AppliedView;
use weir_consensus::{Settings, Wish};
use weir_link::{Ca, Identity, Link, LinkConfig, PeerAddress, ShaperControl};
use weir_model::decision::{Author, Candidate, Decision, Member, Role};
use weir_model::home::EffectAction;
use weir_model::id::{NodeId, SiteId};

use crate::admission::{Admission, Joining};
use crate::config::Config;
use crate::drill::{DrillSink, Extent, Rehearsal};
use crate::effects::{Devices, SiteEffects};
use crate::folder::{Belonging, DataFolder, cluster_id};
use crate::inbound::Inbound;
use crate::people::{MESSAGES, People};
use crate::relay::Relay;
use crate::rooms::Rooms;
use crate::sites::Sites;
use crate::sms::Gateway;
use crate::sounds::Sounds;
use crate::speakers::Speakers;
use crate::telephony::{self, Leavings, Telephony};
use crate::web::Passwords;
use crate::{api, calls, edge, planted, rooms, staging, web};

pub(crate) use weir_consensus::runtime::TokioRuntime as Runtime;

pub(crate) type Consensus = weir_consensus::Consensus<Runtime, RocksDisk, QuicTransport>;

/// How long founding may take before the node gives up.
const FOUND: Duration = Duration::from_secs(10);
/// What a satellite peer may be sent when its own file says nothing, bits/s.
const PEER_SATELLITE_BPS: u64 = 256_000;

/// What the parts of a running node share.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) belonging: Belonging,
    pub(crate) identity: Arc<Identity>,
    /// Only where new members can be admitted: on voters.
    pub(crate) ca: Option<Ca>,
    pub(crate) link: Link,
    pub(crate) consensus: Consensus,
    pub(crate) site: Site<RocksDisk>,
    pub(crate) gate: Gate<RocksDisk, QuicTransport>,
    pub(crate) outbox: Arc<Outbox<RocksDisk, QuicTransport>>,
    pub(crate) sounds: Arc<Sounds>,
    /// Where the node's file has `[sip]`.
    pub(crate) telephony: Option<Telephony>,
    pub(crate) rooms: Rooms,
    pub(crate) sites: Sites,
    pub(crate) shaper: Option<ShaperControl>,
    pub(crate) counters: api::Counters,
    pub(crate) passwords: Passwords,
}

/// A call takes four sockets, a database many files.
const FILES_WANTED: u64 = 8_192;

/// As many open files as the host allows; says so when that is few.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit of open files stays");
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if now < FILES_WANTED {
        tracing::warn!(
            now,
            "打开文件数上限过低，通话容量受限；请调高 LimitNOFILE / few open files are allowed, which \
             limits calls; raise LimitNOFILE"
        );
    }
}

/// Runs until told to stop.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    raise_open_files();
    let stop = stop_on_signal()?;
    let tasks = TaskTracker::new();
    let node = start(config, &tasks, &stop).await?;
    tasks.spawn(follow_members(node.clone(), stop.clone()));
    let served = serve(&node, &tasks, &stop).await;
    if served.is_ok() {
        tracing::info!(node = %node.config.name, "ready / 就绪");
        stop.cancelled().await;
    }
    stop.cancel();
    tracing::info!("draining / 正在停止");
    node.consensus.step_aside().await;
    node.consensus.shutdown().await;
    node.link.close().await;
    tasks.close();
    let drained = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
    if drained.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    served
}

async fn serve(
    node: &Arc<Node>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    api::serve(node.clone(), tasks, stop).await?;
    web::serve(node.clone(), tasks, stop).await
}

fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    // Owned by the process: it ends with the first signal, or with it.
    TaskTracker::new().spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

type SharedView = Arc<OnceLock<watch::Receiver<Arc<AppliedView>>>>;

/// The sockets to other nodes, and what makes them worse where the file says so.
fn bind(
    config: &Config,
    identity: &Arc<Identity>,
    view: &SharedView,
    inbound: Arc<Inbound>,
) -> anyhow::Result<(Link, Option<ShaperControl>)> {
    let shaper = config.shaper().map(|params| ShaperControl::new(params, identity.node().0));
    let mut link_config = LinkConfig::new(identity.clone(), config.listen);
    link_config.satellite = config.satellite();
    link_config.shaper.clone_from(&shaper);
    let admission = Arc::new(Admission::new(view.clone()));
    Ok((Link::bind(link_config, admission, inbound)?, shaper))
}

async fn start(
    config: Config,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<Node>> {
    let folder = DataFolder::new(&config.data);
    let belonging = folder.load()?;
    let identity = Arc::new(Identity::load(&folder.identity())?);
    belonging.must_be_of(identity.node())?;
    let ca = folder.ca().join("ca.key").exists().then(|| Ca::load(&folder.ca())).transpose()?;
    let disk = RocksDisk::open(&folder.store())?;

    let view = Arc::new(OnceLock::new());
    let inbound = Arc::new(Inbound::new(tasks.clone()));
    let (link, shaper) = bind(&config, &identity, &view, inbound.clone())?;

    let satellites = view.clone();
    let satellite = Arc::new(move |node| is_satellite(&satellites, node));
    let transport = QuicTransport::new(link.clone(), tasks.clone(), satellite);
    let me = belonging.node();
    let settings = Settings { node: me, profile: belonging.profile, wall: Arc::new(edge::wall) };
    let consensus = Consensus::start(settings, disk.clone(), transport.clone()).await?;
    let _ = view.set(consensus.view());
    name_peers(&link, &belonging, &consensus.view().borrow())?;

    let media = media(&config, (me, &link, disk), &consensus, tasks, stop).await?;
    let Media { sounds, sites, telephony, rooms, site } = media;
    let gate = Gate::new(me, site.clone(), transport.clone(), consensus.view());
    let outbox = Arc::new(Outbox::new(gate.clone(), Arc::new(edge::wall), stop.clone()));
    if !planted::loses_facts() {
        let view = consensus.view();
        tasks.spawn(site.clone().ship::<Runtime, _>(me, transport, view, stop.clone()));
    }
    tasks.spawn(site::announce(me, site.clone(), consensus.clone(), stop.clone()));

    let node = Arc::new(Node {
        config,
        belonging,
        identity,
        ca,
        link,
        consensus,
        site,
        gate,
        outbox,
        sounds,
        telephony,
        rooms,
        sites,
        shaper,
        counters: api::Counters::default(),
        passwords: Passwords::new()?,
    });
    inbound.serve(node.clone());
    tasks.spawn(staging::follow(node.clone(), stop.clone()));
    if node.belonging.founder {
        found(&node).await?;
    }
    Ok(node)
}

/// Everything heard at the site, and the site's own machine.
struct Media {
    sounds: Arc<Sounds>,
    sites: Sites,
    telephony: Option<Telephony>,
    rooms: Rooms,
    site: Site<RocksDisk>,
}

async fn media(
    config: &Config,
    (me, link, disk): (NodeId, &Link, RocksDisk),
    consensus: &Consensus,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Media> {
    let sounds = Sounds::open(&config.sounds(), tasks, stop).await?;
    let sites = Sites {
        me,
        own: config.site.clone(),
        link: link.clone(),
        agreed: consensus.view(),
        pumps: tasks.clone(),
    };
    let agreed = consensus.view();
    let given = telephony::Given { config, agreed, sites: &sites, sounds: &sounds, tasks, stop };
    let (telephony, leavings) = telephony::start(given).await?.unzip();
    let rooms = gather(&config.site, telephony.as_ref(), &sounds, consensus, tasks);
    let hands =
        hands(config, (telephony.as_ref(), &rooms), &sounds, consensus, tasks, stop).await?;
    let site = start_site(config, me, disk, consensus, (hands, tasks, stop)).await?;
    if let Some(leavings) = leavings {
        write_down(leavings, &site, config, &rooms, tasks);
    }
    if let Some(telephony) = &telephony {
        let (trunks, conferences) = (telephony.trunks.clone(), telephony.conferences.clone());
        tasks.spawn(sites.clone().watch(trunks, conferences, stop.clone()));
    }
    Ok(Media { sounds, sites, telephony, rooms, site })
}

/// What calls and conferences leave goes into the journal.
fn write_down(
    leavings: Leavings,
    site: &Site<RocksDisk>,
    config: &Config,
    rooms: &Rooms,
    tasks: &TaskTracker,
) {
    let Leavings { calls, conferences } = leavings;
    tasks.spawn(calls::record(calls, site.clone()));
    let opened = rooms.opened.clone();
    tasks.spawn(rooms::record(conferences, site.clone(), config.site.clone(), opened));
}

async fn start_site(
    config: &Config,
    me: NodeId,
    disk: RocksDisk,
    consensus: &Consensus,
    (hands, tasks, stop): ((Devices, People, Rooms), &TaskTracker, &CancellationToken),
) -> anyhow::Result<Site<RocksDisk>> {
    let (devices, people, rooms) = hands;
    let rehearsal = rehearsal(&devices, consensus.view());
    let drills = DrillSink::new(config.drill_sink(), rehearsal, tasks.clone(), stop.clone());
    let effects = Arc::new(SiteEffects { devices, people, rooms, drills });
    let settings =
        site::Settings { node: me, site: config.site.clone(), wall: Arc::new(edge::wall) };
    let view = consensus.view();
    Ok(Site::start::<Runtime, _>(settings, disk, view, effects, stop.clone()).await?)
}

/// What brings people together.
fn gather(
    site: &SiteId,
    telephony: Option<&Telephony>,
    sounds: &Arc<Sounds>,
    consensus: &Consensus,
    tasks: &TaskTracker,
) -> Rooms {
    Rooms {
        site: site.clone(),
        conferences: telephony.map(|one| one.conferences.clone()),
        sounds: sounds.clone(),
        agreed: consensus.view(),
        tasks: tasks.clone(),
        live: Arc::default(),
        opened: Arc::default(),
    }
}

/// What drives the site's zones and reaches its people.
async fn hands(
    config: &Config,
    (telephony, rooms): (Option<&Telephony>, &Rooms),
    sounds: &Arc<Sounds>,
    consensus: &Consensus,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<(Devices, People, Rooms)> {
    let people = People {
        site: config.site.clone(),
        phones: telephony.map(|one| (one.sip.clone(), one.callouts.clone())),
        gateway: config.sms.as_ref().map(Gateway::open).transpose()?,
        sounds: sounds.clone(),
        agreed: consensus.view(),
        tasks: tasks.clone(),
        turns: Arc::new(Semaphore::new(MESSAGES)),
        live: Arc::default(),
    };
    let devices = devices(config, telephony, sounds, consensus, tasks, stop).await?;
    Ok((devices, people, rooms.clone()))
}

/// What drives the site's zones, as the node's file says.
async fn devices(
    config: &Config,
    telephony: Option<&Telephony>,
    sounds: &Arc<Sounds>,
    consensus: &Consensus,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Devices> {
    Ok(match (telephony, config.relay) {
        (Some(telephony), _) => {
            let (pager, view) = (telephony.pager.clone(), consensus.view());
            Devices::Speakers(Speakers::new(pager, sounds.clone(), view, tasks.clone()))
        }
        (None, Some(address)) => {
            let relay = Relay::start(address, tasks.clone(), stop.clone()).await;
            Devices::Relay(relay.context("cannot open a socket for the relay")?)
        }
        (None, None) => Devices::None,
    })
}

/// What a drill tries: everything that a real page needs but the devices.
fn rehearsal(devices: &Devices, view: watch::Receiver<Arc<AppliedView>>) -> Box<Rehearsal> {
    let speakers = match devices {
        Devices::Speakers(speakers) => Some(speakers.clone()),
        Devices::Relay(_) | Devices::None => None,
    };
    Box::new(move |order| {
        let (played, count) = match order.action {
            EffectAction::Page { zone, sound, repeat, .. } => {
                let known =
                    view.borrow().state.directory.zones.get(&zone).map(|z| z.speakers.len());
                (Some((sound, repeat)), u16::try_from(known.unwrap_or(0)).unwrap_or(u16::MAX))
            }
            EffectAction::Call { sound, .. } => (Some((sound, 1)), 1),
            EffectAction::Message { .. } | EffectAction::Confer { .. } => (None, 1),
        };
        let speakers = speakers.clone();
        Box::pin(async move {
            let (length, siren) = match (&speakers, played) {
                (Some(speakers), Some((sound, repeat))) => speakers.rehearse(&sound, repeat).await,
                _ => (Duration::ZERO, false),
            };
            Extent { length, speakers: count, siren }
        })
    })
}

fn is_satellite(view: &OnceLock<watch::Receiver<Arc<AppliedView>>>, node: NodeId) -> bool {
    let members = view.get().map(|view| view.borrow().state.members.clone());
    members.and_then(|members| members.get(&node).map(|m| m.satellite)).unwrap_or(false)
}

/// The first run of the first node. Asking again changes nothing.
async fn found(node: &Node) -> anyhow::Result<()> {
    node.consensus.found().await?;
    if node.consensus.view().borrow().state.cluster.is_some() {
        return Ok(());
    }
    let cluster = cluster_id(&node.belonging).context("cluster.json names no cluster")?;
    let first = Candidate {
        name: node.config.name.clone(),
        site: node.config.site.clone(),
        role: Role::Voter,
        addresses: node.config.advertised(),
        public_key: node.identity.public_key().to_spki_der(),
        satellite: false,
    };
    let wish = Wish {
        key: edge::request_key()?,
        author: Author { node: node.belonging.node(), person: None },
        decision: Decision::Found { cluster, profile: node.belonging.profile, first },
    };
    let answer = node.consensus.propose(wish, FOUND).await?;
    match answer.result {
        Ok(_) => Ok(()),
        Err(weir_model::refusal::Refusal::AlreadyFounded { .. }) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Tells the link whom to dial: the agreed members, or those known from joining
/// as long as nothing has been agreed here.
fn name_peers(link: &Link, belonging: &Belonging, view: &AppliedView) -> anyhow::Result<()> {
    let known: Vec<Member> = if view.state.members.is_empty() {
        belonging.members.clone()
    } else {
        view.state.members.values().cloned().collect()
    };
    let peers = known.into_iter().filter(|member| member.id != belonging.node());
    let addresses = peers.map(|member| PeerAddress {
        id: member.id,
        addrs: member.addresses,
        satellite: member.satellite.then(|| weir_link::Satellite::new(PEER_SATELLITE_BPS)),
    });
    link.set_peers(addresses.collect())?;
    Ok(())
}

async fn follow_members(node: Arc<Node>, stop: CancellationToken) {
    let mut view = node.consensus.view();
    let mut known = None;
    loop {
        let members = view.borrow_and_update().state.members.clone();
        if known.as_ref() != Some(&members) {
            if let Err(error) = name_peers(&node.link, &node.belonging, &view.borrow()) {
                tracing::error!(%error, "peers could not be named");
            }
            node.link.recheck();
            known = Some(members);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = view.changed() => if changed.is_err() { return },
        }
    }
}

impl Node {
    pub(crate) fn joining(&self) -> Joining<'_> {
        Joining { node: self }
    }
}
