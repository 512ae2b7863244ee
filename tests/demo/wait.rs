//! Waiting for what other processes do: looked at ten times a second, with a
//! deadline, and with what was last missing in the failure.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Often enough for a figure in tenths of a second, seldom enough to leave the
/// nodes their processor.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn until<T>(
    what: &str,
    patience: Duration,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missing = anyhow!("not looked at even once");
    loop {
        ticks.tick().await;
        match timeout_at(deadline, condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => missing = error,
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(missing.context(format!("{}s: {what}", patience.as_secs())));
        }
    }
}
