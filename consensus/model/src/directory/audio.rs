//! Audio files: a text to be spoken, or a recording with its hash and the words
//! in it. A text that names a time is a template (`{minutes}`): a literal time
//! would be played on the night when it is wrong, so it is refused.

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::limits::ADDRESS_MAX_BYTES;
use super::spoken::check_spoken;
use super::word::words;
use crate::id::{AudioId, Hash};

words! {
    /// By its language tag (RFC 5646).
    Lang {
        ZhCn = "zh-CN", "中文";
        En = "en", "英文";
    }
}

/// A recording, known by its hash wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Below the folder that the directory was loaded from; for people.
    pub path: String,
    pub sha256: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFile {
    pub id: AudioId,
    pub lang: Lang,
    /// What is heard. Spoken by a machine unless there is a recording; beside a
    /// recording it is what the screen shows and what the rules can read.
    pub text: String,
    pub recording: Option<Recording>,
}

impl AudioFile {
    /// Whether something must be filled in before it can be played.
    pub fn is_template(&self) -> bool {
        self.text.contains('{')
    }

    pub(super) fn check(&self, found: &mut Findings<'_>) {
        check_spoken("text", &self.text, found);
        let Some(recording) = &self.recording else { return };
        if self.is_template() {
            let fault = fault!(
                Template,
                "录音不能填空，但文字是模板",
                "a recording cannot be filled in, but the text is a template",
                "删去 recording 由机器朗读，或写出不含 {{…}} 的文字",
                "remove the recording so that it is spoken, or write the text without {{…}}",
            );
            found.add("text", fault);
        }
        let path = &recording.path;
        let inside = !path.is_empty()
            && path.len() <= ADDRESS_MAX_BYTES
            && !path.chars().any(|c| c.is_control() || c == '\\')
            && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside {
            let fault = fault!(
                BadValue,
                "录音路径 {path:?} 不在目录文件旁边",
                "the recording's path {path:?} does not stay beside the directory file",
                "写相对路径，不含 .. 和反斜杠",
                "write a relative path without .. or backslashes",
            );
            found.add("recording.path", fault);
        }
    }
}
