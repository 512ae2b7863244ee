//! What loudspeakers need that people agree on: the secrets that devices sign in
//! with, and where a sound lies once it was rendered. It refuses a secret for a
//! number that nothing answers at.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::apply::Touched;
use super::{RecordKey, State};
use crate::decision::Outcome;
use crate::directory::Codec;
use crate::id::{Extension, Hash, NodeId};
use crate::refusal::Refusal;

/// Most secrets in one decision.
pub const SECRETS_AT_ONCE: usize = 1024;
/// Most sounds that are staged.
pub const RENDERINGS: usize = 4096;

/// What a device proves to know: hashes of number, realm and password (HA1 of
/// RFC 7616 §3.4.2), never the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SipSecret {
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
}

impl fmt::Debug for SipSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SipSecret(…)")
    }
}

/// A sound as the players want it, known by its hash wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendering {
    /// SHA-256 of the staged file.
    pub file: Hash,
    pub bytes: u32,
    pub ms: u32,
    pub codecs: Vec<Codec>,
    /// Who rendered it, and surely has it.
    pub by: NodeId,
}

impl State {
    pub(super) fn set_secrets(
        &mut self,
        secrets: &[(Extension, SipSecret)],
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        if secrets.len() > SECRETS_AT_ONCE {
            return Err(Refusal::TooManySecrets { most: SECRETS_AT_ONCE });
        }
        let known = self.directory.endpoints();
        if let Some((number, _)) = secrets.iter().find(|(n, _)| !known.contains_key(n.as_str())) {
            return Err(Refusal::NumberUnknown { number: number.clone() });
        }
        let gone: Vec<Extension> =
            self.secrets.keys().filter(|n| !known.contains_key(n.as_str())).cloned().collect();
        let table = Arc::make_mut(&mut self.secrets);
        for number in gone {
            table.remove(&number);
            touched.insert(RecordKey::Secret(number));
        }
        for (number, secret) in secrets {
            table.insert(number.clone(), secret.clone());
            touched.insert(RecordKey::Secret(number.clone()));
        }
        Ok(Outcome::Secrets)
    }

    pub(super) fn stage(
        &mut self,
        renderings: &[(Hash, Rendering)],
        touched: &mut Touched,
    ) -> Result<Outcome, Refusal> {
        let new: BTreeSet<Hash> = renderings.iter().map(|(of, _)| *of).collect();
        let known = self.renderings.keys().filter(|of| !new.contains(of)).count();
        if known + new.len() > RENDERINGS {
            // What no plan and no audio file names any more gives its place up.
            let used = self.directory.sources();
            let stale = self.renderings.keys().filter(|of| !used.contains_key(of));
            let stale: Vec<Hash> = stale.filter(|of| !new.contains(of)).copied().collect();
            if known - stale.len() + new.len() > RENDERINGS {
                return Err(Refusal::TooManyRenderings { most: RENDERINGS });
            }
            let table = Arc::make_mut(&mut self.renderings);
            for of in stale {
                table.remove(&of);
                touched.insert(RecordKey::Rendering(of));
            }
        }
        let table = Arc::make_mut(&mut self.renderings);
        for (of, rendering) in renderings {
            table.insert(*of, rendering.clone());
            touched.insert(RecordKey::Rendering(*of));
        }
        Ok(Outcome::Staged)
    }
}
