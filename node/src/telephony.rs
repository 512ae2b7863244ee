//! SIP at this node: who may register, where they are over a restart, and the
//! task that pages. It refuses devices of other sites: theirs is another node.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::store::AppliedView;
use weir_media::between::{Between, BetweenParts};
use weir_media::callout::Callouts;
use weir_media::conference::{ConferenceNews, ConferenceParts, Conferences, Limits};
use weir_media::exchange::{Exchange, ExchangeParts, News, RoomCall};
use weir_media::page::{Dice, Pager, PagerConfig};
use weir_media::secret::REALM;
use weir_media::sip::{
    Account, Accounts, Algorithm, Incoming, KeptBinding, Sip, SipConfig, SipLimits,
};
use weir_media::trunk::Trunks;
use weir_media::voice::Ports;
use weir_media::voice::mixer::{Mixer, MixerConfig};
use weir_media::voice::relay::{Relay, RelayConfig};
use weir_model::directory::EMERGENCY;
use weir_model::id::SiteId;
use weir_model::state::State;

use crate::api::secrets::devices;
use crate::config::Config;
use crate::sites::Sites;
use crate::sounds::Sounds;
use crate::{calls, rooms};

/// How long SIP stays open for hanging up when the node stops.
const HANG_UP: Duration = Duration::from_millis(1_500);
/// Calls that came in and nobody took yet: beyond it a telephone is told to try
/// again.
const ARRIVALS: usize = 128;
/// Keys and silences that the relay heard and nobody took yet.
const HEARD: usize = 1_024;
/// What calls leave for a journal that is busy.
const NEWS: usize = 4_096;
/// Registrations are written down at most so often.
const WRITE: Duration = Duration::from_secs(1);
/// Most registrations read back; more were never written.
const BINDINGS_BYTES: u64 = 16 << 20;

/// What voice needs and does not get.
const PORTS: &str = "cannot open the ports of voice; see [sip] rtp";

/// See the module.
pub(crate) struct Telephony {
    pub(crate) sip: Sip,
    pub(crate) pager: Pager,
    pub(crate) exchange: Exchange,
    pub(crate) callouts: Callouts,
    pub(crate) trunks: Trunks,
    pub(crate) between: Between,
    pub(crate) conferences: Conferences,
}

/// What calls and conferences leave for the journal, which opens later.
pub(crate) struct Leavings {
    pub(crate) calls: mpsc::Receiver<News>,
    pub(crate) conferences: mpsc::Receiver<ConferenceNews>,
}

/// What telephony is given.
pub(crate) struct Given<'a> {
    pub(crate) config: &'a Config,
    pub(crate) agreed: watch::Receiver<Arc<AppliedView>>,
    pub(crate) sites: &'a Sites,
    pub(crate) sounds: &'a Arc<Sounds>,
    pub(crate) tasks: &'a TaskTracker,
    pub(crate) stop: &'a CancellationToken,
}

/// `None`: this node's file says nothing of SIP.
pub(crate) async fn start(given: Given<'_>) -> anyhow::Result<Option<(Telephony, Leavings)>> {
    let Some(ours) = &given.config.sip else { return Ok(None) };
    let Given { config, tasks, stop, .. } = given;
    let (arrived, arrivals) = mpsc::channel(ARRIVALS);
    let sip = registrar(&given, ours, arrived).await?;
    let range = ours.rtp.0..=ours.rtp.1;
    let pager_config =
        PagerConfig { rtp: ours.listen.ip(), ports: range.clone(), notes: config.dialogs() };
    let dice = Dice::new(|bytes| {
        // A source of chance that fails leaves zeros, and a page that sounds.
        let _ = getrandom::fill(bytes);
    });
    let pager = Pager::start(sip.clone(), pager_config, dice, tasks, stop.child_token()).await;
    let pager = pager.context(PORTS)?;
    let callouts =
        Callouts::start(sip.clone(), ours.listen.ip(), &range, tasks, stop.child_token())
            .context(PORTS)?;
    let ports = || Ports::new(ours.listen.ip(), &range).context(PORTS);
    let trunks = Trunks::start(ports()?, given.sites.sender(), tasks, stop.child_token());
    let trunks = trunks.context(PORTS)?;
    let (far_arrived, far) = mpsc::channel(ARRIVALS);
    let between = Between::start(
        BetweenParts {
            trunks: trunks.clone(),
            open: given.sites.opener(),
            admit: given.sites.admission(),
            peer_of: given.sites.peers(),
        },
        far_arrived,
        tasks,
        stop.child_token(),
    );
    let (room_calls, rooms) = mpsc::channel(ARRIVALS);
    let (conferences, conference_news) = conferences(&given, &sip, &trunks, ports()?, rooms)?;
    let (hears, heard) = mpsc::channel(HEARD);
    let relay = Relay::start(ports()?, RelayConfig::default(), hears, tasks, stop.child_token());
    let (news, told) = mpsc::channel(NEWS);
    let parts = ExchangeParts {
        sip: sip.clone(),
        relay: relay.context(PORTS)?,
        heard,
        arrivals,
        between: Some(between.clone()),
        far,
        rooms: room_calls,
        router: calls::router(given.agreed.clone(), config.site.clone()),
        news,
    };
    let exchange = Exchange::start(parts, tasks, stop.child_token());
    let leavings = Leavings { calls: told, conferences: conference_news };
    let telephony = Telephony { sip, pager, exchange, callouts, trunks, between, conferences };
    Ok(Some((telephony, leavings)))
}

/// SIP, who may register with it, and who is registered over a restart.
async fn registrar(
    given: &Given<'_>,
    ours: &crate::config::SipConfig,
    arrived: mpsc::Sender<Incoming>,
) -> anyhow::Result<Sip> {
    let Given { config, agreed, tasks, stop, .. } = given;
    let first = accounts(&agreed.borrow().state, &config.site);
    let (admit, admitted) = watch::channel(Arc::new(first));
    let sip_config = SipConfig {
        listen: ours.listen,
        realm: REALM.to_owned(),
        algorithms: algorithms(&ours.digest)?,
        emergency: EMERGENCY.map(str::to_owned).to_vec(),
        limits: SipLimits::default(),
    };
    let kept = read(&config.bindings()).await;
    // The pager hangs its calls up first, which takes SIP.
    let closing = CancellationToken::new();
    tasks.spawn(close_after((*stop).clone(), closing.clone()));
    let sip = Sip::start(sip_config, admitted, kept, arrived, tasks, closing).await?;
    tasks.spawn(follow(agreed.clone(), config.site.clone(), admit, (*stop).clone()));
    tasks.spawn(keep(sip.bindings(), config.bindings(), (*stop).clone()));
    Ok(sip)
}

/// Conferences of the site, with a mixer of their own.
fn conferences(
    given: &Given<'_>,
    sip: &Sip,
    trunks: &Trunks,
    ports: Ports,
    calls: mpsc::Receiver<RoomCall>,
) -> anyhow::Result<(Conferences, mpsc::Receiver<ConferenceNews>)> {
    let Given { config, agreed, sites, sounds, tasks, stop } = given;
    let (mixes, heard) = mpsc::channel(HEARD);
    let mixer = Mixer::start(ports, MixerConfig::default(), mixes, tasks, stop.child_token())
        .context(PORTS)?;
    let (news, told) = mpsc::channel(NEWS);
    let (said, asked) = (agreed.clone(), (*sounds).clone());
    let (known, here) = (agreed.clone(), (agreed.clone(), config.site.clone()));
    let parts = ConferenceParts {
        site: config.site.clone(),
        sip: sip.clone(),
        mixer,
        heard,
        trunks: trunks.clone(),
        ask: sites.asker(),
        clips: Arc::new(move |_title, key| {
            Box::pin(rooms::announcement(said.clone(), asked.clone(), key))
        }),
        peer_of: sites.peers(),
        room_at: Arc::new(move |number| known.borrow().state.directory.room_at(number)),
        reach: Arc::new(move |invited| {
            let directory = here.0.borrow().state.directory.clone();
            let person = invited.who.parse().ok()?;
            directory.people.get(&person)?;
            Some(rooms::invited(&directory, &directory.attendee(person, &here.1)))
        }),
        rooms: calls,
        news,
        limits: Limits::default(),
    };
    Ok((Conferences::start(parts, tasks, stop.child_token()), told))
}

fn algorithms(named: &[String]) -> anyhow::Result<Vec<Algorithm>> {
    if named.is_empty() {
        return Ok(Algorithm::ALL.to_vec());
    }
    let known = |name: &String| {
        Algorithm::named(name).with_context(|| {
            format!(
                "[sip] digest：没有算法 {name}，可写 SHA-256、MD5 / no algorithm {name}; there are \
                 SHA-256 and MD5"
            )
        })
    };
    named.iter().map(known).collect()
}

async fn close_after(stop: CancellationToken, closing: CancellationToken) {
    stop.cancelled().await;
    sleep(HANG_UP).await;
    closing.cancel();
}

/// The devices of the site that have a secret.
fn accounts(agreed: &State, site: &SiteId) -> Accounts {
    let known = devices(&agreed.directory, site).into_iter().filter_map(|number| {
        let secret = agreed.secrets.get(&number)?;
        Some((number.into(), Account { md5: secret.md5, sha256: secret.sha256 }))
    });
    Accounts { by_number: known.collect() }
}

async fn follow(
    mut agreed: watch::Receiver<Arc<AppliedView>>,
    site: SiteId,
    admit: watch::Sender<Arc<Accounts>>,
    stop: CancellationToken,
) {
    let mut known = None;
    loop {
        let state = agreed.borrow_and_update().state.clone();
        // Both tables are shared until they change.
        let now = (Arc::as_ptr(&state.directory), Arc::as_ptr(&state.secrets));
        let now = (now.0.addr(), now.1.addr());
        if known != Some(now) {
            admit.send_replace(Arc::new(accounts(&state, &site)));
            known = Some(now);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = agreed.changed() => if changed.is_err() { return },
        }
    }
}

async fn read(path: &Path) -> Vec<KeptBinding> {
    match tokio::fs::metadata(path).await {
        Ok(about) if about.len() <= BINDINGS_BYTES => {}
        Ok(_) | Err(_) => return Vec::new(),
    }
    let bytes = match tokio::fs::read(path).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, "registrations could not be read; devices must register again");
            return Vec::new();
        }
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!(%error, "registrations could not be read; devices must register again");
        Vec::new()
    })
}

/// A device registers for an hour; a node that restarts must still find it.
async fn keep(
    mut bindings: watch::Receiver<Arc<Vec<KeptBinding>>>,
    path: PathBuf,
    stop: CancellationToken,
) {
    loop {
        // Once more when the node stops, if something changed meanwhile.
        let last = tokio::select! {
            () = stop.cancelled() => true,
            changed = bindings.changed() => changed.is_err(),
        };
        if bindings.has_changed().unwrap_or(false) || !last {
            let now = bindings.borrow_and_update().clone();
            if let Err(error) = write(&path, &now).await {
                tracing::warn!(%error, "registrations could not be written; a restart loses them");
            }
        }
        if last {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(WRITE) => {}
        }
    }
}

async fn write(path: &Path, bindings: &[KeptBinding]) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(bindings)?;
    let fresh = path.with_extension("new");
    let mut file = tokio::fs::File::create(&fresh).await?;
    file.write_all(&bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&fresh, path).await?;
    if let Some(folder) = path.parent() {
        tokio::fs::File::open(folder).await?.sync_all().await?;
    }
    Ok(())
}
