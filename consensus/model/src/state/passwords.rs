//! People's passwords, kept beside the directory and never in it: the directory
//! is shown, printed and compared, these are not. What is kept is a hash made at
//! the edge in PHC form; nothing here hashes, checks or shows one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{RecordKey, State};
use crate::decision::Outcome;
use crate::id::{Hash, PersonId};
use crate::refusal::Refusal;

/// Most passwords kept; those of people who left the directory give way first.
pub const PASSWORDS: usize = 8_192;
/// Longest hash in PHC form, in bytes.
pub const PHC_BYTES: usize = 256;
/// What it begins with: the one algorithm in use.
const PHC_START: &str = "$argon2id$";

/// A password's hash, as text that says how it was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phc(String);

impl Phc {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For whoever checks a password against it, and nobody else.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Tells one from another without showing it.
    pub fn mark(&self) -> Hash {
        Hash::of(&[b"password", self.0.as_bytes()])
    }

    fn is_well_formed(&self) -> bool {
        let text = &self.0;
        text.len() <= PHC_BYTES
            && text.starts_with(PHC_START)
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// Logs never show it.
impl fmt::Debug for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phc(…)")
    }
}

impl State {
    pub(super) fn set_password(
        &mut self,
        person: &PersonId,
        phc: &Phc,
        touched: &mut std::collections::BTreeSet<RecordKey>,
    ) -> Result<Outcome, Refusal> {
        if !self.directory.people.contains_key(person) {
            return Err(Refusal::PersonUnknown { person: person.clone() });
        }
        if !phc.is_well_formed() {
            return Err(Refusal::PasswordForm);
        }
        if !self.passwords.contains_key(person) && self.passwords.len() >= PASSWORDS {
            let people = &self.directory.people;
            let gone = self.passwords.keys().find(|one| !people.contains_key(*one)).cloned();
            let gone = gone.ok_or(Refusal::PasswordsFull { most: PASSWORDS })?;
            Arc::make_mut(&mut self.passwords).remove(&gone);
            touched.insert(RecordKey::Password(gone));
        }
        Arc::make_mut(&mut self.passwords).insert(person.clone(), phc.clone());
        touched.insert(RecordKey::Password(person.clone()));
        Ok(Outcome::PasswordSet)
    }
}
