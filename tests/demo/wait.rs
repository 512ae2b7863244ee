//! Waiting for what other processes do: looked at twenty times a second, with a
//! deadline, and with what was last missing in the failure.

use std::time::Duration;

use anyhow::Result;
use weir_tests::wait::eventually_every;

/// Often enough for a figure in tenths of a second, seldom enough to leave the
/// nodes their processor.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn until<T>(
    what: &str,
    patience: Duration,
    condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    eventually_every(LOOK, what, patience, condition).await
}
