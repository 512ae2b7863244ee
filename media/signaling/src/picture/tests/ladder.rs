//! Which picture is chosen, and when another.
use super::super::{Ladder, Rung};

#[test]
fn a_camera_that_fits_is_passed_on_unchanged() {
    let mut ladder = Ladder::default();
    assert_eq!(ladder.choose(0, 2_500_000, Some(2_000_000)), Rung::Passthrough);
}

#[test]
fn a_link_that_falls_to_64_kbit_s_shows_a_still_at_once() {
    let mut ladder = Ladder::default();
    assert_eq!(ladder.choose(0, 400_000, Some(2_000_000)), Rung::Medium { bps: 400_000 });
    assert_eq!(ladder.choose(1_000, 100_000, Some(2_000_000)), Rung::Small { bps: 100_000 });
    let still = ladder.choose(2_000, 20_000, Some(2_000_000));
    assert_eq!(still, Rung::Still { every_ms: 8_000 });
}

#[test]
fn it_climbs_only_after_it_would_have_fitted_for_ten_seconds() {
    let mut ladder = Ladder::default();
    ladder.choose(0, 20_000, None);
    for second in 1..11 {
        let rung = ladder.choose(second * 1_000, 400_000, None);
        assert_eq!(rung, Rung::Still { every_ms: 8_000 }, "after {second} s");
    }
    assert_eq!(ladder.choose(11_000, 400_000, None), Rung::Medium { bps: 400_000 });
}

#[test]
fn a_moment_of_room_does_not_count() {
    let mut ladder = Ladder::default();
    ladder.choose(0, 20_000, None);
    for second in 1..60 {
        let bps = if second % 5 == 0 { 20_000 } else { 400_000 };
        let rung = ladder.choose(second * 1_000, bps, None);
        assert_eq!(rung, Rung::Still { every_ms: 8_000 }, "after {second} s");
    }
}

#[test]
fn where_nothing_fits_nothing_is_sent() {
    let mut ladder = Ladder::default();
    assert_eq!(ladder.choose(0, 1_000, None), Rung::Nothing);
}
