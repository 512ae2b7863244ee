//! What follows from how things stand, after every input: who is to be rung or
//! to go, who is mute, which trunk is wanted, what other sites are to know.

use std::collections::BTreeMap;

use weir_model::id::SiteId;

use super::legs::Stage;
use super::order::{LegId, Output, Place, Record, Report, State, Why};
use super::sites::{Link, Picture, Seen};
use super::{Focus, Phase};

impl Focus {
    pub(super) fn settle(&mut self) {
        self.give_up();
        self.take_out_removed();
        self.give_way();
        self.ring_due();
        self.seat();
        self.count();
        let ended = self.rules.ended || self.now_ms >= self.ends_ms;
        let deserted = self.is_deserted();
        if ended || self.stopped || deserted {
            // The end of its time is the end everywhere.
            if ended && !self.rules.ended {
                self.rules.ended = true;
                self.rules.change(u8::MAX, &self.site, self.agreed);
            }
            self.end();
            return;
        }
        self.trunks(true);
        let urgent = std::mem::take(&mut self.urgent);
        self.share(urgent);
    }

    /// Its root has forgotten it, and so have its people.
    fn is_deserted(&mut self) -> bool {
        let any = self.members.values().any(|member| member.state == State::Joined);
        if !self.orphan || any {
            self.empty_ms = None;
            return false;
        }
        let since_ms = *self.empty_ms.get_or_insert(self.now_ms);
        self.now_ms >= since_ms.saturating_add(self.limits.orphan_ms)
    }

    fn take_out_removed(&mut self) {
        let here = self.rules.removed.iter().filter(|who| {
            self.members.get(*who).is_some_and(|member| member.state != State::Removed)
        });
        for who in here.cloned().collect::<Vec<String>>() {
            self.take_out(&who, State::Removed, Why::Removed);
        }
    }

    /// Root first, then by name: whoever joined at two sites stays at the first.
    fn precedes(&self, site: &SiteId) -> bool {
        match &self.place {
            Place::Root { .. } => false,
            Place::Branch { root } => site == root || *site < self.site,
        }
    }

    /// Nobody is rung here who has joined elsewhere.
    fn give_way(&mut self) {
        let missing = self.missing();
        let mut elsewhere: BTreeMap<String, bool> = BTreeMap::new();
        for Seen { who, site, state } in self.seen() {
            if state == State::Joined && !missing.contains(&site) {
                let first = self.precedes(&site);
                *elsewhere.entry(who).or_default() |= first;
            }
        }
        for (who, first) in &elsewhere {
            match self.members.get(who).map(|member| member.state) {
                None | Some(State::Elsewhere | State::Removed) => {}
                Some(State::Joined) if !first => {}
                Some(_) => self.take_out(who, State::Elsewhere, Why::Elsewhere),
            }
        }
        // Gone from there: they may come back here, but are not rung.
        for (who, member) in &mut self.members {
            if member.state == State::Elsewhere && !elsewhere.contains_key(who) {
                member.state = State::Left;
            }
        }
    }

    fn ring_due(&mut self) {
        let due = |who: &String, due_ms: Option<u64>| {
            let placing = self.placing.values().any(|(of, _)| of == who);
            due_ms.is_some_and(|due_ms| due_ms <= self.now_ms) && !placing
        };
        let due = self.members.iter().filter(|(who, member)| due(who, member.due_ms));
        for who in due.map(|(who, _)| who.clone()).collect::<Vec<String>>() {
            self.ring(&who);
        }
    }

    fn seat(&mut self) {
        let mut changed: Vec<(LegId, bool)> = Vec::new();
        for (id, leg) in &self.legs {
            let mute = self.is_mute(&leg.who);
            if matches!(leg.stage, Stage::In { mute: before } if before != Some(mute)) {
                changed.push((*id, mute));
            }
        }
        for (leg, mute) in changed {
            if let Some(leg) = self.legs.get_mut(&leg) {
                leg.stage = Stage::In { mute: Some(mute) };
            }
            self.out.push(Output::Seat { leg, mute });
        }
    }

    fn count(&mut self) {
        let Some((min, by_ms)) = self.min else { return };
        let joined = self.joined();
        if joined >= min {
            self.min = None;
            self.out.push(Output::Report(Report::Reached { joined }));
        } else if by_ms.is_some_and(|by_ms| self.now_ms >= by_ms) {
            self.min = Some((min, None));
            self.out.push(Output::Report(Report::NotReached { joined }));
        }
    }

    /// A branch wants its trunk while any of its people are in; the root takes
    /// what comes.
    fn trunks(&mut self, lives: bool) {
        let asks = !self.is_root();
        let any = self.members.values().any(|member| member.state == State::Joined);
        let (now_ms, limits) = (self.now_ms, self.limits);
        for (site, link) in &mut self.links {
            let wanted = lives && link.up && (any || !asks);
            link.keep_trunk(now_ms, (site, asks, wanted), &limits, &mut self.out);
        }
    }

    /// What `to` is to know. After the end it is kept, and told to a site that
    /// was cut off and still speaks of this conference.
    pub fn picture(&self, to: &SiteId) -> Picture {
        let root = self.is_root();
        let told = |seen: &Seen| if root { seen.site != *to } else { seen.site == self.site };
        Picture {
            room: self.room,
            from: self.site.clone(),
            rules: self.rules.clone(),
            agreed: match root {
                true => self.links.get(to).map_or(0, |link| link.judged),
                false => self.agreed,
            },
            members: self.members().into_iter().filter(told).collect(),
            missing: if root { self.missing() } else { std::collections::BTreeSet::new() },
        }
    }

    fn share(&mut self, at_once: bool) {
        for site in self.links.keys().cloned().collect::<Vec<SiteId>>() {
            let due = |link: &Link| link.may_tell(self.now_ms, at_once);
            if !self.links.get(&site).is_some_and(due) {
                continue;
            }
            let picture = self.picture(&site);
            let Some(link) = self.links.get_mut(&site) else { continue };
            if let Some(picture) = link.tell(self.now_ms, picture, &self.limits) {
                self.out.push(Output::Tell { site, picture });
            }
        }
    }

    fn end(&mut self) {
        let why = if self.rules.ended { Why::Ended } else { Why::NodeStopped };
        for who in self.members.keys().cloned().collect::<Vec<String>>() {
            let state = self.members.get(&who).map(|member| member.state);
            let state = match state {
                Some(State::Joined | State::Ringing) | None => State::Left,
                Some(state) => state,
            };
            self.take_out(&who, state, why);
        }
        self.trunks(false);
        self.share(true);
        if self.is_root() && self.rules.ended {
            let joined = u32::try_from(self.joined_ever.len()).unwrap_or(u32::MAX);
            let at_ms = self.now_ms;
            self.out.push(Output::Record(Record::Ended { at_ms, joined }));
        }
        let until_ms = self.now_ms.saturating_add(self.limits.stray_ms);
        self.phase = Phase::Ending { until_ms };
    }

    /// When to send an [`super::Input::Tick`] at the latest.
    pub fn next_ms(&self) -> Option<u64> {
        match self.phase {
            Phase::New => return Some(self.now_ms),
            Phase::Over => return None,
            Phase::Ending { until_ms } => return Some(until_ms),
            Phase::Open => {}
        }
        let legs = self.legs.values().filter_map(|leg| match leg.stage {
            Stage::Ringing { until_ms } | Stage::Asked { until_ms } => Some(until_ms),
            Stage::In { .. } => None,
        });
        let placing = self.placing.values().map(|(_, until_ms)| *until_ms);
        let waits = |who: &String| self.placing.values().any(|(of, _)| of == who);
        let members = self.members.iter().filter(|(who, _)| !waits(who));
        let due = members.filter_map(|(_, member)| member.due_ms);
        let links = self.links.values();
        let links = links.flat_map(|link| [link.trunk_ms(), link.tell_ms(self.now_ms)]).flatten();
        let min = self.min.and_then(|(_, by_ms)| by_ms);
        let empty = self.empty_ms.map(|since_ms| since_ms.saturating_add(self.limits.orphan_ms));
        let rest = min.into_iter().chain(empty).chain([self.ends_ms]);
        legs.chain(placing).chain(due).chain(links).chain(rest).min()
    }
}
