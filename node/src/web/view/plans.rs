//! Plans and sounds as the person who is signed in may use them.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_model::directory::{
    CallRoster, Denied, Directory, Message, Plan, Sound, Step, StepKind, Word,
};
use weir_model::id::{PersonId, SiteId};

use crate::web::wired::Wired;

#[derive(Debug, Serialize)]
pub(crate) struct PlanLine {
    id: String,
    name_zh: String,
    name_en: String,
    level: &'static str,
    version: u32,
    steps: usize,
    two_person: bool,
    /// Where a launch would page something.
    sites: Vec<String>,
    may: BTreeMap<String, May>,
    audio_ready: BTreeMap<String, bool>,
    preview: Vec<Preview>,
}

#[derive(Debug, Serialize)]
struct May {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Debug, Serialize)]
struct Preview {
    step: String,
    kind: &'static str,
    text_zh_en: String,
    zones: Vec<String>,
    repeat: Option<u32>,
    delay_s: Option<u32>,
    /// Who is called or written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    roster: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AudioLine {
    id: String,
    lang: &'static str,
    text: String,
    ready: bool,
    ms: Option<u64>,
}

/// A denial in both languages.
pub(crate) fn why(denied: &Denied) -> String {
    format!("{} / {denied}", denied.zh())
}

pub(crate) fn plans(directory: &Directory, person: &PersonId, wired: &Wired) -> Vec<PlanLine> {
    directory.plans.values().map(|plan| line(directory, plan, person, wired)).collect()
}

fn line(directory: &Directory, plan: &Plan, person: &PersonId, wired: &Wired) -> PlanLine {
    let sites: Vec<&SiteId> =
        directory.sites.keys().filter(|site| pages(directory, plan, site)).collect();
    let may = |site: &&SiteId| {
        let may = directory.may_start(person, &plan.id, site);
        let why = may.as_ref().err().map(why);
        (site.to_string(), May { ok: may.is_ok(), why })
    };
    let ready = |site: &&SiteId| {
        let ready = plan.audio().into_iter().all(|audio| (wired.sound)(site, audio).ready);
        (site.to_string(), ready)
    };
    PlanLine {
        id: plan.id.to_string(),
        name_zh: plan.name_zh.clone(),
        name_en: plan.name_en.clone(),
        level: plan.level.word(),
        version: plan.version,
        steps: plan.steps.len(),
        two_person: plan.two_person,
        may: sites.iter().map(may).collect(),
        audio_ready: sites.iter().map(ready).collect(),
        sites: sites.iter().map(ToString::to_string).collect(),
        preview: plan.steps.iter().map(|step| preview(directory, step)).collect(),
    }
}

/// Whether a launch at `site` does anything there: pages a zone of that site, or
/// reaches people.
fn pages(directory: &Directory, plan: &Plan, site: &SiteId) -> bool {
    plan.steps.iter().any(|step| {
        let page = match &step.kind {
            StepKind::PaPlay(page) => page,
            StepKind::CallRoster(CallRoster { roster, .. })
            | StepKind::Message(Message { roster, .. }) => {
                return !directory.members(roster, site).is_empty();
            }
            StepKind::ConferenceOpen(conference) => {
                return !directory.invited(conference, site).is_empty();
            }
            StepKind::Delay { .. } | StepKind::Confirm(_) => return false,
        };
        let zones = directory.resolve(&page.zones, site);
        zones.iter().filter_map(|id| directory.zones.get(id)).any(|zone| zone.site == *site)
    })
}

fn preview(directory: &Directory, step: &Step) -> Preview {
    let mut preview = Preview {
        step: step.id.to_string(),
        kind: step.kind.word(),
        text_zh_en: String::new(),
        zones: Vec::new(),
        repeat: None,
        delay_s: None,
        roster: None,
    };
    match &step.kind {
        StepKind::PaPlay(page) => {
            preview.text_zh_en = spoken(directory, &page.sound);
            preview.zones = page.zones.iter().map(ToString::to_string).collect();
            preview.repeat = Some(page.repeat);
        }
        StepKind::Delay { s } => preview.delay_s = Some(*s),
        StepKind::Confirm(confirm) => {
            preview.text_zh_en = format!("{} / {}", confirm.question_zh, confirm.question_en);
        }
        StepKind::CallRoster(call) => {
            preview.text_zh_en = spoken(directory, &call.sound);
            preview.roster = Some(call.roster.to_string());
        }
        StepKind::Message(message) => {
            let english = message.text_en.as_deref().map(|text| format!(" / {text}"));
            preview.text_zh_en = format!("{}{}", message.text_zh, english.unwrap_or_default());
            preview.roster = Some(message.roster.to_string());
        }
        StepKind::ConferenceOpen(conference) => {
            let rosters: Vec<_> = conference.rosters.iter().map(ToString::to_string).collect();
            preview.roster = Some(rosters.join(", "));
        }
    }
    preview
}

fn spoken(directory: &Directory, sound: &Sound) -> String {
    match sound {
        Sound::Text(text) => text.clone(),
        Sound::Audio(id) => {
            directory.audio.get(id).map(|audio| audio.text.clone()).unwrap_or_default()
        }
    }
}

/// As they lie ready at `site`.
pub(crate) fn audio(directory: &Directory, site: &SiteId, wired: &Wired) -> Vec<AudioLine> {
    let lines = directory.audio.values().map(|audio| {
        let sight = (wired.sound)(site, &audio.id);
        AudioLine {
            id: audio.id.to_string(),
            lang: audio.lang.word(),
            text: audio.text.clone(),
            ready: sight.ready,
            ms: sight.ms,
        }
    });
    lines.collect()
}
