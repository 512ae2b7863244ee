//! Anything at all, in any order, over a stream that breaks.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Rings,
    Early,
    PicksUp,
    Refuses(u16),
    HangsUp(usize),
    Changes(usize, &'static str),
    Key(usize),
    Stubborn(usize, bool),
    Breaks,
    Reach(bool),
    Operator(usize),
    Wait(u64),
}

fn acts() -> impl Strategy<Value = Act> {
    let site = 0..2_usize;
    let directions = prop::sample::select(vec!["sendrecv", "sendonly", "recvonly", "inactive"]);
    prop_oneof![
        2 => Just(Act::Rings),
        1 => Just(Act::Early),
        4 => Just(Act::PicksUp),
        1 => prop::sample::select(vec![404, 486, 503, 603]).prop_map(Act::Refuses),
        1 => site.clone().prop_map(Act::HangsUp),
        4 => (site.clone(), directions).prop_map(|(site, how)| Act::Changes(site, how)),
        3 => site.clone().prop_map(Act::Key),
        1 => (site.clone(), any::<bool>()).prop_map(|(site, so)| Act::Stubborn(site, so)),
        3 => Just(Act::Breaks),
        2 => any::<bool>().prop_map(Act::Reach),
        1 => site.prop_map(Act::Operator),
        8 => prop_oneof![0..60_u64, 0..3 * S, 0..35 * S].prop_map(Act::Wait),
    ]
}

fn act(world: &mut World, act: &Act) {
    let hooks = world.hooks();
    match act {
        Act::Rings if hooks[B] == Hook::Rings => world.rings(),
        Act::Early if hooks[B] == Hook::Rings => {
            let sdp = world.sites[B].phone.says("sendrecv");
            world.hear(B, call::Event::Ringing { code: 183, sdp });
        }
        Act::PicksUp if hooks[B] == Hook::Rings => world.picks_up(),
        Act::Refuses(code) if hooks[B] == Hook::Rings => world.refuses(*code),
        Act::HangsUp(site) if !world.sites[*site].phone.is_out() => {
            if *site == A || hooks[B] == Hook::Talks {
                world.hangs_up(*site);
            }
        }
        Act::Changes(site, how) if hooks[*site] == Hook::Talks => world.changes(*site, how),
        Act::Key(site) if hooks[*site] == Hook::Talks => {
            let kind = "application/dtmf".into();
            world.hear(*site, call::Event::Info { kind, body: vec![1] });
        }
        Act::Stubborn(site, so) => world.sites[*site].phone.stubborn = *so,
        Act::Breaks => world.breaks(),
        Act::Reach(so) => world.reach = *so,
        Act::Operator(site) => world.input(*site, call::Input::HangUp),
        Act::Wait(ms) => world.wait(*ms),
        Act::Rings
        | Act::Early
        | Act::PicksUp
        | Act::Refuses(_)
        | Act::HangsUp(_)
        | Act::Changes(..)
        | Act::Key(_) => {}
    }
}

/// One end told its last word, once and at the end.
fn one_last_word(site: &Site) -> bool {
    let last = |event: &Event| {
        matches!(event, Event::Refused { .. } | Event::Silent | Event::Ended { .. })
    };
    let at = site.told.iter().position(last);
    at.is_none_or(|at| at + 1 == site.told.len())
}

/// What both journals may say of one call whose stream was never lost.
fn match_up(a: Why, b: Why) -> bool {
    match (a, b) {
        (Why::CallerHungUp | Why::CalleeHungUp, Why::CallerHungUp | Why::CalleeHungUp) => true,
        (Why::Operator, Why::CallerHungUp | Why::Cancelled | Why::Operator) => true,
        (Why::CalleeHungUp | Why::CallerHungUp, Why::Operator) => true,
        (Why::Refused { .. }, Why::Operator | Why::NoAnswer) => true,
        // It crossed an answer, or a refusal.
        (Why::Cancelled, Why::Cancelled | Why::CallerHungUp | Why::CalleeHungUp) => true,
        (Why::Cancelled, Why::Operator | Why::Busy | Why::Refused { .. }) => true,
        (Why::Operator, Why::Busy | Why::Refused { .. } | Why::CalleeHungUp) => true,
        (Why::NoAnswer, Why::Cancelled | Why::NoAnswer) => true,
        // A telephone's 503 is nothing of ours.
        (Why::Refused { code: 500 }, Why::Refused { .. }) => true,
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn every_call_ends_at_both_sites(
        acts in prop::collection::vec(acts(), 1..60),
        delay in 1..700_u64,
    ) {
        let mut world = World::new();
        world.delay_ms = delay;
        world.dial();
        let breaks = acts.iter().any(|one| matches!(one, Act::Breaks | Act::Reach(_)));
        for one in &acts {
            act(&mut world, one);
            prop_assert!(world.sites.iter().all(one_last_word), "{:?}", world);
        }
        world.hangs_up_if_there();
        world.wait(120 * S);
        prop_assert!(world.is_over(), "somebody is left in the line: {:?}", world);
        prop_assert!(world.sites.iter().all(one_last_word), "{:?}", world);
        if let (false, [Some(a), Some(b)]) = (breaks, world.whys()) {
            prop_assert!(match_up(a, b), "{a:?} and {b:?}: {:?}", world);
        }
    }

    /// Nobody hangs up: the call lives as long as its stream is found again in time,
    /// and both sides agree on who holds whom.
    #[test]
    fn a_talk_survives_any_short_loss(
        acts in prop::collection::vec(holds(), 1..20),
        delay in 1..700_u64,
    ) {
        let mut world = World::talking();
        world.delay_ms = delay;
        for (site, how, ms, breaks) in acts {
            world.changes(site, how);
            if breaks {
                world.wait(ms / 10);
                world.breaks();
            }
            world.wait(ms);
        }
        world.wait(40 * S);
        prop_assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
        let shown = [A, B].map(|site| world.sites[site].bridge.as_ref().unwrap().shown());
        prop_assert_eq!(shown[A], shown[B]);
        world.hangs_up(A);
        world.wait(10 * S);
        prop_assert!(world.is_over());
        prop_assert_eq!(world.whys(), [Some(Why::CallerHungUp); 2]);
    }
}

/// Who says it, what, how long it is quiet then, and whether the stream breaks.
fn holds() -> impl Strategy<Value = (usize, &'static str, u64, bool)> {
    let how = prop::sample::select(vec!["sendrecv", "sendonly"]);
    (0..2_usize, how, 0..4 * S, any::<bool>())
}

impl World {
    fn hangs_up_if_there(&mut self) {
        for site in [A, B] {
            let hook = self.sites[site].phone.hook;
            if hook == Hook::Talks || (site == A && hook == Hook::Rings) {
                self.hangs_up(site);
            }
        }
    }
}

/// The stream breaks before the call was heard of, both give up, and then it is back.
#[test]
fn a_call_that_both_gave_up_does_not_begin_again() {
    let mut world = World::new();
    world.delay_ms = 159;
    world.dial();
    let story = [
        Act::Reach(false),
        Act::Wait(316),
        Act::Breaks,
        Act::Wait(8_764),
        Act::Reach(true),
        Act::Wait(0),
    ];
    story.iter().for_each(|one| act(&mut world, one));
    world.hangs_up_if_there();
    world.wait(120 * S);
    assert!(world.is_over() && world.sites.iter().all(one_last_word), "{world:?}");
}
