//! Anything at all, in any order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Place { which: usize, devices: u32 },
    NotPlaced { which: usize, why: usize },
    Hear { leg: usize, event: Event },
    Wait { ms: u64 },
    Operator,
    MediaLost,
    Stop,
}

const WHYS: [NotPlaced; 4] =
    [NotPlaced::UnknownNumber, NotPlaced::NotRegistered, NotPlaced::Unreachable, NotPlaced::Full];

fn descriptions() -> impl Strategy<Value = String> {
    let formats =
        prop::sample::select(vec!["8 0 101", "8", "0", "9 8 101", "96 101", "18", "8 97"]);
    let directions = prop::sample::select(vec!["sendrecv", "sendonly", "recvonly", "inactive"]);
    prop_oneof![
        8 => (1..6_u8, formats, directions).prop_map(|(host, f, d)| said(host, f, d)),
        2 => Just(String::new()),
        1 => Just("garbage".to_string()),
        1 => prop::sample::select(sdp::tests::phones::ALL.to_vec()).prop_map(Into::into),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let code =
        || prop::sample::select(vec![180_u16, 183, 199, 302, 401, 404, 408, 486, 503, 600, 603]);
    prop_oneof![
        1 => Just(Event::Trying),
        4 => (code(), descriptions()).prop_map(|(code, sdp)| Event::Ringing { code, sdp }),
        4 => descriptions().prop_map(|sdp| Event::Answered { sdp }),
        3 => code().prop_map(|code| Event::Refused { code }),
        1 => Just(Event::Silent),
        3 => descriptions().prop_map(|sdp| Event::Confirmed { sdp }),
        6 => descriptions().prop_map(|sdp| Event::Changed { sdp }),
        6 => descriptions().prop_map(|sdp| Event::Agreed { sdp }),
        2 => code().prop_map(|code| Event::Declined { code }),
        1 => Just(Event::Info { kind: "application/dtmf".into(), body: vec![b'1'] }),
        1 => Just(Event::Ended),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..4_usize, 0..4_u32).prop_map(|(which, devices)| Act::Place { which, devices }),
        2 => (0..4_usize, 0..4_usize).prop_map(|(which, why)| Act::NotPlaced { which, why }),
        20 => (0..8_usize, events()).prop_map(|(leg, event)| Act::Hear { leg, event }),
        4 => prop_oneof![0..3 * S, 0..60 * S].prop_map(|ms| Act::Wait { ms }),
    ]
}

fn all_acts() -> impl Strategy<Value = Vec<Act>> {
    let last = prop_oneof![Just(Act::Operator), Just(Act::MediaLost), Just(Act::Stop)];
    (prop::collection::vec(acts(), 1..60), prop::option::of(last)).prop_map(|(mut acts, last)| {
        acts.extend(last);
        acts
    })
}

fn routes() -> impl Strategy<Value = Route> {
    let number = prop::sample::select(vec!["5402", "5403", "5404", "P001"]);
    let group = (prop::collection::vec(number, 0..4), 0..70_u64);
    let groups = prop::collection::vec(group, 0..4);
    (groups, any::<bool>()).prop_map(|(groups, emergency)| {
        let groups = groups.into_iter();
        Route { groups: groups.map(|(all, s)| self::group(&all, s)).collect(), emergency }
    })
}

/// Whom an event is from: the caller, a device, or one that is long gone.
fn from(bench: &Bench, leg: usize) -> Option<Leg> {
    match leg {
        0 | 1 => Some(Leg::Caller),
        2 => Some(Leg::Callee(LegId(bench.next_leg.max(1)))),
        _ => {
            let open: Vec<LegId> = bench.watch.open.iter().copied().collect();
            open.get((leg - 3) % open.len().max(1)).copied().map(Leg::Callee)
        }
    }
}

fn act(bench: &mut Bench, act: &Act) {
    let number = |bench: &Bench, which: usize| {
        let all: Vec<String> = bench.places.values().map(|dial| dial.number.clone()).collect();
        all.get(which % all.len().max(1)).cloned()
    };
    match act {
        Act::Place { which, devices } => {
            if let Some(number) = number(bench, *which) {
                bench.place(&number, *devices);
            }
        }
        Act::NotPlaced { which, why } => {
            if let Some(number) = number(bench, *which) {
                bench.not_placed(&number, WHYS[*why]);
            }
        }
        Act::Hear { leg, event } => hear(bench, *leg, event),
        Act::Wait { ms } => drop(bench.wait(*ms)),
        Act::Operator => drop(bench.input(Input::HangUp)),
        Act::MediaLost => drop(bench.input(Input::MediaLost)),
        Act::Stop => drop(bench.input(Input::Stop)),
    }
}

/// A leg says nothing after its last word, and the caller no 200 of its own.
fn hear(bench: &mut Bench, leg: usize, event: &Event) {
    let Some(leg) = from(bench, leg) else { return };
    let last = matches!(event, Event::Ended | Event::Silent | Event::Refused { .. });
    let gone = match leg {
        Leg::Caller => bench.watch.caller_left || bench.watch.refused,
        Leg::Callee(id) => !bench.watch.open.contains(&id) && last,
    };
    if !gone {
        bench.hear(leg, event.clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn every_call_ends_once_and_leaves_nobody(
        route in routes(),
        offer in descriptions(),
        acts in all_acts(),
    ) {
        let mut bench = Bench::calls(route, &offer);
        for one in &acts {
            act(&mut bench, one);
            prop_assert_eq!(&bench.watch.breaches, &Vec::<String>::new());
            prop_assert_eq!(bench.bridge.next_ms().is_none(), bench.watch.over);
        }
        // A day later at the latest it is over; what was being placed is told.
        for dial in bench.places.clone().into_values() {
            bench.place(&dial.number, 1);
        }
        bench.wait(25 * 3_600 * S);
        prop_assert_eq!(&bench.watch.breaches, &Vec::<String>::new());
        prop_assert!(bench.watch.over);
        prop_assert!(bench.watch.records.len() <= 3);
        prop_assert!(bench.places.is_empty() || bench.watch.caller_left || bench.watch.refused);
        prop_assert_eq!(bench.bridge.step(bench.now_ms, Input::HangUp), []);
    }
}
