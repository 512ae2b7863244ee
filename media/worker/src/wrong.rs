//! Why a sound was refused, in words for the person who handed it in. Refuses to
//! pass on GStreamer's own words without ours: they name elements, not remedies.

use std::io;
use std::path::PathBuf;

use weir_model::directory::Codec;
use weir_model::refusal::Said;

use crate::job::{FILE_MAX_MIB, LENGTH_MAX_S};
use crate::level::FAINTEST_LUFS;

#[derive(Debug)]
pub(crate) enum Wrong {
    /// Not a request of ours.
    Request(String),
    /// No output in this codec.
    Codec(Codec),
    Open(PathBuf, io::Error),
    NotAFile(PathBuf),
    TooLarge,
    /// GStreamer knows no sound in it.
    NotAudio(String),
    /// It began as a sound and could not be read to its end.
    Damaged(String),
    /// It says that it is longer than it is.
    CutShort {
        says_ms: u64,
        has_ms: u64,
    },
    TooLong,
    /// No samples.
    Empty,
    /// Nothing in it that could be made loud enough.
    Silent,
    /// Nothing moved for this many seconds.
    Stalled(u64),
    /// A part of GStreamer is not installed.
    Missing(&'static str),
    /// A pipeline of ours did what it should not.
    Pipeline(String),
    Write(io::Error),
}

impl Wrong {
    /// A stable name for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "bad-request",
            Self::Codec(_) => "codec",
            Self::Open(..) => "unreadable",
            Self::NotAFile(_) => "not-a-file",
            Self::TooLarge => "too-large",
            Self::NotAudio(_) => "not-audio",
            Self::Damaged(_) => "damaged",
            Self::CutShort { .. } => "cut-short",
            Self::TooLong => "too-long",
            Self::Empty => "empty",
            Self::Silent => "silent",
            Self::Stalled(_) => "stalled",
            Self::Missing(_) => "missing-element",
            Self::Pipeline(_) => "pipeline",
            Self::Write(_) => "write",
        }
    }

    pub(crate) fn said(&self) -> Said {
        let (zh, en) = match self {
            Self::Missing(_) | Self::Pipeline(_) | Self::Write(_) | Self::Stalled(_) => self.ours(),
            Self::Request(_) | Self::Codec(_) => self.asked(),
            _ => self.theirs(),
        };
        Said { zh, en }
    }

    /// The request is at fault.
    fn asked(&self) -> (String, String) {
        match self {
            Self::Codec(codec) => (
                format!("不能生成 {codec} 编码；请改用 PCMA、PCMU 或 G722"),
                format!("cannot encode {codec}; ask for PCMA, PCMU or G722"),
            ),
            Self::Request(why) => (
                format!("无法识别的请求（{why}）；请核对两个进程是否同一版本"),
                format!("not a request ({why}); are both processes of one version?"),
            ),
            _ => self.theirs(),
        }
    }

    /// The file is at fault.
    fn theirs(&self) -> (String, String) {
        match self {
            Self::Open(path, error) => (
                format!("打不开 {}（{error}）；请检查文件和权限", path.display()),
                format!("cannot open {} ({error}); check the file and its rights", path.display()),
            ),
            Self::NotAFile(path) => (
                format!("{} 不是普通文件；请给出一个录音文件", path.display()),
                format!("{} is no regular file; name one recording", path.display()),
            ),
            Self::TooLarge => (
                format!("文件超过 {FILE_MAX_MIB} MiB；请截短，或存为压缩格式"),
                format!("more than {FILE_MAX_MIB} MiB; cut it, or save it compressed"),
            ),
            Self::NotAudio(why) => (
                format!("文件里没有可识别的声音（{why}）；请另存为 WAV、MP3 或 FLAC"),
                format!("no sound that is known ({why}); save it as WAV, MP3 or FLAC"),
            ),
            Self::Damaged(why) => (
                format!("录音已损坏（{why}）；请重新导出，播放检查后再上传"),
                format!("the recording is damaged ({why}); export it again and listen to it"),
            ),
            Self::CutShort { says_ms, has_ms } => (
                format!("录音不完整：应有 {says_ms} 毫秒，只有 {has_ms} 毫秒；请重新复制"),
                format!("the recording is cut: {has_ms} ms of {says_ms} ms; copy it again"),
            ),
            Self::TooLong => (
                format!("录音超过 {LENGTH_MAX_S} 秒；请截短，计划可以重复播放"),
                format!("longer than {LENGTH_MAX_S} s; cut it, a plan can repeat it"),
            ),
            Self::Silent => (
                format!("几乎没有声音（低于 {FAINTEST_LUFS} LUFS）；请检查麦克风后重录"),
                format!("next to silent (below {FAINTEST_LUFS} LUFS); check the microphone"),
            ),
            _ => (
                "文件里没有任何声音；请重新录音".into(),
                "there is no sound in it; record it again".into(),
            ),
        }
    }

    /// This machine is at fault.
    fn ours(&self) -> (String, String) {
        match self {
            Self::Missing(element) => (
                format!("本机缺少 GStreamer 组件 {element}；请运行 make setup"),
                format!("GStreamer's {element} is not installed here; run make setup"),
            ),
            Self::Stalled(seconds) => (
                format!("解码 {seconds} 秒没有进展；请换一种格式再试"),
                format!("decoding made no progress for {seconds} s; try another format"),
            ),
            Self::Write(error) => (
                format!("写不出结果（{error}）；请检查磁盘空间"),
                format!("cannot write the result ({error}); check the disk's space"),
            ),
            Self::Pipeline(why) => (
                format!("音频处理内部出错（{why}）；请重试，仍不行则报告"),
                format!("audio processing failed ({why}); try again, then report it"),
            ),
            _ => self.theirs(),
        }
    }
}
