//! A change in one line, for the person who is about to make it. Says what is
//! added, removed, or which parts differ; whole contents stay in the records.

use std::fmt;

use serde::Serialize;

use super::word::Word;
use super::{Change, Directory, Record};

/// One line of a dry run: `+` added, `~` changed, `-` removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeLine {
    pub sign: char,
    pub zh: String,
    pub en: String,
}

impl fmt::Display for ChangeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.en)
    }
}

impl Directory {
    /// What `change` does to this directory.
    pub fn describe(&self, change: &Change) -> ChangeLine {
        let at = change.reference();
        let (kind, id) = (at.kind(), at.id());
        let before = self.get(&at);
        match (change, &before) {
            (Change::Put(record), None) => {
                let ((zh, more_zh), (en, more_en)) = title(record);
                ChangeLine {
                    sign: '+',
                    zh: format!("{} {id}{zh}{more_zh}", kind.zh()),
                    en: format!("{kind} {id}{en}{more_en}"),
                }
            }
            (Change::Put(record), Some(before)) => {
                let ((zh, _), (en, _)) = title(record);
                let parts = changed(before, record).join(", ");
                ChangeLine {
                    sign: '~',
                    zh: format!("{} {id}{zh}：{parts}", kind.zh()),
                    en: format!("{kind} {id}{en}: {parts}"),
                }
            }
            (Change::Remove(_), before) => {
                let ((zh, _), (en, _)) = before.as_ref().map(title).unwrap_or_default();
                ChangeLine {
                    sign: '-',
                    zh: format!("{} {id}{zh}", kind.zh()),
                    en: format!("{kind} {id}{en}"),
                }
            }
        }
    }
}

type Title = ((String, String), (String, String));

/// A record's label and its size, in Chinese and in English, each with a space
/// before it.
fn title(record: &Record) -> Title {
    let both = |name: &str, zh: String, en: String| {
        let name = format!(" {name}");
        ((name.clone(), format!("（{zh}）")), (name, format!(" ({en})")))
    };
    match record {
        Record::Site(site) => {
            let nodes = site.nodes.len();
            both(&site.name_zh, format!("{nodes} 个节点"), counted(nodes, "node"))
        }
        Record::Person(person) => {
            let roles = |word: fn(&super::Role) -> String| {
                person.roles.iter().map(word).collect::<Vec<_>>().join(", ")
            };
            let zh = roles(|held| held.role.zh().to_owned());
            both(&person.name, zh, roles(|held| held.role.to_string()))
        }
        Record::Extension(extension) => {
            let kind = extension.kind;
            both(extension.site.as_str(), kind.zh().to_owned(), kind.to_string())
        }
        Record::Zone(zone) => {
            let speakers = zone.speakers.len();
            both(&zone.name_zh, format!("{speakers} 只扬声器"), counted(speakers, "speaker"))
        }
        Record::Roster(roster) => {
            let members = roster.members.len();
            let site = roster.site.as_ref().map_or("*", |site| site.as_str());
            both(site, format!("{members} 人"), counted(members, "member"))
        }
        Record::Camera(camera) => {
            both(&camera.name, camera.site.to_string(), camera.site.to_string())
        }
        Record::Audio(audio) => {
            let start: String = audio.text.chars().take(24).collect();
            let ellipsis = if audio.text.chars().count() > 24 { "…" } else { "" };
            let lang = audio.lang;
            both(&format!("“{start}{ellipsis}”"), lang.zh().to_owned(), lang.to_string())
        }
        Record::Plan(plan) => {
            let steps = plan.steps.len();
            both(&plan.name_zh, format!("{steps} 步"), counted(steps, "step"))
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

macro_rules! differing {
    ($one:expr, $two:expr; $($field:ident = $word:literal),+) => {
        [$(($one.$field != $two.$field).then_some($word)),+].into_iter().flatten().collect()
    };
}

/// The keys of a directory file that differ.
fn changed(before: &Record, after: &Record) -> Vec<&'static str> {
    match (before, after) {
        (Record::Site(one), Record::Site(two)) => differing!(one, two;
            name_zh = "name_zh", name_en = "name_en", prefix = "prefix", class = "class",
            links = "links", nodes = "nodes"),
        (Record::Person(one), Record::Person(two)) => differing!(one, two;
            name = "name", roles = "roles", rank = "rank", contacts = "contacts"),
        (Record::Extension(one), Record::Extension(two)) => differing!(one, two;
            site = "site", kind = "kind", owner = "owner"),
        (Record::Zone(one), Record::Zone(two)) => differing!(one, two;
            site = "site", name_zh = "name_zh", name_en = "name_en", speakers = "speakers"),
        (Record::Roster(one), Record::Roster(two)) => differing!(one, two;
            site = "site", members = "members"),
        (Record::Camera(one), Record::Camera(two)) => differing!(one, two;
            site = "site", name = "name", url = "url"),
        (Record::Audio(one), Record::Audio(two)) => differing!(one, two;
            lang = "lang", text = "text", recording = "recording"),
        (Record::Plan(one), Record::Plan(two)) => differing!(one, two;
            name_zh = "name_zh", name_en = "name_en", level = "level", authority = "authority",
            two_person = "two_person", steps = "step"),
        // A reference names one kind only.
        (Record::Site(_) | Record::Person(_) | Record::Extension(_) | Record::Zone(_), _)
        | (Record::Roster(_) | Record::Camera(_) | Record::Audio(_) | Record::Plan(_), _) => {
            Vec::new()
        }
    }
}
