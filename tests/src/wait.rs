//! Waiting for a condition, with a deadline. What was last missing is part of
//! the failure. It refuses to wait for time alone.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until `condition` gives a value; its error says what is missing.
///
/// # Errors
/// When `patience` ran out; names `what` and the last thing missing.
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    eventually_every(LOOK, what, patience, condition).await
}

/// As [`eventually`], looking less often, where the looking itself would disturb
/// what is looked at.
///
/// # Errors
/// When `patience` ran out; names `what` and the last thing missing.
pub async fn eventually_every<T>(
    look: Duration,
    what: &str,
    patience: Duration,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut ticks = interval(look);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missing = anyhow!("not looked at even once");
    loop {
        ticks.tick().await;
        match timeout_at(deadline, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => missing = error,
            Err(_) => {
                return Err(missing.context(format!("not within {patience:?}: {what}")));
            }
        }
        if Instant::now() >= deadline {
            return Err(missing.context(format!("not within {patience:?}: {what}")));
        }
    }
}
