//! Names of things. Each kind of thing has its own type, so that a zone never
//! stands where a speaker belongs. Nothing here mints an id: whoever proposes
//! does, at the edge, and passes it in.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Longest name in bytes.
pub const NAME_MAX: usize = 48;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name is empty")]
    Empty,
    #[error("a name is longer than {NAME_MAX} bytes")]
    TooLong,
    #[error("a name may hold letters, digits, '-', '_' and '.', not {0:?}")]
    BadCharacter(char),
}

fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_MAX {
        return Err(NameError::TooLong);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match text.chars().find(|&c| !allowed(c)) {
        Some(bad) => Err(NameError::BadCharacter(bad)),
        None => Ok(()),
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// When `text` is not a name (see [`NameError`]).
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check_name(&text)?;
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )+};
}

names! {
    /// A place with nodes, such as `R3`.
    SiteId;
    /// What people call a node, such as `rc1`; consensus knows it as [`NodeId`].
    NodeName;
    /// A person of the directory.
    PersonId;
    /// A dialled number, such as `5001`.
    Extension;
    /// A place that hears a page, such as `5403`.
    ZoneId;
    /// One loudspeaker.
    SpeakerId;
    /// A list of people.
    RosterId;
    /// A camera.
    CameraId;
    /// An audio file, such as `aud-red`.
    AudioId;
    /// A prepared response, such as `P-38-page`.
    PlanId;
    /// Steps of a plan that start together, such as `a`.
    StepGroup;
    /// A step of a plan, such as `s1`.
    StepId;
}

/// A node as consensus knows it: small on the wire, never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct NodeId(pub u64);

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// One life of a node's journal. A restore, a replacement or a lost disk starts
/// the next one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Incarnation(pub u32);

macro_rules! minted {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                write_bytes(self, &self.0, to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                read_bytes(from).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                let mut bytes = [0; 16];
                read_hex(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
    )+};
}

minted! {
    /// Says that two proposals are the same one, sent again.
    RequestKey;
    /// A signed request to a home site.
    IntentId;
    /// One run of a plan.
    ActivationId;
    /// One telephone call, all its legs.
    CallId;
    /// One cluster; a node never speaks to another cluster's.
    ClusterId;
}

/// One conference, whoever leads it: derived from the plan's step that opened it, or
/// minted at the edge for one that a person opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConferenceId(pub u64);

impl ConferenceId {
    /// That of an attempt at a plan's step: the same at every node.
    pub fn of(activation: &ActivationId, step: &StepId, attempt: u16) -> Self {
        let (step, attempt) = (step.as_str().as_bytes(), attempt.to_be_bytes());
        let hash = Hash::of(&[b"conference", &activation.0, step, &attempt]);
        let [a, b, c, d, e, f, g, h, ..] = hash.0;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl Serialize for ConferenceId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        write_bytes(self, &self.0.to_be_bytes(), to)
    }
}

impl<'de> Deserialize<'de> for ConferenceId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_bytes(from).map(|bytes| Self(u64::from_be_bytes(bytes)))
    }
}

impl fmt::Display for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ConferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConferenceId({self})")
    }
}

impl FromStr for ConferenceId {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; 8];
        read_hex(text, &mut bytes)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

/// Why a text is not a hexadecimal id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    #[error("expected {0} hexadecimal digits")]
    Length(usize),
    #[error("not a hexadecimal digit")]
    Digit,
}

fn read_hex(text: &str, into: &mut [u8]) -> Result<(), HexError> {
    let digits = text.as_bytes();
    if digits.len() != into.len() * 2 {
        return Err(HexError::Length(into.len() * 2));
    }
    for (byte, pair) in into.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| (digit as char).to_digit(16).ok_or(HexError::Digit);
        let (high, low) = (value(pair[0])?, value(pair[1])?);
        *byte = u8::try_from(high * 16 + low).map_err(|_| HexError::Digit)?;
    }
    Ok(())
}

/// Digits where people read (JSON, TOML), bytes where they do not.
fn write_bytes<const N: usize, S: Serializer>(
    digits: &impl fmt::Display,
    bytes: &[u8; N],
    to: S,
) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() {
        return to.collect_str(digits);
    }
    let mut tuple = to.serialize_tuple(N)?;
    bytes.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
    tuple.end()
}

fn read_bytes<'de, const N: usize, D: Deserializer<'de>>(from: D) -> Result<[u8; N], D::Error> {
    let mut bytes = [0; N];
    if from.is_human_readable() {
        let text = String::deserialize(from)?;
        read_hex(&text, &mut bytes).map_err(D::Error::custom)?;
        return Ok(bytes);
    }
    struct Bytes<const N: usize>;
    impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
        type Value = [u8; N];
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{N} bytes")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (at, byte) in bytes.iter_mut().enumerate() {
                *byte = all.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
            }
            Ok(bytes)
        }
    }
    from.deserialize_tuple(N, Bytes::<N>)
}

/// SHA-256 of something (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        write_bytes(self, &self.0, to)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_bytes(from).map(Self)
    }
}

impl Hash {
    /// Hashes the parts one after the other, each preceded by its length, so
    /// that no two lists of parts hash alike.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The first eight digits, for people.
    pub fn short(&self) -> String {
        self.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({})", self.short())
    }
}

impl FromStr for Hash {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, HexError> {
        let mut bytes = [0; 32];
        read_hex(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. Taken at the
/// edge and passed in; for display and expiry, never for order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct WallMs(pub u64);

impl WallMs {
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_only_what_a_file_and_a_url_can_hold() {
        assert_eq!(ZoneId::new(""), Err(NameError::Empty));
        assert_eq!(ZoneId::new("a b"), Err(NameError::BadCharacter(' ')));
        assert_eq!(ZoneId::new("x".repeat(49)), Err(NameError::TooLong));
        assert_eq!(ZoneId::new("5403").unwrap().as_str(), "5403");
    }

    #[test]
    fn minted_ids_read_back_as_they_are_written() {
        let id = IntentId([0xa7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<IntentId>(), Err(HexError::Length(32)));
        assert_eq!("é".repeat(16).parse::<IntentId>(), Err(HexError::Digit));
    }

    /// Two nodes that read the same facts mean the same conference.
    #[test]
    fn a_steps_conference_is_the_same_everywhere_and_another_for_each_attempt() {
        let (run, step) = (ActivationId([7; 16]), StepId::new("s3").unwrap());
        let first = ConferenceId::of(&run, &step, 1);
        assert_eq!(first.to_string(), "9a254491aabefae1");
        assert_eq!(first.to_string().parse(), Ok(first));
        assert_ne!(first, ConferenceId::of(&run, &step, 2));
        assert_ne!(first, ConferenceId::of(&run, &StepId::new("s4").unwrap(), 1));
        assert_eq!(ConferenceId(0xab).to_string(), "00000000000000ab");
    }

    #[test]
    fn lists_of_parts_never_hash_alike() {
        assert_ne!(Hash::of(&[b"ab", b"c"]), Hash::of(&[b"a", b"bc"]));
    }
}
