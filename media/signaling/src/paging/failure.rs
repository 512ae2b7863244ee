//! Why a loudspeaker did not play, or a page did not run, in words for people.

use std::fmt;

use weir_model::fact::EffectKey;
use weir_model::refusal::Said;

use super::order::Loudspeaker;

/// Longest text about a failed page, in bytes.
pub const WHY_MAX_BYTES: usize = 400;
/// Most loudspeakers that it names.
pub const NAMED_MAX: usize = 8;

/// Why one loudspeaker did not play, or not to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Silent,
    /// 180, and nobody picks up a loudspeaker.
    OnlyRang,
    Refused {
        code: u16,
    },
    Unregistered,
    /// It hung up in the middle, and again when it was called again.
    Dropped,
    /// A page that this one does not outrank plays there.
    Taken,
    /// This node could not place the call.
    Unsent,
    /// The sound is held in no codec that it knows.
    Unplayable,
    /// Answered, but what the plan asks for was not seen, or not in time.
    Unproven,
}

impl Failure {
    /// Whether another try may do better.
    pub(super) fn may_pass(self) -> bool {
        match self {
            // Busy, rebooting, overloaded; 487 and 491 are races of our own.
            Self::Refused { code } => {
                matches!(code, 408 | 480 | 486 | 487 | 491 | 500..=599 | 600)
            }
            Self::Silent
            | Self::OnlyRang
            | Self::Unregistered
            | Self::Dropped
            | Self::Taken
            | Self::Unsent => true,
            Self::Unplayable | Self::Unproven => false,
        }
    }

    /// What to show a person.
    pub fn said(self) -> Said {
        let (zh, en) = match self {
            Self::Silent => ("无应答", "silent"),
            Self::OnlyRang => ("只振铃不接听", "only rang"),
            Self::Refused { code: 486 | 600 } => ("占线", "busy"),
            Self::Refused { code } => {
                return Said { zh: format!("拒绝{code}"), en: format!("refused {code}") };
            }
            Self::Unregistered => ("未注册", "offline"),
            Self::Dropped => ("中途挂断", "hung up"),
            Self::Taken => ("被其他广播占用", "taken by another page"),
            Self::Unsent => ("本机无法呼出", "not callable from here"),
            Self::Unplayable => ("无可用编码", "no codec for it"),
            Self::Unproven => ("证据不足", "unproven"),
        };
        Said { zh: zh.into(), en: en.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

/// Names who failed, as many as there is room for.
pub(super) fn failed(all: &[(&Loudspeaker, Failure)], of: usize) -> String {
    let most = all.len().min(NAMED_MAX);
    let texts = (0..=most).rev().map(|named| naming(all, named, of));
    cut(texts.into_iter().find(|text| text.len() <= WHY_MAX_BYTES).unwrap_or_default())
}

fn naming(all: &[(&Loudspeaker, Failure)], named: usize, of: usize) -> String {
    let named = all.iter().take(named);
    let (mut zh, mut en) = (Vec::new(), Vec::new());
    for (speaker, failure) in named {
        let said = failure.said();
        zh.push(format!("{} {}", speaker.id, said.zh));
        en.push(format!("{} {}", speaker.id, said.en));
    }
    let more = if zh.len() < all.len() { ("等", ", …") } else { ("", "") };
    let (zh, en) = (zh.join("，"), en.join(", "));
    let count = all.len();
    format!(
        "{of} 只扬声器中 {count} 只失败：{zh}{}；请检查设备或派人通知 / \
         {count} of {of} speakers failed: {en}{}; check them or send someone",
        more.0, more.1
    )
}

pub(super) fn pre_empted(by: &EffectKey) -> String {
    cut(format!(
        "被更高级别的广播 {by} 打断；需要时请重新播放 / \
         pre-empted by the page {by} of higher priority; repeat it if needed"
    ))
}

pub(super) fn crowded_out(most: usize) -> String {
    format!(
        "已有 {most} 个广播，未开始；请稍后重试 / \
         {most} pages are under way, not begun; try again later"
    )
}

pub(super) fn no_speakers() -> String {
    "该区域没有扬声器，未播放；请在目录中添加 / \
     the zone has no speakers, nothing was played; add them to the directory"
        .into()
}

/// Long ids must not make a fact too long for its record.
fn cut(mut text: String) -> String {
    if text.len() > WHY_MAX_BYTES {
        let end = (0..=WHY_MAX_BYTES).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    text
}
