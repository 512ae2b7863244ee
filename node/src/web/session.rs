//! Who is signed in at this node. A session is a random token in a cookie; here
//! lies only its hash, in memory: whoever reads a dump cannot sign in, and a
//! restart signs everybody out. It ends after twelve hours, after two without a
//! request, when the person signs out, leaves the directory or gets another
//! password.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use tokio_util::sync::CancellationToken;
use weir_model::id::{Hash, PersonId, WallMs};
use weir_model::state::State;

use crate::edge;

const LIFE: Duration = Duration::from_secs(12 * 3600);
const IDLE: Duration = Duration::from_secs(2 * 3600);
const SESSIONS: usize = 1024;
const COOKIE: &str = "weir-session";

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) person: PersonId,
    pub(crate) expires: WallMs,
    /// Cancelled when it ends.
    pub(crate) ended: CancellationToken,
    token: Hash,
    password: Hash,
    began: Instant,
    used: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<Hash, Session>>,
}

fn hashed(token: &str) -> Hash {
    Hash::of(&[b"session", token.as_bytes()])
}

/// The session token of a request. Of several the first counts, as the browser
/// sends the most specific one first.
fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let pairs = cookies.filter_map(|one| one.to_str().ok()).flat_map(|all| all.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let token = named.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)?;
    (token.len() == 64).then_some(token)
}

/// `None` removes it.
pub(crate) fn cookie(token: Option<&str>) -> String {
    let (token, seconds) = token.map_or(("", 0), |token| (token, LIFE.as_secs()));
    format!("{COOKIE}={token}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age={seconds}")
}

impl Session {
    /// Whether it still stands: by the clock, and by what is agreed on.
    fn stands(&self, now: Instant, state: &State) -> bool {
        let password = state.passwords.get(&self.person).map(weir_model::state::Phc::mark);
        now.duration_since(self.began) < LIFE
            && now.duration_since(self.used) < IDLE
            && password == Some(self.password)
            && state.directory.people.contains_key(&self.person)
    }
}

impl Sessions {
    /// Signs a person in; returns the token for the cookie.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn begin(
        &self,
        person: PersonId,
        password: Hash,
    ) -> Result<(String, Session), edge::NoDice> {
        let secret = [edge::mint()?, edge::mint()?].concat();
        let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let now = Instant::now();
        let session = Session {
            person,
            expires: edge::wall().plus_ms(u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX)),
            ended: CancellationToken::new(),
            token: hashed(&token),
            password,
            began: now,
            used: now,
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS {
            let idle = open.values().min_by_key(|one| one.used).map(|one| one.token);
            if let Some(gone) = idle.and_then(|token| open.remove(&token)) {
                gone.ended.cancel();
            }
        }
        open.insert(session.token, session.clone());
        Ok((token, session))
    }

    /// Whose request it is, if anybody's; counts as use.
    pub(crate) fn of(&self, headers: &HeaderMap, state: &State) -> Option<Session> {
        let token = hashed(token(headers)?);
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get_mut(&token)?;
        if !session.stands(now, state) {
            session.ended.cancel();
            open.remove(&token);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Whether a session that is being watched still stands; no use of it.
    pub(crate) fn still(&self, session: &Session, state: &State) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = open.get(&session.token).is_some_and(|one| one.stands(Instant::now(), state));
        if !stands && let Some(gone) = open.remove(&session.token) {
            gone.ended.cancel();
        }
        stands
    }

    pub(crate) fn end(&self, session: &Session) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = open.remove(&session.token) {
            gone.ended.cancel();
        }
    }
}
