//! Comparing and applying: what is applied is what was compared, whole or not
//! at all.

use proptest::prelude::*;

use super::super::{Change, ChangeSet, Directory, FaultCode, Record, RecordRef, Scope, limits};
use super::{applied, demo, id};
use crate::codec::{decode, encode};

/// Versions aside, which only a cluster gives.
fn unversioned(mut directory: Directory) -> Directory {
    directory.version = 0;
    directory.plans.values_mut().for_each(|plan| plan.version = 0);
    directory
}

#[test]
fn what_was_applied_needs_no_change() {
    let applied = applied();
    assert_eq!(applied.version, 1);
    assert_eq!(applied.diff(&demo()), []);
    assert_eq!(unversioned(applied), demo());
}

#[test]
fn a_change_that_breaks_a_reference_is_refused_and_changes_nothing() {
    let before = applied();
    let kept = before.clone();
    let problems = before.apply(&[Change::Remove(RecordRef::Site(id("R3")))]).unwrap_err();
    let missing = RecordRef::Site(id("R3"));
    assert!(problems.iter().all(|one| one.missing == Some(missing.clone())), "{problems:?}");
    let zone = RecordRef::Zone(id("5403"));
    assert!(problems.iter().any(|one| one.at == zone && one.path == "site"), "{problems:?}");
    assert_eq!(before, kept);
}

#[test]
fn a_refusal_lists_no_more_problems_than_one_can_read() {
    let mut before = applied();
    let duty = before.people["li.qingsong"].clone();
    for nth in 0..2 * limits::PROBLEMS_MAX {
        let mut person = duty.clone();
        person.id = id(&format!("p{nth}"));
        before.put_record(Record::Person(person));
    }
    let problems = before.apply(&[Change::Remove(RecordRef::Site(id("R3")))]).unwrap_err();
    assert_eq!(problems.len(), limits::PROBLEMS_MAX);
}

#[test]
fn removing_what_is_not_there_is_refused() {
    let gone = RecordRef::Camera(id("nowhere"));
    let problems = applied().apply(&[Change::Remove(gone.clone())]).unwrap_err();
    assert_eq!(problems[0].fault.code, FaultCode::UnknownReference);
    assert_eq!(problems[0].at, gone);
}

#[test]
fn a_plan_gets_a_new_version_when_it_does_something_else() {
    let one = applied();
    assert_eq!(one.plans["P-38-page"].version, 1);

    let mut wanted = one.clone();
    let audio = wanted.audio.get_mut("aud-red").unwrap();
    audio.text.push_str("请勿乘车。");
    let two = one.apply(&one.diff(&wanted)).unwrap();
    let versions = |directory: &Directory| {
        ["P-38-page", "P-39-clear"].map(|plan| directory.plans[plan].version)
    };
    // What is said in it is part of what a plan does.
    assert_eq!((two.version, versions(&two)), (2, [2, 1]));
    let hash = |directory: &Directory, plan: &str| directory.plan_hash(&id(plan)).unwrap();
    assert_ne!(hash(&one, "P-38-page"), hash(&two, "P-38-page"));
    assert_eq!(hash(&one, "P-39-clear"), hash(&two, "P-39-clear"));

    // A plan that goes and returns does not get an old version again.
    let plan = two.plans["P-39-clear"].clone();
    let three = two.apply(&[Change::Remove(RecordRef::Plan(plan.id.clone()))]).unwrap();
    let four = three.apply(&[Change::Put(Record::Plan(plan))]).unwrap();
    assert_eq!(versions(&four), [2, 4]);
}

#[test]
fn nobody_sets_the_version_of_a_plan_by_hand() {
    let one = applied();
    let mut plan = one.plans["P-38-page"].clone();
    plan.version = 77;
    let two = one.apply(&[Change::Put(Record::Plan(plan))]).unwrap();
    assert_eq!(two.plans["P-38-page"].version, 1);
}

#[test]
fn a_dry_run_says_each_change_in_one_line() {
    let before = applied();
    let mut wanted = before.clone();
    wanted.cameras.remove("R3-gates");
    wanted.people.get_mut("li.qingsong").unwrap().contacts.sms = None;
    let empty = Directory::default();
    let zone = Change::Put(Record::Zone(before.zones["5403"].clone()));
    let line = empty.describe(&zone);
    assert_eq!(line.to_string(), "+ zone 5403 下游三村 (9 speakers)");
    assert_eq!(line.zh, "广播区 5403 下游三村（9 只扬声器）");
    let lines: Vec<_> =
        before.diff(&wanted).iter().map(|change| before.describe(change).to_string()).collect();
    assert_eq!(lines, ["~ person li.qingsong 李青松: contacts", "- camera R3-gates 青峰闸下"]);
}

#[test]
fn every_record_reads_back_as_it_was_kept() {
    let demo = demo();
    let mut loaded = Directory::default();
    for record in demo.records() {
        loaded.put_record(decode(&encode(&record).unwrap()).unwrap());
    }
    assert_eq!(loaded, demo);
    let set = ChangeSet { changes: Directory::default().diff(&demo) };
    assert_eq!(decode::<ChangeSet>(&encode(&set).unwrap()).unwrap(), set);
}

/// The API speaks JSON, which names fields and variants where the store counts
/// them; TOML does the same.
#[test]
fn every_record_reads_back_from_a_form_that_names_its_fields() {
    for record in applied().records() {
        let text = toml::to_string(&record).unwrap();
        assert_eq!(toml::from_str::<Record>(&text).unwrap(), record, "{text}");
    }
}

#[test]
fn sites_are_put_first_and_removed_last() {
    let demo = demo();
    let empty = Directory::default();
    let kinds = |changes: Vec<Change>| -> Vec<_> {
        changes.iter().map(|change| change.reference().kind()).collect()
    };
    let puts = kinds(empty.diff(&demo));
    assert!(puts.is_sorted());
    let removals = kinds(demo.diff(&empty));
    assert!(removals.iter().rev().is_sorted());
    assert_eq!(puts.len(), removals.len());
}

/// A sound directory that differs from the demo in ways chosen by `dice`.
fn varied(dice: &[u8]) -> Directory {
    let mut directory = demo();
    for (nth, die) in dice.iter().enumerate() {
        match die % 8 {
            0 => drop(directory.cameras.pop_first()),
            // The last one that no plan names.
            1 => {
                let named = |id: &str| {
                    matches!(id, "village.heads" | "county.town.village" | "RC.dispatch")
                };
                let ids = directory.rosters.keys().rev();
                if let Some(last) = ids.clone().find(|id| !named(id.as_str())).cloned() {
                    directory.rosters.remove(&last);
                }
            }
            2 => drop(directory.plans.pop_first()),
            3 => {
                let zone = directory.zones.values_mut().nth(nth % 14);
                if let Some(zone) = zone
                    && zone.speakers.len() > 1
                {
                    zone.speakers.pop();
                }
            }
            4 => {
                let person = directory.people.values_mut().nth(nth).unwrap();
                person.contacts.sms = Some(format!("+86{die:03}"));
            }
            5 => {
                let audio = directory.audio.values_mut().nth(nth % 5).unwrap();
                audio.text.push('！');
            }
            6 => {
                let camera = directory.cameras.values().next_back().cloned();
                if let Some(mut camera) = camera {
                    camera.id = id(&format!("camera-{die}"));
                    directory.put_record(Record::Camera(camera));
                }
            }
            _ => {
                let held = directory.people.values_mut().find_map(|one| one.roles.first_mut());
                held.unwrap().sites = Scope::All;
            }
        }
    }
    directory
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn applying_what_differs_makes_equal(
        one in proptest::collection::vec(any::<u8>(), 0..24),
        two in proptest::collection::vec(any::<u8>(), 0..24),
    ) {
        let empty = Directory::default();
        let (one, two) = (varied(&one), varied(&two));
        let held = empty.apply(&empty.diff(&one)).unwrap();
        prop_assert_eq!(&unversioned(held.clone()), &unversioned(one));
        let changes = held.diff(&two);
        let next = held.apply(&changes).unwrap();
        prop_assert_eq!(next.version, held.version + u64::from(!changes.is_empty()));
        prop_assert_eq!(next.diff(&two), vec![]);
        prop_assert_eq!(unversioned(next), unversioned(two));
    }
}
