//! Passwords as hashes that are slow to guess (Argon2id, RFC 9106). A password
//! lives here for one computation; it is never kept, logged or sent on. At most
//! two computations run at once: each takes 19 MiB and a core, and calls come
//! first.

use std::fmt;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use weir_model::state::Phc;

use crate::edge;

/// Shortest password, in characters.
pub(crate) const SHORTEST: usize = 8;
/// Longest password, in bytes.
pub(crate) const LONGEST: usize = 512;
const AT_ONCE: usize = 2;
/// Computations that may wait for their turn; more are sent away.
const WAITING: usize = 16;
const PATIENCE: Duration = Duration::from_secs(10);
/// What a stored hash may ask of this node: memory in KiB, passes, lanes.
const MOST_COST: (u32, u32, u32) = (256 << 10, 16, 4);

/// A password as somebody typed it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Password(String);

/// Logs never show it.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= SHORTEST && self.0.len() <= LONGEST
    }

    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unchecked {
    #[error("登录请求过多，请稍后重试 / too many sign-ins at once; try again shortly")]
    Busy,
    #[error("无法计算口令散列 / the password could not be hashed: {0}")]
    Failed(String),
}

/// Where passwords are hashed and checked.
#[derive(Debug)]
pub(crate) struct Passwords {
    turns: Semaphore,
    places: Semaphore,
    /// Checked where there is no such person, so that the answer takes as long.
    nobody: Phc,
}

impl Passwords {
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn new() -> Result<Self, Unchecked> {
        let nobody = hash(&Password::new(String::new()))?;
        let (turns, places) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE + WAITING));
        Ok(Self { turns, places, nobody })
    }

    /// # Errors
    /// When too many wait already, or the system gives no randomness.
    pub(crate) async fn hash(&self, password: Password) -> Result<Phc, Unchecked> {
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether it is the person's; `None` is nobody's, and takes as long.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn check(
        &self,
        password: Password,
        phc: Option<Phc>,
    ) -> Result<bool, Unchecked> {
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.nobody.clone());
        let right = self.in_turn(move || check(&password, &phc)).await?;
        Ok(known && right)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unchecked> {
        let _place = self.places.try_acquire().map_err(|_| Unchecked::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Unchecked::Busy)?.map_err(|_| Unchecked::Busy)?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Unchecked::Failed(error.to_string()))
    }
}

fn hash(password: &Password) -> Result<Phc, Unchecked> {
    let failed = |error: &dyn fmt::Display| Unchecked::Failed(error.to_string());
    let salt = edge::mint().map_err(|error| failed(&error))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| failed(&error))?;
    let hash = Argon2::default().hash_password(password.0.as_bytes(), &salt);
    Ok(Phc::new(hash.map_err(|error| failed(&error))?.to_string()))
}

fn check(password: &Password, phc: &Phc) -> bool {
    let Ok(hash) = PasswordHash::new(phc.secret()) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    let (memory, passes, lanes) = MOST_COST;
    let dear = params.m_cost() > memory || params.t_cost() > passes || params.p_cost() > lanes;
    !dear && Argon2::default().verify_password(password.0.as_bytes(), &hash).is_ok()
}
