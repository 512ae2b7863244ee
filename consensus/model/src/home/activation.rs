//! One run of a plan: who launched it, its steps, and how it ends.

use std::collections::BTreeSet;

use super::Home;
use super::clock::Mono;
use super::step::StepRun;
use crate::directory::{Directory, Level, Plan, StepKind};
use crate::fact::{Ending, StepState};
use crate::id::{ActivationId, Hash, IntentId, PersonId, PlanId, SiteId, WallMs, ZoneId};
use crate::intent::{Mode, Nature};

/// Most activations running at a site.
pub const ACTIVATIONS_MAX: usize = 64;
/// Of these, kept free for real warnings.
pub const RESERVED_ACTIVATIONS: usize = 8;
/// Most ended activations still shown; the oldest go first, and all after a
/// day.
pub const ACTIVATIONS_SHOWN: usize = 256;
/// Most launches shown on one activation; later ones join all the same.
pub const LAUNCHES_SHOWN: usize = 64;

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Nothing more begins; what runs may finish.
    Winding(Ending),
    /// What runs was told to cease; the end is about to be written down.
    Stopping(Ending),
    Over {
        how: Ending,
        at: WallMs,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) intent: IntentId,
    pub(super) who: PersonId,
}

#[derive(Debug, Clone)]
pub(super) struct Activation {
    pub(super) id: ActivationId,
    pub(super) plan: PlanId,
    pub(super) version: Hash,
    pub(super) level: Level,
    pub(super) mode: Mode,
    pub(super) launches: Vec<Launch>,
    pub(super) started: WallMs,
    /// Every zone of this site that the plan may page.
    pub(super) zones: BTreeSet<ZoneId>,
    /// Whether the directory still held the plan in the version that runs.
    pub(super) plan_held: bool,
    pub(super) steps: Vec<StepRun>,
    /// Since when the next step could run. Not when somebody got round to it:
    /// time that a node was down counts.
    pub(super) runnable: Mono,
    pub(super) phase: Phase,
}

impl Activation {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Whether steps may still be carried out.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Winding(_))
    }

    pub(super) fn nature(&self) -> Nature {
        Nature::of(self.level, self.mode)
    }

    pub(super) fn joined(&mut self, launch: Launch) {
        if self.launches.len() < LAUNCHES_SHOWN {
            self.launches.push(launch);
        }
    }

    /// Steps that have not begun never will.
    pub(super) fn wind_down(&mut self, how: Ending) {
        for step in &mut self.steps {
            step.skip_if_pending();
        }
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Winding(how);
        }
    }

    pub(super) fn stop(&mut self, how: Ending) {
        if self.is_alive() {
            self.phase = Phase::Stopping(how);
        }
    }

    pub(super) fn end(&mut self, how: &Ending, at: WallMs, now: Mono) {
        let left = match how {
            Ending::Aborted { .. } => StepState::Vetoed,
            Ending::Superseded { .. } | Ending::PlanGone => StepState::Superseded,
            Ending::Completed | Ending::Declined | Ending::Unanswered => StepState::Skipped,
        };
        for step in &mut self.steps {
            step.close(left, now);
        }
        self.phase = Phase::Over { how: how.clone(), at };
    }
}

/// The zones of `site` that `plan` may page.
pub(super) fn zones_of(plan: &Plan, site: &SiteId, directory: &Directory) -> BTreeSet<ZoneId> {
    let pages = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::PaPlay(page) => Some(directory.resolve(&page.zones, site)),
        StepKind::Delay { .. }
        | StepKind::Confirm(_)
        | StepKind::CallRoster(_)
        | StepKind::Message(_)
        | StepKind::ConferenceOpen(_) => None,
    });
    pages.flatten().filter(|zone| is_ours(directory, site, zone)).collect()
}

pub(super) fn is_ours(directory: &Directory, site: &SiteId, zone: &ZoneId) -> bool {
    directory.zones.get(zone).is_some_and(|known| known.site == *site)
}

impl Home {
    pub(super) fn running(&self) -> impl Iterator<Item = &Activation> {
        self.activations.values().filter(|run| !run.is_over())
    }

    pub(super) fn room_for_activation(&self, nature: Nature) -> Result<(), usize> {
        let most = match nature.warns() {
            true => ACTIVATIONS_MAX,
            false => ACTIVATIONS_MAX - RESERVED_ACTIVATIONS,
        };
        if self.running().count() < most { Ok(()) } else { Err(most) }
    }

    /// Ended activations are shown for a day, the newest of them.
    pub(super) fn forget_ended(&mut self, now: WallMs) {
        let ended = self.activations.values().filter_map(|run| match &run.phase {
            Phase::Over { at, .. } => Some((*at, run.id)),
            Phase::Running | Phase::Winding(_) | Phase::Stopping(_) => None,
        });
        let mut ended: Vec<_> = ended.collect();
        ended.sort_unstable();
        let surplus = ended.len().saturating_sub(ACTIVATIONS_SHOWN);
        for (place, (at, id)) in ended.into_iter().enumerate() {
            if place < surplus || now.since(at) > super::REMEMBERED_MS {
                self.activations.remove(&id);
            }
        }
    }
}
