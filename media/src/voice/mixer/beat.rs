//! When ticks are due: every 20 ms by an absolute clock, so that lateness does
//! not add up. What a stall has missed is left out, never made up for.

use std::time::Duration;

pub(super) const TICK: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Beat {
    next: Option<Duration>,
}

impl Beat {
    /// Nobody is there: the next tick begins anew.
    pub(super) fn rest(&mut self) {
        self.next = None;
    }

    /// How many ticks were left out right before this one; `None`: none is due.
    pub(super) fn due(&mut self, now: Duration) -> Option<u32> {
        let next = self.next.unwrap_or(now);
        let late = now.checked_sub(next)?;
        let missed = late.as_nanos() / TICK.as_nanos();
        let missed = u32::try_from(missed).unwrap_or(u32::MAX - 1);
        self.next = Some(next.saturating_add(TICK.saturating_mul(missed.saturating_add(1))));
        Some(missed)
    }

    /// Until the next tick.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn lateness_does_not_add_up() {
        let mut beat = Beat::default();
        assert_eq!(beat.due(ms(1_000)), Some(0));
        assert_eq!(beat.due(ms(1_019)), None);
        assert_eq!(beat.due(ms(1_025)), Some(0));
        assert_eq!(beat.patience(ms(1_025)), ms(15));
        assert_eq!(beat.due(ms(1_040)), Some(0));
    }

    #[test]
    fn a_stall_is_left_out() {
        let mut beat = Beat::default();
        assert_eq!(beat.due(ms(0)), Some(0));
        assert_eq!(beat.due(ms(5_025)), Some(250));
        assert_eq!(beat.due(ms(5_030)), None);
        assert_eq!(beat.due(ms(5_040)), Some(0));
    }

    #[test]
    fn an_empty_house_misses_nothing() {
        let mut beat = Beat::default();
        assert_eq!(beat.due(ms(0)), Some(0));
        beat.rest();
        assert_eq!(beat.due(ms(60_000)), Some(0));
    }
}
