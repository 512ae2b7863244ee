//! Every zone and what is being paged into it. What the loudspeakers themselves
//! do is known at their own site only, and there only once somebody registers
//! them; until then the answer is `null`, never "fine".

use serde::Serialize;
use weir_model::directory::{Directory, Word};
use weir_model::fact::{StepState, Target};
use weir_model::id::ZoneId;
use weir_model::intent::Mode;

use crate::web::mirrors::{Seen, SiteSeen};
use crate::web::wired::Wired;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ZoneLine {
    id: String,
    site: String,
    name_zh: String,
    name_en: String,
    speakers_total: usize,
    registered: Option<usize>,
    page: Option<Page>,
    speakers: Vec<SpeakerLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Page {
    activation: String,
    plan: String,
    level: &'static str,
    mode: Mode,
    since_ms: u64,
    state: StepState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SpeakerLine {
    id: String,
    extension: String,
    registered: Option<bool>,
    state: Option<&'static str>,
}

pub(crate) fn zones(directory: &Directory, seen: &Seen, wired: &Wired) -> Vec<ZoneLine> {
    let lines = directory.zones.values().map(|zone| {
        let speakers: Vec<SpeakerLine> = zone
            .speakers
            .iter()
            .map(|speaker| {
                let sight = (wired.speaker)(&zone.site, &speaker.id);
                SpeakerLine {
                    id: speaker.id.to_string(),
                    extension: speaker.extension.to_string(),
                    registered: sight.map(|sight| sight.registered),
                    state: sight.map(|sight| sight.state),
                }
            })
            .collect();
        let known = speakers.iter().any(|speaker| speaker.registered.is_some());
        let registered = speakers.iter().filter(|one| one.registered == Some(true)).count();
        ZoneLine {
            id: zone.id.to_string(),
            site: zone.site.to_string(),
            name_zh: zone.name_zh.clone(),
            name_en: zone.name_en.clone(),
            speakers_total: zone.speakers.len(),
            registered: known.then_some(registered),
            page: seen.get(&zone.site).and_then(|site| page(site, &zone.id)),
            speakers,
        }
    });
    lines.collect()
}

/// The most serious of what sounds there; of two alike the newer.
fn page(site: &SiteSeen, zone: &ZoneId) -> Option<Page> {
    let target = Target::Zone(zone.clone());
    let running = site.runs.iter().filter(|run| run.ended.is_none());
    let here = running.filter_map(|run| {
        let mut all = run.steps.iter().flat_map(|step| &step.targets);
        let on = all.find(|one| one.target == target && !one.state.is_over())?;
        Some((run, on.state))
    });
    let (run, state) =
        here.max_by_key(|(run, _)| (run.mode == Mode::Real, run.level, run.started))?;
    let since = site.began.get(&(run.id, target)).copied().unwrap_or(run.started);
    Some(Page {
        activation: run.id.to_string(),
        plan: run.plan.to_string(),
        level: run.level.word(),
        mode: run.mode,
        since_ms: since.0,
        state,
    })
}
