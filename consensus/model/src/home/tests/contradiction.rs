//! Contradiction fails towards warning.

use super::*;

#[test]
fn a_warning_silences_the_all_clear_in_its_zones_only() {
    let mut site = Bench::new();
    site.launch(1, "wang", "P-39");
    assert_eq!(site.zones(), ["5401", "5402", "5403"]);
    site.launch(2, "li", "P-37");
    assert_eq!(site.ceased, [key(1, "s1", "5401", 1)]);
    assert_eq!(site.sounded.last().unwrap().key, key(2, "s1", "5401", 1));
    site.report(&key(1, "s1", "5402", 1), EffectResult::Done, Some(Grade::Receiving));
    site.report(&key(1, "s1", "5403", 1), EffectResult::Done, Some(Grade::Receiving));
    assert_eq!(site.step(1, "s1"), StepState::Superseded);
}

#[test]
fn an_all_clear_does_not_sound_while_a_warning_runs() {
    let mut site = Bench::new();
    site.launch(1, "zhao", "P-37");
    site.launch(2, "li", "P-37");
    site.launch(3, "wang", "P-39");
    let clear: Vec<_> = site.sounded.iter().filter(|one| one.key.activation == run_of(3)).collect();
    assert_eq!(clear.len(), 2, "5402 and 5403");
    site.all_heard();
    assert_eq!(site.step(3, "s1"), StepState::Superseded);
}

#[test]
fn a_real_alarm_ends_the_drill_and_no_drill_begins_beside_it() {
    let mut site = Bench::new();
    site.drill(1, "P-38-page");
    assert!(site.sounded.iter().all(|one| one.mode == Mode::Drill));
    site.launch(2, "chen", "P-38-page");
    assert_eq!(site.ended(1), Some(Ending::Superseded { by: run_of(2) }));
    assert_eq!(site.step(1, "s1"), StepState::Superseded);
    assert_eq!(site.ceased.len(), 3);
    assert_eq!(site.run(2).mode, Mode::Real);
    assert_eq!(site.drill(3, "P-38").code(), "real-alarm");
}

#[test]
fn a_drill_and_a_real_run_are_never_joined() {
    let mut site = Bench::new();
    site.drill(1, "P-39");
    assert_eq!(site.launch(2, "wang", "P-39").code(), "started");
    assert_eq!(site.ended(1), Some(Ending::Superseded { by: run_of(2) }));
}

#[test]
fn an_evacuation_stands_against_an_abort_from_below() {
    let mut site = Bench::new();
    site.launch(1, "wang", "P-38");
    let by = PersonId::new("wang").unwrap();
    let stands = IntentStatus::Outranked { activation: run_of(1), by };
    assert_eq!(site.abort(2, "li", 1), stands);
    assert_eq!(site.abort(3, "zhao", 1), stands);
    assert_eq!(site.ceased, []);
    assert_eq!(site.abort(4, "chen", 1).code(), "aborted", "on the spot they see the water");
}

/// The commander joins what the dispatcher began; the dispatcher cannot take
/// the commander's word back.
#[test]
fn an_abort_must_outrank_everyone_who_launched() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    site.launch(2, "wang", "P-38");
    assert_eq!(site.abort(3, "li", 1).code(), "outranked");
    assert_eq!(site.abort(4, "wang", 1).code(), "aborted");
}

#[test]
fn a_mere_warning_is_stopped_by_anyone_who_may() {
    let mut site = Bench::new();
    site.launch(1, "wang", "P-37");
    assert_eq!(site.abort(2, "zhao", 1).code(), "aborted");
}

#[test]
fn the_order_between_contradictory_orders_has_no_circle() {
    let natures =
        [Nature::Drill, Nature::AllClear, Nature::Abort, Nature::Warning, Nature::Evacuation];
    let standings =
        [Standing::Other, Standing::ChiefDispatcher, Standing::Commander, Standing::OnTheSpot];
    let people = [PersonId::new("a").unwrap(), PersonId::new("b").unwrap()];
    let mut claims = Vec::new();
    for nature in natures {
        for standing in standings {
            for who in &people {
                claims.push(Claim { nature, standing, who });
            }
        }
    }
    for one in &claims {
        for other in &claims {
            assert!(!(outranks(one, other) && outranks(other, one)), "{one:?} {other:?}");
            if one.nature.warns() && matches!(other.nature, Nature::Drill | Nature::AllClear) {
                assert!(outranks(one, other), "{one:?} {other:?}");
            }
        }
    }
}
