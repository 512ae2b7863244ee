//! HTTP digest as a SIP server asks for it (RFC 3261 §22, RFC 7616, RFC 8760).
//! Refuses to say whether a user exists, to take one answer twice, and to hold
//! more nonces than it was given room for.

mod algorithm;
mod authorization;
mod challenge;
mod credential;
mod nonce;
mod refused;
#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Sum};
pub use authorization::{AUTHORIZATION_MAX, Authorization, HeaderError, Quality};
pub use challenge::{Challenge, REALM_MAX, Realm, RealmError};
pub use credential::Credential;
pub use nonce::{Nonce, NonceLimits};
pub use refused::Refused;

use nonce::{Counted, Nonces};

/// Most credentials looked at in one request: a phone answers each challenge it
/// was sent, and may carry those of a proxy or two.
pub const AUTHORIZATIONS_MAX: usize = 8;

/// What became of a request's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accepted {
        user: String,
    },
    /// Answer 401 with [`Authenticator::challenges`]. `stale` tells the phone
    /// that only its nonce was old, and that it may answer the new one by itself.
    Challenge {
        stale: bool,
    },
    Refused {
        why: Refused,
    },
}

/// What was asked: the parts of a request that its digest covers.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The values of all Authorization headers, in order, as they came.
    pub authorizations: &'a [&'a [u8]],
    /// Where it came from, in whatever bits tell the caller's sources apart.
    pub origin: u128,
}

/// The server's side of digest for one realm.
#[derive(Debug)]
pub struct Authenticator {
    realm: Realm,
    offered: Vec<Algorithm>,
    nonces: Nonces,
}

impl Authenticator {
    pub fn new(realm: Realm, limits: NonceLimits) -> Self {
        Self { realm, offered: Algorithm::ALL.to_vec(), nonces: Nonces::new(limits) }
    }

    /// Challenges with these only. There are telephones that give up when they
    /// are offered anything beside MD5, in whatever order.
    #[must_use]
    pub fn offering(mut self, algorithms: &[Algorithm]) -> Self {
        self.offered = Algorithm::ALL.into_iter().filter(|one| algorithms.contains(one)).collect();
        self
    }

    /// How many nonces are remembered now.
    pub fn nonces(&self) -> usize {
        self.nonces.len()
    }

    /// Forgets nonces past their lifetime.
    pub fn expire(&mut self, now_ms: u64) {
        self.nonces.expire(now_ms);
    }

    /// The WWW-Authenticate headers of a 401, the one we like best first
    /// (RFC 8760 §2.3), good for answers from `origin` only. `nonce` and `opaque`
    /// are random bytes, never used before.
    pub fn challenges(
        &mut self,
        now_ms: u64,
        origin: u128,
        nonce: [u8; 16],
        opaque: [u8; 16],
        stale: bool,
    ) -> Vec<Challenge> {
        let nonce = self.nonces.mint(now_ms, Nonce(nonce), origin);
        let challenge = |algorithm: &Algorithm| Challenge {
            realm: self.realm.clone(),
            nonce,
            opaque: Nonce(opaque),
            algorithm: *algorithm,
            stale,
        };
        self.offered.iter().map(challenge).collect()
    }

    /// Whether this answers a challenge that its origin was sent and that is still
    /// good: only then is a password judged, so only then can it be guessed.
    pub fn is_answered_by(&self, now_ms: u64, request: Request<'_>) -> bool {
        let ours = self.ours(request.authorizations).ok().flatten();
        ours.is_some_and(|answer| self.nonces.is_good(now_ms, &answer.nonce, request.origin))
    }

    /// Judges a request's credentials. `lookup` gives what is kept for a user.
    ///
    /// The digest's `uri` is taken as the phone wrote it and not held against
    /// the Request-URI: phones and proxies spell it differently, and whoever
    /// could swap it on the way could swap the rest of the request as well.
    pub fn check(
        &mut self,
        now_ms: u64,
        request: Request<'_>,
        lookup: impl FnOnce(&str) -> Option<Credential>,
    ) -> Outcome {
        match self.ours(request.authorizations) {
            // `stale` whatever the password: to weigh it against a nonce that the
            // sender may have chosen would let it guess without being sent anything.
            Ok(Some(answer)) if !self.nonces.is_good(now_ms, &answer.nonce, request.origin) => {
                Outcome::Challenge { stale: true }
            }
            Ok(Some(answer)) => self.judge(now_ms, request.method, &answer, lookup),
            Ok(None) => Outcome::Challenge { stale: false },
            Err(why) => Outcome::Refused { why },
        }
    }

    /// The first answer to one of our challenges. A broken header only counts
    /// when there is no good one.
    fn ours(&self, values: &[&[u8]]) -> Result<Option<Authorization>, Refused> {
        let mut broken = None;
        for value in values.iter().take(AUTHORIZATIONS_MAX) {
            match Authorization::parse(value) {
                Ok(answer) if answer.realm == self.realm.as_str() => return Ok(Some(answer)),
                // Meant for a proxy on the way, or left from another exchange.
                Ok(_) | Err(HeaderError::OtherScheme) => {}
                Err(error) => broken = broken.or(Some(Refused::Malformed(error))),
            }
        }
        broken.map_or(Ok(None), Err)
    }

    fn judge(
        &mut self,
        now_ms: u64,
        method: &str,
        answer: &Authorization,
        lookup: impl FnOnce(&str) -> Option<Credential>,
    ) -> Outcome {
        // Nobody talks us down to what was not offered; a better one is welcome.
        if !self.offered.iter().any(|offered| answer.algorithm <= *offered) {
            return Outcome::Refused { why: Refused::NoKey { algorithm: answer.algorithm } };
        }
        let kept = lookup(&answer.username);
        let known = kept.is_some();
        // A stranger is weighed like a user, so that time tells nobody who is one.
        let kept = kept.unwrap_or_else(|| Credential::Password(String::new()));
        let Some(ha1) = kept.ha1(answer.algorithm, &answer.username, &answer.realm) else {
            return Outcome::Refused { why: Refused::NoKey { algorithm: answer.algorithm } };
        };
        let right = answer.expected(&ha1, method).same_as(&answer.response);
        if !(right & known) {
            return Outcome::Refused { why: Refused::Credentials };
        }
        let count = match &answer.quality {
            Quality::Auth { nc, .. } => Some(*nc),
            Quality::Absent => None,
        };
        match self.nonces.count(now_ms, &answer.nonce, count) {
            Counted::First => Outcome::Accepted { user: answer.username.clone() },
            Counted::Again => Outcome::Refused { why: Refused::Replayed },
            Counted::Stale => Outcome::Challenge { stale: true },
        }
    }
}
