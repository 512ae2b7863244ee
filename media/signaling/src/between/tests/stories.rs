//! What people at both sites see.

use super::*;

#[test]
fn two_sites_talk_and_the_caller_hangs_up() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    assert_eq!(world.hooks(), [Hook::Rings, Hook::Rings]);
    world.rings();
    world.wait(S);
    assert!(world.sites[A].told.contains(&Event::Ringing { code: 180, sdp: String::new() }));
    world.picks_up();
    world.wait(S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    assert!(world.sites[B].told.contains(&Event::Confirmed));
    // Each end sends where the other listens, and its own relay's way.
    let pcma = |event_type| Telephone {
        codec: weir_model::directory::Codec::Pcma,
        payload_type: 8,
        event_type,
    };
    assert_eq!(world.sites[A].joins, [(22, pcma(Some(101)), at("203.0.113.1:30002"))]);
    assert_eq!(world.sites[B].joins, [(11, pcma(Some(101)), at("203.0.113.2:30000"))]);
    world.hangs_up(A);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::CallerHungUp); 2]);
    assert!(world.is_over());
}

#[test]
fn the_one_who_was_called_hangs_up() {
    let mut world = World::talking();
    world.hangs_up(B);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::CalleeHungUp); 2]);
    assert!(world.is_over());
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::talking();
    world.hangs_up(A);
    world.hangs_up(B);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::CallerHungUp), Some(Why::CalleeHungUp)]);
    assert!(world.is_over());
}

#[test]
fn a_hold_is_seen_at_the_other_site_and_so_is_its_end() {
    for (one, other) in [(A, B), (B, A)] {
        let mut world = World::talking();
        world.changes(one, "sendonly");
        world.wait(S);
        assert_eq!(world.sites[other].phone.heard().direction, Direction::SendOnly);
        assert_eq!(world.sites[one].phone.heard().direction, Direction::RecvOnly);
        for site in [A, B] {
            let bridge = world.sites[site].bridge.as_ref().unwrap();
            assert_eq!(bridge.shown(), call::Shown::Held);
        }
        world.changes(one, "sendrecv");
        world.wait(S);
        assert_eq!(world.sites[other].phone.heard().direction, Direction::Both);
        assert_eq!(world.sites[one].phone.heard().direction, Direction::Both);
        world.hangs_up(one);
        world.wait(S);
        assert!(world.is_over());
    }
}

#[test]
fn one_who_refuses_a_hold_is_not_held() {
    let mut world = World::talking();
    world.sites[B].phone.stubborn = true;
    world.changes(A, "sendonly");
    world.wait(S);
    assert_eq!(world.sites[A].phone.declined, [488]);
    // And it may be tried again.
    world.sites[B].phone.stubborn = false;
    world.changes(A, "sendonly");
    world.wait(S);
    assert_eq!(world.sites[B].phone.heard().direction, Direction::SendOnly);
}

#[test]
fn two_holds_that_cross_are_both_refused_and_the_call_goes_on() {
    let mut world = World::talking();
    world.changes(A, "sendonly");
    world.changes(B, "sendonly");
    world.wait(S);
    assert_eq!(world.sites[A].phone.declined, [491]);
    assert_eq!(world.sites[B].phone.declined, [491]);
    world.changes(B, "sendonly");
    world.wait(S);
    assert_eq!(world.sites[A].phone.heard().direction, Direction::SendOnly);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
}

#[test]
fn a_busy_telephone_and_one_that_does_not_want() {
    for (code, told, why) in [
        (486, 486, Why::Busy),
        (603, 603, Why::Refused { code: 603 }),
        (404, 404, Why::Refused { code: 404 }),
    ] {
        let mut world = World::new();
        world.dial();
        world.wait(S);
        world.refuses(code);
        world.wait(S);
        assert_eq!(world.sites[A].phone.hook, Hook::Refused(told));
        assert_eq!(world.whys(), [Some(why); 2]);
        assert!(world.is_over());
        let refused = world.sites[A].told.last().unwrap().clone();
        assert!(matches!(refused, Event::Refused { reason, .. } if !reason.is_empty()));
    }
}

#[test]
fn nobody_answers() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    world.rings();
    world.wait(70 * S);
    assert_eq!(world.whys(), [Some(Why::NoAnswer), Some(Why::Cancelled)]);
    assert_eq!(world.sites[A].phone.hook, Hook::Refused(480));
    assert!(world.is_over());
}

#[test]
fn the_caller_gives_up_before_an_answer() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    world.hangs_up(A);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::Cancelled); 2]);
    assert!(world.is_over());
}

#[test]
fn the_caller_gives_up_before_the_other_site_even_knows() {
    for after_ms in [0, 10, 20, 30, 40] {
        let mut world = World::new();
        world.dial();
        world.wait(after_ms);
        world.hangs_up(A);
        world.wait(S);
        assert_eq!(world.sites[A].why(), Some(Why::Cancelled));
        assert!(world.is_over(), "{after_ms}: {world:?}");
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_leaves_nobody_in_the_line() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    world.picks_up();
    world.hangs_up(A);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::Cancelled), Some(Why::CallerHungUp)]);
    assert!(world.is_over());
}

#[test]
fn a_site_that_is_not_reached_is_told_at_once() {
    let mut world = World::new();
    world.reach = false;
    world.dial();
    world.wait(S);
    assert_eq!(world.sites[A].phone.hook, Hook::Refused(480));
    assert_eq!(world.opens, 1);
    assert!(world.is_over());
}

#[test]
fn a_site_that_is_full_says_so() {
    let mut world = World::new();
    world.closed = true;
    world.dial();
    world.wait(S);
    // As any 5xx of a telephone: 500.
    assert_eq!(world.sites[A].phone.hook, Hook::Refused(500));
    let refused = Event::Refused { code: 503, reason: "满 / full".into() };
    assert_eq!(world.sites[A].told.last(), Some(&refused));
    assert!(world.is_over());
}

#[test]
fn sound_before_the_answer_is_heard_at_the_other_site() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    let sdp = world.sites[B].phone.says("sendrecv");
    world.hear(B, call::Event::Ringing { code: 183, sdp });
    world.wait(S);
    assert!(world.sites[A].phone.early);
    assert_eq!((world.sites[A].joins.len(), world.sites[B].joins.len()), (1, 1));
    world.picks_up();
    world.wait(S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    assert_eq!((world.sites[A].joins.len(), world.sites[B].joins.len()), (1, 1));
}

#[test]
fn keys_in_messages_arrive_once() {
    let mut world = World::talking();
    world.twice = true;
    for key in [b"1", b"2", b"3"] {
        let kind = "application/dtmf".to_owned();
        world.hear(A, call::Event::Info { kind, body: key.to_vec() });
    }
    world.wait(S);
    assert_eq!(world.sites[B].phone.keys, [b"1", b"2", b"3"]);
}

#[test]
fn a_node_that_stops_ends_the_call_at_both_sites() {
    for (site, whys) in
        [(A, [Why::NodeStopped, Why::CallerHungUp]), (B, [Why::CalleeHungUp, Why::NodeStopped])]
    {
        let mut world = World::talking();
        world.input(site, call::Input::Stop);
        world.wait(S);
        assert_eq!(world.whys(), whys.map(Some));
        assert!(world.is_over());
    }
}
