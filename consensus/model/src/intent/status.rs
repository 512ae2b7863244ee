//! What became of an intent, in words for the person who sent it. The same
//! intent always gets the same answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::IntentRefusal;
use crate::fact::{EffectKey, Target};
use crate::id::{ActivationId, PersonId, StepId, WallMs};
use crate::refusal::Said;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentStatus {
    Started {
        activation: ActivationId,
    },
    /// The plan was running already; both launches show on that run.
    Joined {
        activation: ActivationId,
    },
    /// The plan needs a second person, who must launch it before `until`.
    AwaitsSecond {
        until: WallMs,
    },
    Confirmed {
        activation: ActivationId,
        step: StepId,
        yes: bool,
    },
    Aborted {
        activation: ActivationId,
    },
    /// The abort was heard, but an evacuation that `by` ordered stands.
    Outranked {
        activation: ActivationId,
        by: PersonId,
    },
    Repeats {
        key: EffectKey,
    },
    /// Too late; nothing was done.
    Expired {
        not_after: WallMs,
        judged: WallMs,
    },
    Refused(IntentRefusal),
}

impl IntentStatus {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Joined { .. } => "joined",
            Self::AwaitsSecond { .. } => "awaits-second",
            Self::Confirmed { .. } => "confirmed",
            Self::Aborted { .. } => "aborted",
            Self::Outranked { .. } => "outranked",
            Self::Repeats { .. } => "repeats",
            Self::Expired { .. } => "expired",
            Self::Refused(refusal) => refusal.code(),
        }
    }

    /// The run it is about, if it is about one.
    pub fn activation(&self) -> Option<ActivationId> {
        match self {
            Self::Started { activation }
            | Self::Joined { activation }
            | Self::Confirmed { activation, .. }
            | Self::Aborted { activation }
            | Self::Outranked { activation, .. } => Some(*activation),
            Self::Repeats { key } => Some(key.activation),
            Self::AwaitsSecond { .. } | Self::Expired { .. } | Self::Refused(_) => None,
        }
    }

    /// What to show a person.
    pub fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::Started { activation } => (
                format!("已启动，执行号 {activation}；请在执行面板查看各步骤"),
                format!("started as {activation}; follow its steps on the activation board"),
            ),
            Self::Joined { activation } => (
                format!("该预案正在执行，已并入 {activation}，不会重复广播"),
                format!("the plan is running; joined {activation}, nothing is played twice"),
            ),
            Self::AwaitsSecond { .. } => (
                "此预案须两人启动；请另一人在时限内再启动一次".into(),
                "this plan needs two people; let a second one launch it in time".into(),
            ),
            Self::Confirmed { step, yes: true, .. } => {
                (format!("步骤 {step} 已确认：是"), format!("step {step} was answered: yes"))
            }
            Self::Confirmed { step, yes: false, .. } => (
                format!("步骤 {step} 已确认：否，其后步骤不再执行"),
                format!("step {step} was answered: no; what follows is not done"),
            ),
            Self::Aborted { activation } => {
                (format!("{activation} 已中止"), format!("{activation} was aborted"))
            }
            Self::Outranked { by, .. } => (
                format!("转移警报由 {by} 下令，仍然有效；请由其本人、现场值班长或更高级别者中止"),
                format!(
                    "the evacuation that {by} ordered stands; ask them, the duty officer on the \
                     spot or someone of higher standing to stop it"
                ),
            ),
            Self::Repeats { key: EffectKey { target: Target::Person(who), attempt, .. } } => (
                format!("将再联系 {who} 一次（第 {attempt} 次）"),
                format!("{who} is tried once more (attempt {attempt})"),
            ),
            Self::Repeats {
                key: EffectKey { target: Target::Conference(number), attempt, .. },
            } => (
                format!("将再召集一次会议 {number}（第 {attempt} 次）"),
                format!("conference {number} is called together once more (attempt {attempt})"),
            ),
            Self::Repeats { key } => (
                format!("将在 {} 再播一次（第 {} 次）", key.target, key.attempt),
                format!("{} hears it once more (attempt {})", key.target, key.attempt),
            ),
            Self::Expired { not_after, judged } => {
                let late_s = judged.since(*not_after).div_ceil(1_000);
                (
                    format!("请求迟到 {late_s} 秒，已作废，未执行；仍需要时请重新启动"),
                    format!("{late_s} s too late, nothing was done; launch again if still needed"),
                )
            }
            Self::Refused(refusal) => return refusal.said(),
        };
        Said { zh, en }
    }
}

impl fmt::Display for IntentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}
