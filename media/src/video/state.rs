//! How it stands with a picture, in words for whoever looks at it.

use weir_model::refusal::Said;

use super::message::{Sends, Show, Trouble, TroubleKind};

/// A moving picture without a new frame for so long is lost.
const MOVING_MS: u64 = 3_000;
/// A still may be so late.
const STILL_LATE_MS: u64 = 15_000;

/// What the node knows of a picture's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    NoCamera,
    /// Nobody is known who drives the camera's site.
    NoWay,
    Asking,
    Refused(Said),
    Fed(Show),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchState {
    Connecting,
    Moving,
    Still {
        every_ms: u64,
    },
    /// The link has no room for any picture now.
    NoRoom,
    /// The last picture is so old.
    Lost {
        for_ms: u64,
    },
    Camera {
        kind: TroubleKind,
        said: Said,
    },
    NoSuchCamera,
    /// The camera's site has no node that we know.
    NoWay,
    Refused {
        why: Said,
    },
}

impl Standing {
    /// `age_ms`: of the last picture, if there was one.
    pub(super) fn state(&self, age_ms: Option<u64>) -> WatchState {
        let trouble = match self {
            Self::Fed(Show { trouble: Some(Trouble { kind, said }), .. }) => {
                Some(WatchState::Camera { kind: *kind, said: said.clone() })
            }
            Self::Refused(why) => Some(WatchState::Refused { why: why.clone() }),
            Self::NoCamera => return WatchState::NoSuchCamera,
            _ => None,
        };
        let (sends, most_ms) = match self {
            Self::Fed(Show { sends: Sends::Still { every_ms }, .. }) => {
                (WatchState::Still { every_ms: *every_ms }, every_ms.saturating_add(STILL_LATE_MS))
            }
            Self::Fed(Show { sends: Sends::NoRoom, .. }) => (WatchState::NoRoom, MOVING_MS),
            _ => (WatchState::Moving, MOVING_MS),
        };
        match (age_ms, trouble) {
            (Some(age_ms), None) if age_ms <= most_ms => sends,
            (_, Some(trouble)) => trouble,
            (_, None) if sends == WatchState::NoRoom => sends,
            (Some(for_ms), None) => WatchState::Lost { for_ms },
            (None, None) if *self == Self::NoWay => WatchState::NoWay,
            (None, None) => WatchState::Connecting,
        }
    }
}

impl WatchState {
    pub fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::Connecting => ("正在连接".into(), "connecting".into()),
            Self::Moving => ("画面正常".into(), "moving picture".into()),
            Self::Still { every_ms } => {
                let seconds = every_ms.div_ceil(1_000);
                (
                    format!("链路带宽不足，每 {seconds} 秒一张静止画面"),
                    format!("the link is thin: one still every {seconds} s"),
                )
            }
            Self::NoRoom => (
                "链路带宽不足，暂无画面；带宽恢复后自动继续".into(),
                "the link has no room for pictures now; they go on when it has".into(),
            ),
            Self::Lost { for_ms } => {
                let seconds = for_ms / 1_000;
                (
                    format!("画面已中断 {seconds} 秒，正在自动恢复；如持续请检查站点链路"),
                    format!(
                        "no picture for {seconds} s, trying again by itself; \
                         if it lasts, look at the site's link"
                    ),
                )
            }
            Self::Camera { said, .. } | Self::Refused { why: said } => return said.clone(),
            Self::NoSuchCamera => (
                "目录中没有这个摄像机；请核对编号".into(),
                "the directory has no such camera; check its id".into(),
            ),
            Self::NoWay => (
                "不知道由哪个节点驱动摄像机所在站点；请检查该站点的节点".into(),
                "no node is known that drives the camera's site; look at the site's nodes".into(),
            ),
        };
        Said { zh, en }
    }
}
