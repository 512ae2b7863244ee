//! One conference at one site: who is rung, who has joined, who is heard; and how
//! its part fits to those of other sites. One input in, outputs out. It refuses
//! to ring anybody twice at once, to let a machine in where a key is asked for,
//! to leave a leg behind, and to say anything after [`Output::Over`]. A site that
//! is cut off goes on alone; when it is back, both parts are one again.

mod legs;
mod member;
mod order;
mod rules;
mod settle;
mod sites;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use weir_model::id::SiteId;

pub use order::{
    DIALS_MAX, Dial, Event, Input, Invited, LegId, Limits, MEMBERS_MAX, NotPlaced, Order, Output,
    Place, PlaceId, Record, Report, SITES_MAX, Setup, State, Why,
};
pub use rules::Rules;
pub use sites::{Picture, Seen};

use legs::Leg;
use member::Member;
use sites::Link;

/// Longer names are cut; a directory has none.
const WHO_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    /// Over, but for calls that are still being placed.
    Ending {
        until_ms: u64,
    },
    Over,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Focus {
    room: u64,
    site: SiteId,
    place: Place,
    chair: Option<String>,
    confirm: Option<char>,
    open: bool,
    limits: Limits,
    /// As long as its time has not come: how many, and by when.
    min: Option<(u32, Option<u64>)>,
    phase: Phase,
    now_ms: u64,
    ends_ms: u64,
    members: BTreeMap<String, Member>,
    legs: BTreeMap<LegId, Leg>,
    /// Orders to call that were not answered yet, and until when they count.
    placing: BTreeMap<PlaceId, (String, u64)>,
    next_place: u32,
    rules: Rules,
    agreed: u64,
    links: BTreeMap<SiteId, Link>,
    stopped: bool,
    /// Other sites are to hear of it at once.
    urgent: bool,
    /// By name, here and elsewhere.
    joined_ever: BTreeSet<String>,
    /// The root has forgotten this branch.
    orphan: bool,
    /// Since when nobody is in a branch that is forgotten.
    empty_ms: Option<u64>,
    out: Vec<Output>,
}

fn short(mut who: String) -> String {
    let end = (0..=WHO_MAX.min(who.len())).rfind(|at| who.is_char_boundary(*at));
    who.truncate(end.unwrap_or(0));
    who
}

impl Focus {
    /// `now_ms` counts from anywhere and never goes back.
    pub fn new(setup: Setup, now_ms: u64) -> Self {
        let sites = match &setup.place {
            Place::Root { branches } => branches.clone(),
            Place::Branch { root } => [root.clone()].into(),
        };
        let mut focus = Self {
            room: setup.room,
            rules: Rules::new(setup.site.clone()),
            links: sites.into_iter().map(|site| (site, Link::default())).collect(),
            min: matches!(setup.place, Place::Root { .. })
                .then(|| (setup.min_join, Some(now_ms.saturating_add(setup.min_by_ms))))
                .filter(|(min, _)| *min > 0),
            site: setup.site,
            place: setup.place,
            chair: setup.chair.map(short),
            confirm: setup.confirm,
            open: setup.open,
            ends_ms: now_ms.saturating_add(setup.limits.lasts_ms),
            limits: setup.limits,
            phase: Phase::New,
            now_ms,
            members: BTreeMap::new(),
            legs: BTreeMap::new(),
            placing: BTreeMap::new(),
            next_place: 0,
            agreed: 0,
            stopped: false,
            urgent: false,
            joined_ever: BTreeSet::new(),
            orphan: false,
            empty_ms: None,
            out: Vec::new(),
        };
        setup.members.into_iter().for_each(|member| focus.invite(member));
        if !setup.rings {
            focus.members.values_mut().for_each(|member| member.due_ms = None);
        }
        focus
    }

    fn is_root(&self) -> bool {
        matches!(self.place, Place::Root { .. })
    }

    /// Takes one input.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Output> {
        self.now_ms = self.now_ms.max(now_ms);
        if self.phase == Phase::New {
            self.phase = Phase::Open;
            if self.is_root() {
                self.out.push(Output::Record(Record::Opened { at_ms: self.now_ms }));
            }
        }
        match self.phase {
            Phase::New | Phase::Open => {
                self.take(input);
                self.settle();
            }
            Phase::Ending { .. } => self.late(input),
            Phase::Over => {}
        }
        self.end_strays();
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Begin | Input::Tick => {}
            Input::CallIn { leg, number } => self.call_in(leg, short(number)),
            Input::Placed { place, legs } => self.placed(place, legs),
            Input::NotPlaced { place, why } => self.not_placed(place, why),
            Input::Heard { leg, event } => self.heard(leg, event),
            Input::Order { order, rank } => self.order(order, rank),
            Input::Linked { site } => self.linked(&site, true),
            Input::Cut { site } => self.linked(&site, false),
            Input::Trunk { site, up } => match self.links.get_mut(&site) {
                Some(link) => link.trunk(self.now_ms, up, &self.limits),
                None if up => self.out.push(Output::CloseTrunk { site }),
                None => {}
            },
            Input::Branch { site } => self.branch(site),
            Input::Orphaned(orphan) => self.orphaned(orphan),
            Input::Told(picture) => self.told(*picture),
            Input::Stop => self.stopped = true,
        }
    }

    /// All is said; what is on its way must not ring on.
    fn late(&mut self, input: Input) {
        match input {
            Input::CallIn { leg, .. } => self.out.push(Output::Refuse { leg, code: 480 }),
            Input::Placed { place, legs } => {
                self.placing.remove(&place);
                self.out.extend(legs.into_iter().map(|leg| Output::HangUp { leg }));
            }
            Input::NotPlaced { place, .. } => _ = self.placing.remove(&place),
            Input::Trunk { site, up: true } => self.out.push(Output::CloseTrunk { site }),
            Input::Begin
            | Input::Heard { .. }
            | Input::Order { .. }
            | Input::Linked { .. }
            | Input::Cut { .. }
            | Input::Branch { .. }
            | Input::Orphaned(_)
            | Input::Trunk { up: false, .. }
            | Input::Told(_)
            | Input::Stop
            | Input::Tick => {}
        }
    }

    fn end_strays(&mut self) {
        if let Phase::Ending { until_ms } = self.phase
            && (self.placing.is_empty() || self.now_ms >= until_ms)
        {
            self.placing.clear();
            self.phase = Phase::Over;
            self.out.push(Output::Over);
        }
    }

    fn invite(&mut self, invited: Invited) {
        let Invited { who, mut dials, site } = invited;
        let who = short(who);
        let full = self.members.len() >= MEMBERS_MAX && !self.members.contains_key(&who);
        if site != self.site || full {
            return;
        }
        dials.truncate(DIALS_MAX);
        let now_ms = self.now_ms;
        let member = self.members.entry(who).or_insert_with(|| Member::new(Vec::new(), None));
        if !dials.is_empty() {
            member.dials = dials;
        }
        if !matches!(member.state, State::Joined | State::Ringing) {
            member.again_at(now_ms);
        }
    }

    fn order(&mut self, order: Order, rank: u8) {
        match order {
            Order::Mute { who, mute: true } => _ = self.rules.muted.insert(short(who)),
            Order::Mute { who, mute: false } => _ = self.rules.muted.remove(&who),
            // Whoever was mute before stays so, in it or not.
            Order::MuteAll(true) => {
                let all = self.everybody();
                self.rules.muted.extend(all);
            }
            Order::MuteAll(false) => self.rules.muted.clear(),
            Order::Lecture(on) => self.rules.lecture = on,
            Order::Lock(on) => self.rules.locked = on,
            Order::Remove { who } => _ = self.rules.removed.insert(short(who)),
            Order::Invite(invited) => {
                self.rules.removed.remove(&invited.who);
                self.invite(invited);
            }
            Order::Redial { who } => {
                self.rules.removed.remove(&who);
                let now_ms = self.now_ms;
                let member = self.members.get_mut(&who);
                let idle =
                    |member: &&mut Member| !matches!(member.state, State::Joined | State::Ringing);
                if let Some(member) = member.filter(idle) {
                    member.again_at(now_ms);
                }
            }
            Order::End => self.rules.ended = true,
        }
        self.rules.bound();
        self.rules.change(rank, &self.site, self.agreed);
        self.urgent = true;
    }

    /// Who is in it, here and elsewhere, but the chair.
    fn everybody(&self) -> BTreeSet<String> {
        let joined = self.members().into_iter().filter(|seen| seen.state == State::Joined);
        let names = joined.map(|seen| seen.who);
        names.filter(|who| Some(who) != self.chair.as_ref()).collect()
    }

    fn is_mute(&self, who: &str) -> bool {
        let chair = self.chair.as_deref() == Some(who);
        self.rules.muted.contains(who) || (self.rules.lecture && !chair)
    }

    fn branch(&mut self, site: SiteId) {
        let fits = self.links.len() < SITES_MAX && site != self.site;
        if self.is_root() && fits {
            self.links.entry(site).or_default();
        }
    }

    fn orphaned(&mut self, orphan: bool) {
        let Place::Branch { root } = &self.place else { return };
        let root = root.clone();
        if orphan {
            self.linked(&root, false);
        }
        self.orphan = orphan;
    }

    fn linked(&mut self, site: &SiteId, up: bool) {
        // What the root does not know it does not join again.
        if up && self.orphan {
            return;
        }
        let Some(link) = self.links.get_mut(site) else { return };
        if !link.turn(up) {
            return;
        }
        let site = site.clone();
        let report = if up { Report::Back { site } } else { Report::Missing { site } };
        self.out.push(Output::Report(report));
    }

    fn told(&mut self, picture: Picture) {
        let Picture { room, from, mut rules, agreed, members, missing } = picture;
        let Some(link) = self.links.get_mut(&from).filter(|link| room == self.room && link.up)
        else {
            return;
        };
        rules.bound();
        match &self.place {
            Place::Root { .. } => {
                // A branch speaks for its own people only.
                link.hear(members.into_iter().filter(|seen| seen.site == from));
                link.judged = link.judged.max(rules.epoch);
                let names = link.members.iter().filter(|(_, state)| **state == State::Joined);
                let names: Vec<String> = names.map(|((who, _), _)| who.clone()).collect();
                names.into_iter().for_each(|who| self.has_joined(who));
                self.rules.judge(rules, agreed);
            }
            Place::Branch { .. } => {
                let own = &self.site;
                link.hear(members.into_iter().filter(|seen| seen.site != *own));
                link.missing = missing;
                self.rules.adopt(rules, agreed, &mut self.agreed);
            }
        }
    }

    fn has_joined(&mut self, who: String) {
        if self.joined_ever.len() < sites::SEEN_MAX {
            self.joined_ever.insert(who);
        }
    }

    /// Everybody, as far as is known here; of a missing site, as it was last
    /// heard.
    pub fn members(&self) -> Vec<Seen> {
        let own = self.members.iter().map(|(who, member)| Seen {
            who: who.clone(),
            site: self.site.clone(),
            state: member.state,
        });
        own.chain(self.seen()).collect()
    }

    fn seen(&self) -> impl Iterator<Item = Seen> {
        let all = self.links.values().flat_map(|link| &link.members);
        all.map(|((who, site), state)| Seen { who: who.clone(), site: site.clone(), state: *state })
    }

    /// Sites whose people are not heard here now.
    pub fn missing(&self) -> BTreeSet<SiteId> {
        let cut = self.links.iter().filter(|(_, link)| !link.up);
        let beyond = self.links.values().flat_map(|link| {
            let seen = link.members.keys().map(|(_, site)| site).filter(|_| !link.up);
            seen.chain(&link.missing)
        });
        cut.map(|(site, _)| site)
            .chain(beyond)
            .filter(|site| **site != self.site)
            .cloned()
            .collect()
    }

    /// How many have joined and are heard here.
    pub fn joined(&self) -> u32 {
        let missing = self.missing();
        let joined = |seen: &Seen| seen.state == State::Joined && !missing.contains(&seen.site);
        // One person at two telephones is one.
        let names = self.members().into_iter().filter(joined).map(|seen| seen.who);
        let names: BTreeSet<String> = names.collect();
        u32::try_from(names.len()).unwrap_or(u32::MAX)
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }
}
