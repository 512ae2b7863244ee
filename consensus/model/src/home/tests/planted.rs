//! Each planted bug breaks something that the checks see; without one they see
//! nothing. A check that cannot fail would prove nothing.

use proptest::prelude::prop_assert_eq;
use proptest::test_runner::RngAlgorithm::ChaCha;
use proptest::test_runner::{Config, TestRng, TestRunner};

use super::checks::breaches;
use super::conference::{MIN_JOIN, room_key};
use super::people::{MINUTE_MS, person_key};
use super::random::{play, turns};
use super::*;

fn site_with(planted: Planted) -> Bench {
    let mut site = Bench::new();
    site.planted = planted;
    site.home.plant(planted);
    site
}

/// A story in which every one of the bugs has its chance.
fn story(planted: Planted) -> Bench {
    let mut site = site_with(planted);
    let late = site.launching(9, "wang", "P-36");
    let launch = site.launching(1, "li", "P-38");
    site.send(&launch);
    site.launch(2, "wang", "P-38");
    site.report(&key(1, "s1", "5401", 1), unknown(), None);
    for attempt in 2..5 {
        site.wait_ms(ASK_MS);
        site.report(&key(1, "s1", "5401", attempt), unknown(), None);
    }
    site.report(&key(1, "s1", "5402", 1), EffectResult::Done, Some(Grade::Receiving));
    // Nobody ever learns how 5403 ended.
    site.restart_after(1_000);
    site.send(&launch);
    site.wait_ms(PAGE_MS + 1);
    site.send(&late);
    site
}

#[test]
fn without_a_bug_the_checks_find_nothing() {
    assert_eq!(breaches(&story(Planted::default())), [""; 0]);
}

fn caught(planted: Planted, by: &str) {
    let found = breaches(&story(planted));
    assert!(found.iter().any(|one| one.contains(by)), "{planted:?}: {found:?}");
}

#[test]
fn an_ignored_expiry_is_caught() {
    caught(Planted { expiry_ignored: true, ..Planted::default() }, "started too late");
}

#[test]
fn a_begun_that_is_not_written_down_is_caught() {
    let planted = Planted { begun_not_journaled: true, ..Planted::default() };
    caught(planted, "before it was written down");
}

#[test]
fn an_unbounded_repeat_is_caught() {
    caught(Planted { repeat_unbounded: true, ..Planted::default() }, "more than once");
}

#[test]
fn a_dropped_join_is_caught() {
    caught(Planted { join_dropped: true, ..Planted::default() }, "runs twice at once");
}

#[test]
fn a_claimed_outcome_is_caught() {
    caught(Planted { outcome_claimed: true, ..Planted::default() }, "claimed to be done");
}

#[test]
fn a_person_tried_again_who_is_unknown_is_caught() {
    let play = |planted| {
        let mut site = site_with(planted);
        site.launch(1, "li", "P-text");
        site.report(&person_key(1, "s1", "jiang", 1), unknown(), None);
        site.wait_ms(MINUTE_MS);
        breaches(&site)
    };
    assert_eq!(play(Planted::default()), [""; 0]);
    let found = play(Planted { unknown_retried: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("who was unknown")), "{found:?}");
}

/// The duty officer who stands in for two villages.
#[test]
fn a_person_called_again_who_acknowledged_is_caught() {
    let play = |planted| {
        let mut site = site_with(planted);
        site.launch(1, "li", "P-line");
        site.report(&person_key(1, "s1", "jiang", 1), failed(), None);
        site.report(&person_key(1, "s1", "jiang", 2), EffectResult::Done, Some(Grade::Heard));
        site.report(&person_key(1, "s1", "hu", 1), failed(), None);
        breaches(&site)
    };
    assert_eq!(play(Planted::default()), [""; 0]);
    let found = play(Planted { acknowledged_forgotten: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("who was reached")), "{found:?}");
}

#[test]
fn a_conference_opened_again_unasked_is_caught() {
    let play = |planted| {
        let mut site = site_with(planted);
        site.launch(1, "li", "P-meet-on");
        site.restart_after(10_000);
        site.wait_ms(MINUTE_MS);
        breaches(&site)
    };
    assert_eq!(play(Planted::default()), [""; 0]);
    let found = play(Planted { conference_reopened: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("opened again unasked")), "{found:?}");
}

#[test]
fn too_few_in_a_conference_taken_for_enough_are_caught() {
    let play = |planted| {
        let mut site = site_with(planted);
        site.launch(1, "li", "P-meet");
        let (key, epoch) = (room_key(1, "s1", 1), site.home.epoch());
        site.heard.insert(key.clone());
        let (result, proof) = (EffectResult::Done, Proof::joined(1, MIN_JOIN));
        site.input(Input::Outcome { key, epoch, result, proof });
        breaches(&site)
    };
    assert_eq!(play(Planted::default()), [""; 0]);
    let found = play(Planted { joined_rounded_up: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("too few joined")), "{found:?}");
}

#[test]
fn a_dropped_dedupe_is_caught() {
    let play = |planted| {
        let mut site = site_with(planted);
        let launch = site.launching(1, "li", "P-37");
        site.send(&launch);
        site.all_heard();
        site.send(&launch);
        breaches(&site)
    };
    assert_eq!(play(Planted::default()), [""; 0]);
    let found = play(Planted { dedupe_dropped: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("ordered twice")), "{found:?}");
}

#[test]
fn a_removed_fence_is_caught() {
    let held_up = |planted| {
        let mut site = site_with(planted);
        site.hold();
        site.launch(1, "li", "P-37");
        site.abort(2, "li", 1);
        site.wait_ms(PAGE_MS + 1);
        site.let_go();
        breaches(&site)
    };
    assert_eq!(held_up(Planted::default()), [""; 0]);
    let found = held_up(Planted { fence_removed: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("after its window")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("after it was over")), "{found:?}");
}

/// The random search is no decoration: it finds each of these without being
/// told a story.
#[test]
fn the_random_search_finds_them_too() {
    let none = Planted::default();
    let bugs = [
        Planted { expiry_ignored: true, ..none },
        Planted { dedupe_dropped: true, ..none },
        Planted { fence_removed: true, ..none },
        Planted { begun_not_journaled: true, ..none },
        Planted { repeat_unbounded: true, ..none },
        Planted { join_dropped: true, ..none },
        Planted { outcome_claimed: true, ..none },
        Planted { unknown_retried: true, ..none },
        Planted { acknowledged_forgotten: true, ..none },
        Planted { conference_reopened: true, ..none },
        Planted { joined_rounded_up: true, ..none },
    ];
    for planted in bugs {
        let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(ChaCha));
        let found = runner.run(&turns(), |turns| {
            let mut site = site_with(planted);
            play(&mut site, &turns);
            prop_assert_eq!(breaches(&site), Vec::<String>::new());
            Ok(())
        });
        assert!(found.is_err(), "{planted:?} was not found");
    }
}

#[test]
fn a_merge_that_reexecutes_is_caught() {
    let merged = |planted| {
        let mut elsewhere = Bench::new();
        elsewhere.launch(1, "li", "P-38");
        let mut site = site_with(planted);
        for fact in &elsewhere.journal {
            let id = crate::fact::FactId { node: NodeId(4), ..fact.id };
            site.input(Input::Merged { fact: Box::new(Fact { id, ..fact.clone() }) });
        }
        breaches(&site)
    };
    assert_eq!(merged(Planted::default()), [""; 0]);
    let found = merged(Planted { merge_reexecutes: true, ..Planted::default() });
    assert!(found.iter().any(|one| one.contains("before it was written down")), "{found:?}");
}
