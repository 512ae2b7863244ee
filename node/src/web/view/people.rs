//! The people of the directory by the site whose telephones reach them. Whether a
//! telephone is registered is known at its own site only; elsewhere it is `null`,
//! never "no".

use std::collections::BTreeMap;

use serde::Serialize;
use weir_model::directory::{Directory, Person, Scope, Word};
use weir_model::id::{PersonId, SiteId};

use crate::web::mirrors::Seen;
use crate::web::told::Acknowledged;
use crate::web::wired::Wired;

/// Everybody at one site; `site` is empty for those whom no site's telephones reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SitePeople {
    pub(crate) site: String,
    people: Vec<PersonLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PersonLine {
    id: String,
    name: String,
    /// 1 is the highest.
    rank: u8,
    roles: Vec<RoleLine>,
    extension: Option<String>,
    mobile: Option<String>,
    /// `None`: no telephone, or not known here.
    registered: Option<bool>,
    acknowledged: Option<AckLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RoleLine {
    role: &'static str,
    /// `None`: everywhere.
    sites: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AckLine {
    at_ms: u64,
    /// Which site's call it was.
    site: String,
    activation: String,
}

/// Each person's newest acknowledgement, to whichever site's call.
fn newest(seen: &Seen) -> BTreeMap<&PersonId, (&SiteId, Acknowledged)> {
    let mut newest: BTreeMap<&PersonId, (&SiteId, Acknowledged)> = BTreeMap::new();
    for (site, one) in seen {
        for (who, ack) in &one.acknowledged {
            let last = newest.entry(who).or_insert((site, *ack));
            if last.1.at < ack.at {
                *last = (site, *ack);
            }
        }
    }
    newest
}

pub(crate) fn people(directory: &Directory, seen: &Seen, wired: &Wired) -> Vec<SitePeople> {
    let newest = newest(seen);
    let mut sites: BTreeMap<String, Vec<PersonLine>> = BTreeMap::new();
    for person in directory.people.values() {
        let site = directory.home_of(person);
        let line = PersonLine {
            acknowledged: newest.get(&person.id).map(|(site, ack)| AckLine {
                at_ms: ack.at.0,
                site: site.to_string(),
                activation: ack.run.to_string(),
            }),
            ..line(person, site, wired)
        };
        sites.entry(site.map(ToString::to_string).unwrap_or_default()).or_default().push(line);
    }
    for people in sites.values_mut() {
        people.sort_by(|a, b| (a.rank, &a.id).cmp(&(b.rank, &b.id)));
    }
    sites.into_iter().map(|(site, people)| SitePeople { site, people }).collect()
}

fn line(person: &Person, site: Option<&SiteId>, wired: &Wired) -> PersonLine {
    let roles = person.roles.iter().map(|held| RoleLine {
        role: held.role.word(),
        sites: match &held.sites {
            Scope::All => None,
            Scope::Sites(sites) => Some(sites.iter().map(ToString::to_string).collect()),
        },
    });
    let extension = person.contacts.extension.as_ref();
    let asked = site.zip(extension);
    PersonLine {
        id: person.id.to_string(),
        name: person.name.clone(),
        rank: person.rank,
        roles: roles.collect(),
        extension: extension.map(ToString::to_string),
        mobile: person.contacts.mobile.clone(),
        registered: asked.and_then(|(site, number)| (wired.phone)(site, number)),
        acknowledged: None,
    }
}
