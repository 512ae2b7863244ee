//! Conferences at this node: what a plan's step opens, what they leave in the
//! journal, and what is said to who is asked for a key. It refuses to ring anybody
//! of another site itself: that site's node does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::disk::RocksDisk;
use weir_consensus::site::{Report, Site};
use weir_consensus::store::AppliedView;
use weir_media::audio::Clip;
use weir_media::conference::{
    ConferenceError, ConferenceNews, ConferenceOrder, ConferenceView, Conferences, Invited, Order,
    Record, Report as Told, State, Why,
};
use weir_media::exchange::Dial;
use weir_model::directory::{Attendee, Codec, Contact, Directory, join_prompt};
use weir_model::fact::{EffectKey, EffectResult, FactBody, LeaveReason, Proof};
use weir_model::home::{EffectAction, EffectOrder};
use weir_model::id::{ActivationId, ConferenceId, SiteId};

use crate::sounds::Sounds;

/// What a conference reports and nobody has read yet.
const REPORTS: usize = 16;
/// Beyond the time to join: whoever was to report and does not.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a room that was open already is looked into.
const LOOK: Duration = Duration::from_millis(500);
/// Telephones of one person rung together.
const DIALS_MAX: usize = 4;
/// The rank of a plan's orders: those of people go before.
const PLAN_RANK: u8 = 0;
/// Conferences whose plan is remembered.
const OPENED_MAX: usize = 256;

/// See the module; clones share it.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub(crate) site: SiteId,
    /// Absent where the node's file has no `[sip]`.
    pub(crate) conferences: Option<Conferences>,
    pub(crate) sounds: Arc<Sounds>,
    pub(crate) agreed: watch::Receiver<Arc<AppliedView>>,
    pub(crate) tasks: TaskTracker,
    /// Those that a plan waits for, and how it stops waiting.
    pub(crate) live: Arc<Mutex<BTreeMap<EffectKey, CancellationToken>>>,
    pub(crate) opened: Opened,
}

/// By which plan's run a conference was opened.
pub(crate) type Opened = Arc<Mutex<BTreeMap<ConferenceId, ActivationId>>>;

/// What a plan's step asks for.
struct Asked<'a> {
    conference: ConferenceId,
    number: &'a str,
    members: &'a [Attendee],
    min_join: u32,
    wait: Duration,
    confirm: Option<char>,
}

impl Rooms {
    fn live(&self) -> MutexGuard<'_, BTreeMap<EffectKey, CancellationToken>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a conference; anything else is handed back.
    pub(crate) fn begin(
        &self,
        order: EffectOrder,
        ends_in: Duration,
        report: Report,
    ) -> Option<(EffectOrder, Report)> {
        if !matches!(order.action, EffectAction::Confer { .. }) {
            return Some((order, report));
        }
        let cease = CancellationToken::new();
        self.live().insert(order.key.clone(), cease.clone());
        let rooms = self.clone();
        self.tasks.spawn(async move {
            let ended = rooms.confer(&order, ends_in, &cease).await;
            rooms.live().remove(&order.key);
            // A node that stops reports nothing: the restarted one calls it unknown.
            if let Some((result, proof)) = ended {
                report.ended(result, proof).await;
            }
        });
        None
    }

    /// The plan waits no longer. The conference goes on until people end it.
    pub(crate) fn cease(&self, key: &EffectKey) {
        if let Some(cease) = self.live().get(key) {
            cease.cancel();
        }
    }

    async fn confer(
        &self,
        order: &EffectOrder,
        ends_in: Duration,
        cease: &CancellationToken,
    ) -> Option<(EffectResult, Proof)> {
        let EffectAction::Confer { conference, number, members, min_join, wait_s, confirm } =
            &order.action
        else {
            return None;
        };
        let no_way = |why: String| Some((EffectResult::Unreachable { why }, Proof::default()));
        let Some(conferences) = &self.conferences else { return no_way("no_way".to_owned()) };
        let asked = Asked {
            conference: *conference,
            number,
            members,
            min_join: *min_join,
            wait: Duration::from_secs(u64::from(*wait_s)),
            confirm: confirm.and_then(|key| char::from_digit(u32::from(key), 10)),
        };
        self.remember(*conference, order.key.activation);
        let (told, reports) = mpsc::channel(REPORTS);
        let order = tokio::select! {
            biased;
            () = cease.cancelled() => return Some((EffectResult::Ceased, Proof::default())),
            order = self.order(&asked, ends_in) => order,
        };
        match conferences.open(order, told) {
            Ok(()) => self.wait(&asked, reports, cease).await,
            Err(ConferenceError::RoomInUse(_)) => self.join(conferences, &asked, cease).await,
            Err(error) => no_way(error.to_string()),
        }
    }

    fn remember(&self, conference: ConferenceId, by: ActivationId) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= OPENED_MAX {
            opened.pop_first();
        }
        opened.insert(conference, by);
    }

    async fn order(&self, asked: &Asked<'_>, ends_in: Duration) -> ConferenceOrder {
        let directory = self.agreed.borrow().state.directory.clone();
        let members = asked.members.iter().map(|one| invited(&directory, one)).collect();
        let by_hand = ByHand {
            conference: asked.conference,
            number: asked.number.to_owned(),
            members,
            confirm: asked.confirm,
            ring_within: ends_in,
        };
        let min_by_ms = u64::try_from(asked.wait.as_millis()).unwrap_or(u64::MAX);
        ConferenceOrder { min_join: asked.min_join, min_by_ms, ..self.by_hand(by_hand).await }
    }

    /// A conference that waits for nobody.
    pub(crate) async fn by_hand(&self, asked: ByHand) -> ConferenceOrder {
        let directory = self.agreed.borrow().state.directory.clone();
        let clips = match asked.confirm {
            Some(key) => announcement(self.agreed.clone(), self.sounds.clone(), key).await,
            None => BTreeMap::new(),
        };
        let title = title(&directory, &asked.number);
        ConferenceOrder {
            room: asked.conference.0,
            title: title.clone(),
            members: asked.members,
            min_join: 0,
            min_by_ms: 0,
            chair: None,
            confirm: asked.confirm,
            open: true,
            ring_within: asked.ring_within,
            clips,
            from: asked.number.clone(),
            from_name: title,
            number: asked.number,
        }
    }

    /// Until as many have joined as were asked for, or not in time.
    async fn wait(
        &self,
        asked: &Asked<'_>,
        mut reports: mpsc::Receiver<Told>,
        cease: &CancellationToken,
    ) -> Option<(EffectResult, Proof)> {
        let by = Instant::now() + asked.wait + PATIENCE;
        let wanted = asked.min_join;
        loop {
            let report = tokio::select! {
                biased;
                () = cease.cancelled() => return Some((EffectResult::Ceased, Proof::default())),
                report = timeout_at(by, reports.recv()) => report,
            };
            match report {
                Ok(Some(Told::Reached { joined })) => {
                    return Some((EffectResult::Done, Proof::joined(joined, wanted)));
                }
                Ok(Some(Told::NotReached { joined })) => {
                    let too_few = EffectResult::too_few(joined, wanted);
                    return Some((too_few, Proof::joined(joined, wanted)));
                }
                Ok(Some(Told::Missing { .. } | Told::Back { .. })) => {}
                // Ended by people, or the node stops and its next life asks.
                Ok(None) if self.tasks.is_closed() => return None,
                Ok(None) | Err(_) => {
                    let why = "the conference ended before it said who joined".to_owned();
                    return Some((EffectResult::Unknown { why }, Proof::default()));
                }
            }
        }
    }

    /// The room is open already: who is missing is rung into it.
    async fn join(
        &self,
        conferences: &Conferences,
        asked: &Asked<'_>,
        cease: &CancellationToken,
    ) -> Option<(EffectResult, Proof)> {
        let room = || {
            let ours =
                |view: &ConferenceView| view.number == asked.number && view.root == self.site;
            conferences.views().into_iter().find(ours)
        };
        let Some(view) = room() else {
            let why = "the room closed while it was asked".to_owned();
            return Some((EffectResult::Unreachable { why }, Proof::default()));
        };
        if asked.confirm.is_some() && view.confirm.is_none() {
            // A voice-mail would join it.
            let why = "the room is open without a key".to_owned();
            return Some((EffectResult::Unreachable { why }, Proof::default()));
        }
        let named: BTreeSet<String> =
            asked.members.iter().map(|one| one.person.to_string()).collect();
        let there = |who: &str| {
            let in_it = view.members.iter().filter(|one| one.who == who);
            in_it.clone().any(|one| matches!(one.state, State::Joined | State::Ringing))
        };
        let directory = self.agreed.borrow().state.directory.clone();
        for one in asked.members.iter().map(|one| invited(&directory, one)) {
            if !there(&one.who) {
                conferences.order(view.conference, Order::Invite(one), PLAN_RANK);
            }
        }
        let (by, wanted) = (Instant::now() + asked.wait, asked.min_join);
        let mut turns = interval(LOOK);
        loop {
            tokio::select! {
                biased;
                () = cease.cancelled() => return Some((EffectResult::Ceased, Proof::default())),
                _ = turns.tick() => {}
            }
            // The node stops, and its next life asks.
            if self.tasks.is_closed() {
                return None;
            }
            let joined = room().map_or(0, |view| count(&view, &named));
            if joined >= wanted {
                return Some((EffectResult::Done, Proof::joined(joined, wanted)));
            }
            if Instant::now() >= by {
                let too_few = EffectResult::too_few(joined, wanted);
                return Some((too_few, Proof::joined(joined, wanted)));
            }
        }
    }
}

/// How many of those named are in it and heard.
fn count(view: &ConferenceView, named: &BTreeSet<String>) -> u32 {
    let joined = view.members.iter().filter(|one| {
        one.state == State::Joined && !view.missing.contains(&one.site) && named.contains(&one.who)
    });
    let names: BTreeSet<&str> = joined.map(|one| one.who.as_str()).collect();
    u32::try_from(names.len()).unwrap_or(u32::MAX)
}

/// What somebody opens outside any plan.
pub(crate) struct ByHand {
    pub(crate) conference: ConferenceId,
    pub(crate) number: String,
    pub(crate) members: Vec<Invited>,
    pub(crate) confirm: Option<char>,
    pub(crate) ring_within: Duration,
}

/// What the screen of a telephone shows.
fn title(directory: &Directory, number: &str) -> String {
    let of = |prefix: &str| number.strip_prefix(prefix).is_some_and(|rest| rest.len() == 3);
    let site = directory.sites.values().find(|site| of(&site.prefix));
    format!("{}应急会商", site.map(|site| site.name_zh.clone()).unwrap_or_default())
}

/// How somebody is rung at the own site: every telephone there, and the number
/// outside through the site's first line, so that nobody's pocket rings twice.
pub(crate) fn invited(directory: &Directory, attendee: &Attendee) -> Invited {
    let Attendee { person, site, numbers } = attendee;
    let mut dials: Vec<Dial> = Vec::new();
    for dial in numbers.iter().filter_map(|contact| dial(directory, site, contact)) {
        if !dials.contains(&dial) && dials.len() < DIALS_MAX {
            dials.push(dial);
        }
    }
    Invited { who: person.to_string(), dials, site: site.clone() }
}

fn dial(directory: &Directory, site: &SiteId, contact: &Contact) -> Option<Dial> {
    match contact {
        Contact::Extension(number) => {
            let here = directory.extensions.get(number).is_some_and(|one| one.site == *site);
            here.then(|| Dial { number: number.to_string(), dial: None, at: None })
        }
        Contact::Phone(number) => {
            let trunk = directory.trunks(site).into_iter().next()?;
            Some(Dial { number: trunk.to_string(), dial: Some(number.clone()), at: None })
        }
    }
}

/// What whoever is rung hears until the key is pressed.
pub(crate) async fn announcement(
    agreed: watch::Receiver<Arc<AppliedView>>,
    sounds: Arc<Sounds>,
    key: char,
) -> BTreeMap<Codec, Clip> {
    let Some(key) = key.to_digit(10).and_then(|key| u8::try_from(key).ok()) else {
        return BTreeMap::new();
    };
    let agreed = agreed.borrow().state.clone();
    let said = sounds.playable(&agreed, &join_prompt(key)).await;
    // A siren would tell a person on the telephone nothing.
    if said.is_siren { BTreeMap::new() } else { said.clips.into_iter().collect() }
}

/// Writes down what conferences leave; none waits for the journal.
pub(crate) async fn record(
    mut news: mpsc::Receiver<ConferenceNews>,
    site: Site<RocksDisk>,
    own: SiteId,
    opened: Opened,
) {
    while let Some(one) = news.recv().await {
        let number = one.number.clone();
        if let Err(error) = site.record_call(fact(one, &own, &opened)) {
            tracing::warn!(number, %error, "a conference's fact found no room in the journal");
        }
    }
}

fn fact(news: ConferenceNews, own: &SiteId, opened: &Opened) -> FactBody {
    let conference = ConferenceId(news.conference);
    match news.record {
        Record::Opened { .. } => {
            let opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
            let by = opened.get(&conference).copied();
            FactBody::ConferenceOpened { conference, number: news.number, by }
        }
        Record::Joined { who, .. } => {
            FactBody::ConferenceJoined { conference, who, site: own.clone() }
        }
        Record::Left { who, why, .. } => {
            FactBody::ConferenceLeft { conference, who, why: reason(why) }
        }
        Record::Ended { joined, .. } => FactBody::ConferenceEnded { conference, joined },
    }
}

fn reason(why: Why) -> LeaveReason {
    match why {
        Why::HungUp => LeaveReason::HungUp,
        Why::Lost => LeaveReason::Lost,
        Why::Removed => LeaveReason::Removed,
        Why::Elsewhere => LeaveReason::Elsewhere,
        Why::Ended => LeaveReason::Ended,
        Why::NodeStopped => LeaveReason::NodeStopped,
    }
}
