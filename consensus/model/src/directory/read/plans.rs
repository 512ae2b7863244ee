//! How a plan is written in a directory file. A step's keys depend on its kind;
//! a kind that this version cannot run is refused by name.

use super::fields::{Fields, Reader, Value};
use super::nearest::nearest;
use super::records::NOBODY;
use crate::directory::fault::fault;
use crate::directory::word::Word;
use crate::directory::{
    Authority, CONFERENCE_WAIT_S, CallMode, CallRoster, ConferenceOpen, Confirm, Evidence, Grade,
    Level, Message, Need, OnTimeout, PaPlay, Plan, RoleKind, RosterName, Sound, Step, StepKind,
    ZoneName,
};

pub(super) fn plan(read: &mut Reader, fields: &Fields<'_>, stand_in: &str) -> Option<Plan> {
    let known = ["id", "name_zh", "name_en", "level", "authority", "two_person", "step"];
    read.only(fields, &known);
    let id = read.name(fields, "id", stand_in);
    let name_zh = read.text(fields, "name_zh");
    let name_en = read.text(fields, "name_en");
    let level = read.word(fields, "level", Level::Blue);
    let authority = read.list(fields, "authority");
    let count = authority.len();
    let authority: Vec<_> =
        authority.into_iter().filter_map(|(path, who)| self::authority(read, who, path)).collect();
    if authority.len() < count {
        // The places of the others are off.
        read.settle("authority".to_owned());
    }
    let two_person = read.flag(fields, "two_person");
    let steps = read.list(fields, "step");
    let steps = read.tables(fields, "step", steps);
    let steps = steps.iter().filter_map(|fields| step(read, fields)).collect();
    Some(Plan { id: id?, name_zh, name_en, level, authority, two_person, steps, version: 0 })
}

/// `commander`, or `site_duty:own`.
fn authority(read: &mut Reader, value: &Value<'_>, path: String) -> Option<Authority> {
    let Some(text) = value.get_ref().as_str() else {
        let role = read.as_word(value, path)?;
        return Some(Authority { role, own_site: false });
    };
    let (word, own_site) = match text.strip_suffix(":own") {
        Some(word) => (word, true),
        None => (text, false),
    };
    if let Some(role) = RoleKind::from_word(word) {
        return Some(Authority { role, own_site });
    }
    let text: String = text.chars().take(48).collect();
    let known: Vec<_> = RoleKind::ALL.iter().map(|role| role.word()).collect();
    let known = known.join(", ");
    let fault = fault!(
        UnknownWord,
        "不认识角色 {text:?}",
        "there is no role {text:?}",
        "可用：{known}，后面可加 :own 表示只限本站点",
        "use one of: {known}, perhaps with :own for the person's own site",
    );
    read.fault(value.span().start, path, fault);
    None
}

/// A step that cannot be run is refused, and a stand-in keeps its place.
fn step(read: &mut Reader, fields: &Fields<'_>) -> Option<Step> {
    let kind_word = read.text(fields, "kind");
    let kind = match kind_word.as_str() {
        "pa.play" => pa_play(read, fields),
        "delay" => {
            read.only(fields, &["id", "kind", "group", "island_ok", "s"]);
            StepKind::Delay { s: read.number(fields, "s", 1) }
        }
        "confirm" => confirm(read, fields),
        "call.roster" => call_roster(read, fields),
        "message" => message(read, fields),
        "conference.open" => conference_open(read, fields),
        unknown => {
            let unknown: String = unknown.chars().take(48).collect();
            refuse_kind(read, fields, &unknown);
            StepKind::Delay { s: 1 }
        }
    };
    let id = read.name(fields, "id", NOBODY);
    let group = read.maybe_name(fields, "group");
    let island_ok = read.flag(fields, "island_ok");
    Some(Step { id: id?, kind, group, island_ok })
}

fn refuse_kind(read: &mut Reader, fields: &Fields<'_>, unknown: &str) {
    let path = fields.path_to("kind");
    let known = StepKind::KNOWN.join(", ");
    let near = nearest(unknown, StepKind::KNOWN);
    let hint_zh = near.map_or(String::new(), |near| format!("是否指 {near}？"));
    let hint_en = near.map_or(String::new(), |near| format!("did you mean {near}? "));
    let fault = fault!(
        UnknownStepKind,
        "本版本不认识步骤类型 `{unknown}`；可用：{known}",
        "step kind `{unknown}` is not known to this version; known: {known}",
        "{hint_zh}改用可用的类型，删去此步骤，或升级后再用",
        "{hint_en}use a known kind, remove the step, or upgrade first",
    );
    if let Some((_, value)) = fields.table.get_key_value("kind")
        && !read.is_settled(&path)
    {
        read.fault(value.span().start, path, fault);
    }
}

fn pa_play(read: &mut Reader, fields: &Fields<'_>) -> StepKind {
    let known =
        ["id", "kind", "group", "island_ok", "zones", "audio", "text", "repeat", "evidence"];
    read.only(fields, &known);
    let zones = read.list(fields, "zones");
    let zones = zones.into_iter().filter_map(|(path, zone)| zone_name(read, zone, path)).collect();
    let sound = sound(read, fields);
    let repeat = read.number_or(fields, "repeat", 1);
    let evidence = read.maybe_table(fields, "evidence").map(|fields| {
        read.only(&fields, &["grade", "within_s"]);
        let grade = read.word(&fields, "grade", Grade::Sent);
        Evidence { grade, within_s: read.number(&fields, "within_s", 10) }
    });
    StepKind::PaPlay(PaPlay { zones, sound, repeat, evidence })
}

fn zone_name(read: &mut Reader, value: &Value<'_>, path: String) -> Option<ZoneName> {
    let name = value.get_ref().as_str().filter(|text| text.starts_with('$'));
    let Some(name) = name else {
        let zone = read.as_name(value, path).or_else(|| NOBODY.parse().ok());
        return zone.map(ZoneName::Fixed);
    };
    if let Ok(zone) = ZoneName::try_from(name.to_owned()) {
        return Some(zone);
    }
    let name: String = name.chars().take(48).collect();
    let fault = fault!(
        BadName,
        "{name:?} 不是广播区",
        "{name:?} names no zone",
        "写 $SITE* 、$SITE 加数字（如 $SITE403），或广播区号码",
        "write $SITE*, $SITE and digits such as $SITE403, or a zone's number",
    );
    read.fault(value.span().start, path, fault);
    // Keeps the places of the others.
    NOBODY.parse().ok().map(ZoneName::Fixed)
}

/// Exactly one of `audio` and `text`.
fn sound(read: &mut Reader, fields: &Fields<'_>) -> Sound {
    let (audio, text) = (read.maybe(fields, "audio"), read.maybe(fields, "text"));
    match (audio, text) {
        (Some(audio), None) => {
            let path = fields.path_to("audio");
            read.as_name(audio, path).map_or(Sound::Text(String::new()), Sound::Audio)
        }
        (Some(_), Some(second)) => {
            let fault = fault!(
                Duplicate,
                "同时写了 audio 和 text",
                "both audio and text are given",
                "只保留一个",
                "keep one of them",
            );
            read.fault(second.span().start, fields.path_to("text"), fault);
            read.settle(fields.path_to("audio"));
            Sound::Text(String::new())
        }
        (None, Some(_)) => Sound::Text(read.text(fields, "text")),
        (None, None) => {
            let text = read.text(fields, "audio");
            read.settle(fields.path_to("text"));
            Sound::Text(text)
        }
    }
}

fn call_roster(read: &mut Reader, fields: &Fields<'_>) -> StepKind {
    let known = [
        "id",
        "kind",
        "group",
        "island_ok",
        "roster",
        "audio",
        "text",
        "ack",
        "mode",
        "timeout_s",
        "retry",
        "need",
    ];
    read.only(fields, &known);
    let roster = read.name(fields, "roster", NOBODY).unwrap_or(RosterName::SiteDuty);
    let sound = sound(read, fields);
    // Beyond a byte is beyond every key; the check says so.
    let ack = u8::try_from(read.number_or(fields, "ack", 1)).unwrap_or(u8::MAX);
    let mode = read.word_or(fields, "mode", CallMode::Sequential);
    let timeout_s = read.number_or(fields, "timeout_s", 40);
    let retry = read.number_or(fields, "retry", 0);
    let need = need(read, fields);
    StepKind::CallRoster(CallRoster { roster, sound, ack, mode, timeout_s, retry, need })
}

/// `"all"`, which is what silence means, or a number of people.
fn need(read: &mut Reader, fields: &Fields<'_>) -> Need {
    let word = read.maybe(fields, "need").and_then(|value| value.get_ref().as_str());
    match word {
        Some("all") => Need::All,
        _ if read.maybe(fields, "need").is_none() => Need::All,
        Some(_) | None => Need::Count(read.number_or(fields, "need", 1)),
    }
}

fn message(read: &mut Reader, fields: &Fields<'_>) -> StepKind {
    read.only(fields, &["id", "kind", "group", "island_ok", "roster", "text_zh", "text_en"]);
    let roster = read.name(fields, "roster", NOBODY).unwrap_or(RosterName::SiteDuty);
    let text_zh = read.text(fields, "text_zh");
    StepKind::Message(Message { roster, text_zh, text_en: read.maybe_text(fields, "text_en") })
}

fn conference_open(read: &mut Reader, fields: &Fields<'_>) -> StepKind {
    let known =
        ["id", "kind", "group", "island_ok", "room", "rosters", "min_join", "wait_s", "confirm"];
    read.only(fields, &known);
    let room = read.text(fields, "room");
    let rosters = read.list(fields, "rosters");
    let rosters = read.names::<RosterName, _>(rosters, NOBODY);
    let min_join = read.number(fields, "min_join", 1);
    let wait_s = read.number_or(fields, "wait_s", CONFERENCE_WAIT_S);
    // Beyond a byte is beyond every key; the check says so.
    let key = |read: &mut Reader| u8::try_from(read.number_or(fields, "confirm", 1));
    let confirm = read.maybe(fields, "confirm").is_some();
    let confirm = confirm.then(|| key(read).unwrap_or(u8::MAX));
    StepKind::ConferenceOpen(ConferenceOpen { room, rosters, min_join, wait_s, confirm })
}

fn confirm(read: &mut Reader, fields: &Fields<'_>) -> StepKind {
    let known = [
        "id",
        "kind",
        "group",
        "island_ok",
        "question_zh",
        "question_en",
        "by",
        "timeout_s",
        "on_timeout",
    ];
    read.only(fields, &known);
    StepKind::Confirm(Confirm {
        question_zh: read.text(fields, "question_zh"),
        question_en: read.text(fields, "question_en"),
        by: read.word(fields, "by", RoleKind::SiteDuty),
        timeout_s: read.number(fields, "timeout_s", 60),
        on_timeout: read.word(fields, "on_timeout", OnTimeout::Abort),
    })
}
