//! The WWW-Authenticate header of a 401 (RFC 7616 §3.3). Refuses realms that
//! would need escaping: phones get that wrong.

use std::fmt;

use super::algorithm::Algorithm;
use super::nonce::Nonce;

/// Longest realm in bytes.
pub const REALM_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RealmError {
    #[error("a realm takes 1 to {REALM_MAX} bytes")]
    Length,
    #[error("a realm takes visible ASCII and blanks without '\"' and '\\', not {0:?}")]
    BadCharacter(char),
}

/// Where a password is good, such as `weir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(String);

impl Realm {
    /// # Errors
    /// When `text` cannot stand in quotes as it is.
    pub fn new(text: impl Into<String>) -> Result<Self, RealmError> {
        let text = text.into();
        if text.is_empty() || text.len() > REALM_MAX {
            return Err(RealmError::Length);
        }
        let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        match text.chars().find(|&c| !plain(c)) {
            Some(bad) => Err(RealmError::BadCharacter(bad)),
            None => Ok(Self(text)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One challenge; displayed as the header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub realm: Realm,
    pub nonce: Nonce,
    pub opaque: Nonce,
    pub algorithm: Algorithm,
    pub stale: bool,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, nonce, opaque, algorithm, stale } = self;
        write!(f, "Digest realm=\"{}\", nonce=\"{nonce}\", opaque=\"{opaque}\"", realm.0)?;
        write!(f, ", algorithm={}, qop=\"auth\"", algorithm.name())?;
        // Some phones take any mention of stale for true.
        if *stale { f.write_str(", stale=true") } else { Ok(()) }
    }
}
