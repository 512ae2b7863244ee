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
use weir_media::callout::Callouts;
use weir_media::exchange::{Exchange, ExchangeParts, News};
use weir_media::page::{Dice, Pager, PagerConfig};
use weir_media::secret::REALM;
use weir_media::sip::{Account, Accounts, Algorithm, KeptBinding, Sip, SipConfig, SipLimits};
use weir_media::voice::Ports;
use weir_media::voice::relay::{Relay, RelayConfig};
use weir_model::directory::EMERGENCY;
use weir_model::id::SiteId;
use weir_model::state::State;

use crate::api::secrets::devices;
use crate::calls;
use crate::config::Config;

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

/// See the module.
pub(crate) struct Telephony {
    pub(crate) sip: Sip,
    pub(crate) pager: Pager,
    pub(crate) exchange: Exchange,
    pub(crate) callouts: Callouts,
}

/// `None`: this node's file says nothing of SIP. With it comes what calls leave for
/// the journal, which opens later.
pub(crate) async fn start(
    config: &Config,
    agreed: watch::Receiver<Arc<AppliedView>>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Option<(Telephony, mpsc::Receiver<News>)>> {
    let Some(ours) = &config.sip else { return Ok(None) };
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
    tasks.spawn(close_after(stop.clone(), closing.clone()));
    let (arrived, arrivals) = mpsc::channel(ARRIVALS);
    let sip = Sip::start(sip_config, admitted, kept, arrived, tasks, closing).await?;
    tasks.spawn(follow(agreed.clone(), config.site.clone(), admit, stop.clone()));
    tasks.spawn(keep(sip.bindings(), config.bindings(), stop.clone()));
    let (from, to) = ours.rtp;
    let pager_config =
        PagerConfig { rtp: ours.listen.ip(), ports: from..=to, notes: config.dialogs() };
    let dice = Dice::new(|bytes| {
        // A source of chance that fails leaves zeros, and a page that sounds.
        let _ = getrandom::fill(bytes);
    });
    let pager = Pager::start(sip.clone(), pager_config, dice, tasks, stop.child_token()).await;
    let pager = pager.context("cannot open the ports of voice; see [sip] rtp")?;
    let ports = "cannot open the ports of voice; see [sip] rtp";
    let range = from..=to;
    let callouts =
        Callouts::start(sip.clone(), ours.listen.ip(), &range, tasks, stop.child_token())
            .context(ports)?;
    let (hears, heard) = mpsc::channel(HEARD);
    let relay_ports = Ports::new(ours.listen.ip(), &range).context(ports)?;
    let relay = Relay::start(relay_ports, RelayConfig::default(), hears, tasks, stop.child_token());
    let (news, told) = mpsc::channel(NEWS);
    let parts = ExchangeParts {
        sip: sip.clone(),
        relay: relay.context(ports)?,
        heard,
        arrivals,
        router: calls::router(agreed, config.site.clone()),
        news,
    };
    let exchange = Exchange::start(parts, tasks, stop.child_token());
    Ok(Some((Telephony { sip, pager, exchange, callouts }, told)))
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
