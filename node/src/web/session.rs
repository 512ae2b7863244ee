//! Who is signed in at this node. A session is a random token in a cookie; here
//! lies only its hash, in memory: whoever reads a dump cannot sign in, and a
//! restart signs everybody out. It ends after twelve hours, after two without a
//! request or a stream, when the person signs out, leaves the directory, gets
//! another password or signs in too often elsewhere.

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
/// Of one person; a further one displaces the oldest.
const OF_ONE_PERSON: usize = 16;
/// Streams of one session; a further one closes the oldest.
const STREAMS: usize = 4;
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
    /// Oldest first; those that have ended are cancelled.
    streams: Vec<CancellationToken>,
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
            streams: Vec::new(),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = || open.values().filter(|one| one.person == session.person);
        let displaced = if theirs().count() >= OF_ONE_PERSON {
            theirs().min_by_key(|one| one.began)
        } else if open.len() >= SESSIONS {
            open.values().min_by_key(|one| one.used)
        } else {
            None
        };
        let displaced = displaced.map(|one| one.token);
        if let Some(gone) = displaced.and_then(|token| open.remove(&token)) {
            gone.ended.cancel();
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

    /// Whether a session that listens still stands; counts as use.
    pub(crate) fn still(&self, session: &Session, state: &State) -> bool {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(one) = open.get_mut(&session.token) else { return false };
        if one.stands(now, state) {
            one.used = now;
            return true;
        }
        one.ended.cancel();
        open.remove(&session.token);
        false
    }

    /// A place for one more stream: cancelled when the session ends or opens too
    /// many more; whoever holds it cancels it when the stream ends. `None`: the
    /// session has ended.
    pub(crate) fn listen(&self, session: &Session) -> Option<CancellationToken> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let one = open.get_mut(&session.token)?;
        one.streams.retain(|stream| !stream.is_cancelled());
        if one.streams.len() >= STREAMS {
            one.streams.remove(0).cancel();
        }
        let stream = one.ended.child_token();
        one.streams.push(stream.clone());
        Some(stream)
    }

    pub(crate) fn end(&self, session: &Session) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = open.remove(&session.token) {
            gone.ended.cancel();
        }
    }
}
