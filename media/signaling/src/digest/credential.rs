//! What a directory keeps of a user's secret. Refuses to show it.

use std::fmt;

use super::algorithm::Algorithm;

/// A user's secret.
#[derive(Clone)]
pub enum Credential {
    Password(String),
    /// `H(user:realm:password)` by each algorithm, so that the password itself
    /// is kept nowhere. Bound to the realm.
    Ha1 {
        sha256: Option<[u8; 32]>,
        md5: Option<[u8; 16]>,
    },
}

impl Credential {
    /// The hexadecimal HA1, if there is one for `algorithm`.
    pub(super) fn ha1(&self, algorithm: Algorithm, user: &str, realm: &str) -> Option<String> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match (self, algorithm) {
            (Self::Password(password), _) => {
                let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
                Some(algorithm.sum(&parts).to_string())
            }
            (Self::Ha1 { sha256, .. }, Algorithm::Sha256) => sha256.as_ref().map(|ha1| hex(ha1)),
            (Self::Ha1 { md5, .. }, Algorithm::Md5) => md5.as_ref().map(|ha1| hex(ha1)),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}
