//! The last check before an effect, and the first on its outcome. An epoch only
//! fences: it stops who is no longer the executor, and is never a reason to do
//! something again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::step::TargetPhase;
use super::{Home, Life, Now};
use crate::fact::{EffectKey, EffectResult};
use crate::refusal::Said;

/// Why an effect must not be carried out, or its outcome not be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fenced {
    Epoch {
        ordered: u64,
        current: u64,
    },
    /// Never ordered, or ended already.
    NotOrdered,
    /// The run was aborted or superseded meanwhile.
    Stopped,
    WindowPassed {
        late_ms: u64,
    },
    /// The outcome is known already.
    Settled,
}

impl Fenced {
    /// What to show a person.
    pub fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::Epoch { ordered, current } => (
                format!("执行权已移交（{ordered} < {current}），未执行；由现任节点继续"),
                format!("another took over ({ordered}, now {current}); not done, it goes on there"),
            ),
            Self::NotOrdered => (
                "没有这一指令，或已结束；未执行，请查看执行面板".into(),
                "no such order, or it ended; not done, see the activation board".into(),
            ),
            Self::Stopped => (
                "预案已中止；未执行，需要时请重新启动".into(),
                "the run was stopped; not done, launch again if needed".into(),
            ),
            Self::WindowPassed { late_ms } => (
                format!("迟到 {late_ms} 毫秒；未执行，需要时请重新启动"),
                format!("{late_ms} ms too late; not done, launch again if needed"),
            ),
            Self::Settled => (
                "结果已记录；此次报告不再采用".into(),
                "the outcome is known; this report changes nothing".into(),
            ),
        };
        Said { zh, en }
    }
}

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for Fenced {}

impl Home {
    /// Asked immediately before an effect is carried out, after its `Begun` was
    /// synced.
    ///
    /// # Errors
    /// When it must not be; the driver then reports
    /// [`EffectResult::NotBegun`] and does nothing.
    pub fn may_execute(&self, key: &EffectKey, epoch: u64, now: Now) -> Result<(), Fenced> {
        #[cfg(feature = "planted")]
        if self.planted.fence_removed {
            return Ok(());
        }
        self.check_epoch(epoch)?;
        let run = self.activations.get(&key.activation).ok_or(Fenced::NotOrdered)?;
        let step = run.steps.iter().find(|step| step.id == key.step).ok_or(Fenced::NotOrdered)?;
        let target = step.targets.get(&key.target).ok_or(Fenced::NotOrdered)?;
        if !run.is_alive() {
            return Err(Fenced::Stopped);
        }
        match target.phase {
            TargetPhase::InFlight { epoch: ordered, until, .. }
                if target.attempts == key.attempt
                    && ordered == epoch
                    && self.life == Life::Live =>
            {
                let late = Clock::of(now, self.floor).mono.0.saturating_sub(until.0);
                match u64::try_from(late) {
                    Ok(late_ms) if late_ms > 0 => Err(Fenced::WindowPassed { late_ms }),
                    _ => Ok(()),
                }
            }
            TargetPhase::InFlight { .. }
            | TargetPhase::Due { .. }
            | TargetPhase::Asked { .. }
            | TargetPhase::Over(_) => Err(Fenced::NotOrdered),
        }
    }

    fn check_epoch(&self, ordered: u64) -> Result<(), Fenced> {
        let current = self.epoch;
        if ordered == current { Ok(()) } else { Err(Fenced::Epoch { ordered, current }) }
    }

    /// An outcome is believed once; *unknown* may still become known.
    pub(super) fn may_report(
        &self,
        key: &EffectKey,
        epoch: u64,
        result: &EffectResult,
    ) -> Result<(), Fenced> {
        self.check_epoch(epoch)?;
        let run = self.activations.get(&key.activation).ok_or(Fenced::NotOrdered)?;
        let step = run.steps.iter().find(|step| step.id == key.step).ok_or(Fenced::NotOrdered)?;
        let target = step.targets.get(&key.target).ok_or(Fenced::NotOrdered)?;
        let attempt = target.log.iter().find(|one| one.attempt == key.attempt);
        match &attempt.ok_or(Fenced::NotOrdered)?.result {
            None => Ok(()),
            Some(EffectResult::Unknown { .. }) => match (result, &target.phase) {
                // Said once is enough, unless the device was asked just now.
                (EffectResult::Unknown { .. }, TargetPhase::Asked { .. }) => Ok(()),
                (EffectResult::Unknown { .. }, _) => Err(Fenced::Settled),
                _ => Ok(()),
            },
            Some(
                EffectResult::Done
                | EffectResult::Failed { .. }
                | EffectResult::Unreachable { .. }
                | EffectResult::Ceased
                | EffectResult::NotBegun,
            ) => Err(Fenced::Settled),
        }
    }
}
