//! Anything at all, in any order, with crashes between any two outputs.

use proptest::prelude::*;

use super::checks::breaches;
use super::conference::MIN_JOIN;
use super::*;

const PLANS: [&str; 11] = [
    "P-38",
    "P-38-page",
    "P-38-stop",
    "P-37",
    "P-36",
    "P-39",
    "P-41",
    "P-call",
    "P-line",
    "P-text",
    "P-meet-on",
];
const PEOPLE: [&str; 5] = ["wang", "li", "zhao", "chen", "nobody"];

#[derive(Debug, Clone)]
pub(super) enum Act {
    Launch {
        n: u8,
        who: usize,
        plan: usize,
        mode: u8,
        held_ms: u64,
    },
    Abort {
        n: u8,
        who: usize,
        run: u8,
    },
    Confirm {
        n: u8,
        run: u8,
        yes: bool,
    },
    Repeat {
        n: u8,
        of: usize,
        attempt: u16,
    },
    Report {
        of: usize,
        how: u8,
    },
    Wait {
        ms: u64,
    },
    Epoch,
    /// The driver is held up, or catches up.
    Hold,
    LetGo,
}

#[derive(Debug, Clone)]
pub(super) struct Turn {
    act: Act,
    /// The node falls after that many outputs, and is down for that long.
    falls: Option<(usize, u64)>,
}

fn times() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..5_000_u64, 5_000..150_000_u64, Just(PAGE_MS), Just(PAGE_MS + 1)]
}

/// Those that call people take the most turns until something shows.
fn plans() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0..PLANS.len(), 1 => 7..9_usize]
}

fn acts() -> impl Strategy<Value = Act> {
    let n = || 1..12_u8;
    prop_oneof![
        4 => (n(), 0..PEOPLE.len(), plans(), 0..4_u8, times())
            .prop_map(|(n, who, plan, mode, held_ms)| Act::Launch { n, who, plan, mode, held_ms }),
        1 => (n(), 0..PEOPLE.len(), n()).prop_map(|(n, who, run)| Act::Abort { n, who, run }),
        1 => (n(), n(), any::<bool>()).prop_map(|(n, run, yes)| Act::Confirm { n, run, yes }),
        1 => (n(), 0..40_usize, 1..5_u16)
            .prop_map(|(n, of, attempt)| Act::Repeat { n, of, attempt }),
        5 => (0..40_usize, 0..7_u8).prop_map(|(of, how)| Act::Report { of, how }),
        4 => times().prop_map(|ms| Act::Wait { ms }),
        1 => Just(Act::Epoch),
        1 => Just(Act::Hold),
        2 => Just(Act::LetGo),
    ]
}

pub(super) fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let falls = prop_oneof![4 => Just(None), 1 => (0..8_usize, times()).prop_map(Some)];
    let turn = (acts(), falls).prop_map(|(act, falls)| Turn { act, falls });
    prop::collection::vec(turn, 1..30)
}

/// Some effect, whenever there was one.
fn any_of(site: &Bench, nth: usize) -> Option<EffectKey> {
    let count = site.sounded.len();
    site.sounded.get(nth.checked_rem(count)?).map(|one| one.key.clone())
}

fn input(site: &mut Bench, act: &Act) -> Option<Input> {
    match act {
        Act::Launch { n, who, plan, mode, held_ms } => {
            let mut intent = site.launching(*n, PEOPLE[*who], PLANS[*plan]);
            intent.mode = [Mode::Real, Mode::Real, Mode::Drill, Mode::Test][usize::from(*mode)];
            site.wait_ms(*held_ms);
            Some(arrived(&intent))
        }
        Act::Abort { n, who, run } => {
            let body = IntentBody::Abort { activation: run_of(*run) };
            Some(arrived(&site.intent(*n, PEOPLE[*who], body)))
        }
        Act::Confirm { n, run, yes } => {
            let (activation, step) = (run_of(*run), StepId::new("s3").unwrap());
            let body = IntentBody::Confirm { activation, step, yes: *yes };
            Some(arrived(&site.intent(*n, "chen", body)))
        }
        Act::Repeat { n, of, attempt } => {
            let key = any_of(site, *of)?;
            let (activation, step, target) = (key.activation, key.step, key.target);
            let body = IntentBody::Repeat { activation, step, target };
            let attempt = *attempt;
            Some(arrived(&Intent { attempt, ..site.intent(*n, "wang", body) }))
        }
        Act::Report { of, how } => {
            let key = any_of(site, *of)?;
            let person = matches!(key.target, Target::Person(_));
            if let (Target::Conference(_), 0 | 1) = (&key.target, how) {
                // The second counts wrong.
                let proof = Proof::joined(2 - u32::from(*how), MIN_JOIN);
                site.heard.insert(key.clone());
                let (epoch, result) = (site.home.epoch(), EffectResult::Done);
                return Some(Input::Outcome { key, epoch, result, proof });
            }
            let (result, grade) = match how {
                0 if person => (EffectResult::Done, Some(Grade::Heard)),
                1 if person => (failed(), None),
                6 => (EffectResult::Unreachable { why: "no gateway".into() }, None),
                0 | 1 => (EffectResult::Done, Some(Grade::Receiving)),
                2 => (EffectResult::Done, None),
                3 => (failed(), None),
                4 => (EffectResult::Ceased, None),
                _ => (unknown(), None),
            };
            if result == EffectResult::Done && grade.is_some() {
                site.heard.insert(key.clone());
            }
            let proof = Proof { grade, reached: u16::from(grade.is_some()), of: 1, siren: false };
            Some(Input::Outcome { key, epoch: site.home.epoch(), result, proof })
        }
        Act::Wait { ms } => {
            site.wait_ms(*ms);
            None
        }
        Act::Hold => {
            site.hold();
            None
        }
        Act::LetGo => {
            site.let_go();
            None
        }
        Act::Epoch => Some(Input::Epoch { epoch: site.home.epoch() + 1 }),
    }
}

pub(super) fn play(site: &mut Bench, turns: &[Turn]) {
    for turn in turns {
        let input = input(site, &turn.act).unwrap_or(Input::Tick);
        match turn.falls {
            None => site.input(input),
            Some((kept, down_ms)) => {
                site.input_and_fall(input, kept);
                site.restart_after(down_ms);
            }
        }
    }
    site.let_go();
    site.wait_ms(PAGE_MS);
}

proptest! {
    /// Nothing twice, nothing late, nothing claimed, wherever the node falls.
    #[test]
    fn nothing_sounds_twice_or_late_whatever_happens(turns in turns()) {
        let mut site = Bench::new();
        play(&mut site, &turns);
        prop_assert_eq!(breaches(&site), Vec::<String>::new());
    }

    /// Life and replay agree on everything that is shown.
    #[test]
    fn a_replay_never_shows_another_picture(turns in turns()) {
        let mut site = Bench::new();
        play(&mut site, &turns);
        let epoch = site.home.epoch();
        let again = Home::replay(self::site(), NodeId(3), epoch, &site.journal, &site.directory);
        prop_assert_eq!(again.picture(), site.home.picture());
    }
}
