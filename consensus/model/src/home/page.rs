//! A page outside any plan: one zone, one audio file, as a run of its own with a
//! single step, so that it is written down, fenced, proven and stopped like any
//! other. It refuses what the directory does not know; it never outranks a plan.

use super::Home;
use super::activation::is_ours;
use super::step::StepRun;
use crate::directory::{
    Action, Directory, Evidence, Grade, Level, PaPlay, Sound, Step, StepKind, ZoneName,
};
use crate::fact::FactBody;
use crate::id::{ActivationId, AudioId, PlanId, StepId, WallMs, ZoneId};
use crate::intent::{Intent, IntentBody, IntentRefusal, IntentStatus, Nature};

/// A plan's id never begins so.
pub const PAGE_PREFIX: &str = "page.";
/// A notice: whatever warns of water goes first.
const LEVEL: Level = Level::Yellow;
const REPEAT_MAX: u32 = 20;
const EVIDENCE: Evidence = Evidence { grade: Grade::Answered, within_s: 10 };

impl Home {
    pub(super) fn page(
        &self,
        now: WallMs,
        directory: &Directory,
        intent: &Intent,
        (zone, audio): (&ZoneId, &AudioId),
    ) -> Result<FactBody, IntentStatus> {
        let zone_unknown = || IntentRefusal::ZoneUnknown { zone: zone.clone() };
        if !is_ours(directory, &self.site, zone) {
            return Err(zone_unknown().into());
        }
        directory
            .best_role(&intent.who, Action::Page, &self.site)
            .map_err(IntentRefusal::Denied)?;
        let source = directory.source(&Sound::Audio(audio.clone()));
        let source = source.ok_or(IntentRefusal::AudioUnknown { audio: audio.clone() })?;
        let nature = Nature::of(LEVEL, intent.mode);
        if let (Nature::Drill, Some(activation)) = (nature, self.real_warning()) {
            return Err(IntentRefusal::RealAlarm { activation }.into());
        }
        let full = |most| IntentRefusal::ActivationsFull { most };
        self.room_for_activation(nature).map_err(full)?;
        let plan = PlanId::new(format!("{PAGE_PREFIX}{zone}")).map_err(|_| zone_unknown())?;
        Ok(FactBody::ActivationStarted {
            activation: ActivationId(intent.id.0),
            intent: intent.id,
            agreed: None,
            plan,
            version: source.hash(),
            level: LEVEL,
            mode: intent.mode,
            who: intent.who.clone(),
            since: now,
        })
    }
}

/// The one step of a page outside any plan; none for any other intent.
pub(super) fn step_of(intent: &Intent) -> Option<(ZoneId, StepRun)> {
    let IntentBody::Page { zone, audio, repeat } = &intent.body else { return None };
    let step = Step {
        id: StepId::new("page").ok()?,
        kind: StepKind::PaPlay(PaPlay {
            zones: vec![ZoneName::Fixed(zone.clone())],
            sound: Sound::Audio(audio.clone()),
            repeat: (*repeat).clamp(1, REPEAT_MAX),
            evidence: Some(EVIDENCE),
        }),
        group: None,
        island_ok: true,
    };
    Some((zone.clone(), StepRun::of(&step)))
}
