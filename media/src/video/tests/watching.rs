//! What a viewer sees, from the first moment to the last.

use weir_signaling::picture::{Rung, UnitKind};

use super::super::{TroubleKind, WatchState};
use super::world::World;
use super::*;

#[test]
fn a_viewer_at_the_camera_sees_it_unchanged_and_no_link_is_used() {
    let mut world = World::new(1);
    let eyes = world.watch(DAM);
    assert_eq!(world.state(eyes), WatchState::Connecting);
    world.run(5_000);
    assert_eq!(world.rung(DAM), [Rung::Passthrough]);
    assert_eq!(world.state(eyes), WatchState::Moving);
    let seen = u64::try_from(world.eyes[eyes].frames.len()).unwrap();
    assert_eq!(seen, world.made);
    assert!(world.carried.is_empty());
}

#[test]
fn over_a_satellite_with_two_per_cent_of_loss_hardly_a_frame_is_missing() {
    for seed in 1..=5 {
        let mut world = World::new(seed);
        let eyes = world.watch(CENTRE);
        world.run(60_000);
        assert_eq!(world.state(eyes), WatchState::Moving);
        let frames = &world.eyes[eyes].frames;
        assert_eq!(frames[0].1, UnitKind::Key);
        let seen = u64::try_from(frames.len()).unwrap();
        assert!(seen * 100 >= world.made * 96, "seed {seed}: {seen} of {}", world.made);
        let mut ages: Vec<u64> = frames.iter().map(|(now_ms, _, at_ms)| now_ms - at_ms).collect();
        ages.sort_unstable();
        let p95 = ages[ages.len() * 95 / 100];
        assert!(p95 <= 1_300, "seed {seed}: p95 {p95}");
        assert!(frames[0].0 <= 2_500, "seed {seed}: the first after {}", frames[0].0);
    }
}

#[test]
fn who_leaves_ends_the_stream_at_once_and_the_camera_after_a_while() {
    let mut world = World::new(3);
    world.watch(CENTRE);
    world.run(10_000);
    world.eyes.clear();
    // Two seconds in case somebody looks again, and the way there.
    world.run(2_500);
    let carried = world.carried(DAM, CENTRE);
    assert!(!world.rung(DAM).is_empty(), "it is kept warm");
    world.run(8_000);
    assert_eq!(world.carried(DAM, CENTRE), carried);
    world.run(4_000);
    assert_eq!(world.rung(DAM), []);
    world.run(12_000);
    assert!(world.machines.values().all(|machine| machine.director.is_idle()));
}

#[test]
fn who_vanishes_is_sent_nothing_after_its_lease() {
    let mut world = World::new(4);
    world.watch(CENTRE);
    world.run(10_000);
    world.kill(CENTRE);
    world.run(10_000);
    let carried = world.carried(DAM, CENTRE);
    world.run(10_000);
    assert_eq!(world.carried(DAM, CENTRE), carried);
    assert_eq!(world.machines[&DAM].director.stats().streams_out, 0);
}

#[test]
fn a_viewer_goes_on_watching_while_the_camera_s_node_restarts() {
    let mut world = World::new(5);
    let eyes = world.watch(CENTRE);
    world.run(10_000);
    world.kill(DAM);
    world.until(15_000, |world| matches!(world.state(eyes), WatchState::Lost { .. }));
    world.run(30_000);
    world.start(DAM);
    let took = world.until(12_000, |world| world.state(eyes) == WatchState::Moving);
    assert!(took <= 10_000, "{took}");
}

#[test]
fn a_cut_of_the_link_is_said_and_the_picture_comes_back() {
    let mut world = World::new(6);
    let eyes = world.watch(CENTRE);
    world.run(10_000);
    world.cut.push((DAM, CENTRE));
    world.run(20_000);
    let WatchState::Lost { for_ms } = world.state(eyes) else { panic!("{:?}", world.state(eyes)) };
    assert!((15_000..21_000).contains(&for_ms), "{for_ms}");
    assert!(world.state(eyes).said().zh.contains("中断"));
    world.cut.clear();
    world.until(10_000, |world| world.state(eyes) == WatchState::Moving);
}

#[test]
fn far_away_it_is_read_that_the_camera_refuses_the_password() {
    let mut world = World::new(7);
    world.trouble = Some(TroubleKind::Unauthorized);
    let eyes = world.watch(CENTRE);
    world.run(5_000);
    let WatchState::Camera { kind, said } = world.state(eyes) else { panic!() };
    assert_eq!((kind, said.en.as_str()), (TroubleKind::Unauthorized, "broken"));
    // Somebody corrects it.
    world.trouble = None;
    world.until(8_000, |world| world.state(eyes) == WatchState::Moving);
}

#[test]
fn a_camera_that_nobody_knows_is_shown_as_soon_as_somebody_enters_it() {
    let mut world = World::new(8);
    world.facts.lock().unwrap().cameras.clear();
    let (near, far) = (world.watch(DAM), world.watch(CENTRE));
    world.run(5_000);
    assert_eq!(world.state(near), WatchState::NoSuchCamera);
    assert_eq!(world.state(far), WatchState::NoSuchCamera);
    world.add_camera();
    world.until(8_000, |world| {
        [near, far].iter().all(|eyes| world.state(*eyes) == WatchState::Moving)
    });
}

#[test]
fn a_late_viewer_at_the_same_node_begins_with_the_last_key_frame() {
    let mut world = World::new(9);
    world.watch(DAM);
    world.run(3_300);
    let late = world.watch(DAM);
    world.run(10);
    assert_eq!(world.eyes[late].frames[0].1, UnitKind::Key);
}
