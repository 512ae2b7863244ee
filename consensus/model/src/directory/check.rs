//! Cross-checks of a whole directory: every name leads somewhere, every number
//! belongs to one device and to its site. Finds all problems, changes nothing.

use std::collections::BTreeMap;

use super::conference::is_room;
use super::fault::{Findings, Problem, fault};
use super::plan::{PaPlay, Plan, Sound, StepKind, unfilled};
use super::word::Word;
use super::zone::{Speaker, Zone, ZoneName};
use super::{Directory, Person, Record, RecordKind, RecordRef, Scope, Site, limits};
use crate::codec::{Stored, encode};
use crate::id::{Extension, NodeName, PersonId, SiteId, SpeakerId, ZoneId};

/// What is given out once in the whole directory, and to whom.
struct Taken<'d> {
    prefixes: BTreeMap<&'d str, &'d SiteId>,
    nodes: BTreeMap<&'d NodeName, &'d SiteId>,
    speakers: BTreeMap<&'d SpeakerId, &'d ZoneId>,
    numbers: BTreeMap<&'d str, RecordRef>,
    /// Rooms, without their prefix, whose number leads elsewhere at some site.
    rooms: BTreeMap<&'d str, RecordRef>,
}

impl<'d> Taken<'d> {
    /// The first owner by id keeps a thing; telephones and zones come before
    /// speakers.
    fn of(directory: &'d Directory) -> Self {
        let mut taken = Self {
            prefixes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            speakers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            rooms: BTreeMap::new(),
        };
        for site in directory.sites.values() {
            taken.prefixes.entry(&site.prefix).or_insert(&site.id);
            for node in &site.nodes {
                taken.nodes.entry(node).or_insert(&site.id);
            }
        }
        for number in directory.extensions.keys() {
            taken.numbers.insert(number.as_str(), RecordRef::Extension(number.clone()));
        }
        for zone in directory.zones.keys() {
            taken.numbers.entry(zone.as_str()).or_insert_with(|| RecordRef::Zone(zone.clone()));
        }
        for zone in directory.zones.values() {
            for speaker in &zone.speakers {
                taken.speakers.entry(&speaker.id).or_insert(&zone.id);
                let owner = || RecordRef::Zone(zone.id.clone());
                taken.numbers.entry(speaker.extension.as_str()).or_insert_with(owner);
            }
        }
        for (number, owner) in &taken.numbers {
            let split = number.len().checked_sub(3).and_then(|at| number.split_at_checked(at));
            let Some((prefix, room)) = split else { continue };
            if is_room(room) && taken.prefixes.contains_key(prefix) {
                taken.rooms.entry(room).or_insert_with(|| owner.clone());
            }
        }
        taken
    }
}

/// Checks one record by itself.
pub(super) fn check_record(record: &Record, problems: &mut Vec<Problem>) {
    let found = &mut Findings::new(record.reference(), problems);
    match record {
        Record::Site(site) => site.check(found),
        Record::Person(person) => person.check(found),
        Record::Extension(extension) => extension.check(found),
        Record::Zone(zone) => zone.check(found),
        Record::Roster(roster) => roster.check(found),
        Record::Camera(camera) => camera.check(found),
        Record::Audio(audio) => audio.check(found),
        Record::Plan(plan) => plan.check(found),
    }
    if encode(record).is_err() {
        let most = Record::MAX_BYTES;
        let fault = fault!(
            TooLarge,
            "记录超过 {most} 字节",
            "the record is longer than {most} bytes",
            "缩短文字，或拆成几条记录",
            "shorten its texts, or split it",
        );
        found.add("", fault);
    }
}

impl Directory {
    /// Every problem, by record and place. An empty list is a sound directory;
    /// one that is too large is not looked at further.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.check_counts(&mut problems);
        if !problems.is_empty() {
            return problems;
        }
        for record in self.records() {
            check_record(&record, &mut problems);
        }
        let taken = Taken::of(self);
        for site in self.sites.values() {
            self.check_site(site, &taken, &mut problems);
        }
        for person in self.people.values() {
            self.check_person(person, &mut problems);
        }
        self.check_extensions(&taken, &mut problems);
        for zone in self.zones.values() {
            self.check_zone(zone, &taken, &mut problems);
        }
        self.check_rosters(&mut problems);
        for camera in self.cameras.values() {
            let at = RecordRef::Camera(camera.id.clone());
            self.require_site_at("site", &camera.site, &mut Findings::new(at, &mut problems));
        }
        for plan in self.plans.values() {
            self.check_plan(plan, &taken, &mut problems);
        }
        problems.sort();
        problems
    }

    fn check_counts(&self, problems: &mut Vec<Problem>) {
        for kind in RecordKind::ALL.iter().copied() {
            let most = match kind {
                RecordKind::Site => limits::SITES_MAX,
                RecordKind::Person => limits::PEOPLE_MAX,
                RecordKind::Extension => limits::EXTENSIONS_MAX,
                RecordKind::Zone => limits::ZONES_MAX,
                RecordKind::Roster => limits::ROSTERS_MAX,
                RecordKind::Camera => limits::CAMERAS_MAX,
                RecordKind::Audio => limits::AUDIO_MAX,
                RecordKind::Plan => limits::PLANS_MAX,
            };
            let found = self.count(kind);
            if found > most {
                // The first record too many is the place to look at.
                let of_kind = self.records().map(|record| record.reference());
                let extra = of_kind.filter(|at| at.kind() == kind).nth(most);
                if let Some(extra) = extra {
                    Findings::new(extra, problems).at_most("", found, most);
                }
            }
        }
    }

    fn check_site(&self, site: &Site, taken: &Taken<'_>, problems: &mut Vec<Problem>) {
        let found = &mut Findings::new(RecordRef::Site(site.id.clone()), problems);
        for (at, link) in site.links.iter().enumerate() {
            self.require_site_at(&format!("links.{at}.to"), &link.to, found);
        }
        // Numbers could not be told apart if one prefix began another.
        let begins = (1..=site.prefix.len()).filter_map(|len| site.prefix.get(..len));
        let owners = begins.filter_map(|begin| taken.prefixes.get_key_value(begin));
        for (begin, owner) in owners.filter(|(_, owner)| **owner != &site.id) {
            let what = format!("prefix {begin}");
            found.taken("prefix", &what, &RecordRef::Site((*owner).clone()));
        }
        for (at, node) in site.nodes.iter().enumerate() {
            if let Some(owner) = taken.nodes.get(node).filter(|owner| **owner != &site.id) {
                let owner = RecordRef::Site((*owner).clone());
                found.taken(format!("nodes.{at}"), node.as_str(), &owner);
            }
        }
    }

    fn check_person(&self, person: &Person, problems: &mut Vec<Problem>) {
        let found = &mut Findings::new(RecordRef::Person(person.id.clone()), problems);
        for (at, held) in person.roles.iter().enumerate() {
            if let Scope::Sites(sites) = &held.sites {
                for site in sites {
                    self.require_site_at(&format!("roles.{at}.sites"), site, found);
                }
            }
        }
        if let Some(number) = &person.contacts.extension
            && !self.extensions.contains_key(number)
        {
            found.unknown("contacts.extension", RecordRef::Extension(number.clone()));
        }
    }

    fn check_extensions(&self, taken: &Taken<'_>, problems: &mut Vec<Problem>) {
        for extension in self.extensions.values() {
            let me = RecordRef::Extension(extension.number.clone());
            let found = &mut Findings::new(me.clone(), problems);
            let number = &extension.number;
            self.check_prefix("number", number.as_str(), &extension.site, found);
            self.require_site_at("site", &extension.site, found);
            if let Some(owner) = &extension.owner {
                self.require_person_at("owner", owner, found);
            }
            if let Some(owner) = taken.numbers.get(number.as_str()).filter(|owner| **owner != me) {
                found.taken("number", number.as_str(), owner);
            }
        }
    }

    fn check_zone(&self, zone: &Zone, taken: &Taken<'_>, problems: &mut Vec<Problem>) {
        let me = RecordRef::Zone(zone.id.clone());
        let found = &mut Findings::new(me.clone(), problems);
        self.require_site_at("site", &zone.site, found);
        self.check_prefix("id", zone.id.as_str(), &zone.site, found);
        if let Some(owner) = taken.numbers.get(zone.id.as_str()).filter(|owner| **owner != me) {
            found.taken("id", zone.id.as_str(), owner);
        }
        let mut numbers: BTreeMap<&Extension, usize> = BTreeMap::new();
        for (at, Speaker { id, extension, .. }) in zone.speakers.iter().enumerate() {
            let path = format!("speakers.{at}");
            if let Some(owner) = taken.speakers.get(id).filter(|owner| **owner != &zone.id) {
                let owner = RecordRef::Zone((*owner).clone());
                found.taken(format!("{path}.id"), id.as_str(), &owner);
            }
            let number = format!("{path}.extension");
            self.check_prefix(&number, extension.as_str(), &zone.site, found);
            let owner = taken.numbers.get(extension.as_str());
            if let Some(owner) = owner.filter(|owner| **owner != me) {
                found.taken(number, extension.as_str(), owner);
            } else if extension.as_str() == zone.id.as_str() || numbers.contains_key(extension) {
                found.twice(number, extension);
            }
            numbers.insert(extension, at);
        }
    }

    fn check_rosters(&self, problems: &mut Vec<Problem>) {
        for roster in self.rosters.values() {
            let found = &mut Findings::new(RecordRef::Roster(roster.id.clone()), problems);
            if let Some(site) = &roster.site {
                self.require_site_at("site", site, found);
            }
            for (at, member) in roster.members.iter().enumerate() {
                self.require_person_at(&format!("members.{at}.person"), &member.person, found);
                for (nth, substitute) in member.substitutes.iter().enumerate() {
                    let path = format!("members.{at}.substitutes.{nth}");
                    self.require_person_at(&path, substitute, found);
                }
            }
        }
    }

    fn check_plan(&self, plan: &Plan, taken: &Taken<'_>, problems: &mut Vec<Problem>) {
        let found = &mut Findings::new(RecordRef::Plan(plan.id.clone()), problems);
        for (at, step) in plan.steps.iter().enumerate() {
            let path = format!("step.{at}");
            if let Some(sound) = step.kind.sound() {
                self.check_sound(sound, &path, found);
            }
            match &step.kind {
                StepKind::PaPlay(page) => self.check_page(page, &path, found),
                StepKind::CallRoster(call) => {
                    self.check_people(&call.roster, &path, found);
                    self.check_calls(call, &path, found);
                }
                StepKind::Message(message) => self.check_people(&message.roster, &path, found),
                StepKind::ConferenceOpen(conference) => {
                    let hidden_by = taken.rooms.get(conference.room.as_str());
                    self.check_conference(conference, hidden_by, &path, found);
                }
                StepKind::Delay { .. } | StepKind::Confirm(_) => {}
            }
        }
    }

    fn check_sound(&self, sound: &Sound, path: &str, found: &mut Findings<'_>) {
        let Sound::Audio(audio) = sound else { return };
        match self.audio.get(audio) {
            None => found.unknown(format!("{path}.audio"), RecordRef::Audio(audio.clone())),
            Some(file) if file.is_template() => found.add(format!("{path}.audio"), unfilled()),
            Some(_) => {}
        }
    }

    fn check_page(&self, page: &PaPlay, path: &str, found: &mut Findings<'_>) {
        for (at, zone) in page.zones.iter().enumerate() {
            let path = format!("{path}.zones.{at}");
            match zone {
                ZoneName::EveryOfSite => {}
                ZoneName::Fixed(zone) if self.zones.contains_key(zone) => {}
                ZoneName::Fixed(zone) => found.unknown(path, RecordRef::Zone(zone.clone())),
                ZoneName::OfSite(digits) => {
                    let mut numbers =
                        self.sites.values().map(|site| format!("{}{digits}", site.prefix));
                    if !numbers.any(|number| self.zones.contains_key(number.as_str())) {
                        let fault = fault!(
                            UnknownReference,
                            "没有一个站点有广播区 $SITE{digits}",
                            "no site has a zone $SITE{digits}",
                            "改正数字，或添加站点前缀加 {digits} 的广播区",
                            "correct the digits, or add a zone named by a prefix and {digits}",
                        );
                        found.add(path, fault);
                    }
                }
            }
        }
    }

    fn require_site_at(&self, path: &str, site: &SiteId, found: &mut Findings<'_>) {
        if !self.sites.contains_key(site) {
            found.unknown(path, RecordRef::Site(site.clone()));
        }
    }

    fn require_person_at(&self, path: &str, person: &PersonId, found: &mut Findings<'_>) {
        if !self.people.contains_key(person) {
            found.unknown(path, RecordRef::Person(person.clone()));
        }
    }

    /// An unknown site is a problem of its own; so is a bad prefix.
    fn check_prefix(&self, path: &str, number: &str, site: &SiteId, found: &mut Findings<'_>) {
        let Some(prefix) = self.sites.get(site).map(|site| site.prefix.as_str()) else { return };
        if !number.starts_with(prefix) {
            let fault = fault!(
                WrongPrefix,
                "号码 {number} 不以站点 {site} 的前缀 {prefix} 开头",
                "the number {number} does not begin with {prefix}, the prefix of site {site}",
                "改号码，或改所属站点",
                "change the number, or the site that it belongs to",
            );
            found.add(path, fault);
        }
    }
}
