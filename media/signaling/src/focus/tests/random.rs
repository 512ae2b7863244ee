//! Anything at all, in any order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Place,
    NotPlace,
    CallIn(usize),
    Hear { leg: u32, event: usize },
    Order { order: usize, who: usize, on: bool, rank: u8 },
    Link { site: usize, up: bool },
    Trunk { site: usize, up: bool },
    Orphan(bool),
    Branch(usize),
    Told { site: usize, picture: usize, who: usize, epoch: u64 },
    Wait { ms: u64 },
}

const NUMBERS: [&str; 6] = ["5001", "5002", "5003", "139", "9999", ""];
const PEOPLE: [&str; 4] = ["chief", "li", "wang", "nobody"];
const SITES: [&str; 3] = ["R1", "R2", "X"];
const STATES: [State; 3] = [State::Joined, State::Left, State::Ringing];
const EVENTS: [Event; 11] = [
    Event::Ringing,
    Event::Answered,
    Event::Answered,
    Event::Refused { code: 486 },
    Event::Refused { code: 603 },
    Event::Refused { code: 404 },
    Event::Silent,
    Event::Key('1'),
    Event::Key('2'),
    Event::Ended,
    Event::Lost,
];

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Place),
        1 => Just(Act::NotPlace),
        2 => (0..NUMBERS.len()).prop_map(Act::CallIn),
        8 => (0..30_u32, 0..EVENTS.len()).prop_map(|(leg, event)| Act::Hear { leg, event }),
        3 => (0..8_usize, 0..4_usize, any::<bool>(), 0..3_u8)
            .prop_map(|(order, who, on, rank)| Act::Order { order, who, on, rank }),
        2 => (0..3_usize, any::<bool>()).prop_map(|(site, up)| Act::Link { site, up }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(site, up)| Act::Trunk { site, up }),
        1 => any::<bool>().prop_map(Act::Orphan),
        1 => (0..3_usize).prop_map(Act::Branch),
        2 => (0..3_usize, 0..3_usize, 0..4_usize, prop_oneof![0..9_u64, any::<u64>()])
            .prop_map(|(site, picture, who, epoch)| Act::Told { site, picture, who, epoch }),
        4 => prop_oneof![0..2_000_u64, 0..100_000_u64].prop_map(|ms| Act::Wait { ms }),
    ]
}

fn ordered(order: usize, who: &str, on: bool) -> Order {
    let who = who.to_owned();
    match order {
        0 => Order::Mute { who, mute: on },
        1 => Order::MuteAll(on),
        2 => Order::Lecture(on),
        3 => Order::Lock(on),
        4 => Order::Remove { who },
        5 => Order::Invite(person("HQ", &who, &["5003"])),
        6 => Order::Redial { who },
        _ => Order::Invite(person("R2", &who, &["5003"])),
    }
}

fn act(room: &mut Bench, act: &Act) {
    match *act {
        Act::Place => room.place_all(),
        Act::NotPlace => {
            if let Some((place, _)) = room.pending.pop_first() {
                room.step(Input::NotPlaced { place, why: NotPlaced::Unreachable });
            }
        }
        Act::CallIn(number) => {
            // A telephone has one line.
            let number = NUMBERS[number];
            let used = room.lines.values().any(|line| line.number == number)
                || room.pending.values().any(|(_, other)| other == number);
            if !used && !room.over {
                _ = room.call_in(number);
            }
        }
        // Also of legs that are over, or never were.
        Act::Hear { leg, event } => room.hear_leg(LegId(leg), EVENTS[event]),
        Act::Order { order, who, on, rank } => {
            let order = ordered(order, PEOPLE[who], on);
            room.step(Input::Order { order, rank });
        }
        Act::Link { site: at, up } => {
            let site = site(SITES[at]);
            room.step(if up { Input::Linked { site } } else { Input::Cut { site } });
        }
        Act::Trunk { site: at, up } => {
            if !up {
                room.trunks.remove(&site(SITES[at]));
            }
            room.step(Input::Trunk { site: site(SITES[at]), up });
        }
        Act::Orphan(orphan) => room.step(Input::Orphaned(orphan)),
        Act::Branch(at) => room.step(Input::Branch { site: site(SITES[at]) }),
        Act::Told { site: at, picture, who, epoch } => {
            let from = site(SITES[at]);
            let who = PEOPLE[who].to_owned();
            let seen = Seen { who: who.clone(), site: from.clone(), state: STATES[picture] };
            let mut rules = Rules::new(from.clone());
            rules.epoch = epoch;
            rules.muted.insert(who);
            let picture = Picture {
                room: 7,
                from,
                rules,
                agreed: epoch / 2,
                members: vec![seen],
                missing: BTreeSet::new(),
            };
            room.step(Input::Told(Box::new(picture)));
        }
        Act::Wait { ms } => {
            // Whoever places calls says so within seconds.
            for _ in 0..ms / 4_000 {
                room.wait(4_000);
                room.place_all();
            }
            room.wait(ms % 4_000);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_leg_ends_and_nothing_is_said_after(
        acts in prop::collection::vec(acts(), 1..80),
        root in any::<bool>(),
        confirm in any::<bool>(),
        open in any::<bool>(),
        ends in any::<bool>(),
    ) {
        let place = if root {
            Place::Root { branches: ["R1", "R2"].map(site).into() }
        } else {
            Place::Branch { root: site("R1") }
        };
        let members = vec![
            person("HQ", "chief", &["5001"]),
            person("HQ", "li", &["5002", "139"]),
            person("HQ", "wang", &[]),
        ];
        let confirm = confirm.then_some('1');
        let mut room = Bench::new(Setup { place, confirm, open, min_join: 2, ..setup(members) });
        for one in &acts {
            act(&mut room, one);
            let sits = room.lines.values().filter(|line| line.seat.is_some()).count();
            let told = room.focus.members.values();
            let joined = told.filter(|member| member.state == State::Joined).count();
            if !room.over {
                prop_assert_eq!(sits, joined);
            }
        }
        room.step(if ends {
            Input::Order { order: Order::End, rank: 0 }
        } else {
            Input::Stop
        });
        room.place_all();
        room.wait(3_600_000);
        prop_assert!(room.over, "it does not end");
        prop_assert_eq!(room.focus.next_ms(), None);
        prop_assert_eq!(&room.lines, &BTreeMap::new());
        prop_assert_eq!(&room.trunks, &BTreeSet::new());
        prop_assert_eq!(&room.breaches, &Vec::<String>::new());
    }
}
