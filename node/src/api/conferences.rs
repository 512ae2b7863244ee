//! Conferences of this site: who is in them, and what is ordered of them. It
//! refuses to reach into a conference that this site takes no part in.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use weir_media::conference::{ConferenceView, Invited, MemberView, Order, State as Part};
use weir_model::directory::{Directory, is_room};
use weir_model::id::{ConferenceId, PersonId, SiteId};

use super::{Problem, Shared, author};
use crate::node::Node;
use crate::rooms::{self, ByHand};

/// Of a conference opened by hand, nobody waits for its reports.
const REPORTS: usize = 1;
/// The rank of whoever has the node's own socket.
const ADMIN: u8 = u8::MAX;
/// So many are rung by one order.
const MEMBERS_MAX: usize = 64;
/// A site that hears of it later rings nobody.
const RING_WITHIN: Duration = Duration::from_secs(300);

/// One conference, as `weir conference show` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConferenceAnswer {
    pub(crate) id: String,
    /// What people dial.
    pub(crate) number: String,
    pub(crate) title: String,
    /// Where it was opened.
    pub(crate) root: String,
    /// Since 1970, when it began here.
    pub(crate) since_ms: u64,
    /// How many are in it and heard here.
    pub(crate) joined: u32,
    pub(crate) locked: bool,
    pub(crate) lecture: bool,
    /// Sites whose people are not heard here now.
    pub(crate) missing: Vec<String>,
    pub(crate) members: Vec<MemberAnswer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemberAnswer {
    /// A person of the directory, or the number that called in.
    pub(crate) who: String,
    pub(crate) site: String,
    /// `invited`, `ringing`, `joined`, `left`, `refused`, `no-answer`, `busy`,
    /// `unreachable`, `removed` or `elsewhere`.
    pub(crate) state: String,
    pub(crate) muted: bool,
    pub(crate) speaks: bool,
    /// How loud, in dB below the loudest; only of members of this site.
    pub(crate) level_dbfs: Option<f32>,
}

/// An order, as `weir conference` sends it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderAsked {
    /// `mute`, `mute-all`, `lecture`, `lock`, `remove`, `invite`, `redial` or `end`.
    pub(crate) order: String,
    /// Whom it is about, where it is about somebody.
    #[serde(default)]
    pub(crate) who: Option<String>,
    /// `false` takes it back, where that can be.
    #[serde(default = "yes")]
    pub(crate) on: bool,
}

fn yes() -> bool {
    true
}

/// A conference opened by hand, at this node's site.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenAsked {
    /// Three digits, 500 to 599.
    pub(crate) room: String,
    pub(crate) members: Vec<String>,
    /// The key that whoever is rung joins with.
    #[serde(default)]
    pub(crate) confirm: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ordered {
    pub(crate) id: String,
}

fn answer(view: ConferenceView) -> ConferenceAnswer {
    ConferenceAnswer {
        id: ConferenceId(view.conference).to_string(),
        number: view.number,
        title: view.title,
        root: view.root.to_string(),
        since_ms: view.since_unix_ms,
        joined: view.joined,
        locked: view.locked,
        lecture: view.lecture,
        missing: view.missing.iter().map(ToString::to_string).collect(),
        members: view.members.into_iter().map(member).collect(),
    }
}

fn member(view: MemberView) -> MemberAnswer {
    MemberAnswer {
        who: view.who,
        site: view.site.to_string(),
        state: word(view.state).into(),
        muted: view.muted,
        speaks: view.speaks,
        level_dbfs: view.level_dbfs,
    }
}

fn word(state: Part) -> &'static str {
    match state {
        Part::Invited => "invited",
        Part::Ringing => "ringing",
        Part::Joined => "joined",
        Part::Left => "left",
        Part::Refused => "refused",
        Part::NoAnswer => "no-answer",
        Part::Busy => "busy",
        Part::Unreachable => "unreachable",
        Part::Removed => "removed",
        Part::Elsewhere => "elsewhere",
    }
}

pub(crate) fn shown(node: &Node) -> Vec<ConferenceAnswer> {
    let Some(telephony) = &node.telephony else { return Vec::new() };
    telephony.conferences.views().into_iter().map(answer).collect()
}

pub(crate) async fn list(State(node): Shared) -> Json<Vec<ConferenceAnswer>> {
    Json(shown(&node))
}

/// By number or by id.
fn find(node: &Node, named: &str) -> Result<ConferenceAnswer, Problem> {
    let unknown = || Problem::conference_unknown(named);
    shown(node).into_iter().find(|one| one.number == named || one.id == named).ok_or_else(unknown)
}

pub(crate) async fn show(
    State(node): Shared,
    Path(named): Path<String>,
) -> Result<Json<ConferenceAnswer>, Problem> {
    find(&node, &named).map(Json)
}

/// Whose rights an order needs: what touches everybody, or somebody of another site,
/// those of the site that opened it, as long as that can be heard. Cut off, each
/// site has its own hand.
pub(crate) fn judged_at(node: &Node, named: &str, asked: &OrderAsked) -> Result<SiteId, Problem> {
    let own = node.config.site.clone();
    let found = find(node, named)?;
    let of_own =
        |who: &String| found.members.iter().any(|one| one.who == *who && one.site == own.as_str());
    let own_person = asked.who.as_ref().is_some_and(of_own);
    let whole = matches!(asked.order.as_str(), "end" | "lock" | "lecture" | "mute-all");
    if (whole || !own_person) && !found.missing.contains(&found.root) {
        return found.root.parse().map_err(|_| Problem::conference_unknown(named));
    }
    Ok(own)
}

fn rank(directory: &Directory, who: Option<&PersonId>) -> u8 {
    let Some(person) = who.and_then(|who| directory.people.get(who)) else { return ADMIN };
    // The directory's best rank is its smallest number.
    ADMIN.saturating_sub(person.rank).saturating_sub(1)
}

pub(crate) async fn order(
    State(node): Shared,
    Path(named): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<OrderAsked>,
) -> Result<Json<Ordered>, Problem> {
    let by = author(&node, &headers)?.person;
    let found = find(&node, &named)?;
    let directory = node.consensus.view().borrow().state.directory.clone();
    let order = read(&directory, &node.config.site, &asked)?;
    let id: ConferenceId = found.id.parse().map_err(|_| Problem::conference_unknown(&named))?;
    let rank = rank(&directory, by.as_ref());
    let given = node
        .telephony
        .as_ref()
        .is_some_and(|telephony| telephony.conferences.order(id.0, order, rank));
    if !given {
        return Err(Problem::conference_unknown(&named));
    }
    Ok(Json(Ordered { id: found.id }))
}

fn read(directory: &Directory, site: &SiteId, asked: &OrderAsked) -> Result<Order, Problem> {
    let who = || {
        asked.who.clone().ok_or_else(|| {
            let words = "请说明是谁 / say who it is about";
            Problem::bad_request(words.to_owned())
        })
    };
    Ok(match asked.order.as_str() {
        "mute" => Order::Mute { who: who()?, mute: asked.on },
        "mute-all" => Order::MuteAll(asked.on),
        "lecture" => Order::Lecture(asked.on),
        "lock" => Order::Lock(asked.on),
        "remove" => Order::Remove { who: who()? },
        "redial" => Order::Redial { who: who()? },
        "invite" => Order::Invite(invited(directory, site, &who()?)?),
        "end" => Order::End,
        other => {
            let words = format!(
                "没有操作 {other:?}；可用 mute、mute-all、lecture、lock、remove、redial、invite、end / \
                 no order {other:?}; there are mute, mute-all, lecture, lock, remove, redial, \
                 invite, end"
            );
            return Err(Problem::bad_request(words));
        }
    })
}

fn invited(directory: &Directory, site: &SiteId, named: &str) -> Result<Invited, Problem> {
    let person: PersonId = named.parse().map_err(|_| Problem::person_unknown(named))?;
    if !directory.people.contains_key(&person) {
        return Err(Problem::person_unknown(named));
    }
    Ok(rooms::invited(directory, &directory.attendee(person, site)))
}

pub(crate) async fn open(
    State(node): Shared,
    headers: HeaderMap,
    Json(asked): Json<OpenAsked>,
) -> Result<Json<Ordered>, Problem> {
    author(&node, &headers)?;
    let bad = |words: &str| Problem::bad_request(words.to_owned());
    if !is_room(&asked.room) {
        return Err(bad("会议室号为 500 至 599 / a room is 500 to 599"));
    }
    if asked.members.is_empty() || asked.members.len() > MEMBERS_MAX {
        return Err(bad("请给出 1 至 64 人 / name 1 to 64 people"));
    }
    let confirm = match asked.confirm {
        Some(key @ 0..=9) => char::from_digit(u32::from(key), 10),
        Some(_) => return Err(bad("按键为 0 至 9 / the key is 0 to 9")),
        None => None,
    };
    let directory = node.consensus.view().borrow().state.directory.clone();
    let number = directory
        .room_number(&node.config.site, &asked.room)
        .ok_or_else(|| bad("本站不在目录中 / this site is not in the directory"))?;
    let named = asked.members.iter().map(|named| invited(&directory, &node.config.site, named));
    let members: Vec<Invited> = named.collect::<Result<_, Problem>>()?;
    let mut dice = [0; 8];
    getrandom::fill(&mut dice).map_err(|_| Problem::no_randomness())?;
    let conference = ConferenceId(u64::from_be_bytes(dice));
    let Some(telephony) = &node.telephony else { return Err(Problem::no_telephones()) };
    let number = number.to_string();
    let by_hand = ByHand { conference, number, members, confirm, ring_within: RING_WITHIN };
    let order = node.rooms.by_hand(by_hand).await;
    let (told, _unread) = mpsc::channel(REPORTS);
    telephony.conferences.open(order, told).map_err(|error| Problem::conference(&error))?;
    Ok(Json(Ordered { id: conference.to_string() }))
}
