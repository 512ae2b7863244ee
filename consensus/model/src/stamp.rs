//! The leader's clock: stamps that never run backwards and never run ahead of
//! the leader's own monotonic time by more than a second, whatever somebody
//! does to the wall clock. It reads no clock; it is told.

use crate::id::WallMs;

/// How far one stamp may jump ahead of the monotonic time passed, milliseconds.
pub const LEAP_MS: u64 = 1000;

/// The last stamp given, and when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stamp {
    last: Option<(WallMs, u64)>,
}

impl Stamp {
    /// The next stamp. `wall` is what the wall clock says, `mono_ms` a clock
    /// that only counts, `agreed` the newest stamp that the cluster has applied.
    pub fn next(&mut self, wall: WallMs, mono_ms: u64, agreed: WallMs) -> WallMs {
        let stamp = match self.last {
            // Nothing to measure a leap against yet.
            None => wall.max(agreed),
            Some((last, at)) => {
                let most = last.plus_ms(mono_ms.saturating_sub(at)).plus_ms(LEAP_MS);
                wall.min(most).max(last).max(agreed)
            }
        };
        self.last = Some((stamp, mono_ms));
        stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_an_hour_ahead_moves_the_stamps_by_a_second() {
        let mut stamp = Stamp::default();
        let first = stamp.next(WallMs(10_000), 0, WallMs(0));
        let second = stamp.next(WallMs(3_610_000), 500, WallMs(0));
        assert_eq!((first, second), (WallMs(10_000), WallMs(11_500)));
    }

    #[test]
    fn a_clock_set_back_does_not_take_the_stamps_with_it() {
        let mut stamp = Stamp::default();
        stamp.next(WallMs(10_000), 0, WallMs(0));
        assert_eq!(stamp.next(WallMs(1), 100, WallMs(0)), WallMs(10_000));
    }

    #[test]
    fn a_new_leader_starts_no_earlier_than_what_was_agreed() {
        assert_eq!(Stamp::default().next(WallMs(5), 0, WallMs(9_000)), WallMs(9_000));
    }
}
