//! What a dialled number means at a site, from the directory alone. It knows
//! neither who is registered nor which link is up: the caller of this tries what
//! it is given, in the order in which it is given.

use std::collections::BTreeSet;

use super::conference::is_room;
use super::lookup::Endpoint;
use super::{Directory, ExtensionKind, Person};
use crate::id::{Extension, SiteId, ZoneId};

/// Numbers that everybody knows in need: general, police, fire, ambulance.
pub const EMERGENCY: [&str; 4] = ["112", "110", "119", "120"];
/// The duty room's ring group, behind the site's prefix.
const DUTY_ROOM: &str = "000";
/// The duty officer's desk, behind the site's prefix.
const DUTY_DESK: &str = "001";
/// Before a number of the public network.
const OUTSIDE: char = '9';
/// Nothing longer is looked at.
const DIALLED_MAX_BYTES: usize = 32;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// Rung group after group, each together; no group is empty. There is none
    /// when the site has no telephone at all.
    Emergency {
        groups: Vec<Vec<Extension>>,
    },
    /// The telephones of the site's duty people, rung together.
    DutyRoom {
        numbers: Vec<Extension>,
    },
    /// A telephone or gateway of this site.
    Local(Extension),
    /// Another site's: only that site rings it.
    Elsewhere {
        site: SiteId,
        number: Extension,
    },
    /// A conference room of this site or another. It may be empty: whether anybody
    /// is in it only its site knows.
    Room {
        site: SiteId,
        number: Extension,
    },
    /// The public network, through one of these, best first. None: the site has
    /// no line of its own.
    Outside {
        number: String,
        trunks: Vec<Extension>,
    },
    /// The number pages this zone.
    Zone(ZoneId),
    Unknown,
}

impl Directory {
    /// What somebody at `site` means by `dialled`.
    pub fn route(&self, site: &SiteId, dialled: &str) -> Dialled {
        if dialled.len() > DIALLED_MAX_BYTES {
            return Dialled::Unknown;
        }
        if EMERGENCY.contains(&dialled) {
            return Dialled::Emergency { groups: self.emergency(site) };
        }
        if let Ok(number) = Extension::new(dialled) {
            match self.endpoint(&number) {
                Some(Endpoint::Phone(phone)) => {
                    return match phone.kind {
                        // A line is dialled through, with the number behind it.
                        ExtensionKind::Trunk => Dialled::Unknown,
                        _ if phone.site == *site => Dialled::Local(number),
                        _ => Dialled::Elsewhere { site: phone.site.clone(), number },
                    };
                }
                Some(Endpoint::Zone(zone)) => return Dialled::Zone(zone.id.clone()),
                // A loudspeaker is paged by those who may, never called.
                Some(Endpoint::Speaker(..)) => return Dialled::Unknown,
                None => {}
            }
            if let Some(room) = self.duty_room(site, &number) {
                return room;
            }
            if let Some(site) = self.room_of(&number) {
                return Dialled::Room { site, number };
            }
        }
        self.outside(site, dialled)
    }

    fn outside(&self, site: &SiteId, dialled: &str) -> Dialled {
        let Some(number) = dialled.strip_prefix(OUTSIDE) else { return Dialled::Unknown };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !(3..=20).contains(&number.len()) {
            return Dialled::Unknown;
        }
        Dialled::Outside { number: number.to_owned(), trunks: self.trunks(site) }
    }

    /// The lines of a site to the public network.
    pub fn trunks(&self, site: &SiteId) -> Vec<Extension> {
        let of_site = self.extensions.values().filter(|one| one.site == *site);
        let trunks = of_site.filter(|one| one.kind == ExtensionKind::Trunk);
        trunks.map(|one| one.number.clone()).collect()
    }

    fn duty_room(&self, site: &SiteId, number: &Extension) -> Option<Dialled> {
        let of_room = |prefix: &str| number.as_str().strip_prefix(prefix) == Some(DUTY_ROOM);
        let known = self.sites.values().find(|known| of_room(&known.prefix))?;
        if known.id != *site {
            return Some(Dialled::Elsewhere { site: known.id.clone(), number: number.clone() });
        }
        let mut numbers = Vec::new();
        let duty = self.duty(site);
        duty.iter().for_each(|person| self.telephones(site, person, &mut numbers));
        if numbers.is_empty() {
            numbers.extend(self.duty_desk(site));
        }
        Some(if numbers.is_empty() { Dialled::Unknown } else { Dialled::DutyRoom { numbers } })
    }

    /// The site whose conference room has this number.
    pub fn room_at(&self, number: &str) -> Option<SiteId> {
        let number = Extension::new(number).ok()?;
        match self.endpoint(&number) {
            Some(_) => None,
            None => self.room_of(&number),
        }
    }

    /// At which site a number is that of a conference room. Whatever else has the
    /// number was looked for before.
    fn room_of(&self, number: &Extension) -> Option<SiteId> {
        let rooms = |prefix: &str| number.as_str().strip_prefix(prefix).is_some_and(is_room);
        let known = self.sites.values().find(|known| rooms(&known.prefix))?;
        Some(known.id.clone())
    }

    /// Whoever has the duty first, then everybody: nobody in need hears that
    /// there is no answer while a telephone of the site could ring.
    fn emergency(&self, site: &SiteId) -> Vec<Vec<Extension>> {
        let duty = self.duty(site);
        let best = duty.first().map(|person| person.rank);
        let mut groups = [Vec::new(), Vec::new(), Vec::new()];
        let [first, rest, others] = &mut groups;
        for person in duty {
            let group = if Some(person.rank) == best { &mut *first } else { &mut *rest };
            self.telephones(site, person, group);
        }
        first.extend(self.duty_desk(site));
        let rings = |kind| {
            matches!(
                kind,
                ExtensionKind::DeskPhone | ExtensionKind::Softphone | ExtensionKind::Console
            )
        };
        let all = self.extensions.values().filter(|one| one.site == *site && rings(one.kind));
        others.extend(all.map(|one| one.number.clone()));
        let mut rung = BTreeSet::new();
        for group in &mut groups {
            group.retain(|number| rung.insert(number.clone()));
        }
        groups.into_iter().filter(|group| !group.is_empty()).collect()
    }

    fn duty_desk(&self, site: &SiteId) -> Option<Extension> {
        let number = format!("{}{DUTY_DESK}", self.sites.get(site)?.prefix);
        let desk = self.extensions.get(number.as_str())?;
        (desk.site == *site).then(|| desk.number.clone())
    }

    /// A person's telephones at `site`: the one of the contacts, then those that
    /// they own; each once.
    fn telephones(&self, site: &SiteId, person: &Person, into: &mut Vec<Extension>) {
        let contact = person.contacts.extension.as_ref();
        let contact = contact.and_then(|number| self.extensions.get(number));
        let owned = self.extensions.values().filter(|one| one.owner.as_ref() == Some(&person.id));
        for phone in contact.into_iter().chain(owned) {
            let rings = !matches!(phone.kind, ExtensionKind::Gateway | ExtensionKind::Trunk);
            if phone.site == *site && rings && !into.contains(&phone.number) {
                into.push(phone.number.clone());
            }
        }
    }
}
