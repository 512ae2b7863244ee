//! One stream crosses a satellite, whoever watches.

use super::super::WatchState;
use super::world::World;
use super::*;

#[test]
fn five_viewers_at_two_nodes_cost_one_stream_over_the_dish() {
    let mut world = World::new(1);
    let eyes: Vec<usize> =
        [CENTRE, CENTRE, OFFICE, OFFICE, OFFICE].map(|node| world.watch(node)).to_vec();
    world.run(30_000);
    for one in &eyes {
        assert_eq!(world.state(*one), WatchState::Moving);
        assert!(world.eyes[*one].frames.len() > 300, "{}", world.eyes[*one].frames.len());
    }
    let (centre, office) = (world.carried(DAM, CENTRE), world.carried(DAM, OFFICE));
    // Before one was told of the other, nothing may have gone twice.
    assert_eq!(centre.min(office), 0);
    assert!((centre + office) * 8 / 30 <= 800_000, "{}", (centre + office) * 8 / 30);
    assert_eq!(world.machines[&DAM].director.stats().streams_out, 1);
    let relayed = world.carried(CENTRE, OFFICE) + world.carried(OFFICE, CENTRE);
    assert!(relayed > 500_000, "{relayed}");
}

#[test]
fn when_the_relay_dies_the_next_gets_the_stream_within_fifteen_seconds() {
    for seed in 1..=5 {
        let mut world = World::new(seed);
        world.watch(CENTRE);
        world.run(5_000);
        let eyes = world.watch(OFFICE);
        world.run(10_000 + seed * 700);
        assert_eq!(world.state(eyes), WatchState::Moving);
        assert_eq!(world.carried(DAM, OFFICE), 0);
        world.kill(CENTRE);
        let died_ms = world.now_ms;
        world.until(15_000, |world| world.eyes[eyes].frames.last().unwrap().0 > died_ms + 2_000);
        world.run(10_000);
        assert_eq!(world.state(eyes), WatchState::Moving);
        assert!(world.carried(DAM, OFFICE) > 0);
    }
}

#[test]
fn a_relay_whose_own_viewers_leave_goes_on_for_the_others() {
    let mut world = World::new(3);
    world.loss_ppm = 0;
    world.watch(CENTRE);
    world.run(5_000);
    let eyes = world.watch(OFFICE);
    world.run(10_000);
    world.eyes.swap_remove(0);
    let eyes = eyes - 1;
    let began_ms = world.now_ms;
    world.run(20_000);
    let frames = &world.eyes[eyes].frames;
    let longest = frames.windows(2).map(|two| two[1].0 - two[0].0).max().unwrap();
    assert!(longest < 1_500, "{longest}");
    assert!(frames.last().unwrap().0 > began_ms + 19_000);
    assert_eq!(world.carried(DAM, OFFICE), 0);
}

/// The first to watch stands behind a dish of its own: everybody else would get
/// the picture over two. A centre that comes later takes its place.
#[test]
fn a_centre_on_a_wire_becomes_the_relay_for_a_site_behind_a_dish() {
    let mut world = World::new(4);
    let valley = world.watch(VALLEY);
    world.run(8_000);
    assert_eq!(world.state(valley), WatchState::Moving);
    let centre = world.watch(CENTRE);
    world.run(10_000);
    let direct = world.carried(DAM, VALLEY);
    world.run(20_000);
    assert_eq!(world.carried(DAM, VALLEY), direct);
    assert!(world.carried(CENTRE, VALLEY) > 500_000);
    assert_eq!(world.carried(VALLEY, CENTRE) / 100_000, 0, "reports alone");
    for eyes in [valley, centre] {
        assert_eq!(world.state(eyes), WatchState::Moving);
        assert!(world.eyes[eyes].frames.last().unwrap().0 + 1_500 > world.now_ms);
    }
}

#[test]
fn who_is_told_to_follow_a_node_that_it_cannot_reach_tries_on() {
    let mut world = World::new(5);
    world.watch(CENTRE);
    world.run(5_000);
    world.cut.push((CENTRE, OFFICE));
    let eyes = world.watch(OFFICE);
    world.run(20_000);
    assert_eq!(world.state(eyes), WatchState::Connecting);
    world.cut.clear();
    world.until(12_000, |world| world.state(eyes) == WatchState::Moving);
    assert_eq!(world.carried(DAM, OFFICE), 0);
}

#[test]
fn one_node_sends_so_many_streams_and_no_more() {
    let mut world = World::new(6);
    let dam = &mut world.machines.get_mut(&DAM).unwrap().director;
    let mut ask = |peer: u64| {
        let request = super::super::Request::Watch { camera: gates(), stream: 1, dished: false };
        // None of them is known to be behind a dish.
        dam.asked(10, NodeId(peer), request)
    };
    let answers: Vec<_> = (100..140).map(&mut ask).collect();
    let follow = answers.iter().filter(|a| matches!(a, super::super::Answer::Follow { .. }));
    // The dam's own dish lies on every way out of it.
    assert_eq!(follow.count(), 39);
    let centre = &mut world.machines.get_mut(&CENTRE).unwrap().director;
    let sent = (100..140).filter(|peer| {
        let request = super::super::Request::Watch { camera: gates(), stream: 1, dished: false };
        let answer = centre.asked(10, NodeId(*peer), request);
        matches!(answer, super::super::Answer::Sent { .. })
    });
    assert_eq!(sent.count(), super::super::director::STREAMS_OUT_MAX);
}
