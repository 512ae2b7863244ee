//! The node's HTTPS side: browsers, people who sign in, and what they see and
//! may do. Every request is on behalf of whoever is signed in; nobody speaks for
//! another. It refuses early what this node's own directory denies, and leaves
//! the last word on every launch to the home site.

mod acts;
mod assets;
mod certificate;
mod events;
mod guard;
mod mirrors;
mod openapi;
mod password;
mod patient;
mod reach;
mod reading;
mod routes;
mod server;
mod session;
mod signing;
mod told;
mod tries;
mod view;
mod wired;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::FromRef;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Directory;
use weir_model::fact::Target;
use weir_model::home::CallsPicture;
use weir_model::id::{CallId, SiteId};
use weir_model::intent::Mode;

pub(crate) use password::{Password, Passwords, Unchecked};

use crate::node::Node;
use crate::{api, edge};
use mirrors::{Seen, SiteSeen};
use reach::{Listening, Reach};
use view::board::{self, SiteBoard};
use view::calls::{self, Calls};
use view::conferences::{self, ConferenceLine};
use view::people::{self, SitePeople};
use wired::Wired;

/// Browsers that may listen to events at once.
const STREAMS: usize = 64;
/// Journals not looked through for so long, and no board is known to be fresh.
const UNREAD: Duration = Duration::from_secs(10);

/// What the parts of the HTTPS side share.
pub(crate) struct Web {
    node: Arc<Node>,
    sessions: session::Sessions,
    tries: tries::Tries,
    events: events::Hub,
    streams: Arc<Semaphore>,
    /// The runs of every site, from their journals; `None` until these were
    /// looked through once.
    seen: watch::Sender<Option<Arc<Seen>>>,
    /// When journals were last looked through.
    mirrored: events::Pulse,
    /// When streams were last told all that changed.
    looked: events::Pulse,
    listening: Listening,
    wired: Wired,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// As handlers get it: those of the Unix socket's side ask for the node only.
#[derive(Clone)]
struct WebState(Arc<Web>);

impl FromRef<WebState> for Arc<Web> {
    fn from_ref(state: &WebState) -> Self {
        state.0.clone()
    }
}

impl FromRef<WebState> for Arc<Node> {
    fn from_ref(state: &WebState) -> Self {
        state.0.node.clone()
    }
}

/// Starts to serve browsers, if the node's file says where; returns once the
/// socket listens.
pub(crate) async fn serve(
    node: Arc<Node>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(address) = node.config.https else { return Ok(()) };
    let tls = TlsAcceptor::from(certificate::server(&node.config)?);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let boot = edge::mint()?.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let wired = Wired::to(&node);
    let web = Arc::new(Web {
        node,
        sessions: session::Sessions::default(),
        tries: tries::Tries::new(),
        events: events::Hub::new(boot),
        streams: Arc::new(Semaphore::new(STREAMS)),
        seen: watch::Sender::default(),
        mirrored: events::Pulse::new(Instant::now()),
        looked: events::Pulse::new(Instant::now()),
        listening: Listening::new(Instant::now()),
        wired,
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    tasks.spawn(mirrors::keep(web.clone()));
    tasks.spawn(events::produce(web.clone()));
    let server = server::Server {
        tls,
        app: routes::app(web)?,
        tasks: tasks.clone(),
        stop: stop.clone(),
        sources: Arc::default(),
    };
    tasks.spawn(server.run(listener));
    tracing::info!(%address, "HTTPS");
    Ok(())
}

impl Web {
    fn directory(&self) -> Arc<Directory> {
        self.node.consensus.view().borrow().state.directory.clone()
    }

    /// The runs and calls of every site; our own as this node's machine has them now.
    fn seen_now(&self) -> Seen {
        let mut seen = self.seen.borrow().as_deref().cloned().unwrap_or_default();
        let own = seen.entry(self.node.config.site.clone()).or_default();
        let picture = self.node.site.view().borrow().picture.clone();
        // Other nodes of this site have journals too; what this one runs counts
        // as its machine has it.
        own.show(self.node.belonging.node(), &picture);
        own.runs.retain(|run| picture.activations.iter().all(|ours| ours.id != run.id));
        own.runs.extend(picture.activations);
        own.runs.sort_by_key(|run| (run.started, run.id));
        seen
    }

    /// What the screen shows as sounding in a zone: the site, and the run.
    fn paging(&self, zone: &str, mode: Mode) -> Option<(String, String)> {
        let directory = self.directory();
        let known = directory.zones.get(zone)?;
        let target = Target::Zone(known.id.clone());
        let seen = self.seen_now();
        let runs = seen.get(&known.site)?.runs.iter();
        let on = runs.filter(|run| {
            let mut targets = run.steps.iter().flat_map(|step| &step.targets);
            run.mode == mode
                && run.ended.is_none()
                && targets.any(|one| one.target == target && !one.state.is_over())
        });
        // The same one that the screen shows there.
        let shown = on.max_by_key(|run| (run.level, run.started))?;
        Some((known.site.to_string(), shown.id.to_string()))
    }

    /// Where an emergency call was missed that nobody has seen yet.
    fn missed_at(&self, call: CallId) -> Option<SiteId> {
        let seen = self.seen_now();
        if calls::seen_calls(&seen).contains_key(&call) {
            return None;
        }
        let missed = |one: &SiteSeen| one.calls.values().any(|of| has_missed(of, call));
        seen.iter().find(|(_, one)| missed(one)).map(|(site, _)| site.clone())
    }

    fn calls(&self, seen: &Seen) -> Calls {
        let here = calls::Here {
            node: self.node.belonging.node(),
            site: &self.node.config.site,
            live: api::calls::shown(&self.node),
            now: edge::wall(),
        };
        calls::calls(&self.directory(), seen, here)
    }

    fn people(&self, seen: &Seen) -> Vec<SitePeople> {
        people::people(&self.directory(), seen, &self.wired)
    }

    fn conferences(&self, seen: &Seen) -> Vec<ConferenceLine> {
        let here = api::conferences::shown(&self.node);
        conferences::conferences(&self.directory(), seen, here)
    }

    /// One board for every site that there is. One that may be missing something
    /// has no age.
    fn boards(&self, reach: &Reach) -> Vec<SiteBoard> {
        let (directory, mut seen) = (self.directory(), self.seen_now());
        for site in directory.sites.keys() {
            seen.entry(site.clone()).or_default();
        }
        let fresh = self.seen.borrow().is_some() && self.mirrored.is_within(UNREAD);
        let of = |(site, seen): (_, &SiteSeen)| {
            let age_ms = reach.age_ms(site).filter(|_| fresh && !seen.stale);
            board::board(&directory, (site, age_ms), seen)
        };
        seen.iter().map(of).collect()
    }
}

fn has_missed(calls: &CallsPicture, call: CallId) -> bool {
    calls.missed.iter().any(|one| one.call == call)
}
