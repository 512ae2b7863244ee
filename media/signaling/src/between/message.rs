//! What the two ends of a call between sites tell each other, one record a frame
//! of their stream. Refuses what is longer than it need be, and text that could
//! be taken for more than one line of SIP.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use weir_model::codec::{self, DecodeError};
use weir_model::directory::Codec;
use weir_model::stored;

use crate::sdp::Direction;

/// Longest record, in bytes.
pub const MESSAGE_MAX_BYTES: usize = 4 << 10;
/// Longest number, in bytes.
pub const NUMBER_MAX_BYTES: usize = 32;
/// Longest name or reason, in bytes.
pub const TEXT_MAX_BYTES: usize = 256;
/// Longest INFO, with its kind, in bytes.
pub const INFO_MAX_BYTES: usize = 2 << 10;
/// Most codecs of an offer.
pub const CODECS_MAX: usize = 4;
/// Longest Content-Type of an INFO, in bytes.
const KIND_MAX_BYTES: usize = 128;

/// Names a leg between two sites; the end that dials rolls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey(pub [u8; 16]);

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Counts the sender's words from 1; 0 for what is only said of the stream.
    pub number: u32,
    /// The next number that the sender has not heard: all before came.
    pub expects: u32,
    pub word: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// The first word of the end that dials.
    Setup(Setup),
    /// Provisional, without sound.
    Ring {
        code: u16,
    },
    /// Provisional, with sound before the answer.
    Early(Media),
    Answered(Media),
    Refused {
        code: u16,
        words: String,
    },
    /// The end that dialled has taken the answer.
    Confirmed,
    /// The sender wants another session.
    Change(Said),
    Agree(Said),
    Decline {
        code: u16,
    },
    Info {
        kind: String,
        body: Vec<u8>,
    },
    Ended {
        why: Closing,
    },
    /// Nothing but what the sender expects.
    Heard,
    /// The first frame of a stream in place of one that was lost.
    Resume {
        call: CallKey,
    },
    /// Nothing is known of the call that was to be resumed.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub call: CallKey,
    pub from: String,
    pub from_name: String,
    pub dialled: String,
    pub emergency: bool,
    pub max_forwards: u8,
    pub media: Media,
}

/// The sound of one end, and where it takes the other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    pub said: Said,
    /// Frames to the sender carry this number.
    pub channel: u16,
}

/// What a telephone said of its sound, as far as the other site must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Best first; an answer has exactly one.
    pub codecs: Vec<Codec>,
    /// It knows keys as events (RFC 4733).
    pub events: bool,
    #[serde(serialize_with = "write_direction", deserialize_with = "read_direction")]
    pub direction: Direction,
}

/// Why an end closed the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    HungUp,
    /// There was no stream for too long.
    Lost,
    /// The node stops.
    Stopped,
    /// The other end said what cannot be.
    Fault,
}

impl Closing {
    /// For a log.
    pub fn words(self) -> &'static str {
        match self {
            Self::HungUp => "hung up",
            Self::Lost => "the stream to the other site was lost",
            Self::Stopped => "the other site's node stops",
            Self::Fault => "the other site said what cannot be",
        }
    }
}

stored! {
    Message, 64, MESSAGE_MAX_BYTES, "word between sites";
}

/// Why a frame is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("word between sites: {0}")]
    Bounds(&'static str),
}

impl Message {
    /// # Errors
    /// When it is longer than a frame may be.
    pub fn bytes(&self) -> Result<Vec<u8>, DecodeError> {
        codec::encode(self)
    }

    /// # Errors
    /// When the bytes are no such record, or it says more than it may.
    pub fn read(bytes: &[u8]) -> Result<Self, MessageError> {
        let message: Self = codec::decode(bytes)?;
        message.check().map_err(MessageError::Bounds)?;
        Ok(message)
    }

    fn check(&self) -> Result<(), &'static str> {
        let counted = match &self.word {
            Word::Setup(setup) => setup.check()?,
            Word::Ring { code } => within((101..=199).contains(code), "no provisional code")?,
            Word::Early(media) | Word::Answered(media) => media.said.check_answer()?,
            Word::Refused { code, words } => {
                within((400..=699).contains(code), "no code of a refusal")?;
                within(is_text(words), "too long a reason")?
            }
            Word::Confirmed | Word::Ended { .. } => true,
            Word::Change(said) => said.check()?,
            Word::Agree(said) => said.check_answer()?,
            Word::Decline { code } => within((400..=699).contains(code), "no code of a refusal")?,
            Word::Info { kind, body } => {
                let short = kind.len() <= KIND_MAX_BYTES;
                within(short && kind.len() + body.len() <= INFO_MAX_BYTES, "too long an INFO")?;
                within(!kind.is_empty() && kind.bytes().all(is_graphic), "no kind of INFO")?
            }
            Word::Heard | Word::Resume { .. } | Word::Unknown => false,
        };
        within(counted == (self.number != 0), "counted, or not, where it must not be")?;
        let first = matches!(self.word, Word::Setup(_));
        within(!first || self.number == 1, "a first word that is not the first")?;
        within(self.expects != 0, "waits for no word at all")?;
        Ok(())
    }
}

/// `true` when it holds, so that a check can stand at the end of an arm.
fn within(holds: bool, what: &'static str) -> Result<bool, &'static str> {
    if holds { Ok(true) } else { Err(what) }
}

fn is_graphic(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

/// What may stand as a number in SIP and in a fact.
fn is_number(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"+*#._-".contains(&byte);
    !text.is_empty() && text.len() <= NUMBER_MAX_BYTES && text.bytes().all(good)
}

fn is_text(text: &str) -> bool {
    text.len() <= TEXT_MAX_BYTES && !text.chars().any(char::is_control)
}

impl Setup {
    fn check(&self) -> Result<bool, &'static str> {
        within(is_number(&self.from) && is_number(&self.dialled), "no number")?;
        within(is_text(&self.from_name), "too long a name")?;
        self.media.said.check()
    }
}

impl Said {
    fn check(&self) -> Result<bool, &'static str> {
        let (codecs, count) = (&self.codecs, self.codecs.len());
        within((1..=CODECS_MAX).contains(&count), "no codec, or too many")?;
        let twice =
            codecs.iter().enumerate().any(|(at, one)| codecs.iter().take(at).any(|c| c == one));
        within(!twice, "a codec twice")
    }

    fn check_answer(&self) -> Result<bool, &'static str> {
        within(self.codecs.len() == 1, "an answer with another number of codecs than one")
    }
}

/// Cut to what a name or a reason may have, without control characters.
pub fn short(text: &str) -> String {
    let mut kept = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if kept.len() + letter.len_utf8() > TEXT_MAX_BYTES {
            break;
        }
        kept.push(letter);
    }
    kept
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn write_direction<S: Serializer>(direction: &Direction, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u8(u8::from(direction.sends()) | u8::from(direction.receives()) << 1)
}

fn read_direction<'de, D: Deserializer<'de>>(from: D) -> Result<Direction, D::Error> {
    let bits = u8::deserialize(from)?;
    match bits {
        0..=3 => Ok(Direction::new(bits & 1 != 0, bits & 2 != 0)),
        _ => Err(serde::de::Error::custom("no direction")),
    }
}
