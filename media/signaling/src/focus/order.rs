//! What goes into the machine of a conference and what comes out.

use std::collections::BTreeSet;

use weir_model::id::SiteId;

pub use crate::call::{Dial, LegId, NotPlaced, PlaceId};

use super::sites::Picture;

/// Members of one site; more are not taken.
pub const MEMBERS_MAX: usize = 256;
/// Numbers of one member that are rung.
pub const DIALS_MAX: usize = 4;
/// Other sites of one conference.
pub const SITES_MAX: usize = 64;

/// Somebody who is to take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// The same at every site.
    pub who: String,
    /// Rung together.
    pub dials: Vec<Dial>,
    /// Whose business it is to ring them.
    pub site: SiteId,
}

/// Where this site stands in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Root { branches: BTreeSet<SiteId> },
    Branch { root: SiteId },
}

/// The same at every site, but for `site` and `place`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub room: u64,
    pub site: SiteId,
    pub place: Place,
    /// Those of other sites are passed over.
    pub members: Vec<Invited>,
    /// `false`: its time to ring people is over. Nobody is rung by itself; whoever
    /// calls in joins, and whoever a person asks for is rung.
    pub rings: bool,
    /// Who speaks in a lecture.
    pub chair: Option<String>,
    /// Who is rung hears an announcement and joins with this key, so that no
    /// voice-mail does.
    pub confirm: Option<char>,
    /// So many must have joined within so long.
    pub min_join: u32,
    pub min_by_ms: u64,
    /// Whoever calls the room may join; otherwise only members.
    pub open: bool,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub ring_ms: u64,
    /// For the key, from the answer on.
    pub confirm_ms: u64,
    /// After the first try. Waits double from `redial_ms` to `redial_max_ms`.
    pub redials: u8,
    pub redial_ms: u64,
    pub redial_max_ms: u64,
    /// Whoever is busy is rung again while the conference lasts.
    pub busy_ms: u64,
    /// For a trunk to open, and the first wait before it is asked for again.
    pub trunk_ms: u64,
    /// The least time between two pictures to the same site.
    pub share_ms: u64,
    /// For calls that were being placed when the conference ended.
    pub stray_ms: u64,
    pub lasts_ms: u64,
    /// A branch that its root has forgotten ends when nobody was in it for so long.
    pub orphan_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ring_ms: 45_000,
            confirm_ms: 40_000,
            redials: 3,
            redial_ms: 20_000,
            redial_max_ms: 300_000,
            busy_ms: 30_000,
            trunk_ms: 5_000,
            share_ms: 500,
            stray_ms: 5_000,
            lasts_ms: 24 * 3_600_000,
            orphan_ms: 60_000,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The first; any other does as well.
    Begin,
    /// Somebody calls the room; `number` is who digest says it is.
    CallIn {
        leg: LegId,
        number: String,
    },
    /// These legs are on their way.
    Placed {
        place: PlaceId,
        legs: Vec<LegId>,
    },
    /// Nothing was sent.
    NotPlaced {
        place: PlaceId,
        why: NotPlaced,
    },
    Heard {
        leg: LegId,
        event: Event,
    },
    /// Of an operator or the chair; the higher rank wins where two sites that
    /// were cut off ordered different things.
    Order {
        order: Order,
        rank: u8,
    },
    /// The site can be reached, or cannot.
    Linked {
        site: SiteId,
    },
    Cut {
        site: SiteId,
    },
    /// One more site takes part; the root only.
    Branch {
        site: SiteId,
    },
    /// The root says that it knows of no such conference, so that the branch goes
    /// on alone; or that it knows of it again. A branch only.
    Orphaned(bool),
    /// Sound to that site goes, or does not any more.
    Trunk {
        site: SiteId,
        up: bool,
    },
    /// What another site told.
    Told(Box<Picture>),
    /// The node stops: its people go, the conference does not end elsewhere.
    Stop,
    Tick,
}

/// What is heard of a leg. `Refused`, `Silent`, `Ended` and `Lost` are last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Ringing,
    Answered,
    Refused {
        code: u16,
    },
    Silent,
    Key(char),
    /// They hung up.
    Ended,
    /// The network did.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    Mute {
        who: String,
        mute: bool,
    },
    /// All who are in it now, but the chair.
    MuteAll(bool),
    /// Only the chair speaks.
    Lecture(bool),
    /// Nobody calls in any more; who was invited is still rung.
    Lock(bool),
    /// Out, and not in again until invited anew.
    Remove {
        who: String,
    },
    /// One more member, or the same again; done by the member's own site.
    Invite(Invited),
    /// Ring again whoever did not join; done by the member's own site.
    Redial {
        who: String,
    },
    End,
}

/// Carried out strictly in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Call every contact of this number, offering a seat in the mixer; tell
    /// [`Input::Placed`] or [`Input::NotPlaced`] at once: after `stray_ms` more than
    /// `ring_ms` it is not waited for, and legs that come after [`Self::Over`]
    /// are the driver's to end.
    Place {
        place: PlaceId,
        who: String,
        dial: Dial,
        ring_ms: u64,
    },
    /// 200 to whoever called; a [`Self::Seat`] follows.
    Answer {
        leg: LegId,
        who: String,
    },
    /// Final, to whoever called.
    Refuse {
        leg: LegId,
        code: u16,
    },
    /// Speak to who answered, until a key is heard.
    Ask {
        leg: LegId,
        key: char,
    },
    /// Takes a seat in the room, or changes it.
    Seat {
        leg: LegId,
        mute: bool,
    },
    /// CANCEL before an answer, BYE after. Once a leg; whatever is still heard
    /// of it means nothing.
    HangUp {
        leg: LegId,
    },
    OpenTrunk {
        site: SiteId,
    },
    CloseTrunk {
        site: SiteId,
    },
    /// To the focus of that site; the newest replaces what is still unsent.
    Tell {
        site: SiteId,
        picture: Box<Picture>,
    },
    Report(Report),
    /// For the journal; bounded for every member.
    Record(Record),
    /// The last of all.
    Over,
}

/// For whoever ordered the conference, and for screens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// As many as were asked for have joined. Told once, at the root.
    Reached {
        joined: u32,
    },
    /// They had not in time; it may still be reached. Told once, at the root.
    NotReached {
        joined: u32,
    },
    /// Its people are not heard here any more; they go on among themselves.
    Missing {
        site: SiteId,
    },
    Back {
        site: SiteId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Only the root records this and the end.
    Opened {
        at_ms: u64,
    },
    Joined {
        who: String,
        at_ms: u64,
    },
    Left {
        who: String,
        at_ms: u64,
        why: Why,
    },
    Ended {
        at_ms: u64,
        joined: u32,
    },
}

/// Why somebody is not in it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    HungUp,
    Lost,
    Removed,
    /// Joined at another site, too.
    Elsewhere,
    Ended,
    NodeStopped,
}

/// Of a member, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Invited,
    Ringing,
    Joined,
    Left,
    Refused,
    NoAnswer,
    Busy,
    Unreachable,
    Removed,
    /// It has joined at another site.
    Elsewhere,
}
