//! A conference and the other sites that take part: what is told, asked and
//! answered, and the trunk to each. A site that speaks for another is not
//! listened to, and one that knows nothing of the conference is opened again by
//! its root, or, where it is the root, left alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_model::directory::Codec;
use weir_model::id::{NodeId, SiteId};
use weir_signaling::focus::{Input, Invited, Order, Seen, State};
use weir_signaling::sdp::Kind;

use super::house::Letter;
use super::posts::{Post, Said};
use super::task::{BEAT, Task};
use super::wire::{self, Answer, Member, Open, Request};
use crate::trunk::Trunk;
use crate::voice::mixer::{Part, Seat};
use crate::wan::Telephone;

/// Whoever asks has a shorter time-out of its own.
const ASKED_WITHIN: Duration = Duration::from_secs(20);
/// What frames between a room and its trunk are.
const LINE: Telephone = Telephone { codec: Codec::Pcma, payload_type: 8, event_type: None };

/// Sound to another site.
pub(super) struct Way {
    pub(super) trunk: Arc<Trunk>,
    _seat: Seat,
    /// `None`: it has not told where its sound goes yet.
    pub(super) theirs: Option<u16>,
    pub(super) since: std::time::Instant,
}

/// What to answer, once the focus has taken what was asked.
pub(super) enum Reply {
    Now(Answer),
    /// With our channel, if the focus has kept the trunk.
    Trunk,
}

fn now(answer: Answer) -> (Vec<Input>, Reply) {
    (Vec::new(), Reply::Now(answer))
}

fn done(input: Input) -> (Vec<Input>, Reply) {
    (vec![input], Reply::Now(Answer::Done))
}

impl Task {
    pub(super) fn requested(
        &mut self,
        from: NodeId,
        site: &SiteId,
        request: Request,
    ) -> (Vec<Input>, Reply) {
        if self.finished {
            return now(self.late(site, &request));
        }
        let Some(up) = self.posts.get(site).map(|post| post.up) else {
            return now(Answer::refused("no part of this conference"));
        };
        match request {
            Request::Open(_) if self.is_root() => now(Answer::refused("opened here")),
            Request::Open(_) => {
                self.orphaned = false;
                let mut inputs = vec![Input::Orphaned(false)];
                if up {
                    inputs.push(Input::Linked { site: site.clone() });
                }
                (inputs, Reply::Now(Answer::Done))
            }
            // It is told again when this site knows of the link, too.
            _ if !up || self.orphaned => now(Answer::refused("not linked")),
            Request::Tell(picture) => done(Input::Told(Box::new(picture.picture()))),
            Request::Order { order, rank, .. } => {
                let mut order = order.order();
                if let Order::Invite(invited) = &mut order
                    && invited.site == self.house.site
                {
                    let Some(known) = (self.house.reach)(invited.clone()) else {
                        return now(Answer::refused("nobody here has that name"));
                    };
                    *invited = known;
                }
                let ours = match &order {
                    Order::Invite(invited) => invited.site == self.house.site,
                    _ => true,
                };
                if !ours && !self.is_root() {
                    return now(Answer::refused("not a member of this site"));
                }
                (self.ordered(order, rank), Reply::Now(Answer::Done))
            }
            Request::Trunk { channel, .. } => self.trunk_asked(from, site, channel),
            Request::TrunkClosed { channel, .. } => {
                if self.ways.get(site).is_none_or(|way| way.theirs != Some(channel)) {
                    return now(Answer::Done);
                }
                self.ways.remove(site);
                done(Input::Trunk { site: site.clone(), up: false })
            }
        }
    }

    pub(super) fn reply(&mut self, site: &SiteId, reply: Reply) -> Answer {
        match reply {
            Reply::Now(answer) => answer,
            Reply::Trunk => match self.ways.get(site) {
                Some(way) => Answer::Trunk { channel: way.trunk.channel() },
                None => Answer::refused("not wanted now"),
            },
        }
    }

    /// The conference is over here, and perhaps not there.
    fn late(&mut self, site: &SiteId, request: &Request) -> Answer {
        let Some(post) = self.posts.get_mut(site) else { return Answer::Unknown };
        match request {
            Request::Tell(picture) if picture.ended => {
                post.knows_end = true;
                Answer::Done
            }
            _ if post.knows_end => Answer::Unknown,
            Request::TrunkClosed { .. } => Answer::Done,
            Request::Tell(_) | Request::Open(_) | Request::Trunk { .. } | Request::Order { .. } => {
                post.hurry();
                Answer::refused("the conference has ended here")
            }
        }
    }

    /// Over: whoever took part is told until it knows, as long as the conference
    /// might have lasted.
    pub(super) fn tell_the_end(&mut self) {
        let ended = self.focus.rules().ended;
        for (site, post) in &mut self.posts {
            if !ended || (!post.opened && !post.is_flying()) {
                post.knows_end = true;
                continue;
            }
            // One that is just being asked to take part may have begun.
            post.opened = true;
            post.tell(Box::new(self.focus.picture(site)));
        }
    }

    pub(super) fn has_told_all(&self) -> bool {
        let all = self.posts.values().all(|post| post.knows_end);
        all || Instant::now() >= self.about.ends
    }

    pub(super) fn send_posts(&mut self) {
        let at = Instant::now();
        self.heartbeat(at);
        let room = self.about.room;
        let sites: Vec<SiteId> = self.posts.keys().cloned().collect();
        for site in sites {
            let Some(mut post) = self.posts.remove(&site) else { continue };
            let open = || (!self.finished).then(|| self.part_of(&site));
            if !(self.finished && post.knows_end)
                && let Some(request) = post.next(at, room, open)
            {
                let (own, to) = (self.own.clone(), site.clone());
                self.ask_site(&site, request, |answer| async move {
                    let _over = own.send(Letter::Answered { site: to, answer }).await;
                });
            }
            self.posts.insert(site, post);
        }
    }

    /// A branch whose root has forgotten it learns so, though nothing changes.
    fn heartbeat(&mut self, at: Instant) {
        if self.is_root() || self.finished || at < self.beat {
            return;
        }
        self.beat = at + BEAT;
        let root = self.about.root.clone();
        let picture = Box::new(self.focus.picture(&root));
        if let Some(post) = self.posts.get_mut(&root).filter(|post| post.up && post.is_idle())
            && !self.orphaned
        {
            post.tell(picture);
        }
    }

    /// A branch's part of the order, as it stands now.
    fn part_of(&self, site: &SiteId) -> Open {
        let at = Instant::now();
        let ms = |until: Instant| {
            u64::try_from(until.saturating_duration_since(at).as_millis()).unwrap_or(0)
        };
        let about = &self.about;
        let members = about.members.iter().filter(|member| member.site == *site);
        // Whoever said no, or was put out, is not rung anew when the site begins anew.
        let (seen, removed) = (self.focus.members(), &self.focus.rules().removed);
        let done = |who: &str| {
            let said_no = |one: &&Seen| {
                matches!(
                    one.state,
                    State::Refused | State::Left | State::Removed | State::Elsewhere
                )
            };
            removed.contains(who) || seen.iter().filter(said_no).any(|one| one.who == who)
        };
        let part = |member: &Invited| {
            let mut one = Member::of(member);
            if done(&member.who) {
                one.dials.clear();
            }
            one
        };
        Open {
            room: about.room,
            number: about.number.clone(),
            title: about.title.clone(),
            root: about.root.clone(),
            members: members.map(part).collect(),
            chair: about.chair.clone(),
            confirm: about.confirm,
            open: about.open,
            from: about.from.clone(),
            from_name: about.from_name.clone(),
            rings_ms: ms(about.ring_until),
            lasts_ms: ms(about.ends),
        }
    }

    fn ask_site<F, T>(&self, site: &SiteId, request: Request, then: F)
    where
        F: FnOnce(Result<Answer, String>) -> T + Send + 'static,
        T: Future<Output = ()> + Send,
    {
        let asked = request.bytes().map(|bytes| (self.house.ask)(site.clone(), bytes.into()));
        let stop = self.house.stop.clone();
        self.house.tasks.spawn(async move {
            let answer = match asked {
                Err(error) => Err(error.to_string()),
                Ok(asked) => tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    answer = timeout(ASKED_WITHIN, asked) => match answer {
                        Ok(Ok(bytes)) => Answer::read(&bytes).map_err(|error| error.to_string()),
                        Ok(Err(why)) => Err(why),
                        Err(_) => Err("no answer in time".into()),
                    },
                },
            };
            then(answer).await;
        });
    }

    pub(super) fn post_answered(
        &mut self,
        site: &SiteId,
        answer: &Result<Answer, String>,
    ) -> Vec<Input> {
        if let Ok(Answer::Refused { why }) = answer {
            tracing::info!(room = self.about.room, %site, why, "a site refused");
        }
        let is_root = self.is_root();
        let Some(post) = self.posts.get_mut(site) else { return Vec::new() };
        match post.answered(Instant::now(), answer) {
            Said::Opened => {
                post.tell(Box::new(self.focus.picture(site)));
                Vec::new()
            }
            Said::KnowsEnd => {
                post.knows_end = true;
                Vec::new()
            }
            Said::Unknown if self.finished => {
                post.knows_end = true;
                Vec::new()
            }
            // It began anew, or had ended alone.
            Said::Unknown if is_root => {
                post.opened = false;
                Vec::new()
            }
            Said::Unknown => self.orphan(),
            Said::Nothing => Vec::new(),
        }
    }

    fn orphan(&mut self) -> Vec<Input> {
        if std::mem::replace(&mut self.orphaned, true) {
            return Vec::new();
        }
        tracing::warn!(room = self.about.room, root = %self.about.root, "forgotten by its root");
        vec![Input::Orphaned(true)]
    }

    /// Here, and at the member's own site where only that can do it.
    pub(super) fn ordered(&mut self, order: Order, rank: u8) -> Vec<Input> {
        let mut inputs = Vec::new();
        if self.finished {
            return inputs;
        }
        for site in self.whose_business(&order) {
            if !self.posts.contains_key(&site) && self.is_root() {
                let full = self.posts.len() >= weir_signaling::focus::SITES_MAX;
                if full || (self.house.peer_of)(&site).is_none() {
                    continue;
                }
                let up = self.is_linked(&site);
                self.posts.insert(site.clone(), Post::new(false, up));
                inputs.push(Input::Branch { site: site.clone() });
                if up {
                    inputs.push(Input::Linked { site: site.clone() });
                }
            }
            let towards = if self.is_root() { &site } else { &self.about.root };
            let passed = wire::Order::of(&order);
            if let Some((post, passed)) = self.posts.get_mut(towards).zip(passed) {
                post.order(Instant::now(), passed, rank);
            }
        }
        inputs.push(Input::Order { order, rank });
        inputs
    }

    /// Other sites that an order must be passed on to.
    fn whose_business(&self, order: &Order) -> Vec<SiteId> {
        let own = &self.house.site;
        let mut sites: Vec<SiteId> = match order {
            Order::Invite(invited) => vec![invited.site.clone()],
            Order::Redial { who } => {
                let seen = self.focus.members().into_iter();
                seen.filter(|seen| seen.who == *who).map(|seen| seen.site).collect()
            }
            Order::Mute { .. }
            | Order::MuteAll(_)
            | Order::Lecture(_)
            | Order::Lock(_)
            | Order::Remove { .. }
            | Order::End => Vec::new(),
        };
        // Who is known here is rung here.
        if sites.contains(own) {
            sites.clear();
        }
        sites.truncate(weir_signaling::focus::SITES_MAX);
        sites
    }

    fn open_way(&mut self, site: &SiteId, peer: Option<NodeId>) -> Option<&mut Way> {
        let tag = self.tag();
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(room = self.about.room, %site, %error, "no sound to a site");
        };
        let Some(peer) = peer else {
            failed(&"no node drives it");
            return None;
        };
        let line = self.room.add_line(tag, Part::Trunk, Some(Kind::Pcma));
        let (seat, line) = line.inspect_err(|error| failed(error)).ok()?;
        let trunk = self.house.trunks.open_line(peer, line);
        let trunk = Arc::new(trunk.inspect_err(|error| failed(error)).ok()?);
        let since = std::time::Instant::now();
        self.ways.insert(site.clone(), Way { trunk, _seat: seat, theirs: None, since });
        self.ways.get_mut(site)
    }

    /// A branch asks its root.
    pub(super) fn open_trunk(&mut self, site: &SiteId) -> Option<Input> {
        let peer = (self.house.peer_of)(site);
        let Some(way) = self.open_way(site, peer) else {
            return Some(Input::Trunk { site: site.clone(), up: false });
        };
        let channel = way.trunk.channel();
        let request = Request::Trunk { room: self.about.room, channel };
        let (own, to) = (self.own.clone(), site.clone());
        self.ask_site(site, request, move |answer| async move {
            let _over = own.send(Letter::Trunk { site: to, channel, answer }).await;
        });
        None
    }

    pub(super) fn trunk_answered(
        &mut self,
        site: &SiteId,
        channel: u16,
        answer: Result<Answer, String>,
    ) -> Vec<Input> {
        let is_root = self.is_root();
        let way = self.ways.get_mut(site).filter(|way| way.trunk.channel() == channel);
        let up = match (way, answer) {
            (Some(way), Ok(Answer::Trunk { channel })) => {
                way.theirs = Some(channel);
                way.trunk.join(channel, LINE, None);
                true
            }
            // Given up meanwhile: the other end must not talk to nobody.
            (None, Ok(Answer::Trunk { .. })) => {
                if let Some(post) = self.posts.get_mut(site) {
                    post.trunk_closed(channel);
                }
                return Vec::new();
            }
            (None, _) => return Vec::new(),
            (Some(_), Ok(Answer::Unknown)) if !is_root => {
                self.ways.remove(site);
                return self.orphan();
            }
            (Some(_), Ok(_) | Err(_)) => {
                self.ways.remove(site);
                false
            }
        };
        vec![Input::Trunk { site: site.clone(), up }]
    }

    /// The root is asked; what was there before is no more.
    fn trunk_asked(&mut self, from: NodeId, site: &SiteId, channel: u16) -> (Vec<Input>, Reply) {
        if !self.is_root() {
            return now(Answer::refused("only a root is asked"));
        }
        self.ways.remove(site);
        let Some(way) = self.open_way(site, Some(from)) else {
            return now(Answer::refused("no trunk could be opened"));
        };
        way.theirs = Some(channel);
        way.trunk.join(channel, LINE, None);
        (vec![Input::Trunk { site: site.clone(), up: true }], Reply::Trunk)
    }

    pub(super) fn close_trunk(&mut self, site: &SiteId) {
        let Some(way) = self.ways.remove(site) else { return };
        if way.theirs.is_some()
            && let Some(post) = self.posts.get_mut(site)
        {
            post.trunk_closed(way.trunk.channel());
        }
    }
}
