//! A stream that is lost, in every state.

use super::*;

#[test]
fn a_stream_lost_while_it_rings_is_opened_again_and_the_answer_comes() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    world.reach = false;
    world.breaks();
    world.picks_up();
    world.wait(6 * S);
    assert_eq!(world.hooks(), [Hook::Rings, Hook::Talks]);
    world.reach = true;
    world.wait(5 * S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    world.hangs_up(B);
    world.wait(S);
    assert!(world.is_over());
}

#[test]
fn a_call_that_rings_ends_ten_seconds_after_its_stream() {
    let mut world = World::new();
    world.dial();
    world.wait(S);
    world.reach = false;
    world.breaks();
    world.wait(9 * S);
    assert_eq!(world.hooks(), [Hook::Rings, Hook::Rings]);
    world.wait(S + 10);
    assert_eq!(world.hooks(), [Hook::Refused(480), Hook::Over]);
    assert_eq!(world.sites[B].why(), Some(Why::MediaLost));
    world.wait(30 * S);
    assert!(world.is_over());
}

#[test]
fn a_talk_outlives_twenty_nine_seconds_without_a_stream_and_no_more() {
    let mut world = World::talking();
    world.reach = false;
    world.breaks();
    world.wait(25 * S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    world.reach = true;
    world.wait(5 * S);
    world.changes(A, "sendonly");
    world.wait(S);
    assert_eq!(world.sites[B].phone.heard().direction, Direction::SendOnly);
    world.reach = false;
    world.breaks();
    world.wait(29 * S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    world.wait(2 * S);
    assert_eq!(world.whys(), [Some(Why::MediaLost); 2]);
    assert!(world.is_over());
}

#[test]
fn what_was_said_while_the_stream_was_lost_comes_once_and_in_order() {
    let mut world = World::talking();
    world.breaks();
    // The keys are pressed before the end that dials has a stream again.
    for key in 0..40_u8 {
        let body = vec![key];
        world.hear(A, call::Event::Info { kind: "application/dtmf".into(), body });
        let body = vec![100 + key];
        world.hear(B, call::Event::Info { kind: "application/dtmf".into(), body });
        if key % 10 == 9 {
            world.wait(15);
            world.breaks();
        }
    }
    world.wait(10 * S);
    let keys = |from: u8| (from..from + 40).map(|key| vec![key]).collect::<Vec<_>>();
    assert_eq!(world.sites[B].phone.keys, keys(0));
    assert_eq!(world.sites[A].phone.keys, keys(100));
}

#[test]
fn a_hang_up_into_a_lost_stream_arrives_when_it_is_back() {
    for site in [A, B] {
        let mut world = World::talking();
        world.reach = false;
        world.breaks();
        world.hangs_up(site);
        world.wait(3 * S);
        assert_eq!(world.sites[1 - site].phone.hook, Hook::Talks);
        world.reach = true;
        world.wait(5 * S);
        let why = if site == A { Why::CallerHungUp } else { Why::CalleeHungUp };
        assert_eq!(world.whys(), [Some(why); 2]);
        assert!(world.is_over());
    }
}

#[test]
fn a_hold_into_a_lost_stream_is_carried_out_once() {
    let mut world = World::talking();
    world.breaks();
    world.changes(B, "sendonly");
    world.wait(S);
    assert_eq!(world.sites[A].phone.heard().direction, Direction::SendOnly);
    assert_eq!(world.sites[B].phone.declined, [0_u16; 0]);
}

#[test]
fn an_end_that_forgot_the_call_ends_it() {
    let mut world = World::talking();
    // Its node began anew.
    world.sites[B].far = None;
    world.sites[B].phone.hook = Hook::Over;
    (world.sites[B].bridge, world.sites[B].over) = (None, true);
    world.breaks();
    world.wait(S);
    assert_eq!(world.sites[A].why(), Some(Why::MediaLost));
    assert!(world.is_over());
}

#[test]
fn a_setup_that_comes_twice_rings_once() {
    let mut world = World::new();
    world.dial();
    // It has arrived, and the word that it has is lost.
    world.wait(25);
    world.breaks();
    world.wait(S);
    assert_eq!(world.hooks(), [Hook::Rings, Hook::Rings]);
    assert_eq!(world.opens, 2);
    world.picks_up();
    world.wait(S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    let rung = world.sites[A].told.iter().filter(|one| matches!(one, Event::Answered { .. }));
    assert_eq!(rung.count(), 1);
}

#[test]
fn a_mute_end_is_not_waited_for_without_an_end() {
    let mut world = World::talking();
    // The stream stands, and nothing comes through it.
    world.sites[B].far = None;
    world.changes(A, "sendonly");
    world.wait(60 * S);
    assert_eq!(world.sites[A].why(), Some(Why::MediaLost));
}

#[test]
fn a_word_out_of_turn_breaks_the_stream_and_nothing_else() {
    let mut world = World::talking();
    let early = Message { number: 40, expects: 1, word: Word::Ended { why: Closing::HungUp } };
    world.far(B, Input::Frame(early));
    world.wait(2 * S);
    assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
    world.hangs_up(A);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::CallerHungUp); 2]);
}

#[test]
fn one_who_has_heard_what_was_never_said_is_out() {
    for site in [A, B] {
        let mut world = World::talking();
        let liar = Message { number: 0, expects: 999, word: Word::Heard };
        world.far(site, Input::Frame(liar));
        world.wait(S);
        assert!(world.is_over());
    }
}

#[test]
fn a_buffer_that_is_full_ends_the_call() {
    let mut world = World::talking();
    world.reach = false;
    world.breaks();
    for _ in 0..200 {
        world.hear(A, call::Event::Info { kind: "application/dtmf".into(), body: vec![1] });
    }
    // Keys are let fall before that.
    assert_eq!(world.sites[A].phone.hook, Hook::Talks);
    world.reach = true;
    world.wait(5 * S);
    world.hangs_up(A);
    world.wait(S);
    assert_eq!(world.whys(), [Some(Why::CallerHungUp); 2]);
    assert!(world.sites[B].phone.keys.len() >= 40);
}
