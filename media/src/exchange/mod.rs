//! Calls between telephones of this site, and between them and other sites. Every
//! call is a task that owns its legs and its lane in the relay and does what the
//! bridge says. It refuses to know where numbers lead: whoever starts it tells,
//! call by call.

mod arrival;
mod book;
mod call;
mod legs;
mod line;
mod news;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::id::{CallId, NodeId, PersonId, SiteId};
pub use weir_signaling::call::{Dial, Group, Route};

pub use book::{CallState, CallView};
pub use news::News;

use crate::between::{self, Between};
use crate::sip::{Incoming, Sip};
use crate::voice::relay::{Heard, Relay};
use arrival::Arrival;
use book::Book;
use call::{Parts, Task};

/// Calls at once. The last ones are for emergencies.
const CALLS_MAX: usize = 1_000;
const FOR_EMERGENCIES: usize = 32;
/// What the relay heard of one call and nobody took yet.
const HEARD: usize = 32;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A telephone of this site, by the number that digest accepted.
    Here { number: &'a str },
    /// Another site's, as its node says. A site vouches for its own numbers only,
    /// which the router checks.
    Site { node: NodeId, number: &'a str },
}

/// Where a call leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Led {
    Call {
        route: Route,
        /// Whose telephone calls, for the display of the one called.
        from_name: String,
        /// The site that the caller is at, when it is another one.
        at: Option<SiteId>,
    },
    /// To a conference of this site.
    Room { number: String },
}

/// A caller, unanswered, who dialled a conference.
#[derive(Debug)]
pub struct RoomCall {
    pub number: String,
    pub incoming: Incoming,
}

/// Why a call leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// As the caller is answered.
    pub code: u16,
    /// For a person: Chinese and English, with what to do.
    pub words: String,
}

/// Asked with who calls and the number dialled.
pub type Router = Arc<dyn Fn(Origin<'_>, &str) -> Result<Led, Declined> + Send + Sync>;

/// Who hears what of a call's sound.
type Ears = Arc<Mutex<BTreeMap<u64, mpsc::Sender<Heard>>>>;

/// What an exchange is made of.
pub struct ExchangeParts {
    pub sip: Sip,
    pub relay: Relay,
    /// What the relay hears, of all calls.
    pub heard: mpsc::Receiver<Heard>,
    pub arrivals: mpsc::Receiver<Incoming>,
    /// Calls to other sites. `None`: this node makes none.
    pub between: Option<Between>,
    /// Calls that other sites make.
    pub far: mpsc::Receiver<between::Incoming>,
    /// Callers who are led to a conference; when it is full they are told so.
    pub rooms: mpsc::Sender<RoomCall>,
    pub router: Router,
    /// For the journal; what finds no room here is counted and lost.
    pub news: mpsc::Sender<News>,
}

/// A handle; clones share the calls.
#[derive(Debug, Clone)]
pub struct Exchange {
    book: Book,
}

impl Exchange {
    /// Takes calls until `stop`; those under way are ended then.
    pub fn start(parts: ExchangeParts, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let ExchangeParts { sip, relay, heard, arrivals, between, far, rooms, router, news } =
            parts;
        let (book, ears) = (Book::default(), Ears::default());
        tasks.spawn(listen(heard, ears.clone()));
        let (kept, tasks_too) = (book.clone(), tasks.clone());
        let parts =
            Parts { sip, relay, between, rooms, router, news, book, ears, tasks: tasks_too };
        tasks.spawn(take(arrivals, far, parts, tasks.clone(), stop));
        Self { book: kept }
    }

    /// All calls under way.
    pub fn calls(&self) -> Vec<CallView> {
        self.book.views()
    }

    /// Ends a call on somebody's behalf; whether there was one.
    pub fn end(&self, call: CallId, who: Option<PersonId>) -> bool {
        self.book.end(call, who)
    }

    /// Calls whose records found no room on their way to the journal.
    pub fn unrecorded(&self) -> u64 {
        self.book.unrecorded()
    }
}

async fn take(
    mut arrivals: mpsc::Receiver<Incoming>,
    mut far: mpsc::Receiver<between::Incoming>,
    parts: Parts,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut lane = 0;
    loop {
        let arrival = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            incoming = arrivals.recv() => match incoming {
                Some(incoming) => Arrival::Here(incoming),
                None => return,
            },
            Some(incoming) = far.recv() => Arrival::Far(incoming),
        };
        lane += 1;
        let (parts, stop) = (parts.clone(), stop.clone());
        tasks.spawn(async move {
            let from = arrival.from().to_owned();
            let begun = match arrival.lead(&parts) {
                Ok(Some(caller)) => Task::begin(parts, caller, lane).map(Some),
                Ok(None) => Ok(None),
                Err(turned) => Err(turned),
            };
            match begun {
                Ok(Some(task)) => task.run(stop).await,
                Ok(None) => {}
                Err(turned) => {
                    let (line, declined) = *turned;
                    tracing::info!(from, code = declined.code, why = declined.words, "declined");
                    // The leg lives on until its refusal was acknowledged.
                    line.refuse(declined.code, &declined.words).await;
                }
            }
        });
    }
}

/// Hands each call what was heard of it. A call that does not listen loses it.
async fn listen(mut heard: mpsc::Receiver<Heard>, ears: Ears) {
    while let Some(one) = heard.recv().await {
        let (Heard::Digit { call, .. } | Heard::Quiet { call, .. }) = &one;
        let ear = ears.lock().unwrap_or_else(PoisonError::into_inner).get(call).cloned();
        if let Some(ear) = ear {
            let _busy_or_over = ear.try_send(one);
        }
    }
}

/// Whether one more call may begin.
fn has_room(calls: usize, emergency: bool) -> bool {
    calls < if emergency { CALLS_MAX } else { CALLS_MAX - FOR_EMERGENCIES }
}
