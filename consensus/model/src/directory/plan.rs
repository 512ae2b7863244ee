//! Plans: prepared responses, as data. A plan names only kinds of steps that
//! this version can run; any other kind is refused by name when the plan is
//! read, so that nobody learns on the night that a step does nothing. The mode
//! (real, drill, test) is never in a plan: it comes with the launch.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::conference::ConferenceOpen;
use super::fault::{Findings, fault};
use super::limits::{AUTHORITIES_PER_PLAN_MAX, STEPS_PER_PLAN_MAX, ZONES_PER_STEP_MAX};
use super::people::{CallRoster, Message};
use super::person::RoleKind;
use super::rights::Action;
use super::spoken::check_spoken;
use super::word::words;
use super::zone::ZoneName;
use crate::home::PAGE_PREFIX;
use crate::id::{AudioId, PlanId, StepGroup, StepId};

words! {
    /// How serious a plan is; ordered from the calmest.
    Level {
        Clear = "clear", "解除";
        Blue = "blue", "蓝色";
        Yellow = "yellow", "黄色";
        Orange = "orange", "橙色";
        Red = "red", "红色";
    }
}

words! {
    /// How surely a zone is known to hear. Never rounded up.
    Grade {
        Sent = "sent", "已发出";
        Answered = "answered", "已应答";
        Receiving = "receiving", "正在接收";
        Powered = "powered", "功放有输出";
        Heard = "heard", "已听到";
    }
}

/// The best grade that this version can prove.
pub const PROVABLE_GRADE: Grade = Grade::Receiving;

words! {
    OnTimeout {
        Proceed = "proceed", "继续";
        Abort = "abort", "中止";
    }
}

/// Who may start a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Authority {
    pub role: RoleKind,
    /// Only at a site that the role names: `site_duty:own`.
    pub own_site: bool,
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.role, if self.own_site { ":own" } else { "" })
    }
}

/// The grade that each zone must reach, and how soon; below it the page counts
/// as failed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub grade: Grade,
    pub within_s: u32,
}

/// What a page, or an announcement to a telephone, plays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sound {
    #[serde(rename = "audio")]
    Audio(AudioId),
    /// Spoken by a machine when the plan is approved.
    #[serde(rename = "text")]
    Text(String),
}

/// Asks a person on the spot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    pub question_zh: String,
    pub question_en: String,
    pub by: RoleKind,
    pub timeout_s: u32,
    pub on_timeout: OnTimeout,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaPlay {
    pub zones: Vec<ZoneName>,
    pub sound: Sound,
    /// How many times it is played, at least once.
    pub repeat: u32,
    pub evidence: Option<Evidence>,
}

/// What a step does: every kind that this version can run, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepKind {
    #[serde(rename = "pa.play")]
    PaPlay(PaPlay),
    #[serde(rename = "delay")]
    Delay { s: u32 },
    #[serde(rename = "confirm")]
    Confirm(Confirm),
    #[serde(rename = "call.roster")]
    CallRoster(CallRoster),
    #[serde(rename = "message")]
    Message(Message),
    #[serde(rename = "conference.open")]
    ConferenceOpen(ConferenceOpen),
}

impl StepKind {
    /// The kinds that this version can run.
    pub const KNOWN: [&'static str; 6] =
        ["pa.play", "delay", "confirm", "call.roster", "message", "conference.open"];

    pub fn word(&self) -> &'static str {
        match self {
            Self::PaPlay(_) => "pa.play",
            Self::Delay { .. } => "delay",
            Self::Confirm(_) => "confirm",
            Self::CallRoster(_) => "call.roster",
            Self::Message(_) => "message",
            Self::ConferenceOpen(_) => "conference.open",
        }
    }

    /// What is played, to a zone or into a telephone.
    pub fn sound(&self) -> Option<&Sound> {
        match self {
            Self::PaPlay(page) => Some(&page.sound),
            Self::CallRoster(call) => Some(&call.sound),
            Self::Delay { .. } | Self::Confirm(_) | Self::Message(_) | Self::ConferenceOpen(_) => {
                None
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    pub kind: StepKind,
    /// Neighbouring steps of one group start together; the next step waits for
    /// all of them.
    pub group: Option<StepGroup>,
    /// Whether a cut-off site runs it too.
    pub island_ok: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    pub name_zh: String,
    pub name_en: String,
    pub level: Level,
    pub authority: Vec<Authority>,
    /// Whether a second person must agree before it starts.
    pub two_person: bool,
    pub steps: Vec<Step>,
    /// The directory version that last changed what the plan does; 0 before it
    /// is applied. So it only rises, even when a plan is removed and returns.
    pub version: u32,
}

impl Plan {
    /// Equal but for the version.
    pub fn same_content(&self, other: &Self) -> bool {
        *self == Self { version: self.version, ..other.clone() }
    }

    /// The audio files that the plan plays, each once.
    pub fn audio(&self) -> BTreeSet<&AudioId> {
        let sounds = self.steps.iter().filter_map(|step| step.kind.sound());
        sounds
            .filter_map(|sound| match sound {
                Sound::Audio(audio) => Some(audio),
                Sound::Text(_) => None,
            })
            .collect()
    }

    pub(super) fn check(&self, found: &mut Findings<'_>) {
        if self.id.as_str().starts_with(PAGE_PREFIX) {
            let fault = fault!(
                BadValue,
                "预案编号不能以 page. 开头，该前缀留给单独广播",
                "a plan's id may not begin with page., which stands for pages outside plans",
                "换一个编号",
                "choose another id",
            );
            found.add("id", fault);
        }
        found.label("name_zh", &self.name_zh);
        found.label("name_en", &self.name_en);
        self.check_authority(found);
        found.some("step", self.steps.len());
        found.at_most("step", self.steps.len(), STEPS_PER_PLAN_MAX);
        let mut ids = BTreeSet::new();
        let mut ended = BTreeSet::new();
        let mut running: Option<&StepGroup> = None;
        for (at, step) in self.steps.iter().enumerate() {
            let path = format!("step.{at}");
            if !ids.insert(&step.id) {
                found.twice(format!("{path}.id"), &step.id);
            }
            if running != step.group.as_ref() {
                ended.extend(running);
                running = step.group.as_ref();
            }
            if let Some(group) = step.group.as_ref().filter(|group| ended.contains(group)) {
                let fault = fault!(
                    Group,
                    "并行组 {group} 被其他步骤隔开",
                    "other steps stand between the steps of group {group}",
                    "把同组的步骤排在一起，或另起组名",
                    "put the steps of a group next to each other, or name another group",
                );
                found.add(format!("{path}.group"), fault);
            }
            step.check(&path, found);
        }
    }

    fn check_authority(&self, found: &mut Findings<'_>) {
        found.some("authority", self.authority.len());
        found.at_most("authority", self.authority.len(), AUTHORITIES_PER_PLAN_MAX);
        for (at, who) in self.authority.iter().enumerate().take(AUTHORITIES_PER_PLAN_MAX) {
            let path = format!("authority.{at}");
            if self.authority[..at].iter().any(|before| before.role == who.role) {
                found.twice(path.as_str(), who.role);
            }
            if !Action::StartPlan(self.level).allowed_to(who.role) {
                let (role, level) = (who.role, self.level);
                let fault = fault!(
                    Rights,
                    "角色 {role} 无权启动 {level} 级预案",
                    "the role {role} may not start a {level} plan",
                    "写更高的角色，或降低预案级别",
                    "name a higher role, or lower the plan's level",
                );
                found.add(path, fault);
            }
        }
    }
}

impl Step {
    fn check(&self, path: &str, found: &mut Findings<'_>) {
        match &self.kind {
            StepKind::PaPlay(page) => page.check(path, found),
            StepKind::Delay { s } => found.range(format!("{path}.s"), *s, 1, 3_600),
            StepKind::Confirm(confirm) => confirm.check(path, found),
            StepKind::CallRoster(call) => call.check(path, found),
            StepKind::Message(message) => message.check(path, found),
            StepKind::ConferenceOpen(conference) => conference.check(path, found),
        }
    }
}

impl Confirm {
    fn check(&self, path: &str, found: &mut Findings<'_>) {
        found.text(format!("{path}.question_zh"), &self.question_zh);
        found.text(format!("{path}.question_en"), &self.question_en);
        found.range(format!("{path}.timeout_s"), self.timeout_s, 5, 3_600);
        if !Action::Confirm(self.by).allowed_to(self.by) {
            let by = self.by;
            let fault = fault!(
                Rights,
                "角色 {by} 不能确认步骤",
                "the role {by} may not confirm a step",
                "写 site_duty、dispatcher、chief_dispatcher 或 commander",
                "write site_duty, dispatcher, chief_dispatcher or commander",
            );
            found.add(format!("{path}.by"), fault);
        }
    }
}

impl Sound {
    pub(super) fn check(&self, path: &str, found: &mut Findings<'_>) {
        let Self::Text(text) = self else { return };
        check_spoken(&format!("{path}.text"), text, found);
        if text.contains('{') {
            found.add(format!("{path}.text"), unfilled());
        }
    }
}

impl PaPlay {
    fn check(&self, path: &str, found: &mut Findings<'_>) {
        found.some(format!("{path}.zones"), self.zones.len());
        found.at_most(format!("{path}.zones"), self.zones.len(), ZONES_PER_STEP_MAX);
        for (at, zone) in self.zones.iter().enumerate().take(ZONES_PER_STEP_MAX) {
            if self.zones[..at].contains(zone) {
                found.twice(format!("{path}.zones.{at}"), zone);
            }
        }
        found.range(format!("{path}.repeat"), self.repeat, 1, 20);
        self.sound.check(path, found);
        let Some(evidence) = self.evidence else { return };
        found.range(format!("{path}.evidence.within_s"), evidence.within_s, 1, 600);
        if evidence.grade > PROVABLE_GRADE {
            let (grade, best) = (evidence.grade, PROVABLE_GRADE);
            let fault = fault!(
                Grade,
                "本版本无法证明等级 {grade}",
                "this version cannot prove the grade {grade}",
                "写 sent、answered 或 {best}",
                "write sent, answered or {best}",
            );
            found.add(format!("{path}.evidence.grade"), fault);
        }
    }
}

/// A plan of this version has no way to fill a template in.
pub(super) fn unfilled() -> super::fault::Fault {
    fault!(
        Template,
        "预案播放模板，但本版本启动时不能填空",
        "the plan plays a template, and this version cannot fill one in at launch",
        "改用不含 {{…}} 的文字或音频",
        "use a text or an audio file without {{…}}",
    )
}
