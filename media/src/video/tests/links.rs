//! What the link has left decides what is seen.

use weir_signaling::picture::{Rung, UnitKind};

use super::super::WatchState;
use super::world::World;
use super::*;

#[test]
fn a_thin_link_shows_stills_and_the_moving_picture_comes_back_after_a_while() {
    for seed in 1..=3 {
        let mut world = World::new(seed);
        world.budget(DAM, CENTRE, 600_000);
        let eyes = world.watch(CENTRE);
        world.run(10_000);
        assert_eq!(world.state(eyes), WatchState::Moving);
        world.budget(DAM, CENTRE, 20_000);
        let began_ms = world.now_ms;
        world.until(6_000, |world| matches!(world.state(eyes), WatchState::Still { .. }));
        let carried = world.carried(DAM, CENTRE);
        world.until(25_000, |world| {
            world.eyes[eyes].frames.last().is_some_and(|(_, kind, _)| *kind == UnitKind::Still)
        });
        world.run(60_000);
        let stills = world.eyes[eyes]
            .frames
            .iter()
            .filter(|(at, kind, _)| *at > began_ms && *kind == UnitKind::Still);
        assert!(stills.count() >= 4, "seed {seed}");
        assert!(matches!(world.state(eyes), WatchState::Still { .. }), "{:?}", world.state(eyes));
        let spent = (world.carried(DAM, CENTRE) - carried) * 8 * 1_000;
        assert!(spent / (world.now_ms - began_ms) <= 21_000, "seed {seed}");
        world.budget(DAM, CENTRE, 600_000);
        let took = world.until(20_000, |world| {
            world.eyes[eyes].frames.last().is_some_and(|(_, kind, _)| *kind == UnitKind::Delta)
        });
        assert!(took >= 9_000, "seed {seed}: without patience, after {took}");
        world.run(5_000);
        assert_eq!(world.state(eyes), WatchState::Moving);
    }
}

#[test]
fn a_link_without_room_says_so_and_carries_nothing() {
    let mut world = World::new(2);
    world.budget(DAM, CENTRE, 1_000);
    let eyes = world.watch(CENTRE);
    world.run(10_000);
    assert_eq!(world.state(eyes), WatchState::NoRoom);
    assert_eq!(world.carried(DAM, CENTRE), 0);
    assert_eq!(world.rung(DAM), []);
}

#[test]
fn a_wide_link_carries_the_camera_s_own_picture() {
    let mut world = World::new(3);
    world.budget(DAM, CENTRE, 4_000_000);
    let eyes = world.watch(CENTRE);
    // At first nobody knows what the camera sends; then patience.
    world.run(25_000);
    assert!(world.rung(DAM).contains(&Rung::Passthrough), "{:?}", world.rung(DAM));
    assert_eq!(world.state(eyes), WatchState::Moving);
    world.run(10_000);
    assert_eq!(world.rung(DAM), [Rung::Passthrough], "the other view is closed");
}

/// The viewer at the camera keeps the full picture, whatever the link does.
#[test]
fn a_thin_link_takes_nothing_from_who_is_near() {
    let mut world = World::new(4);
    world.budget(DAM, CENTRE, 20_000);
    let (near, far) = (world.watch(DAM), world.watch(CENTRE));
    world.run(20_000);
    assert_eq!(world.state(near), WatchState::Moving);
    assert!(world.eyes[near].frames.len() > 380, "{}", world.eyes[near].frames.len());
    assert!(matches!(world.state(far), WatchState::Still { .. }));
}

#[test]
fn stills_reach_those_behind_a_relay_too() {
    let mut world = World::new(5);
    for to in [CENTRE, OFFICE] {
        world.budget(DAM, to, 20_000);
    }
    world.watch(CENTRE);
    world.run(5_000);
    let eyes = world.watch(OFFICE);
    world.run(60_000);
    assert!(matches!(world.state(eyes), WatchState::Still { .. }));
    assert!(world.eyes[eyes].frames.len() >= 2, "{:?}", world.eyes[eyes].frames);
}

#[test]
fn a_small_picture_crosses_a_link_of_256_kbit_s() {
    let (mut seen, mut made) = (0, 0);
    for seed in 1..=8 {
        let mut world = World::new(seed);
        world.budget(DAM, CENTRE, 180_000);
        let eyes = world.watch(CENTRE);
        world.run(60_000);
        assert!(matches!(world.rung(DAM)[..], [Rung::Small { .. }]), "{:?}", world.rung(DAM));
        assert!(world.carried(DAM, CENTRE) * 8 / 60 <= 180_000);
        // Key frames are dear here: nobody asks twice for the same.
        let lost = world.machines[&CENTRE].director.stats().blocks_lost;
        assert!(world.keys <= lost + 1, "seed {seed}: {} for {lost}", world.keys);
        seen += world.eyes[eyes].frames.len();
        // The last second is under way.
        made += world.made - 5;
    }
    let seen = u64::try_from(seen).unwrap();
    assert!(seen * 100 >= made * 95, "{seen} of {made}");
}

#[test]
fn after_a_short_cut_nobody_waits_for_the_camera_s_next_key_frame() {
    let mut world = World::new(7);
    world.loss_ppm = 0;
    let eyes = world.watch(CENTRE);
    // The encoder gives one every ten seconds, and just has.
    world.run(12_000);
    world.cut.push((DAM, CENTRE));
    world.run(2_000);
    world.cut.clear();
    let (back_ms, keys) = (world.now_ms, world.keys);
    world.until(3_000, |world| world.eyes[eyes].frames.last().unwrap().0 > back_ms);
    world.run(2_000);
    assert_eq!(world.keys, keys + 1);
    assert_eq!(world.state(eyes), WatchState::Moving);
}

#[test]
fn behind_a_relay_with_a_thinner_way_stills_are_fewer_and_not_older() {
    let mut world = World::new(8);
    world.budget(DAM, CENTRE, 80_000);
    world.budget(CENTRE, VALLEY, 20_000);
    world.watch(CENTRE);
    world.run(5_000);
    let eyes = world.watch(VALLEY);
    world.run(120_000);
    let frames = &world.eyes[eyes].frames;
    assert!(frames.len() >= 6, "{frames:?}");
    let oldest = frames.iter().map(|(now_ms, _, at_ms)| now_ms - at_ms).max().unwrap();
    assert!(oldest <= 18_000, "{oldest}");
}

#[test]
fn one_on_a_thin_way_behind_a_relay_does_not_drive_the_camera_for_all() {
    let mut world = World::new(9);
    world.budget(CENTRE, VALLEY, 60_000);
    let centre = world.watch(CENTRE);
    world.run(5_000);
    world.watch(VALLEY);
    let keys = world.keys;
    world.run(120_000);
    assert!(world.keys - keys <= 12, "{}", world.keys - keys);
    assert!(world.carried(CENTRE, VALLEY) * 8 / 120 <= 61_000);
    assert_eq!(world.state(centre), WatchState::Moving);
}
