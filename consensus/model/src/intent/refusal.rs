//! Why a home site did not do what an intent asks. Each refusal has a stable
//! name and says, in both languages, what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::directory::Denied;
use crate::id::{ActivationId, AudioId, Hash, NodeId, PlanId, SiteId, StepId, ZoneId};
use crate::refusal::Said;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentRefusal {
    Unsigned {
        why: String,
    },
    Unreadable {
        why: String,
    },
    /// Signed by another node than the one it names.
    Signer {
        signer: NodeId,
        via: NodeId,
    },
    NotHome {
        home: SiteId,
    },
    /// The id stands for another request already.
    IdReused,
    WindowTooLong {
        most_h: u64,
    },
    Denied(Denied),
    PlanUnknown {
        plan: PlanId,
    },
    /// The person saw another version than this site holds.
    PlanVersion {
        plan: PlanId,
        have: Hash,
    },
    /// A page step reaches more zones than can be kept track of.
    TooManyZones {
        step: StepId,
        most: usize,
    },
    /// A drill must not disturb a real warning.
    RealAlarm {
        activation: ActivationId,
    },
    /// The second of two launches came from the same person.
    SamePerson,
    ActivationUnknown {
        activation: ActivationId,
    },
    ActivationOver {
        activation: ActivationId,
    },
    /// The mode is not the run's.
    OtherMode {
        activation: ActivationId,
    },
    NotAsking {
        step: StepId,
    },
    NotRepeatable {
        step: StepId,
    },
    AttemptTaken {
        next: u16,
    },
    AttemptsUsed {
        most: u16,
    },
    /// Not one of this site's.
    ZoneUnknown {
        zone: ZoneId,
    },
    /// Not there, or a template that nobody filled in.
    AudioUnknown {
        audio: AudioId,
    },
    IntentsFull {
        most: usize,
    },
    ActivationsFull {
        most: usize,
    },
    /// A step calls or messages more people than can be kept track of.
    TooManyPeople {
        step: StepId,
        most: usize,
    },
}

impl IntentRefusal {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => "unsigned",
            Self::Unreadable { .. } => "unreadable",
            Self::Signer { .. } => "signer",
            Self::NotHome { .. } => "not-home",
            Self::IdReused => "id-reused",
            Self::WindowTooLong { .. } => "window-too-long",
            Self::Denied(_) => "denied",
            Self::PlanUnknown { .. } => "plan-unknown",
            Self::PlanVersion { .. } => "plan-version",
            Self::TooManyZones { .. } => "too-many-zones",
            Self::RealAlarm { .. } => "real-alarm",
            Self::SamePerson => "same-person",
            Self::ActivationUnknown { .. } => "activation-unknown",
            Self::ActivationOver { .. } => "activation-over",
            Self::OtherMode { .. } => "other-mode",
            Self::NotAsking { .. } => "not-asking",
            Self::NotRepeatable { .. } => "not-repeatable",
            Self::AttemptTaken { .. } => "attempt-taken",
            Self::AttemptsUsed { .. } => "attempts-used",
            Self::ZoneUnknown { .. } => "zone-unknown",
            Self::AudioUnknown { .. } => "audio-unknown",
            Self::IntentsFull { .. } => "intents-full",
            Self::ActivationsFull { .. } => "activations-full",
            Self::TooManyPeople { .. } => "too-many-people",
        }
    }

    /// What to show a person.
    pub fn said(&self) -> Said {
        Said { zh: self.zh(), en: self.en() }
    }

    fn zh(&self) -> String {
        match self {
            Self::Unsigned { why } => format!("签名无效（{why}），未执行；请检查发出节点的证书"),
            Self::Unreadable { why } => {
                format!("请求无法解读（{why}），未执行；请升级发出节点后重发")
            }
            Self::Signer { signer, via } => {
                format!("请求注明经 {via}，却由 {signer} 签名，未执行；请核查这两个节点")
            }
            Self::NotHome { home } => format!("此请求属于 {home}；请发往该站点"),
            Self::IdReused => "此编号已用于另一请求；请用新编号重发".into(),
            Self::WindowTooLong { most_h } => format!("时限超过 {most_h} 小时；请缩短"),
            Self::Denied(denied) => denied.zh(),
            Self::PlanUnknown { plan } => format!("本站没有预案 {plan}；请选择本站已有的预案"),
            Self::PlanVersion { plan, have } => {
                format!("本站的 {plan} 是另一版（{}）；请刷新查看后再启动", have.short())
            }
            Self::TooManyZones { step, most } => {
                format!("步骤 {step} 的广播区超过 {most} 个；请拆分步骤")
            }
            Self::RealAlarm { activation } => {
                format!("真实警报 {activation} 正在执行；请待其结束后再演练")
            }
            Self::SamePerson => "此预案须由另一人启动第二次".into(),
            Self::ActivationUnknown { activation } => {
                format!("本站没有执行号 {activation}；请刷新执行面板")
            }
            Self::ActivationOver { activation } => {
                format!("{activation} 已结束；仍需要时请重新启动预案")
            }
            Self::OtherMode { activation } => format!("{activation} 的模式不同；请以其模式重发"),
            Self::NotAsking { step } => format!("步骤 {step} 没有待确认的问题；请刷新执行面板"),
            Self::NotRepeatable { step } => {
                format!("步骤 {step} 现在不能重播；请等它结束，或重新启动预案")
            }
            Self::AttemptTaken { next } => {
                format!("这一次已有人播过；确需再播请申请第 {next} 次")
            }
            Self::AttemptsUsed { most } => format!("已播 {most} 次，达到上限；请重新启动预案"),
            Self::ZoneUnknown { zone } => format!("本站没有广播区 {zone}；请刷新后重选"),
            Self::AudioUnknown { audio } => {
                format!("没有可直接播放的音频 {audio}（模板须先填空）；请另选")
            }
            Self::IntentsFull { most } => {
                format!("本站近一日请求已达 {most} 条；真实预警仍可启动，其余请稍后再试")
            }
            Self::ActivationsFull { most } => {
                format!("本站已有 {most} 个预案在执行；请先中止不需要的")
            }
            Self::TooManyPeople { step, most } => {
                format!("步骤 {step} 的名单超过 {most} 人；请拆分名单")
            }
        }
    }

    fn en(&self) -> String {
        match self {
            Self::Unsigned { why } => {
                format!("bad signature ({why}), nothing done; check the sender's certificate")
            }
            Self::Unreadable { why } => {
                format!("unreadable ({why}), nothing done; upgrade the sender and send again")
            }
            Self::Signer { signer, via } => {
                format!("it names {via} but {signer} signed it, nothing done; check both nodes")
            }
            Self::NotHome { home } => format!("this request belongs to {home}; send it there"),
            Self::IdReused => "the id stands for another request; send under a new one".into(),
            Self::WindowTooLong { most_h } => {
                format!("it would hold for more than {most_h} h; choose a shorter time")
            }
            Self::Denied(denied) => denied.to_string(),
            Self::PlanUnknown { plan } => {
                format!("this site holds no plan {plan}; choose one that it holds")
            }
            Self::PlanVersion { plan, have } => {
                format!("this site holds another {plan} ({}); reload, launch again", have.short())
            }
            Self::TooManyZones { step, most } => {
                format!("step {step} pages more than {most} zones; split the step")
            }
            Self::RealAlarm { activation } => {
                format!("the real alarm {activation} is on; drill when it is over")
            }
            Self::SamePerson => "a second person must launch this plan too".into(),
            Self::ActivationUnknown { activation } => {
                format!("this site knows no activation {activation}; reload the board")
            }
            Self::ActivationOver { activation } => {
                format!("{activation} is over; launch the plan again if still needed")
            }
            Self::OtherMode { activation } => {
                format!("{activation} runs in another mode; send again in that mode")
            }
            Self::NotAsking { step } => format!("step {step} asks nothing now; reload the board"),
            Self::NotRepeatable { step } => {
                format!("step {step} cannot be repeated now; wait for it or launch again")
            }
            Self::AttemptTaken { next } => {
                format!("somebody asked for that already; ask for attempt {next} if needed")
            }
            Self::AttemptsUsed { most } => {
                format!("{most} attempts are the most; launch the plan again")
            }
            Self::ZoneUnknown { zone } => {
                format!("this site has no zone {zone}; reload and choose again")
            }
            Self::AudioUnknown { audio } => {
                format!("no audio {audio} that can be played as it is; choose another")
            }
            Self::IntentsFull { most } => {
                format!("{most} requests within a day; real warnings still start, others wait")
            }
            Self::ActivationsFull { most } => {
                format!("{most} plans are running here; abort one that is not needed")
            }
            Self::TooManyPeople { step, most } => {
                format!("step {step} names more than {most} people; split the roster")
            }
        }
    }
}

impl fmt::Display for IntentRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}
