//! The one task that looks at everything, at most four times a second, and
//! publishes what changed. Streams cost it nothing; without a single browser it
//! still keeps the mirrors of other sites fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};
use weir_model::fact::FactId;

use super::hub::LINES;
use crate::api::journal;
use crate::web::Web;
use crate::web::mirrors::Mirrors;
use crate::web::reach::Reach;
use crate::web::view::overview::Overview;
use crate::web::view::{overview, zones};

/// Between two looks.
const APART: Duration = Duration::from_millis(250);
/// Silence makes no noise: links are looked at this often.
const LOOK: Duration = Duration::from_millis(500);
/// Ages and round trips alone are worth an event this often.
const AGES: Duration = Duration::from_secs(5);
/// Journals of other sites are looked into this often even when nothing says
/// that they grew: what arrives late may not be among the newest facts.
const SWEEP: Duration = Duration::from_secs(2);

const OVERVIEW: u8 = 0;
const SITE: u8 = 1;
const ZONES: u8 = 2;

struct Producer {
    web: Arc<Web>,
    mirrors: Mirrors,
    known: BTreeSet<FactId>,
    /// The overview last published, and when.
    overview: Option<(String, Instant)>,
    /// The boards last published, by site, without their ages.
    boards: BTreeMap<String, String>,
    swept: Option<Instant>,
}

pub(crate) async fn produce(web: Arc<Web>) {
    let (stop, node) = (web.stop.clone(), web.node.clone());
    let (mut site, mut agreed) = (node.site.view(), node.consensus.view());
    let mut producer = Producer {
        mirrors: Mirrors::new(node.clone()),
        web,
        known: BTreeSet::new(),
        overview: None,
        boards: BTreeMap::new(),
        swept: None,
    };
    loop {
        let began = Instant::now();
        let grown = site.has_changed().unwrap_or(true) || agreed.has_changed().unwrap_or(true);
        // Marked as seen before it is read: what comes meanwhile is looked at
        // again.
        site.mark_unchanged();
        agreed.mark_unchanged();
        tokio::select! {
            () = stop.cancelled() => return,
            () = producer.look(grown) => {}
        }
        let next = async {
            tokio::select! {
                changed = site.changed() => changed.is_ok(),
                changed = agreed.changed() => changed.is_ok(),
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
    async fn look(&mut self, grown: bool) {
        let sweep = self.swept.is_none_or(|at| at.elapsed() >= SWEEP);
        if (grown || sweep) && (self.mirrors.follow().await || self.swept.is_none()) {
            self.web.seen.send_replace(Arc::new(self.mirrors.seen()));
        }
        if sweep {
            self.swept = Some(Instant::now());
        }
        let reach = overview::reach(&self.web.node, &self.web.listening);
        self.overview(&overview::overview(&self.web.node, &reach));
        self.boards(&reach);
        let (directory, seen) = (self.web.directory(), self.web.seen_now());
        if let Some(data) = json(&zones::zones(&directory, &seen, &self.web.wired)) {
            self.web.events.replace(ZONES, "", "zones", data);
        }
        self.journal();
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
