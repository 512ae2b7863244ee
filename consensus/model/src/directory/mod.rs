//! The directory: sites, people, telephones, zones, rosters, cameras, audio and
//! plans, as data that every node holds. It is read from a file or changed by a
//! decision, always checked whole, and never half applied: what breaks one
//! reference is refused with every other problem beside it.

mod audio;
mod camera;
mod change;
mod check;
mod conference;
mod dial;
mod extension;
mod fault;
pub mod limits;
mod lookup;
mod people;
mod person;
mod plan;
mod read;
mod render;
mod rights;
mod roster;
mod site;
mod source;
mod spoken;
#[cfg(test)]
mod tests;
mod word;
mod zone;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use audio::{AudioFile, Lang, Recording};
pub use camera::Camera;
pub use change::{Change, ChangeSet};
pub use conference::{
    ATTENDEES_MAX, Attendee, CONFERENCE_WAIT_S, ConferenceOpen, ROSTERS_PER_CONFERENCE_MAX, is_room,
};
pub use dial::{Dialled, EMERGENCY};
pub use extension::{ExtensionKind, ExtensionRecord};
pub use fault::{Fault, FaultCode, Problem};
pub use lookup::Endpoint;
pub(crate) use people::is_trackable;
pub use people::{
    ACK_MAX, CALLS_PER_MEMBER_MAX, CallMode, CallRoster, Contact, Message, Need,
    PEOPLE_PER_STEP_MAX, RETRY_MAX, RosterName, SITE_DUTY,
};
pub use person::{Contacts, LOWEST_RANK, Person, Role, RoleKind, Scope};
pub use plan::{
    Authority, Confirm, Evidence, Grade, Level, OnTimeout, PROVABLE_GRADE, PaPlay, Plan, Sound,
    Step, StepKind,
};
pub use read::{Mistake, read};
pub use render::ChangeLine;
pub use rights::{Action, Denied};
pub use roster::{Member, Roster};
pub use site::{LinkKind, Site, SiteClass, SiteLink};
pub use source::{Source, ack_prompt, call_back, join_prompt};
pub use word::Word;
pub use zone::{AutoAnswer, Codec, Speaker, SpeakerProfile, Zone, ZoneName, ZoneNameError};

use crate::codec::Stored;
use crate::id::{
    AudioId, CameraId, Extension, NameError, PersonId, PlanId, RosterId, SiteId, ZoneId,
};
use word::words;

words! {
    /// In the order in which records are put: what is named before what names.
    RecordKind {
        Site = "site", "站点";
        Person = "person", "人员";
        Extension = "extension", "分机";
        Zone = "zone", "广播区";
        Roster = "roster", "名单";
        Camera = "camera", "摄像机";
        Audio = "audio", "音频";
        Plan = "plan", "预案";
    }
}

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecordRef {
    Site(SiteId),
    Person(PersonId),
    Extension(Extension),
    Zone(ZoneId),
    Roster(RosterId),
    Camera(CameraId),
    Audio(AudioId),
    Plan(PlanId),
}

impl RecordRef {
    /// # Errors
    /// When `id` is not a name.
    pub fn new(kind: RecordKind, id: &str) -> Result<Self, NameError> {
        Ok(match kind {
            RecordKind::Site => Self::Site(id.parse()?),
            RecordKind::Person => Self::Person(id.parse()?),
            RecordKind::Extension => Self::Extension(id.parse()?),
            RecordKind::Zone => Self::Zone(id.parse()?),
            RecordKind::Roster => Self::Roster(id.parse()?),
            RecordKind::Camera => Self::Camera(id.parse()?),
            RecordKind::Audio => Self::Audio(id.parse()?),
            RecordKind::Plan => Self::Plan(id.parse()?),
        })
    }

    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Site(_) => RecordKind::Site,
            Self::Person(_) => RecordKind::Person,
            Self::Extension(_) => RecordKind::Extension,
            Self::Zone(_) => RecordKind::Zone,
            Self::Roster(_) => RecordKind::Roster,
            Self::Camera(_) => RecordKind::Camera,
            Self::Audio(_) => RecordKind::Audio,
            Self::Plan(_) => RecordKind::Plan,
        }
    }

    pub fn id(&self) -> &str {
        match self {
            Self::Site(id) => id.as_str(),
            Self::Person(id) => id.as_str(),
            Self::Extension(id) => id.as_str(),
            Self::Zone(id) => id.as_str(),
            Self::Roster(id) => id.as_str(),
            Self::Camera(id) => id.as_str(),
            Self::Audio(id) => id.as_str(),
            Self::Plan(id) => id.as_str(),
        }
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}

/// One entry of the directory, as it is kept and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    #[serde(rename = "site")]
    Site(Site),
    #[serde(rename = "person")]
    Person(Person),
    #[serde(rename = "extension")]
    Extension(ExtensionRecord),
    #[serde(rename = "zone")]
    Zone(Zone),
    #[serde(rename = "roster")]
    Roster(Roster),
    #[serde(rename = "camera")]
    Camera(Camera),
    #[serde(rename = "audio")]
    Audio(AudioFile),
    #[serde(rename = "plan")]
    Plan(Plan),
}

impl Record {
    pub fn reference(&self) -> RecordRef {
        match self {
            Self::Site(site) => RecordRef::Site(site.id.clone()),
            Self::Person(person) => RecordRef::Person(person.id.clone()),
            Self::Extension(extension) => RecordRef::Extension(extension.number.clone()),
            Self::Zone(zone) => RecordRef::Zone(zone.id.clone()),
            Self::Roster(roster) => RecordRef::Roster(roster.id.clone()),
            Self::Camera(camera) => RecordRef::Camera(camera.id.clone()),
            Self::Audio(audio) => RecordRef::Audio(audio.id.clone()),
            Self::Plan(plan) => RecordRef::Plan(plan.id.clone()),
        }
    }

    /// Equal but for versions, which a file does not hold.
    pub fn same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plan(one), Self::Plan(two)) => one.same_content(two),
            (one, two) => one == two,
        }
    }
}

impl Stored for Record {
    const KIND: u8 = 10;
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = limits::RECORD_MAX_BYTES;
    const NAME: &'static str = "directory record";
}

/// Everything, at one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Rises by one with every change set; 0 is the empty directory.
    pub version: u64,
    pub sites: BTreeMap<SiteId, Site>,
    pub people: BTreeMap<PersonId, Person>,
    pub extensions: BTreeMap<Extension, ExtensionRecord>,
    pub zones: BTreeMap<ZoneId, Zone>,
    pub rosters: BTreeMap<RosterId, Roster>,
    pub cameras: BTreeMap<CameraId, Camera>,
    pub audio: BTreeMap<AudioId, AudioFile>,
    pub plans: BTreeMap<PlanId, Plan>,
}

impl Directory {
    pub fn get(&self, at: &RecordRef) -> Option<Record> {
        match at {
            RecordRef::Site(id) => self.sites.get(id).cloned().map(Record::Site),
            RecordRef::Person(id) => self.people.get(id).cloned().map(Record::Person),
            RecordRef::Extension(id) => self.extensions.get(id).cloned().map(Record::Extension),
            RecordRef::Zone(id) => self.zones.get(id).cloned().map(Record::Zone),
            RecordRef::Roster(id) => self.rosters.get(id).cloned().map(Record::Roster),
            RecordRef::Camera(id) => self.cameras.get(id).cloned().map(Record::Camera),
            RecordRef::Audio(id) => self.audio.get(id).cloned().map(Record::Audio),
            RecordRef::Plan(id) => self.plans.get(id).cloned().map(Record::Plan),
        }
    }

    pub fn contains(&self, at: &RecordRef) -> bool {
        match at {
            RecordRef::Site(id) => self.sites.contains_key(id),
            RecordRef::Person(id) => self.people.contains_key(id),
            RecordRef::Extension(id) => self.extensions.contains_key(id),
            RecordRef::Zone(id) => self.zones.contains_key(id),
            RecordRef::Roster(id) => self.rosters.contains_key(id),
            RecordRef::Camera(id) => self.cameras.contains_key(id),
            RecordRef::Audio(id) => self.audio.contains_key(id),
            RecordRef::Plan(id) => self.plans.contains_key(id),
        }
    }

    /// Every record, sites first, each kind by its id.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let sites = self.sites.values().cloned().map(Record::Site);
        let people = self.people.values().cloned().map(Record::Person);
        let extensions = self.extensions.values().cloned().map(Record::Extension);
        let zones = self.zones.values().cloned().map(Record::Zone);
        let rosters = self.rosters.values().cloned().map(Record::Roster);
        let cameras = self.cameras.values().cloned().map(Record::Camera);
        let audio = self.audio.values().cloned().map(Record::Audio);
        let plans = self.plans.values().cloned().map(Record::Plan);
        let places = sites.chain(people).chain(extensions).chain(zones);
        places.chain(rosters).chain(cameras).chain(audio).chain(plans)
    }

    /// Puts a record that was checked before, as when loading what is kept: the
    /// version stays and nothing is checked. Changes go through
    /// [`Directory::apply`].
    pub fn put_record(&mut self, record: Record) {
        match record {
            Record::Site(site) => drop(self.sites.insert(site.id.clone(), site)),
            Record::Person(person) => drop(self.people.insert(person.id.clone(), person)),
            Record::Extension(extension) => {
                drop(self.extensions.insert(extension.number.clone(), extension));
            }
            Record::Zone(zone) => drop(self.zones.insert(zone.id.clone(), zone)),
            Record::Roster(roster) => drop(self.rosters.insert(roster.id.clone(), roster)),
            Record::Camera(camera) => drop(self.cameras.insert(camera.id.clone(), camera)),
            Record::Audio(audio) => drop(self.audio.insert(audio.id.clone(), audio)),
            Record::Plan(plan) => drop(self.plans.insert(plan.id.clone(), plan)),
        }
    }

    /// Removes a record, unchecked like [`Directory::put_record`]; whether it
    /// was there.
    pub fn remove_record(&mut self, at: &RecordRef) -> bool {
        match at {
            RecordRef::Site(id) => self.sites.remove(id).is_some(),
            RecordRef::Person(id) => self.people.remove(id).is_some(),
            RecordRef::Extension(id) => self.extensions.remove(id).is_some(),
            RecordRef::Zone(id) => self.zones.remove(id).is_some(),
            RecordRef::Roster(id) => self.rosters.remove(id).is_some(),
            RecordRef::Camera(id) => self.cameras.remove(id).is_some(),
            RecordRef::Audio(id) => self.audio.remove(id).is_some(),
            RecordRef::Plan(id) => self.plans.remove(id).is_some(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.records().next().is_none()
    }
}
