//! The one task that looks at everything, at most four times a second, and
//! publishes what changed. Streams cost it nothing. It refuses to wait for a
//! disk: what journals tell, it finds where the mirrors' task has left it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};
use weir_model::fact::FactId;

use super::hub::LINES;
use crate::api::journal;
use crate::web::Web;
use crate::web::mirrors::Seen;
use crate::web::reach::Reach;
use crate::web::view::overview::Overview;
use crate::web::view::{overview, zones};

/// Between two looks.
const APART: Duration = Duration::from_millis(250);
/// Silence makes no noise: links are looked at this often.
const LOOK: Duration = Duration::from_millis(500);
/// Ages and round trips alone are worth an event this often.
const AGES: Duration = Duration::from_secs(5);

const OVERVIEW: u8 = 0;
const SITE: u8 = 1;
const ZONES: u8 = 2;
const CALLS: u8 = 3;
const CONFERENCES: u8 = 4;
const PEOPLE: u8 = 5;
/// Who is registered, and who acknowledged last, is worth a look this often.
const PEOPLE_APART: Duration = Duration::from_secs(1);

struct Producer {
    web: Arc<Web>,
    known: BTreeSet<FactId>,
    /// The overview last published, and when.
    overview: Option<(String, Instant)>,
    /// The boards last published, by site, without their ages.
    boards: BTreeMap<String, String>,
    /// Sites whose people were published, and when people were last looked at.
    people: BTreeSet<String>,
    people_at: Option<Instant>,
}

impl Producer {
    fn new(web: Arc<Web>) -> Self {
        let (known, boards, people) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        Self { web, known, overview: None, boards, people, people_at: None }
    }
}

pub(crate) async fn produce(web: Arc<Web>) {
    let stop = web.stop.clone();
    let (mut site, mut agreed) = (web.node.site.view(), web.node.consensus.view());
    let mut seen = web.seen.subscribe();
    let mut producer = Producer::new(web);
    loop {
        let began = Instant::now();
        // Marked as seen before it is read: what comes meanwhile is looked at
        // again.
        site.mark_unchanged();
        agreed.mark_unchanged();
        seen.mark_unchanged();
        producer.look();
        producer.web.looked.beat();
        let next = async {
            tokio::select! {
                changed = site.changed() => changed.is_ok(),
                changed = agreed.changed() => changed.is_ok(),
                changed = seen.changed() => changed.is_ok(),
                () = sleep(LOOK) => true,
            }
        };
        let goes_on = tokio::select! {
            () = stop.cancelled() => return,
            goes_on = next => goes_on,
        };
        // Their owners are gone: the node is ending.
        if !goes_on {
            return;
        }
        sleep_until(began + APART).await;
    }
}

fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

impl Producer {
    fn look(&mut self) {
        let reach = overview::reach(&self.web.node, &self.web.listening);
        self.overview(&overview::overview(&self.web.node, &reach));
        // Before that an empty board would say that nothing runs.
        if self.web.seen.borrow().is_some() {
            self.boards(&reach);
            let seen = self.web.seen_now();
            self.zones(&seen);
            self.replace(CALLS, "calls", &self.web.calls(&seen));
            self.replace(CONFERENCES, "conferences", &self.web.conferences(&seen));
            self.people(&seen);
        }
        self.journal();
    }

    fn replace(&self, rank: u8, name: &'static str, value: &impl Serialize) {
        if let Some(data) = json(value) {
            self.web.events.replace(rank, "", name, data);
        }
    }

    fn zones(&self, seen: &Seen) {
        let directory = self.web.directory();
        self.replace(ZONES, "zones", &zones::zones(&directory, seen, &self.web.wired));
    }

    /// One event a site, so that one telephone's registration tells of no other
    /// site's people.
    fn people(&mut self, seen: &Seen) {
        if self.people_at.is_some_and(|at| at.elapsed() < PEOPLE_APART) {
            return;
        }
        self.people_at = Some(Instant::now());
        let mut before = std::mem::take(&mut self.people);
        for one in self.web.people(seen) {
            let Some(data) = json(&one) else { continue };
            before.remove(&one.site);
            self.web.events.replace(PEOPLE, &one.site, "people", data);
            self.people.insert(one.site);
        }
        for site in before {
            let empty = serde_json::json!({"site": site, "people": []});
            self.web.events.forget(PEOPLE, &site, "people", empty.to_string());
        }
    }

    fn overview(&mut self, now: &Overview) {
        let (Some(essence), Some(data)) = (json(&now.essence()), json(now)) else { return };
        let due = match &self.overview {
            Some((before, at)) => *before != essence || at.elapsed() >= AGES,
            None => true,
        };
        if due {
            self.web.events.replace(OVERVIEW, "", "overview", data);
            self.overview = Some((essence, Instant::now()));
        }
    }

    /// An age alone is no news: the overview has it.
    fn boards(&mut self, reach: &Reach) {
        let mut before = std::mem::take(&mut self.boards);
        for board in self.web.boards(reach) {
            let (site, essence) = (board.site.clone(), board.essence());
            let (Some(essence), Some(data)) = (json(&essence), json(&board)) else { continue };
            if before.remove(&site).as_ref() != Some(&essence) {
                self.web.events.replace(SITE, &site, "site", data);
            }
            self.boards.insert(site, essence);
        }
        for site in before.into_keys() {
            let empty = serde_json::json!({"site": site, "age_ms": null, "activations": []});
            self.web.events.forget(SITE, &site, "site", empty.to_string());
        }
    }

    fn journal(&mut self) {
        let facts = self.web.node.site.view().borrow().facts.clone();
        let new: Vec<_> = facts.iter().filter(|fact| !self.known.contains(&fact.id)).collect();
        if new.is_empty() {
            return;
        }
        let directory = self.web.directory();
        let surplus = new.len().saturating_sub(LINES);
        let lines = new.iter().skip(surplus);
        let lines = lines.filter_map(|fact| json(&journal::answer(fact, &directory)));
        self.web.events.journal(lines.collect(), surplus > 0);
        self.known = facts.iter().map(|fact| fact.id).collect();
    }
}
