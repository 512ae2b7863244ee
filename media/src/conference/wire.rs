//! What sites ask each other about a conference, and the answers. Shapes of their
//! own, so that a rule may change without the wire. Whatever is longer than the
//! rules allow, or names what cannot be, is refused whole.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use weir_model::codec::{DecodeError, decode, encode};
use weir_model::id::SiteId;
use weir_model::stored;
use weir_signaling::focus::{
    self, DIALS_MAX, Dial, Invited, MEMBERS_MAX, Rules, SITES_MAX, Seen, State,
};

/// Longest name, number or title, in bytes.
const TEXT_MAX: usize = 256;
/// Of one picture: the root tells a branch of all other sites' people.
const SEEN_MAX: usize = 4_096;
/// Names that may be mute or removed.
const NAMED_MAX: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Take part: the root's order to a branch.
    Open(Box<Open>),
    Tell(Box<Picture>),
    /// Sound for the asker goes to `channel`; the answer says where to.
    Trunk {
        room: u64,
        channel: u16,
    },
    /// Nobody listens at the asker's `channel` any more.
    TrunkClosed {
        room: u64,
        channel: u16,
    },
    /// What only the member's own site can do.
    Order {
        room: u64,
        order: Order,
        rank: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Trunk {
        channel: u16,
    },
    /// Not now, or never: for a log.
    Refused {
        why: String,
    },
    /// No such conference here.
    Unknown,
}

stored! {
    Request, 65, 1 << 20, "conference request";
    Answer, 66, 4 << 10, "conference answer";
}

/// A branch's part of the order. Times count from when it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) room: u64,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) root: SiteId,
    pub(super) members: Vec<Member>,
    pub(super) chair: Option<String>,
    pub(super) confirm: Option<char>,
    pub(super) open: bool,
    pub(super) from: String,
    pub(super) from_name: String,
    /// For so long members may be rung unasked; 0: not any more.
    pub(super) rings_ms: u64,
    pub(super) lasts_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) who: String,
    /// Numbers, and what they are to dial.
    pub(super) dials: Vec<(String, Option<String>)>,
    pub(super) site: SiteId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    Invite(Member),
    Redial(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Picture {
    pub(super) room: u64,
    pub(super) from: SiteId,
    epoch: u64,
    rank: u8,
    by: SiteId,
    locked: bool,
    lecture: bool,
    pub(super) ended: bool,
    muted: BTreeSet<String>,
    removed: BTreeSet<String>,
    agreed: u64,
    members: Vec<(String, SiteId, Stand)>,
    missing: BTreeSet<SiteId>,
}

/// Of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stand {
    Invited,
    Ringing,
    Joined,
    Left,
    Refused,
    NoAnswer,
    Busy,
    Unreachable,
    Removed,
    Elsewhere,
}

/// Why bytes are no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    #[error("the request holds more, or longer names, than a conference may have")]
    TooMuch,
}

fn is_short(text: &str) -> bool {
    text.len() <= TEXT_MAX
}

impl Request {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, DecodeError> {
        encode(self)
    }

    /// # Errors
    /// When it is none, or breaks a bound.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let request: Self = decode(bytes)?;
        let bounded = match &request {
            Self::Open(open) => open.is_bounded(),
            Self::Tell(picture) => picture.is_bounded(),
            Self::Trunk { .. } | Self::TrunkClosed { .. } => true,
            Self::Order { order: Order::Invite(member), .. } => member.is_bounded(),
            Self::Order { order: Order::Redial(who), .. } => is_short(who),
        };
        if bounded { Ok(request) } else { Err(WireError::TooMuch) }
    }

    pub(super) fn room(&self) -> u64 {
        match self {
            Self::Open(open) => open.room,
            Self::Tell(picture) => picture.room,
            Self::Trunk { room, .. } | Self::TrunkClosed { room, .. } => *room,
            Self::Order { room, .. } => *room,
        }
    }
}

impl Answer {
    pub(super) fn refused(why: impl Into<String>) -> Self {
        let mut why: String = why.into();
        let end = (0..=TEXT_MAX.min(why.len())).rfind(|at| why.is_char_boundary(*at));
        why.truncate(end.unwrap_or(0));
        Self::Refused { why }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        // A bounded text cannot be too long.
        encode(self).unwrap_or_default()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

impl Open {
    fn is_bounded(&self) -> bool {
        let texts = [&self.number, &self.title, &self.from, &self.from_name];
        let chair = self.chair.as_ref();
        self.members.len() <= MEMBERS_MAX
            && self.members.iter().all(Member::is_bounded)
            && texts.into_iter().chain(chair).all(|text| is_short(text))
    }
}

impl Member {
    fn is_bounded(&self) -> bool {
        let dial = |(number, dial): &(String, Option<String>)| {
            is_short(number) && dial.as_deref().is_none_or(is_short)
        };
        is_short(&self.who) && self.dials.len() <= DIALS_MAX && self.dials.iter().all(dial)
    }

    pub(super) fn of(invited: &Invited) -> Self {
        let Invited { who, dials, site } = invited;
        let dials = dials.iter().take(DIALS_MAX);
        let dials = dials.map(|dial| (dial.number.clone(), dial.dial.clone())).collect();
        Self { who: who.clone(), dials, site: site.clone() }
    }

    pub(super) fn invited(self) -> Invited {
        let Self { who, dials, site } = self;
        let dials =
            dials.into_iter().map(|(number, dial)| Dial { number, dial, at: None }).collect();
        Invited { who, dials, site }
    }
}

impl Order {
    /// `None`: the rules carry it themselves.
    pub(super) fn of(order: &focus::Order) -> Option<Self> {
        match order {
            focus::Order::Invite(invited) => Some(Self::Invite(Member::of(invited))),
            focus::Order::Redial { who } => Some(Self::Redial(who.clone())),
            focus::Order::Mute { .. }
            | focus::Order::MuteAll(_)
            | focus::Order::Lecture(_)
            | focus::Order::Lock(_)
            | focus::Order::Remove { .. }
            | focus::Order::End => None,
        }
    }

    pub(super) fn order(self) -> focus::Order {
        match self {
            Self::Invite(member) => focus::Order::Invite(member.invited()),
            Self::Redial(who) => focus::Order::Redial { who },
        }
    }
}

impl Picture {
    fn is_bounded(&self) -> bool {
        let names = self.muted.iter().chain(&self.removed);
        let names = names.chain(self.members.iter().map(|(who, ..)| who));
        self.muted.len() <= NAMED_MAX
            && self.removed.len() <= NAMED_MAX
            && self.members.len() <= SEEN_MAX
            && self.missing.len() <= SITES_MAX
            && names.into_iter().all(|name| is_short(name))
    }

    pub(super) fn of(picture: focus::Picture) -> Self {
        let focus::Picture { room, from, rules, agreed, members, missing } = picture;
        let Rules { epoch, rank, site, locked, lecture, ended, muted, removed } = rules;
        let members = members.into_iter().take(SEEN_MAX);
        let members = members.map(|seen| (seen.who, seen.site, Stand::of(seen.state))).collect();
        let missing = missing.into_iter().take(SITES_MAX).collect();
        Self {
            room,
            from,
            epoch,
            rank,
            by: site,
            locked,
            lecture,
            ended,
            muted,
            removed,
            agreed,
            members,
            missing,
        }
    }

    pub(super) fn picture(self) -> focus::Picture {
        let Self { room, from, epoch, rank, by, locked, lecture, ended, .. } = self;
        let Self { muted, removed, agreed, members, missing, .. } = self;
        let rules = Rules { epoch, rank, site: by, locked, lecture, ended, muted, removed };
        let seen = |(who, site, stand): (String, SiteId, Stand)| {
            let state = stand.state();
            Seen { who, site, state }
        };
        let members = members.into_iter().map(seen).collect();
        focus::Picture { room, from, rules, agreed, members, missing }
    }
}

impl Stand {
    fn of(state: State) -> Self {
        match state {
            State::Invited => Self::Invited,
            State::Ringing => Self::Ringing,
            State::Joined => Self::Joined,
            State::Left => Self::Left,
            State::Refused => Self::Refused,
            State::NoAnswer => Self::NoAnswer,
            State::Busy => Self::Busy,
            State::Unreachable => Self::Unreachable,
            State::Removed => Self::Removed,
            State::Elsewhere => Self::Elsewhere,
        }
    }

    fn state(self) -> State {
        match self {
            Self::Invited => State::Invited,
            Self::Ringing => State::Ringing,
            Self::Joined => State::Joined,
            Self::Left => State::Left,
            Self::Refused => State::Refused,
            Self::NoAnswer => State::NoAnswer,
            Self::Busy => State::Busy,
            Self::Unreachable => State::Unreachable,
            Self::Removed => State::Removed,
            Self::Elsewhere => State::Elsewhere,
        }
    }
}
