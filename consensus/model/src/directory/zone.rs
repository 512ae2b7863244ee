//! Zones: places that hear a page, and the loudspeakers that stand there.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::extension::check_number;
use super::fault::Findings;
use super::limits::{CODECS_PER_SPEAKER_MAX, SPEAKERS_PER_ZONE_MAX};
use super::word::words;
use crate::id::{Extension, NameError, SiteId, SpeakerId, ZoneId};

words! {
    /// By its RTP name (RFC 3551, RFC 7587).
    Codec {
        Pcma = "PCMA", "G.711 A 律";
        Pcmu = "PCMU", "G.711 μ 律";
        G722 = "G722", "G.722";
        Opus = "opus", "Opus";
    }
}

words! {
    /// How a speaker is told to answer by itself.
    AutoAnswer {
        /// `Call-Info: …;answer-after=0`
        CallInfo = "call_info", "Call-Info";
        /// `Alert-Info` with the maker's string.
        AlertInfo = "alert_info", "Alert-Info";
        /// `Answer-Mode: Auto` (RFC 5373).
        AnswerMode = "answer_mode", "Answer-Mode";
        /// The device answers every call unasked.
        Device = "device", "设备自动应答";
    }
}

/// What a model of loudspeaker can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakerProfile {
    /// Best first.
    pub codecs: Vec<Codec>,
    pub auto_answer: AutoAnswer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    pub id: SpeakerId,
    pub extension: Extension,
    pub profile: SpeakerProfile,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Also the number that pages the zone, so it begins with the site's prefix.
    pub id: ZoneId,
    pub site: SiteId,
    pub name_zh: String,
    pub name_en: String,
    pub speakers: Vec<Speaker>,
}

impl Zone {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        check_number("id", self.id.as_str(), found);
        found.label("name_zh", &self.name_zh);
        found.label("name_en", &self.name_en);
        found.some("speakers", self.speakers.len());
        found.at_most("speakers", self.speakers.len(), SPEAKERS_PER_ZONE_MAX);
        let mut ids = BTreeSet::new();
        for (at, speaker) in self.speakers.iter().enumerate() {
            let path = format!("speakers.{at}");
            if !ids.insert(&speaker.id) {
                found.twice(format!("{path}.id"), &speaker.id);
            }
            check_number(&format!("{path}.extension"), speaker.extension.as_str(), found);
            let codecs = &speaker.profile.codecs;
            found.some(format!("{path}.codecs"), codecs.len());
            found.at_most(format!("{path}.codecs"), codecs.len(), CODECS_PER_SPEAKER_MAX);
        }
    }
}

/// A zone as a plan names it: by itself, or by its place at the site where the
/// plan is launched, so that one plan serves every site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ZoneName {
    /// `$SITE*`: every zone of the launch site.
    EveryOfSite,
    /// `$SITE403`: the launch site's prefix followed by these digits.
    OfSite(String),
    /// `5403`: that zone, wherever the plan is launched.
    Fixed(ZoneId),
}

/// Why a text names no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneNameError {
    #[error("after $SITE stands * or one to twelve digits, not {0:?}")]
    Variable(String),
    #[error(transparent)]
    Name(#[from] NameError),
}

impl TryFrom<String> for ZoneName {
    type Error = ZoneNameError;

    fn try_from(text: String) -> Result<Self, ZoneNameError> {
        match text.strip_prefix("$SITE") {
            Some("*") => Ok(Self::EveryOfSite),
            Some(rest) => {
                let digits = (1..=12).contains(&rest.len())
                    && rest.bytes().all(|byte| byte.is_ascii_digit());
                if digits {
                    Ok(Self::OfSite(rest.to_owned()))
                } else {
                    Err(ZoneNameError::Variable(rest.to_owned()))
                }
            }
            None => Ok(Self::Fixed(ZoneId::new(text)?)),
        }
    }
}

impl From<ZoneName> for String {
    fn from(name: ZoneName) -> String {
        name.to_string()
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EveryOfSite => f.write_str("$SITE*"),
            Self::OfSite(digits) => write!(f, "$SITE{digits}"),
            Self::Fixed(zone) => write!(f, "{zone}"),
        }
    }
}
