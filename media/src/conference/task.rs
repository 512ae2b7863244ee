//! One conference as a task: what its legs, its room, people and other sites say
//! goes into the focus, and what the focus says is carried out, in order. Decides
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_model::id::SiteId;
use weir_signaling::focus::{Focus, Input, Invited, LegId, Output, PlaceId, Report, Rules};

use super::book::{ConferenceView, MemberView, Page, TrunkView};
use super::house::{House, Letter, Plan};
use super::legs::{Leg, Legs, Placing};
use super::posts::Post;
use super::relations::Way;
use super::{ConferenceNews, sound};
use crate::voice::mixer::{self, Prompt, Room};

/// For the announcement of a branch to be made; whoever answers then hears beeps.
const CLIPS_WITHIN: Duration = Duration::from_secs(15);
/// A branch asks its root so often whether both still speak of the same.
pub(super) const BEAT: Duration = Duration::from_secs(60);
/// How long the task sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// What stays as it was ordered.
pub(super) struct About {
    pub(super) room: u64,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) root: SiteId,
    pub(super) from: String,
    pub(super) from_name: String,
    /// Of all sites, at the root.
    pub(super) members: Vec<Invited>,
    pub(super) chair: Option<String>,
    pub(super) confirm: Option<char>,
    pub(super) open: bool,
    /// A branch that hears of it later rings nobody by itself.
    pub(super) ring_until: Instant,
    pub(super) ends: Instant,
    since_unix_ms: u64,
}

/// See the module.
pub(super) struct Task {
    pub(super) house: Arc<House>,
    pub(super) about: About,
    pub(super) focus: Focus,
    pub(super) room: Room,
    pub(super) own: mpsc::Sender<Letter>,
    inbox: mpsc::Receiver<Letter>,
    heard: mpsc::Receiver<mixer::Heard>,
    pub(super) legs: Legs,
    /// Orders to call that were not answered yet.
    pub(super) places: BTreeMap<PlaceId, Placing>,
    /// Whose leg it is, and since when it has been up.
    pub(super) whose: BTreeMap<LegId, (String, std::time::Instant)>,
    pub(super) asked: BTreeSet<LegId>,
    tags: u64,
    pub(super) prompt: watch::Receiver<Option<Prompt>>,
    pub(super) posts: BTreeMap<SiteId, Post>,
    pub(super) ways: BTreeMap<SiteId, Way>,
    links: watch::Receiver<BTreeSet<SiteId>>,
    reports: Option<mpsc::Sender<Report>>,
    began: Instant,
    pub(super) orphaned: bool,
    pub(super) beat: Instant,
    /// Nobody is to be called any more.
    pub(super) ceased: DropGuard,
    /// The focus is over; only posts are left.
    pub(super) finished: bool,
}

impl Task {
    pub(super) fn new(
        house: Arc<House>,
        plan: Plan,
        room: Room,
        (own, inbox): (mpsc::Sender<Letter>, mpsc::Receiver<Letter>),
        heard: mpsc::Receiver<mixer::Heard>,
    ) -> Self {
        let prompt = announcement(&house, &plan);
        let Plan { setup, root, number, title, from, from_name, members, .. } = plan;
        let began = Instant::now();
        let sites = match &setup.place {
            weir_signaling::focus::Place::Root { branches } => branches.clone(),
            weir_signaling::focus::Place::Branch { root } => [root.clone()].into(),
        };
        let is_root = root == house.site;
        let post = |site| (site, Post::new(!is_root, false));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let about = About {
            room: setup.room,
            number,
            title,
            root,
            from,
            from_name,
            members,
            chair: setup.chair.clone(),
            confirm: setup.confirm,
            open: setup.open,
            ring_until: began + plan.ring_within,
            ends: began + Duration::from_millis(setup.limits.lasts_ms),
            since_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        };
        let links = house.links.subscribe();
        Self {
            house,
            about,
            focus: Focus::new(setup, 0),
            room,
            own,
            inbox,
            heard,
            legs: Legs::default(),
            places: BTreeMap::new(),
            whose: BTreeMap::new(),
            asked: BTreeSet::new(),
            tags: 0,
            prompt,
            posts: sites.into_iter().map(post).collect(),
            ways: BTreeMap::new(),
            links,
            reports: plan.reports,
            began,
            orphaned: false,
            beat: began + BEAT,
            ceased: CancellationToken::new().drop_guard(),
            finished: false,
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.about.root == self.house.site
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the mixer calls the next seat.
    pub(super) fn tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }

    pub(super) async fn run(mut self, birth: u64, end: CancellationToken) {
        let stop = self.house.stop.clone();
        let mut stopping = false;
        let mut inputs = vec![Input::Begin];
        inputs.extend(self.relink());
        loop {
            self.take(inputs).await;
            if stopping || self.focus.rules().ended || self.focus.is_over() {
                self.ceased.token().cancel();
            }
            if self.focus.is_over() && !self.finished {
                self.finish(birth);
            }
            self.send_posts();
            if self.finished {
                if stopping || self.has_told_all() {
                    return;
                }
            } else {
                self.publish();
            }
            let wake = self.wake();
            inputs = tokio::select! {
                () = end.cancelled() => return,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    vec![Input::Stop]
                }
                Some(letter) = self.inbox.recv() => self.letter(letter).await,
                (leg, event) = self.legs.next() => self.said(leg, event).await,
                Some(heard) = self.heard.recv() => self.listen(heard),
                Ok(()) = self.links.changed() => self.relink(),
                () = sleep_until(wake) => vec![Input::Tick],
            };
        }
    }

    fn wake(&self) -> Instant {
        let focus = self.focus.next_ms().map(|ms| self.began + Duration::from_millis(ms));
        let posts = self.posts.values().filter_map(Post::due);
        let beat = (!self.is_root() && !self.finished).then_some(self.beat);
        let idle = if self.finished { self.about.ends } else { Instant::now() + IDLE };
        posts.chain(focus).chain(beat).fold(idle, Instant::min)
    }

    /// Each input, and whatever follows from what is carried out.
    async fn take(&mut self, mut inputs: Vec<Input>) {
        while !inputs.is_empty() {
            for input in std::mem::take(&mut inputs) {
                for output in self.focus.step(self.now_ms(), input) {
                    inputs.extend(self.carry_out(output).await);
                }
            }
        }
    }

    async fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Place { place, who, dial, ring_ms } => {
                return self.place(place, who, &dial, ring_ms);
            }
            Output::Answer { leg, who } => self.answer(leg, who).await,
            Output::Refuse { leg, code } => self.refuse(leg, code).await,
            Output::Ask { leg, .. } => self.ask(leg),
            Output::Seat { leg, mute } => self.seat(leg, mute),
            Output::HangUp { leg } => self.hang_up(leg),
            Output::OpenTrunk { site } => return self.open_trunk(&site),
            Output::CloseTrunk { site } => self.close_trunk(&site),
            Output::Tell { site, picture } => {
                if let Some(post) = self.posts.get_mut(&site) {
                    post.tell(picture);
                }
            }
            Output::Report(report) => {
                tracing::info!(room = self.about.room, ?report, "a conference");
                if let Some(reports) = &self.reports {
                    let _nobody_listens = reports.try_send(report);
                }
            }
            Output::Record(record) => {
                let (conference, number) = (self.about.room, self.about.number.clone());
                let news = ConferenceNews { conference, number, record };
                if self.house.news.try_send(news).is_err() {
                    self.house.book.lost_a_record();
                    tracing::warn!(conference, "no room for a conference's record");
                }
            }
            // Seen by whoever called this.
            Output::Over => {}
        }
        None
    }

    async fn letter(&mut self, letter: Letter) -> Vec<Input> {
        match letter {
            Letter::Order(order, rank) => self.ordered(order, rank),
            Letter::CallIn(incoming) => self.call_in(*incoming).await.into_iter().collect(),
            Letter::Placed(place, placed) => vec![self.placed(place, placed)],
            Letter::Asked { from, site, request, answer } => {
                let (inputs, said) = self.requested(from, &site, request);
                self.take(inputs).await;
                let said = self.reply(&site, said);
                let _nobody_waits = answer.send(said);
                Vec::new()
            }
            Letter::Answered { site, answer } => self.post_answered(&site, &answer),
            Letter::Trunk { site, channel, answer } => self.trunk_answered(&site, channel, answer),
        }
    }

    /// What has changed between this site and the others.
    fn relink(&mut self) -> Vec<Input> {
        let up = self.links.borrow_and_update().clone();
        let mut inputs = Vec::new();
        for (site, post) in &mut self.posts {
            let now = up.contains(site);
            if std::mem::replace(&mut post.up, now) == now {
                continue;
            }
            post.hurry();
            let site = site.clone();
            inputs.push(if now { Input::Linked { site } } else { Input::Cut { site } });
        }
        inputs
    }

    pub(super) fn is_linked(&self, site: &SiteId) -> bool {
        self.links.borrow().contains(site)
    }

    /// Nobody is in it any more; other sites may still have to hear of the end.
    fn finish(&mut self, birth: u64) {
        let (house, room) = (&self.house, self.about.room);
        house.ears.lock().unwrap_or_else(PoisonError::into_inner).remove(&room);
        house.book.remove(room);
        house.registry.lingers(room, birth);
        self.finished = true;
        self.ways.clear();
        self.places.clear();
        self.whose.clear();
        self.tell_the_end();
    }

    fn publish(&self) {
        let rules = self.focus.rules();
        let mut by_who: BTreeMap<&str, (LegId, &Leg, std::time::Instant)> = BTreeMap::new();
        for (id, (who, since)) in &self.whose {
            if let Some(leg) = self.legs.get(*id).filter(|leg| leg.sits) {
                by_who.insert(who, (*id, leg, *since));
            }
        }
        let mut seats = Vec::new();
        let mut members: Vec<MemberView> = Vec::new();
        for mut member in self.members(rules) {
            let of = by_who.get(member.who.as_str()).filter(|_| member.site == self.house.site);
            if let Some((id, leg, since)) = of {
                member.number = Some(leg.number.clone());
                (member.asked, member.held) = (self.asked.contains(id), leg.held);
                seats.push((members.len(), leg.place.seat.clone(), *since));
            }
            members.push(member);
        }
        let trunks = self.ways.iter().enumerate();
        let trunks = trunks.map(|(at, (_, way))| (at, way.trunk.clone(), way.since)).collect();
        let shown = self.ways.iter().map(|(site, way)| TrunkView {
            site: site.clone(),
            open: way.theirs.is_some(),
            age: Duration::ZERO,
            heard_ago: None,
        });
        let view = ConferenceView {
            conference: self.about.room,
            number: self.about.number.clone(),
            title: self.about.title.clone(),
            root: self.about.root.clone(),
            orphaned: self.orphaned,
            since_unix_ms: self.about.since_unix_ms,
            locked: rules.locked,
            lecture: rules.lecture,
            chair: self.about.chair.clone(),
            confirm: self.about.confirm,
            joined: self.focus.joined(),
            members,
            trunks: shown.collect(),
            missing: self.focus.missing(),
        };
        self.house.book.write(Page { view, seats, trunks });
    }

    /// Those that are known of, and those whose site has told nothing yet.
    fn members(&self, rules: &Rules) -> Vec<MemberView> {
        let chair = |who: &str| self.about.chair.as_deref() == Some(who);
        let view = |who: String, site: SiteId, state| MemberView {
            muted: rules.muted.contains(&who) || (rules.lecture && !chair(&who)),
            who,
            site,
            state,
            number: None,
            asked: false,
            held: false,
            speaks: false,
            level_dbfs: None,
            silent: false,
        };
        let seen = self.focus.members();
        let known: BTreeSet<(&str, &SiteId)> =
            seen.iter().map(|one| (one.who.as_str(), &one.site)).collect();
        let unheard = self.about.members.iter();
        let unheard = unheard.filter(|one| !known.contains(&(one.who.as_str(), &one.site)));
        let invited = weir_signaling::focus::State::Invited;
        let unheard: Vec<MemberView> =
            unheard.map(|one| view(one.who.clone(), one.site.clone(), invited)).collect();
        let seen = seen.into_iter().map(|one| view(one.who, one.site, one.state));
        seen.chain(unheard).collect()
    }
}

/// The announcement, now or as soon as it is made.
fn announcement(house: &Arc<House>, plan: &Plan) -> watch::Receiver<Option<Prompt>> {
    let Some(key) = plan.setup.confirm else { return watch::channel(None).1 };
    if !plan.clips.is_empty() {
        return watch::channel(Some(sound::prompt(&plan.clips))).1;
    }
    let (made, prompt) = watch::channel(None);
    let (clips, stop) = ((house.clips)(plan.title.clone(), key), house.stop.clone());
    house.tasks.spawn(async move {
        let clips = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            clips = timeout(CLIPS_WITHIN, clips) => clips.unwrap_or_default(),
        };
        made.send_replace(Some(sound::prompt(&clips)));
    });
    prompt
}
