//! Clock and dice: the edge at which time and chance enter. Rules below take
//! both as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_model::id::{RequestKey, WallMs};

/// A clock before 1970 reads 0.
pub(crate) fn wall() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The host's random source failed.
#[derive(Debug, thiserror::Error)]
#[error("系统随机数不可用，请检查主机 / the system gives no randomness; check the host")]
pub(crate) struct NoDice;

/// # Errors
/// When the system has no randomness to give.
pub(crate) fn mint() -> Result<[u8; 16], NoDice> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| NoDice)?;
    Ok(bytes)
}

pub(crate) fn request_key() -> Result<RequestKey, NoDice> {
    mint().map(RequestKey)
}
