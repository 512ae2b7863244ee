//! Questions that calls, pages and plans ask the directory. Answers come in the
//! order of ids, so that every node gives the same one.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use super::{Directory, ExtensionRecord, Record, RecordKind, RecordRef, Speaker, Zone, ZoneName};
use crate::codec::{DecodeError, encode};
use crate::id::{Extension, Hash, NodeName, PlanId, SiteId, ZoneId};

/// What answers at a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'d> {
    Phone(&'d ExtensionRecord),
    Speaker(&'d Zone, &'d Speaker),
    /// The number pages the zone.
    Zone(&'d Zone),
}

impl<'d> Endpoint<'d> {
    /// The home site: the only one whose nodes drive the device.
    pub fn site(self) -> &'d SiteId {
        match self {
            Self::Phone(phone) => &phone.site,
            Self::Speaker(zone, _) | Self::Zone(zone) => &zone.site,
        }
    }

    /// The record in which it is written down.
    pub fn reference(self) -> RecordRef {
        match self {
            Self::Phone(phone) => RecordRef::Extension(phone.number.clone()),
            Self::Speaker(zone, _) | Self::Zone(zone) => RecordRef::Zone(zone.id.clone()),
        }
    }
}

impl Directory {
    pub fn zones_of<'d>(&'d self, site: &SiteId) -> impl Iterator<Item = &'d Zone> + use<'d> {
        let site = site.clone();
        self.zones.values().filter(move |zone| zone.site == site)
    }

    /// The zones that a plan launched at `site` means by `names`, each once. A
    /// variable that fits no zone of the site yields none: not every site has
    /// every zone.
    pub fn resolve(&self, names: &[ZoneName], site: &SiteId) -> Vec<ZoneId> {
        let mut found = BTreeSet::new();
        for name in names {
            match name {
                ZoneName::EveryOfSite => found.extend(self.zones_of(site).map(|zone| &zone.id)),
                ZoneName::OfSite(digits) => {
                    let number = self.sites.get(site).map(|at| format!("{}{digits}", at.prefix));
                    let zone = number.and_then(|number| self.zones.get(number.as_str()));
                    found.extend(zone.filter(|zone| zone.site == *site).map(|zone| &zone.id));
                }
                ZoneName::Fixed(zone) => found.extend(self.zones.get(zone).map(|zone| &zone.id)),
            }
        }
        found.into_iter().cloned().collect()
    }

    /// The speakers of `zones`, zone by zone, in the order in which each zone
    /// lists them.
    pub fn speakers_of<'d>(
        &'d self,
        zones: &'d [ZoneId],
    ) -> impl Iterator<Item = (&'d Zone, &'d Speaker)> {
        let known = zones.iter().filter_map(|zone| self.zones.get(zone));
        known.flat_map(|zone| zone.speakers.iter().map(move |speaker| (zone, speaker)))
    }

    /// The site at which a node stands.
    pub fn site_of_node(&self, node: &NodeName) -> Option<&SiteId> {
        self.sites.values().find(|site| site.nodes.contains(node)).map(|site| &site.id)
    }

    /// What answers at every number. Built once per directory version, for the
    /// registrar and for routing. A number that was given twice, which only an
    /// unchecked directory can hold, belongs to the telephone, then to the zone.
    pub fn endpoints(&self) -> BTreeMap<&str, Endpoint<'_>> {
        let speakers = self.zones.values().flat_map(|zone| {
            let with = move |speaker| Endpoint::Speaker(zone, speaker);
            zone.speakers.iter().map(move |one| (one.extension.as_str(), with(one)))
        });
        let zones = self.zones.values().map(|zone| (zone.id.as_str(), Endpoint::Zone(zone)));
        let phones =
            self.extensions.values().map(|one| (one.number.as_str(), Endpoint::Phone(one)));
        speakers.chain(zones).chain(phones).collect()
    }

    /// What answers at `number`. Reads every zone: for a person's question; the
    /// registrar keeps [`Directory::endpoints`].
    pub fn endpoint(&self, number: &Extension) -> Option<Endpoint<'_>> {
        let phone = self.extensions.get(number).map(Endpoint::Phone);
        let paged = || self.zones.get(number.as_str()).map(Endpoint::Zone);
        let speaker = || {
            let mut all = self
                .zones
                .values()
                .flat_map(|zone| zone.speakers.iter().map(move |speaker| (zone, speaker)));
            let one = all.find(|(_, speaker)| speaker.extension == *number);
            one.map(|(zone, speaker)| Endpoint::Speaker(zone, speaker))
        };
        phone.or_else(paged).or_else(speaker)
    }

    /// The hash of everything that decides what a plan does: the plan without
    /// its version, and the audio files that it plays. `None`: no such plan.
    ///
    /// # Errors
    /// When a record is longer than allowed, so that it was never checked.
    pub fn plan_hash(&self, plan: &PlanId) -> Result<Option<Hash>, DecodeError> {
        let Some(plan) = self.plans.get(plan) else { return Ok(None) };
        let mut parts = vec![encode(&Record::Plan(Plan { version: 0, ..plan.clone() }))?];
        for audio in plan.audio().into_iter().filter_map(|audio| self.audio.get(audio)) {
            parts.push(encode(&Record::Audio(audio.clone()))?);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        Ok(Some(Hash::of(&parts)))
    }

    /// How many records of a kind there are.
    pub fn count(&self, kind: RecordKind) -> usize {
        match kind {
            RecordKind::Site => self.sites.len(),
            RecordKind::Person => self.people.len(),
            RecordKind::Extension => self.extensions.len(),
            RecordKind::Zone => self.zones.len(),
            RecordKind::Roster => self.rosters.len(),
            RecordKind::Camera => self.cameras.len(),
            RecordKind::Audio => self.audio.len(),
            RecordKind::Plan => self.plans.len(),
        }
    }
}
