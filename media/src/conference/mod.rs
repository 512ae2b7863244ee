//! Conferences of a site: each is a task that owns its legs, its room in the
//! mixer and its trunks, and does what `weir_signaling::focus` says, in order.
//! It refuses to decide who takes part, to ring anybody hours late, and to
//! believe a site that speaks for another.

mod book;
mod calls;
mod house;
mod legs;
mod posts;
mod relations;
mod sound;
mod task;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::codec::Stored;
use weir_model::directory::Codec;
use weir_model::id::{NodeId, SiteId};
pub use weir_signaling::focus::{Invited, Limits, MEMBERS_MAX, Order, Record, Report, State, Why};
use weir_signaling::focus::{Place, SITES_MAX, Setup};

pub use book::{ConferenceView, MemberView, TrunkView};

use crate::audio::Clip;
use crate::exchange::RoomCall;
use crate::sip::Sip;
use crate::trunk::Trunks;
use crate::voice::mixer::{self, Mixer};
use book::Book;
use house::{Ears, House, Plan, Registry};

/// Conferences at once.
pub const CONFERENCES_MAX: usize = 64;
/// Numbers of all conferences that are being called in the same moment.
const PLACING: usize = 32;

/// The first byte of a request of another site.
pub const REQUEST_KIND: u8 = <wire::Request as Stored>::KIND;

/// Request and answer to the node that drives a site, with a time-out inside.
pub type Ask =
    Arc<dyn Fn(SiteId, Bytes) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;
/// The announcement of this title that asks for this key, in the codecs there are.
pub type Clips =
    Arc<dyn Fn(String, char) -> BoxFuture<'static, BTreeMap<Codec, Clip>> + Send + Sync>;
/// The node that drives a site.
pub type PeerOf = Arc<dyn Fn(&SiteId) -> Option<NodeId> + Send + Sync>;
/// The site that a room's number belongs to.
pub type RoomAt = Arc<dyn Fn(&str) -> Option<SiteId> + Send + Sync>;

/// How somebody of this site is rung, by its own directory: what another site says
/// of numbers is not believed. `None`: nobody here has that name.
pub type Reach = Arc<dyn Fn(Invited) -> Option<Invited> + Send + Sync>;

/// What conferences are made of.
pub struct ConferenceParts {
    pub site: SiteId,
    pub sip: Sip,
    pub mixer: Mixer,
    /// What the mixer hears, of all rooms.
    pub heard: mpsc::Receiver<mixer::Heard>,
    pub trunks: Trunks,
    pub ask: Ask,
    pub clips: Clips,
    pub peer_of: PeerOf,
    pub room_at: RoomAt,
    pub reach: Reach,
    pub rooms: mpsc::Receiver<RoomCall>,
    /// For the journal; what finds no room here is counted and lost.
    pub news: mpsc::Sender<ConferenceNews>,
    /// `lasts_ms` is of conferences that are ordered here.
    pub limits: Limits,
}

/// A conference to be held, with this site as its root.
#[derive(Debug, Clone)]
pub struct ConferenceOrder {
    /// The same at every site, and never used again.
    pub room: u64,
    /// What people dial to come in.
    pub number: String,
    pub title: String,
    pub members: Vec<Invited>,
    /// So many must have joined within so long; 0: nobody need.
    pub min_join: u32,
    pub min_by_ms: u64,
    /// Who speaks in a lecture.
    pub chair: Option<String>,
    /// The key with which whoever was rung joins.
    pub confirm: Option<char>,
    /// Whoever calls the room may join; otherwise only members.
    pub open: bool,
    /// A site that hears of it later than this rings nobody by itself.
    pub ring_within: Duration,
    /// The announcement and the prompt, in each codec that is held.
    pub clips: BTreeMap<Codec, Clip>,
    /// The number that rung telephones show, and its name.
    pub from: String,
    pub from_name: String,
}

/// For the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceNews {
    pub conference: u64,
    pub number: String,
    pub record: Record,
}

/// Why a conference was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConferenceError {
    #[error(
        "会议已达上限（{CONFERENCES_MAX} 个），请先结束一个 / {CONFERENCES_MAX} conferences are \
         under way, the most; end one first"
    )]
    TooMany,
    #[error("会议 {0} 已经召开 / conference {0} has been opened already")]
    Exists(u64),
    #[error("会议室 {0} 正在使用，请换一个房间 / room {0} is in use; take another")]
    RoomInUse(String),
    #[error(
        "与会者过多（每站最多 {MEMBERS_MAX} 人，最多 {SITES_MAX} 个站点），请减少名单 / too many \
         members: {MEMBERS_MAX} of a site and {SITES_MAX} sites are the most; shorten the rosters"
    )]
    TooLarge,
    #[error(transparent)]
    Mixer(#[from] mixer::MixerError),
    #[error("节点正在停止 / the node is stopping")]
    Stopped,
}

/// A handle; clones share the conferences.
#[derive(Clone)]
pub struct Conferences {
    house: Arc<House>,
}

impl Conferences {
    /// Takes orders and calls until `stop`; whoever is in a conference of this
    /// site then is hung up, within ten seconds.
    pub fn start(parts: ConferenceParts, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let ConferenceParts { site, sip, mixer, heard, trunks, ask, clips, peer_of, .. } = parts;
        let ConferenceParts { room_at, reach, rooms, news, limits, .. } = parts;
        let (links, _) = watch::channel(BTreeSet::new());
        let house = Arc::new(House {
            site,
            sip,
            mixer,
            trunks,
            ask,
            clips,
            peer_of,
            room_at,
            reach,
            news,
            limits,
            links,
            registry: Registry::default(),
            ears: Ears::default(),
            book: Book::default(),
            placing: Arc::new(Semaphore::new(PLACING)),
            tasks: tasks.clone(),
            stop: stop.clone(),
        });
        tasks.spawn(house::listen(heard, house.ears.clone()));
        tasks.spawn(house::take_calls(rooms, house.clone()));
        Self { house }
    }

    /// Opens a conference with this site as its root. What becomes of it goes to
    /// `reports`; where that is full it is lost.
    ///
    /// # Errors
    /// When there are too many, or it is open already.
    pub fn open(
        &self,
        order: ConferenceOrder,
        reports: mpsc::Sender<Report>,
    ) -> Result<(), ConferenceError> {
        let own = &self.house.site;
        let sites: BTreeSet<SiteId> =
            order.members.iter().map(|member| member.site.clone()).collect();
        let largest = sites
            .iter()
            .map(|site| order.members.iter().filter(|member| member.site == *site).count());
        if sites.len() > SITES_MAX || largest.max().unwrap_or(0) > MEMBERS_MAX {
            return Err(ConferenceError::TooLarge);
        }
        let branches: BTreeSet<SiteId> = sites.into_iter().filter(|site| site != own).collect();
        let setup = Setup {
            room: order.room,
            site: own.clone(),
            place: Place::Root { branches },
            members: order.members.clone(),
            rings: true,
            chair: order.chair.clone(),
            confirm: order.confirm,
            min_join: order.min_join,
            min_by_ms: order.min_by_ms,
            open: order.open,
            limits: self.house.limits,
        };
        self.house.begin(Plan {
            setup,
            root: own.clone(),
            number: order.number,
            title: order.title,
            from: order.from,
            from_name: order.from_name,
            members: order.members,
            ring_within: order.ring_within,
            clips: order.clips,
            reports: Some(reports),
        })
    }

    /// An order of a person; `rank` decides between sites that were cut off from
    /// each other. Whether there is such a conference here.
    pub fn order(&self, conference: u64, order: Order, rank: u8) -> bool {
        self.house.order(conference, order, rank)
    }

    /// Answers a request of the site whose node `from` is. Always answers, within
    /// ten seconds.
    pub async fn asked(&self, from: NodeId, from_site: SiteId, body: Bytes) -> Bytes {
        self.house.asked(from, from_site, &body).await.bytes().into()
    }

    /// The site can be reached, or cannot.
    pub fn linked(&self, site: &SiteId, up: bool) {
        self.house.links.send_if_modified(|links| match up {
            true => links.insert(site.clone()),
            false => links.remove(site),
        });
    }

    /// All conferences under way at this site, with levels as they are now.
    pub fn views(&self) -> Vec<ConferenceView> {
        self.house.book.views()
    }

    /// Records that found no room on their way to the journal.
    pub fn unrecorded(&self) -> u64 {
        self.house.book.unrecorded()
    }
}
