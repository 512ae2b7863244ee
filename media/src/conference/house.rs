//! What all conferences of a site share: which there are, who hears what of the
//! mixer, and the doors through which calls and other sites come in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Codec;
use weir_model::id::{NodeId, SiteId};
use weir_signaling::focus::{Invited, Limits, Order, Place, PlaceId, Report, Setup};

use super::book::Book;
use super::task::Task;
use super::wire::{Answer, Open, Request};
use super::{
    Ask, CONFERENCES_MAX, Clips, ConferenceError, ConferenceNews, PeerOf, Reach, RoomAt, RoomCall,
};
use crate::audio::Clip;
use crate::sip::{Call, Incoming, Sip};
use crate::trunk::Trunks;
use crate::voice::mixer::{self, Mixer};

/// What one conference is told and has not taken yet.
const LETTERS: usize = 512;
/// What the mixer heard of one conference and nobody took yet.
const HEARD: usize = 64;
/// Conferences that are over, but for sites that were not told yet.
const LINGERING_MAX: usize = 256;
/// Of other sites at once, and of these of one.
const OTHERS_MAX: usize = 32;
const OF_ONE_MAX: usize = 8;
/// For an answer to another site.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// See the module.
pub(super) struct House {
    pub(super) site: SiteId,
    pub(super) sip: Sip,
    pub(super) mixer: Mixer,
    pub(super) trunks: Trunks,
    pub(super) ask: Ask,
    pub(super) clips: Clips,
    pub(super) peer_of: PeerOf,
    pub(super) room_at: RoomAt,
    pub(super) reach: Reach,
    pub(super) news: mpsc::Sender<ConferenceNews>,
    pub(super) limits: Limits,
    /// Sites that can be reached.
    pub(super) links: watch::Sender<std::collections::BTreeSet<SiteId>>,
    pub(super) registry: Registry,
    pub(super) ears: Ears,
    pub(super) book: Book,
    pub(super) placing: Arc<Semaphore>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// How a conference begins, at its root or at a branch.
pub(super) struct Plan {
    pub(super) setup: Setup,
    pub(super) root: SiteId,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) from: String,
    pub(super) from_name: String,
    /// Of all sites, as far as this one knows them.
    pub(super) members: Vec<Invited>,
    pub(super) ring_within: Duration,
    pub(super) clips: BTreeMap<Codec, Clip>,
    pub(super) reports: Option<mpsc::Sender<Report>>,
}

/// What a conference is told.
pub(super) enum Letter {
    Order(Order, u8),
    CallIn(Box<Incoming>),
    /// What became of an order to call.
    Placed(PlaceId, Result<Vec<Call>, weir_signaling::focus::NotPlaced>),
    /// Another site asks.
    Asked {
        from: NodeId,
        site: SiteId,
        request: Request,
        answer: oneshot::Sender<Answer>,
    },
    /// Another site has answered what the post sent.
    Answered {
        site: SiteId,
        answer: Result<Answer, String>,
    },
    /// It has answered what was asked for the trunk of this channel.
    Trunk {
        site: SiteId,
        channel: u16,
        answer: Result<Answer, String>,
    },
}

#[derive(Debug)]
struct Entry {
    letters: mpsc::Sender<Letter>,
    number: String,
    root: SiteId,
    /// Unlike that of any other entry.
    birth: u64,
    /// It is not over.
    live: bool,
    end: CancellationToken,
}

/// Who hears what of the mixer.
pub(super) type Ears = Arc<Mutex<BTreeMap<u64, mpsc::Sender<mixer::Heard>>>>;

/// The conferences of this node.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Mutex<(BTreeMap<u64, Entry>, u64)>,
}

impl Registry {
    fn entries(&self) -> MutexGuard<'_, (BTreeMap<u64, Entry>, u64)> {
        // Nothing in here is ever half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn letters(&self, room: u64) -> Option<mpsc::Sender<Letter>> {
        self.entries().0.get(&room).map(|entry| entry.letters.clone())
    }

    fn live(&self, room: u64) -> Option<mpsc::Sender<Letter>> {
        let entries = self.entries();
        let found = entries.0.get(&room).filter(|entry| entry.live);
        found.map(|entry| entry.letters.clone())
    }

    fn of_number(&self, number: &str) -> Option<mpsc::Sender<Letter>> {
        let entries = self.entries();
        let found = entries.0.values().find(|entry| entry.live && entry.number == number);
        found.map(|entry| entry.letters.clone())
    }

    fn add(
        &self,
        room: u64,
        (number, root): (&str, &SiteId),
        own: &SiteId,
        letters: mpsc::Sender<Letter>,
    ) -> Result<(u64, CancellationToken), ConferenceError> {
        let mut entries = self.entries();
        let (entries, births) = &mut *entries;
        if entries.contains_key(&room) {
            return Err(ConferenceError::Exists(room));
        }
        if entries.values().any(|entry| entry.live && entry.number == number) {
            return Err(ConferenceError::RoomInUse(number.into()));
        }
        let live = entries.values().filter(|entry| entry.live);
        let of_others = live.clone().filter(|entry| entry.root != *own).count();
        let of_root = live.clone().filter(|entry| entry.root == *root).count();
        // Room is left for conferences of this site.
        let others_full = of_others >= OTHERS_MAX || of_root >= OF_ONE_MAX;
        if live.count() >= CONFERENCES_MAX || (root != own && others_full) {
            return Err(ConferenceError::TooMany);
        }
        *births += 1;
        let (birth, end) = (*births, CancellationToken::new());
        let number = number.to_owned();
        let root = root.clone();
        let entry = Entry { letters, number, root, birth, live: true, end: end.clone() };
        entries.insert(room, entry);
        Ok((birth, end))
    }

    /// It is over, but other sites must still be told. The oldest of too many are
    /// forgotten.
    pub(super) fn lingers(&self, room: u64, birth: u64) {
        let mut entries = self.entries();
        let entries = &mut entries.0;
        if let Some(entry) = entries.get_mut(&room).filter(|entry| entry.birth == birth) {
            entry.live = false;
        }
        let dead = |entries: &BTreeMap<u64, Entry>| {
            let dead = entries.iter().filter(|(_, entry)| !entry.live);
            let oldest = dead.clone().min_by_key(|(_, entry)| entry.birth);
            (dead.count() > LINGERING_MAX).then(|| oldest.map(|(room, _)| *room)).flatten()
        };
        while let Some(entry) = dead(entries).and_then(|room| entries.remove(&room)) {
            entry.end.cancel();
        }
    }

    pub(super) fn remove(&self, room: u64, birth: u64) {
        let mut entries = self.entries();
        if entries.0.get(&room).is_some_and(|entry| entry.birth == birth) {
            entries.0.remove(&room);
        }
    }

    /// Makes room for a new life of a conference that is over here.
    fn forget(&self, room: u64) {
        let mut entries = self.entries();
        if entries.0.get(&room).is_some_and(|entry| !entry.live)
            && let Some(entry) = entries.0.remove(&room)
        {
            entry.end.cancel();
        }
    }
}

impl House {
    pub(super) fn begin(self: &Arc<Self>, plan: Plan) -> Result<(), ConferenceError> {
        if self.stop.is_cancelled() {
            return Err(ConferenceError::Stopped);
        }
        let room = plan.setup.room;
        let (letters, inbox) = mpsc::channel(LETTERS);
        let (birth, end) = {
            let whose = (plan.number.as_str(), &plan.root);
            self.registry.add(room, whose, &self.site, letters.clone())?
        };
        let mixed = self.mixer.room(room).inspect_err(|_| self.registry.remove(room, birth))?;
        let (ear, heard) = mpsc::channel(HEARD);
        self.ears.lock().unwrap_or_else(PoisonError::into_inner).insert(room, ear);
        let task = Task::new(self.clone(), plan, mixed, (letters, inbox), heard);
        let house = self.clone();
        self.tasks.spawn(async move {
            task.run(birth, end).await;
            house.registry.remove(room, birth);
        });
        Ok(())
    }

    pub(super) fn order(&self, room: u64, order: Order, rank: u8) -> bool {
        let letters = self.registry.live(room);
        letters.is_some_and(|letters| letters.try_send(Letter::Order(order, rank)).is_ok())
    }

    pub(super) async fn asked(self: &Arc<Self>, from: NodeId, site: SiteId, body: &[u8]) -> Answer {
        let request = match Request::read(body) {
            Ok(request) => request,
            Err(error) => return Answer::refused(error.to_string()),
        };
        let speaker = match &request {
            Request::Open(open) => Some(&open.root),
            Request::Tell(picture) => Some(&picture.from),
            Request::Trunk { .. } | Request::TrunkClosed { .. } | Request::Order { .. } => None,
        };
        if site == self.site || speaker.is_some_and(|speaker| *speaker != site) {
            tracing::warn!(%from, %site, "a site speaks of conferences in another's name");
            return Answer::refused("speaks for another site");
        }
        if let Request::Open(open) = &request
            && (self.room_at)(&open.number).as_ref() != Some(&site)
        {
            tracing::warn!(%from, %site, number = open.number, "a room that is not the site's");
            return Answer::refused("the room is not of the site that opens it");
        }
        let open = match &request {
            Request::Open(open) => Some(open.clone()),
            _ => None,
        };
        let answer = self.pass(from, site, request).await;
        match (open, answer) {
            (Some(open), Answer::Unknown) => self.branch(*open),
            (_, answer) => answer,
        }
    }

    /// To the conference; [`Answer::Unknown`]: there is none.
    async fn pass(&self, from: NodeId, site: SiteId, request: Request) -> Answer {
        let Some(letters) = self.registry.letters(request.room()) else {
            return Answer::Unknown;
        };
        let (answer, answered) = oneshot::channel();
        let letter = Letter::Asked { from, site, request, answer };
        match letters.try_send(letter) {
            Err(mpsc::error::TrySendError::Closed(_)) => return Answer::Unknown,
            Err(mpsc::error::TrySendError::Full(_)) => return Answer::refused("busy"),
            Ok(()) => {}
        }
        match timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => answer,
            // It ended while it was asked.
            Ok(Err(_)) => Answer::Unknown,
            Err(_) => Answer::refused("busy"),
        }
    }

    /// Takes part in another site's conference.
    fn branch(self: &Arc<Self>, open: Open) -> Answer {
        self.registry.forget(open.room);
        let members = open.members.into_iter().map(|member| member.invited());
        let members = members.filter(|one| one.site == self.site);
        let members: Vec<Invited> = members.filter_map(|one| (self.reach)(one)).collect();
        let limits = Limits { lasts_ms: self.limits.lasts_ms.min(open.lasts_ms), ..self.limits };
        let setup = Setup {
            room: open.room,
            site: self.site.clone(),
            place: Place::Branch { root: open.root.clone() },
            members: members.clone(),
            rings: open.rings_ms > 0,
            chair: open.chair,
            confirm: open.confirm,
            min_join: 0,
            min_by_ms: 0,
            open: open.open,
            limits,
        };
        let begun = self.begin(Plan {
            setup,
            root: open.root,
            from: open.number.clone(),
            number: open.number,
            title: open.title,
            from_name: open.from_name,
            members,
            ring_within: Duration::from_millis(open.rings_ms),
            clips: BTreeMap::new(),
            reports: None,
        });
        match begun {
            Ok(()) => Answer::Done,
            // Two orders crossed; it is open.
            Err(ConferenceError::Exists(_)) => Answer::Done,
            Err(error) => Answer::refused(error.to_string()),
        }
    }

    /// Puts a caller into the room, or says why not.
    async fn call_in(&self, call: RoomCall) {
        let RoomCall { number, incoming } = call;
        let letter = Letter::CallIn(Box::new(incoming));
        let (letter, (code, words)) = match self.registry.of_number(&number) {
            Some(letters) => match letters.try_send(letter) {
                Ok(()) => return,
                Err(
                    mpsc::error::TrySendError::Full(letter)
                    | mpsc::error::TrySendError::Closed(letter),
                ) => (letter, (503, "会议繁忙，请稍后再拨 / busy; try again".to_owned())),
            },
            None => (letter, self.no_such_room(&number)),
        };
        if let Letter::CallIn(incoming) = letter {
            tracing::info!(from = incoming.from, number, code, "not let into a room");
            incoming.call.refuse(code, &words).await;
        }
    }

    fn no_such_room(&self, number: &str) -> (u16, String) {
        match (self.room_at)(number).filter(|site| *site != self.site) {
            Some(site) => (
                480,
                format!(
                    "会议室在 {site} 站，本站没有该会议，请让 {site} 站呼叫您 / the room is at \
                     {site} and not joined here; have {site} call you"
                ),
            ),
            None => (
                404,
                "会议室未开，请核对号码 / no conference is open in this room; check the number"
                    .into(),
            ),
        }
    }
}

/// Hands each conference what was heard of it. One that does not listen loses it.
pub(super) async fn listen(mut heard: mpsc::Receiver<mixer::Heard>, ears: Ears) {
    while let Some(one) = heard.recv().await {
        let (mixer::Heard::Digit { room, .. } | mixer::Heard::Quiet { room, .. }) = &one;
        let ear = ears.lock().unwrap_or_else(PoisonError::into_inner).get(room).cloned();
        if let Some(ear) = ear {
            let _busy_or_over = ear.try_send(one);
        }
    }
}

pub(super) async fn take_calls(mut rooms: mpsc::Receiver<RoomCall>, house: Arc<House>) {
    loop {
        let call = tokio::select! {
            biased;
            () = house.stop.cancelled() => return,
            call = rooms.recv() => match call {
                Some(call) => call,
                None => return,
            },
        };
        house.call_in(call).await;
    }
}
