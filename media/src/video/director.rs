//! Decides which picture goes where: what is asked of cameras and of other nodes,
//! what is answered to them, and what is sent. It does nothing itself: it reads
//! neither clock nor dice, opens nothing and waits for nobody; what it wants done
//! it puts down as [`Output`]s. One stream of a camera crosses a satellite,
//! whoever watches: others are told who has it already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_model::id::{CameraId, NodeId};
use weir_signaling::picture::{Piece, Unit, read};

use super::around::Around;
use super::feed::{Feed, Source};
use super::message::{Answer, Request, refused};
use super::out::{CameraNews, Out, Output};
use super::outlet::{Asker, Outlet};
use super::stage::Stage;
use super::state::Standing;
use super::stats::VideoStats;

const SURVEY_MS: u64 = 100;
const REVIEW_MS: u64 = 1_000;
/// Streams that one node sends.
pub(super) const STREAMS_OUT_MAX: usize = 32;
/// Pictures that it takes from others or from its own cameras.
pub(super) const PICTURES_MAX: usize = 64;

/// What is watched at this node, by people and by other nodes.
#[derive(Default)]
pub(super) struct Roster(Mutex<BTreeMap<CameraId, Arc<Stage>>>);

impl Roster {
    fn stages(&self) -> MutexGuard<'_, BTreeMap<CameraId, Arc<Stage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: there are too many.
    pub(super) fn stage(&self, camera: &CameraId) -> Option<Arc<Stage>> {
        let mut stages = self.stages();
        if !stages.contains_key(camera) && stages.len() >= PICTURES_MAX {
            return None;
        }
        let stage = stages.entry(camera.clone());
        Some(stage.or_insert_with(|| Arc::new(Stage::new(Standing::Asking))).clone())
    }

    /// Whether anybody but the director holds it.
    fn is_watched(stage: &Arc<Stage>) -> bool {
        // The roster's own, and the feed's.
        Arc::strong_count(stage) > 2
    }

    /// `false`: somebody has come to watch meanwhile.
    fn forget(&self, camera: &CameraId) -> bool {
        let mut stages = self.stages();
        if stages.get(camera).is_some_and(Self::is_watched) {
            return false;
        }
        stages.remove(camera);
        true
    }
}

pub(super) struct Director {
    around: Around,
    roster: Arc<Roster>,
    feeds: BTreeMap<CameraId, Feed>,
    out: Out,
    survey_ms: u64,
    review_ms: u64,
}

impl Director {
    pub(super) fn new(around: Around, roster: Arc<Roster>, stream: u16) -> Self {
        let (feeds, out) = (BTreeMap::new(), Out::new(stream));
        Self { around, roster, feeds, out, survey_ms: 0, review_ms: 0 }
    }

    pub(super) fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out.outputs)
    }

    /// Nothing has to be done before something comes.
    pub(super) fn is_idle(&self) -> bool {
        self.feeds.is_empty()
    }

    /// Every 10 ms or so.
    pub(super) fn tick(&mut self, now_ms: u64) {
        let review = now_ms >= self.review_ms;
        if review {
            self.review_ms = now_ms + REVIEW_MS;
            self.review(now_ms);
        }
        // What was chosen is asked of the cameras before anything else is.
        if review || now_ms >= self.survey_ms {
            self.survey_ms = now_ms + SURVEY_MS;
            self.survey(now_ms);
        }
        self.feeds.values_mut().for_each(|feed| feed.flow(now_ms, &mut self.out));
    }

    fn survey(&mut self, now_ms: u64) {
        let wanted: Vec<CameraId> = self.roster.stages().keys().cloned().collect();
        for camera in wanted {
            self.feed(now_ms, &camera);
        }
        let mut over = Vec::new();
        for feed in self.feeds.values_mut() {
            let watched = Roster::is_watched(&feed.stage);
            let wanted = feed.survey(now_ms, watched, &self.around, &mut self.out);
            if !wanted && self.roster.forget(&feed.camera) {
                over.push(feed.camera.clone());
            }
        }
        for camera in over {
            if let Some(feed) = self.feeds.remove(&camera) {
                feed.close(&mut self.out);
            }
        }
    }

    /// The feed of that camera, a new one if need be. `None`: there are too many.
    fn feed(&mut self, now_ms: u64, camera: &CameraId) -> Option<&mut Feed> {
        if !self.feeds.contains_key(camera) {
            let stage = self.roster.stage(camera)?;
            let mut feed = Feed::new(now_ms, camera.clone(), stage);
            feed.align(now_ms, &self.around, &mut self.out);
            self.feeds.insert(camera.clone(), feed);
        }
        self.feeds.get_mut(camera)
    }

    fn review(&mut self, now_ms: u64) {
        let rates = self.rates(None);
        for feed in self.feeds.values_mut() {
            feed.align(now_ms, &self.around, &mut self.out);
            feed.review(now_ms, &rates);
        }
    }

    fn outlets(&self) -> impl Iterator<Item = &Outlet> {
        self.feeds.values().flat_map(|feed| &feed.outlets)
    }

    /// What each stream to a node may take: equal parts of the way there.
    fn rates(&self, newcomer: Option<NodeId>) -> BTreeMap<NodeId, u64> {
        let mut counts = BTreeMap::new();
        for peer in self.outlets().map(|outlet| outlet.asker.peer).chain(newcomer) {
            *counts.entry(peer).or_insert(0_u64) += 1;
        }
        let share = |(peer, count): (NodeId, u64)| (peer, (self.around.budget)(peer) / count);
        counts.into_iter().map(share).collect()
    }

    pub(super) fn asked(&mut self, now_ms: u64, from: NodeId, request: Request) -> Answer {
        self.out.stats.asked += 1;
        let answer = match request {
            Request::Watch { camera, stream, dished } => {
                let dish = (self.around.dish)(from);
                self.open(now_ms, &camera, Asker { peer: from, stream, dish, dished })
            }
            Request::Renew { camera, stream } => self.renew(now_ms, from, &camera, stream),
            Request::Leave { camera, stream } => {
                if let Some(feed) = self.feeds.get_mut(&camera) {
                    feed.outlets.retain(|o| (o.asker.peer, o.asker.stream) != (from, stream));
                }
                Answer::Left
            }
        };
        match &answer {
            Answer::Follow { .. } => self.out.stats.followed += 1,
            Answer::Refused { .. } => self.out.stats.refused += 1,
            Answer::Sent { .. } | Answer::Gone | Answer::Left => {}
        }
        answer
    }

    fn renew(&mut self, now_ms: u64, from: NodeId, camera: &CameraId, stream: u16) -> Answer {
        let Some(feed) = self.feeds.get_mut(camera) else { return Answer::Gone };
        let is = |o: &&mut Outlet| (o.asker.peer, o.asker.stream) == (from, stream);
        if let Some(outlet) = feed.outlets.iter_mut().find(is) {
            outlet.renew(now_ms);
        }
        let sent = feed.outlets.iter().find(|o| (o.asker.peer, o.asker.stream) == (from, stream));
        if let Some(outlet) = sent {
            return Answer::Sent { show: feed.show(outlet) };
        }
        let dish = (self.around.dish)(from);
        let other = |o: &&Outlet| dish.is_some() && o.asker.dish == dish && o.asker.peer != from;
        let relay = feed.outlets.iter().find(other);
        relay.map_or(Answer::Gone, |relay| Answer::Follow { node: relay.asker.peer })
    }

    fn open(&mut self, now_ms: u64, camera: &CameraId, asker: Asker) -> Answer {
        if (self.around.cameras)(camera).is_none() {
            return refused(
                "该节点的目录中没有这个摄像机；请核对编号",
                "that node's directory has no such camera; check its id",
            );
        }
        let (peer, stream) = (asker.peer, asker.stream);
        let same = |o: &Outlet| (o.asker.peer, o.asker.stream) == (peer, stream);
        // It chooses its numbers: what went under this one before is over.
        for feed in self.feeds.values_mut().filter(|feed| feed.camera != *camera) {
            feed.outlets.retain(|outlet| !same(outlet));
        }
        let Some(feed) = self.feed(now_ms, camera) else { return full() };
        if let Source::Away(intake) = &feed.source
            && intake.from() == Some(peer)
        {
            return refused(
                "画面正是从提问的节点取来的；稍后自动重试",
                "the picture comes from the asking node itself; it tries again by itself",
            );
        }
        if let Some(outlet) = feed.outlets.iter_mut().find(|o| same(o)) {
            outlet.renew(now_ms);
        } else if let Some(no) = self.begin(now_ms, camera, asker) {
            return no;
        }
        let feed = self.feeds.get(camera);
        let show = feed.and_then(|feed| Some(feed.show(feed.outlets.iter().find(|o| same(o))?)));
        show.map_or(Answer::Gone, |show| Answer::Sent { show })
    }

    /// Sends to whoever asked, or says why not.
    fn begin(&mut self, now_ms: u64, camera: &CameraId, asker: Asker) -> Option<Answer> {
        let feed = self.feeds.get_mut(camera)?;
        // It began anew, and knows nothing of the stream before.
        feed.outlets.retain(|outlet| outlet.asker.peer != asker.peer);
        let crosses = |o: &Outlet| asker.dish.is_some() && o.asker.dish == asker.dish;
        if let Some(relay) = feed.outlets.iter().find(|o| crosses(o)) {
            if asker.dished || !relay.asker.dished {
                return Some(Answer::Follow { node: relay.asker.peer });
            }
            // From behind a dish it would cross that one again to everybody else.
            feed.outlets.retain(|outlet| !crosses(outlet));
        }
        if self.outlets().count() >= STREAMS_OUT_MAX {
            return Some(full());
        }
        let rate_bps = self.rates(Some(asker.peer)).get(&asker.peer).copied().unwrap_or(0);
        let feed = self.feeds.get_mut(camera)?;
        feed.add(now_ms, Outlet::new(now_ms, asker, rate_bps));
        None
    }

    pub(super) fn answered(&mut self, now_ms: u64, id: u64, answer: Option<Answer>) {
        let intakes = self.feeds.values_mut().filter_map(|feed| match &mut feed.source {
            Source::Away(intake) => Some(intake),
            Source::Home(_) | Source::NoCamera | Source::NoWay => None,
        });
        if let Some(intake) = intakes.into_iter().find(|intake| intake.awaits(id)) {
            intake.answered(now_ms, answer, &mut self.out);
        }
    }

    pub(super) fn datagram(&mut self, now_ms: u64, from: NodeId, datagram: &[u8]) {
        self.out.stats.datagrams_in += 1;
        self.out.stats.bytes_in += u64::try_from(datagram.len()).unwrap_or(0);
        let taken = match read(datagram) {
            Ok(Piece::Symbol(symbol)) => self.feeds.values_mut().any(|feed| {
                let Source::Away(intake) = &mut feed.source else { return false };
                let ours = intake.is(from, symbol.stream);
                if ours {
                    intake.take(now_ms, datagram);
                }
                ours
            }),
            Ok(Piece::Report(report)) => {
                let is = |o: &&mut Outlet| (o.asker.peer, o.asker.stream) == (from, report.stream);
                let mut outlets = self.feeds.values_mut().flat_map(|feed| &mut feed.outlets);
                outlets.find(is).map(|outlet| outlet.heard(&report)).is_some()
            }
            Err(_) => false,
        };
        self.out.stats.datagrams_strange += u64::from(!taken);
    }

    fn home(&mut self, lens: u64) -> Option<&mut Feed> {
        let has = |feed: &&mut Feed| match &feed.source {
            Source::Home(home) => home.has(lens),
            Source::Away(_) | Source::NoCamera | Source::NoWay => false,
        };
        self.feeds.values_mut().find(has)
    }

    /// A picture of a camera here, through one of its views.
    pub(super) fn unit(&mut self, now_ms: u64, lens: u64, unit: Unit) {
        if let Some(feed) = self.home(lens) {
            feed.unit(now_ms, lens, unit);
            self.out.stats.units += 1;
        }
    }

    pub(super) fn camera(&mut self, lens: u64, news: CameraNews) {
        if let Some(Feed { source: Source::Home(home), .. }) = self.home(lens) {
            home.news(lens, news);
        }
    }

    /// Those to whom pictures are sent now.
    pub(super) fn peers(&self) -> Vec<NodeId> {
        let mut peers: Vec<NodeId> = self.outlets().map(|outlet| outlet.asker.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    pub(super) fn stats(&self) -> VideoStats {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let mut stats = VideoStats {
            pictures: number(self.feeds.len()),
            streams_out: number(self.outlets().count()),
            ..self.out.stats
        };
        for feed in self.feeds.values() {
            match &feed.source {
                Source::Home(home) => stats.cameras += home.count(),
                Source::Away(intake) => intake.add_to(&mut stats),
                Source::NoCamera | Source::NoWay => {}
            }
        }
        stats
    }
}

fn full() -> Answer {
    refused(
        "该节点转送的画面已达上限，请先关闭一些",
        "as many pictures as that node sends are under way; close some first",
    )
}
