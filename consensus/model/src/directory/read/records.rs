//! How each kind of record but the plan is written in a directory file.

use std::collections::BTreeSet;

use super::fields::{Fields, Reader};
use crate::directory::fault::fault;
use crate::directory::limits::SPEAKERS_PER_ZONE_MAX;
use crate::directory::{
    AudioFile, AutoAnswer, Camera, Codec, Contacts, ExtensionKind, ExtensionRecord, Lang, LinkKind,
    Member, Person, Recording, Role, RoleKind, Roster, Scope, Site, SiteClass, SiteLink, Speaker,
    SpeakerProfile, Zone,
};
use crate::id::{Hash, SiteId, ZoneId};

/// Stands in for a name that is missing or wrong.
pub(super) const NOBODY: &str = "unknown";

pub(super) fn site(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<Site> {
    read.only(fields, &["id", "name_zh", "name_en", "prefix", "class", "links", "nodes"]);
    let id = read.name(fields, "id", stand_in);
    let name_zh = read.text(fields, "name_zh");
    let name_en = read.maybe_text(fields, "name_en");
    let prefix = read.text(fields, "prefix");
    let class = read.word(fields, "class", SiteClass::Reservoir);
    let links = read.list_or_none(fields, "links");
    let links = read.tables(fields, "links", links);
    let links = links.iter().filter_map(|link| site_link(read, link)).collect();
    let nodes = read.list(fields, "nodes");
    let nodes = read.names(nodes, NOBODY);
    Some(Site { id: id?, name_zh, name_en, prefix, class, links, nodes })
}

fn site_link(read: &mut Reader, fields: &Fields<'_>) -> Option<SiteLink> {
    let known = ["to", "kind", "rtt_ms", "up_kbps", "down_kbps", "loss_ppm", "metered"];
    read.only(fields, &known);
    let to = read.name(fields, "to", NOBODY);
    let kind = read.word(fields, "kind", LinkKind::Fibre);
    let rtt_ms = read.number(fields, "rtt_ms", 0);
    let up_kbps = read.number(fields, "up_kbps", 1);
    let down_kbps = read.number(fields, "down_kbps", 1);
    let loss_ppm = read.number_or(fields, "loss_ppm", 0);
    let metered = read.flag(fields, "metered");
    Some(SiteLink { to: to?, kind, rtt_ms, up_kbps, down_kbps, loss_ppm, metered })
}

pub(super) fn person(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<Person> {
    read.only(fields, &["id", "name", "roles", "rank", "contacts"]);
    let id = read.name(fields, "id", stand_in);
    let name = read.text(fields, "name");
    let roles = read.list_or_none(fields, "roles");
    let roles = read.tables(fields, "roles", roles);
    let roles: Vec<Role> = roles.iter().map(|held| role(read, held)).collect();
    let best = Person::best_rank(&roles);
    let rank = read.number_or(fields, "rank", best.into());
    // Beyond a byte is beyond every rank; the check says so.
    let rank = u8::try_from(rank).unwrap_or(u8::MAX);
    let contacts = read.maybe_table(fields, "contacts");
    let contacts = contacts.map(|fields| {
        read.only(&fields, &["extension", "mobile", "sms"]);
        let extension = read.maybe_name(&fields, "extension");
        let mobile = read.maybe_text(&fields, "mobile");
        Contacts { extension, mobile, sms: read.maybe_text(&fields, "sms") }
    });
    Some(Person { id: id?, name, roles, rank, contacts: contacts.unwrap_or_default() })
}

/// `{ role = "site_duty", sites = ["R3"] }`, or `sites = "all"`.
fn role(read: &mut Reader, fields: &Fields<'_>) -> Role {
    read.only(fields, &["role", "sites"]);
    let role = read.word(fields, "role", RoleKind::SiteDuty);
    let all = read.maybe(fields, "sites").and_then(|sites| sites.get_ref().as_str());
    let sites = match all {
        Some("all") => Scope::All,
        Some(_) | None => {
            let sites = read.list(fields, "sites");
            Scope::Sites(read.names::<SiteId, BTreeSet<_>>(sites, NOBODY))
        }
    };
    Role { role, sites }
}

pub(super) fn extension(
    read: &mut Reader,
    fields: &Fields<'_>,
    stand_in: &str,
) -> Option<ExtensionRecord> {
    read.only(fields, &["number", "site", "kind", "owner"]);
    let number = read.name(fields, "number", stand_in);
    let site = read.name(fields, "site", NOBODY);
    let kind = read.word(fields, "kind", ExtensionKind::DeskPhone);
    let owner = read.maybe_name(fields, "owner");
    Some(ExtensionRecord { number: number?, site: site?, kind, owner })
}

pub(super) fn zone(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<Zone> {
    read.only(fields, &["id", "site", "name_zh", "name_en", "speakers"]);
    let id: ZoneId = read.name(fields, "id", stand_in)?;
    let site = read.name(fields, "site", NOBODY);
    let name_zh = read.text(fields, "name_zh");
    let name_en = read.text(fields, "name_en");
    let many = read.maybe(fields, "speakers").is_some_and(|value| value.get_ref().is_table());
    let speakers = if many {
        let row = read.maybe_table(fields, "speakers");
        row.map_or_else(Vec::new, |row| row_of_speakers(read, &row, &id))
    } else {
        let list = read.list(fields, "speakers");
        let tables = read.tables(fields, "speakers", list);
        tables.iter().filter_map(|fields| speaker(read, fields)).collect()
    };
    Some(Zone { id, site: site?, name_zh, name_en, speakers })
}

fn speaker(read: &mut Reader, fields: &Fields<'_>) -> Option<Speaker> {
    read.only(fields, &["id", "extension", "codecs", "auto_answer"]);
    let id = read.name(fields, "id", NOBODY);
    let extension = read.name(fields, "extension", NOBODY);
    let profile = profile(read, fields);
    Some(Speaker { id: id?, extension: extension?, profile })
}

fn profile(read: &mut Reader, fields: &Fields<'_>) -> SpeakerProfile {
    let codecs = match read.maybe(fields, "codecs") {
        None => vec![Codec::Pcma, Codec::Pcmu],
        Some(_) => {
            let words = read.list(fields, "codecs");
            words.into_iter().filter_map(|(path, value)| read.as_word(value, path)).collect()
        }
    };
    SpeakerProfile {
        codecs,
        auto_answer: read.word_or(fields, "auto_answer", AutoAnswer::CallInfo),
    }
}

/// `{ count = 9, first = "5451" }`: speakers `5403-01` to `5403-09` of zone
/// 5403, at 5451 to 5459.
fn row_of_speakers(read: &mut Reader, fields: &Fields<'_>, zone: &ZoneId) -> Vec<Speaker> {
    read.only(fields, &["count", "first", "codecs", "auto_answer"]);
    let count = read.number(fields, "count", 0);
    let first = read.text(fields, "first");
    let profile = profile(read, fields);
    let most = u32::try_from(SPEAKERS_PER_ZONE_MAX).unwrap_or(u32::MAX);
    if !(1..=most).contains(&count) {
        let fault = fault!(
            OutOfRange,
            "扬声器数 {count} 超出范围",
            "{count} speakers are out of range",
            "写 1 到 {most} 之间的数",
            "write a number from 1 to {most}",
        );
        settle(read, fields, "count", fault);
        return Vec::new();
    }
    let width = first.len();
    let start = first.parse::<u64>().ok().filter(|_| first.bytes().all(|b| b.is_ascii_digit()));
    let numbers = start.filter(|_| width <= 16).map(|start| start..start + u64::from(count));
    let row: Option<Vec<_>> = numbers.and_then(|numbers| {
        let one = |(nth, number): (usize, u64)| {
            let extension = format!("{number:0width$}");
            let id = format!("{zone}-{:02}", nth + 1).parse().ok()?;
            let extension = Some(extension).filter(|digits| digits.len() == width)?;
            Some(Speaker { id, extension: extension.parse().ok()?, profile: profile.clone() })
        };
        numbers.enumerate().map(one).collect()
    });
    if row.is_none() {
        let fault = fault!(
            BadValue,
            "从 {first:?} 起数不出 {count} 个号码",
            "{count} numbers cannot be counted from {first:?}",
            "写第一个号码，例如 \"5451\"，后面留够位数",
            "write the first number, such as \"5451\", with room to count up",
        );
        settle(read, fields, "first", fault);
    }
    row.unwrap_or_default()
}

/// Notes a fault of a row of speakers, unless its key was noted as missing or
/// wrong; nothing more is said about the row.
fn settle(
    read: &mut Reader,
    fields: &Fields<'_>,
    key: &str,
    fault: crate::directory::fault::Fault,
) {
    let path = fields.path_to(key);
    if let Some((name, _)) = fields.table.get_key_value(key)
        && !read.is_settled(&path)
    {
        read.fault(name.span().start, path, fault);
    }
    read.settle(fields.path.clone());
}

pub(super) fn roster(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<Roster> {
    read.only(fields, &["id", "site", "members"]);
    let id = read.name(fields, "id", stand_in);
    let site = read.maybe_name(fields, "site");
    let members = read.list(fields, "members");
    let members = read.tables(fields, "members", members);
    let members = members.iter().filter_map(|fields| {
        read.only(fields, &["person", "substitutes"]);
        let person = read.name(fields, "person", NOBODY);
        let substitutes = read.list_or_none(fields, "substitutes");
        Some(Member { person: person?, substitutes: read.names(substitutes, NOBODY) })
    });
    let members = members.collect();
    Some(Roster { id: id?, site, members })
}

pub(super) fn camera(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<Camera> {
    read.only(fields, &["id", "site", "name", "url"]);
    let id = read.name(fields, "id", stand_in);
    let site = read.name(fields, "site", NOBODY);
    let name = read.text(fields, "name");
    let url = read.text(fields, "url");
    Some(Camera { id: id?, site: site?, name, url })
}

pub(super) fn audio(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<AudioFile> {
    read.only(fields, &["id", "lang", "text", "recording"]);
    let id = read.name(fields, "id", stand_in);
    let lang = read.word(fields, "lang", Lang::ZhCn);
    let text = read.text(fields, "text");
    let recording = read.maybe_table(fields, "recording").map(|fields| {
        read.only(&fields, &["path", "sha256"]);
        let path = read.text(&fields, "path");
        Recording { path, sha256: sha256(read, &fields) }
    });
    Some(AudioFile { id: id?, lang, text, recording })
}

fn sha256(read: &mut Reader, fields: &Fields<'_>) -> Hash {
    let text = read.text(fields, "sha256");
    let path = fields.path_to("sha256");
    let hash = text.parse();
    if let (Err(_), Some((key, _))) = (&hash, fields.table.get_key_value("sha256"))
        && !read.is_settled(&path)
    {
        let fault = fault!(
            BadValue,
            "SHA-256 不是 64 位十六进制数",
            "the SHA-256 is not 64 hexadecimal digits",
            "写 sha256sum 对该文件的输出",
            "write what sha256sum says about the file",
        );
        read.fault(key.span().start, path, fault);
    }
    hash.unwrap_or_default()
}
