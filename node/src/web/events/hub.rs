//! The newest of every topic, and what came before it, for browsers that were
//! away for a moment. Everything in it is bounded; whoever was away for longer
//! than it remembers is told to forget everything and gets it anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

const EVENTS: usize = 2_048;
const BYTES: usize = 4 << 20;
/// Events that a stream may be behind before it is cut.
const BEHIND: usize = 256;
/// Journal lines that a new stream begins with.
pub(crate) const LINES: usize = 200;

/// One event as browsers get it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) number: u64,
    pub(crate) name: &'static str,
    /// JSON in one line.
    pub(crate) data: String,
}

/// What a stream begins with.
pub(crate) struct Opening {
    /// The resume point is gone.
    pub(crate) reset: bool,
    /// With or without their own numbers.
    pub(crate) events: Vec<Arc<Event>>,
    /// Whether `events` are what was missed, each with its number, rather than
    /// everything as it stands at `number`.
    pub(crate) resumed: bool,
    pub(crate) number: u64,
    pub(crate) coming: broadcast::Receiver<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Kept {
    number: u64,
    ring: VecDeque<Arc<Event>>,
    bytes: usize,
    /// By topic, in the order in which a stream begins.
    newest: BTreeMap<(u8, String), Arc<Event>>,
    lines: VecDeque<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Another one each time the node starts.
    boot: String,
    kept: Mutex<Kept>,
    tell: broadcast::Sender<Arc<Event>>,
}

impl Hub {
    pub(crate) fn new(boot: String) -> Self {
        let (tell, _) = broadcast::channel(BEHIND);
        Self { boot, kept: Mutex::default(), tell }
    }

    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.boot)
    }

    /// Publishes `data` unless the topic says exactly that already. `rank`
    /// orders topics when a stream begins.
    pub(crate) fn replace(&self, rank: u8, topic: &str, name: &'static str, data: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = (rank, topic.to_owned());
        if kept.newest.get(&topic).is_some_and(|newest| newest.data == data) {
            return;
        }
        let event = kept.push(name, data);
        kept.newest.insert(topic, event.clone());
        // Nobody listening is no error.
        let _ = self.tell.send(event);
    }

    /// A topic that is there no more; who shows it learns so from `event`.
    pub(crate) fn forget(&self, rank: u8, topic: &str, name: &'static str, data: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.newest.remove(&(rank, topic.to_owned())).is_some() {
            let event = kept.push(name, data);
            let _ = self.tell.send(event);
        }
    }

    /// New lines of the journal, each as JSON; `more`: there were more than
    /// these.
    pub(crate) fn journal(&self, lines: Vec<String>, more: bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let event = kept.push("journal", journal(lines.iter(), more));
        kept.lines.extend(lines);
        let surplus = kept.lines.len().saturating_sub(LINES);
        kept.lines.drain(..surplus);
        let _ = self.tell.send(event);
    }

    /// What a stream begins with, and all that comes after that.
    pub(crate) fn open(&self, last: Option<&str>) -> Opening {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Subscribed under the lock: nothing falls between.
        let coming = self.tell.subscribe();
        let number = kept.number;
        let seen = last.and_then(|last| self.number(last)).filter(|seen| *seen <= number);
        let oldest = kept.ring.front().map_or(number + 1, |event| event.number);
        if let Some(seen) = seen.filter(|seen| seen + 1 >= oldest) {
            let missed = kept.ring.iter().filter(|event| event.number > seen).cloned();
            let events = missed.collect();
            return Opening { reset: false, events, resumed: true, number, coming };
        }
        let mut events: Vec<Arc<Event>> = kept.newest.values().cloned().collect();
        let data = journal(kept.lines.iter(), false);
        events.push(Arc::new(Event { number, name: "journal", data }));
        Opening { reset: last.is_some(), events, resumed: false, number, coming }
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (boot, number) = id.rsplit_once('-')?;
        if boot == self.boot { number.parse().ok() } else { None }
    }
}

impl Kept {
    fn push(&mut self, name: &'static str, data: String) -> Arc<Event> {
        self.number += 1;
        let event = Arc::new(Event { number: self.number, name, data });
        self.bytes += event.data.len();
        self.ring.push_back(event.clone());
        while self.ring.len() > EVENTS || self.bytes > BYTES {
            let Some(gone) = self.ring.pop_front() else { break };
            self.bytes -= gone.data.len();
        }
        event
    }
}

fn journal<'a>(lines: impl Iterator<Item = &'a String>, more: bool) -> String {
    let lines: Vec<&str> = lines.map(String::as_str).collect();
    format!("{{\"facts\":[{}],\"more\":{more}}}", lines.join(","))
}
