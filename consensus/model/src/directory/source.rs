//! What loudspeakers and telephones say, as what it takes to make it: a text to be spoken or a
//! recording. Whatever has the same source sounds the same, so it is rendered
//! once, wherever it is named.

use std::collections::{BTreeMap, BTreeSet};

use super::word::Word;
use super::{Codec, Directory, Lang, Sound, StepKind};
use crate::id::Hash;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Spoken {
        /// `None`: each script in the language that it is written in.
        lang: Option<Lang>,
        text: String,
    },
    Recording {
        sha256: Hash,
    },
}

impl Source {
    /// By which renderings are known.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Spoken { lang, text } => {
                let lang = lang.map_or("", |lang| lang.word());
                Hash::of(&[b"spoken", lang.as_bytes(), text.as_bytes()])
            }
            Self::Recording { sha256 } => Hash::of(&[b"recording", &sha256.0]),
        }
    }
}

/// What tells the person on the telephone which key to press; it is said after the
/// announcement.
pub fn ack_prompt(ack: u8) -> Sound {
    Sound::Text(format!("收到请按{ack}。Press {ack} to confirm."))
}

/// What a person hears who is called into a conference that asks for a key.
pub fn join_prompt(key: u8) -> Sound {
    Sound::Text(format!("防汛应急会商，请按{key}加入。Emergency conference: press {key} to join."))
}

/// What a person hears whose announcement is missing: a siren would tell nothing.
pub fn call_back() -> Sound {
    Sound::Text("防汛紧急通知，请立即联系值班室。Flood emergency: call the duty room now.".into())
}

impl Directory {
    /// Where a sound comes from; `None` when it is not there or is a template.
    pub fn source(&self, sound: &Sound) -> Option<Source> {
        match sound {
            Sound::Text(text) => Some(Source::Spoken { lang: None, text: text.clone() }),
            Sound::Audio(id) => {
                let audio = self.audio.get(id).filter(|audio| !audio.is_template())?;
                Some(match &audio.recording {
                    Some(recording) => Source::Recording { sha256: recording.sha256 },
                    None => Source::Spoken { lang: Some(audio.lang), text: audio.text.clone() },
                })
            }
        }
    }

    /// Every source that something here may play.
    pub fn sources(&self) -> BTreeMap<Hash, Source> {
        let files = self.audio.keys().cloned().map(Sound::Audio);
        let steps = self.plans.values().flat_map(|plan| &plan.steps);
        let said = steps.clone().filter_map(|step| step.kind.sound().cloned());
        let prompts = steps.filter_map(|step| match &step.kind {
            StepKind::CallRoster(call) => Some(vec![ack_prompt(call.ack), call_back()]),
            StepKind::ConferenceOpen(room) => Some(vec![join_prompt(room.confirm?)]),
            _ => None,
        });
        let prompts = prompts.flatten();
        let sources = files.chain(said).chain(prompts).filter_map(|sound| self.source(&sound));
        sources.map(|source| (source.hash(), source)).collect()
    }

    /// Every codec that some loudspeaker can play, and those that every telephone
    /// can when a plan calls people.
    pub fn codecs(&self) -> BTreeSet<Codec> {
        let speakers = self.zones.values().flat_map(|zone| &zone.speakers);
        let mut all: BTreeSet<Codec> =
            speakers.flat_map(|speaker| speaker.profile.codecs.iter().copied()).collect();
        let mut steps = self.plans.values().flat_map(|plan| &plan.steps);
        let rings =
            |kind: &StepKind| matches!(kind, StepKind::CallRoster(_) | StepKind::ConferenceOpen(_));
        if steps.any(|step| rings(&step.kind)) {
            all.extend([Codec::Pcma, Codec::Pcmu]);
        }
        all
    }
}
