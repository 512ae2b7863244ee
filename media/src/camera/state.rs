//! How it stands with a camera, in words for the person who can mend it. It
//! refuses to show GStreamer's own words alone.

use serde::Deserialize;
use weir_model::refusal::Said;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The camera is being asked for its picture.
    #[default]
    Connecting,
    Playing,
    /// It was there and went away.
    Lost,
    /// Nobody answers at its address.
    Unreachable,
    Unauthorized,
    /// It answers, and knows no such path.
    NoStream,
    /// It has no H.264 to offer.
    Unsupported,
    /// This machine cannot make what is wanted of the picture, or no worker starts.
    Broken,
}

/// What is known of a camera at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    pub state: State,
    /// GStreamer's or the system's own words, where there are any.
    pub why: String,
    /// Bits a second that the camera sends, whatever is made of them.
    pub source_bps: u64,
    /// Pictures that the worker lost because nobody took them in time.
    pub lost: u64,
    /// How often a worker had to be started again.
    pub restarts: u64,
    /// The running worker.
    pub pid: Option<u32>,
}

impl Status {
    /// What a person reads.
    pub fn said(&self) -> Said {
        let (zh, en) = match self.state {
            State::Connecting => ("正在连接摄像机", "connecting to the camera"),
            State::Playing => ("画面正常", "the picture comes in"),
            State::Lost => (
                "摄像机画面中断，正在自动重连；请检查供电和网线",
                "the camera went away and is being called again; check its power and cable",
            ),
            State::Unreachable => (
                "连接不上摄像机；请检查地址、端口和网络",
                "nobody answers at the camera's address; check address, port and network",
            ),
            State::Unauthorized => (
                "摄像机拒绝了用户名或密码；请在目录中改正，之后会自动重试",
                "the camera refuses the name or password; correct them in the directory",
            ),
            State::NoStream => (
                "摄像机上没有这个路径；请核对 RTSP 地址",
                "the camera knows no such path; check the RTSP address",
            ),
            State::Unsupported => (
                "摄像机不提供 H.264；请在摄像机上把编码改为 H.264",
                "the camera offers no H.264; set its codec to H.264",
            ),
            State::Broken => (
                "本机无法处理画面；请运行 make setup，仍不行则报告",
                "this machine cannot process the picture; run make setup, then report it",
            ),
        };
        if self.why.is_empty() {
            return Said { zh: zh.into(), en: en.into() };
        }
        Said { zh: format!("{zh}（{}）", self.why), en: format!("{en} ({})", self.why) }
    }
}
