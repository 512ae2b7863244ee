//! A plan from its first step to its last.

use super::*;

fn confirm(site: &Bench, n: u8, run: u8, yes: bool) -> Intent {
    let step = StepId::new("s3").unwrap();
    site.intent(n, "chen", IntentBody::Confirm { activation: run_of(run), step, yes })
}

/// Page, wait 20 s, ask, page again.
fn to_the_question() -> Bench {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    site.wait_ms(30_000);
    site.all_heard();
    assert_eq!(site.step(1, "s2"), StepState::Waiting);
    site.wait_ms(20_000);
    assert_eq!(site.step(1, "s3"), StepState::Waiting);
    assert!(matches!(site.events.last(), Some(Event::Question { .. })));
    site
}

#[test]
fn steps_follow_each_other_and_a_yes_lets_the_last_one_sound() {
    let mut site = to_the_question();
    let yes = confirm(&site, 2, 1, true);
    assert_eq!(site.send(&yes).code(), "confirmed");
    assert_eq!(site.sounded.last().unwrap().key, key(1, "s4", "5403", 1));
    site.all_heard();
    assert_eq!(site.ended(1), Some(Ending::Completed));
    assert_eq!(site.sounded.len(), 4);
    assert_eq!(site.broken, [""; 0]);
}

#[test]
fn a_no_ends_the_plan_and_a_second_answer_comes_too_late() {
    let mut site = to_the_question();
    let no = confirm(&site, 2, 1, false);
    site.send(&no);
    assert_eq!(site.step(1, "s4"), StepState::Skipped);
    assert_eq!(site.ended(1), Some(Ending::Declined));
    let yes = confirm(&site, 3, 1, true);
    assert_eq!(site.send(&yes).code(), "activation-over");
}

#[test]
fn a_question_nobody_answers_goes_on_when_the_plan_says_so() {
    let mut site = to_the_question();
    site.wait_ms(60_000);
    assert_eq!(site.step(1, "s3"), StepState::Expired);
    assert_eq!(site.step(1, "s4"), StepState::Running);
}

#[test]
fn a_question_nobody_answers_stops_the_plan_when_it_says_so() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-stop");
    site.all_heard();
    site.wait_ms(80_000);
    assert_eq!(site.step(1, "s4"), StepState::Skipped);
    assert_eq!(site.ended(1), Some(Ending::Unanswered));
    assert_eq!(site.sounded.len(), 3);
}

#[test]
fn only_the_one_who_is_asked_may_answer() {
    let mut site = to_the_question();
    let mut other = confirm(&site, 2, 1, true);
    other.who = PersonId::new("nobody").unwrap();
    assert_eq!(site.send(&other).code(), "denied");
    let drill = Intent { mode: Mode::Drill, id: IntentId([3; 16]), ..confirm(&site, 3, 1, true) };
    assert_eq!(site.send(&drill).code(), "other-mode");
    assert_eq!(site.step(1, "s3"), StepState::Waiting);
}

#[test]
fn steps_of_a_group_start_together() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-36");
    assert_eq!(site.zones(), ["5401", "5402"]);
    site.report(&key(1, "s1", "5401", 1), failed(), None);
    assert_eq!(site.step(1, "s1"), StepState::Failed);
    assert_eq!(site.ended(1), None);
    site.report(&key(1, "s2", "5402", 1), EffectResult::Done, Some(Grade::Receiving));
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn proof_below_what_the_plan_asks_is_a_failure() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    site.report(&key(1, "s1", "5401", 1), EffectResult::Done, Some(Grade::Sent));
    site.report(&key(1, "s1", "5402", 1), EffectResult::Done, Some(Grade::Receiving));
    let proof = Proof { grade: Some(Grade::Receiving), reached: 3, of: 4, siren: false };
    let (key, epoch, result) = (key(1, "s1", "5403", 1), 1, EffectResult::Done);
    site.input(Input::Outcome { key, epoch, result, proof });
    let states: Vec<StepState> =
        site.run(1).steps[0].targets.iter().map(|target| target.state).collect();
    assert_eq!(states, [StepState::Failed, StepState::Done, StepState::Failed]);
    assert_eq!(site.step(1, "s1"), StepState::Failed);
}

#[test]
fn a_page_of_unknown_outcome_is_asked_after_and_repeated_once_marked() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-40");
    site.report(&key(1, "s1", "5401", 1), unknown(), None);
    assert_eq!(site.asked, [key(1, "s1", "5401", 1)]);
    assert_eq!(site.sounded.len(), 1, "the device has two seconds to answer");
    site.wait_ms(ASK_MS);
    assert_eq!(site.sounded[1].key, key(1, "s1", "5401", 2));
    assert_eq!(site.sounded[1].why, Why::AfterUnknown);
    site.report(&key(1, "s1", "5401", 2), unknown(), None);
    site.wait_ms(PAGE_MS);
    assert_eq!(site.sounded.len(), 2);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
}

#[test]
fn a_device_that_answers_spares_the_repeat() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-40");
    site.report(&key(1, "s1", "5401", 1), unknown(), None);
    site.report(&key(1, "s1", "5401", 1), EffectResult::Done, Some(Grade::Receiving));
    site.wait_ms(PAGE_MS);
    assert_eq!(site.sounded.len(), 1);
    // The other zone of the plan is R4's to drive.
    assert_eq!(site.step(1, "s1"), StepState::Unreachable);
    assert_eq!(site.run(1).steps[0].elsewhere.len(), 1);
}

#[test]
fn done_without_evidence_is_unknown() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-37");
    site.report(&key(1, "s1", "5401", 1), EffectResult::Done, None);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    assert_eq!(site.sounded.len(), 1, "only an evacuation page is repeated");
}

#[test]
fn an_effect_nobody_reports_on_becomes_unknown() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-37");
    site.wait_ms(OVERDUE_MS);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    site.report(&key(1, "s1", "5401", 1), EffectResult::Done, Some(Grade::Receiving));
    assert_eq!(site.step(1, "s1"), StepState::Done, "late evidence still counts");
    site.report(&key(1, "s1", "5401", 1), failed(), None);
    let refused = site.events.last().unwrap();
    assert!(matches!(refused, Event::OutcomeRefused { why: Fenced::Settled, .. }));
}

#[test]
fn a_person_may_ask_for_one_more_and_two_who_ask_get_one() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    site.report(&key(1, "s1", "5401", 1), failed(), None);
    let repeat = |n, who: &str| {
        let one = key(1, "s1", "5401", 2);
        let (activation, step, target) = (one.activation, one.step, one.target);
        let body = IntentBody::Repeat { activation, step, target };
        Intent { attempt: 2, ..Bench::new().intent(n, who, body) }
    };
    assert_eq!(site.send(&repeat(2, "li")).code(), "repeats");
    assert_eq!(site.sounded.last().unwrap().key, key(1, "s1", "5401", 2));
    assert_eq!(site.sounded.last().unwrap().why, Why::Person(IntentId([2; 16])));
    assert_eq!(site.send(&repeat(3, "wang")).code(), "not-repeatable");
    site.report(&key(1, "s1", "5401", 2), EffectResult::Done, Some(Grade::Receiving));
    let taken = IntentStatus::Refused(IntentRefusal::AttemptTaken { next: 3 });
    assert_eq!(site.send(&repeat(4, "wang")), taken);
    assert_eq!(site.sounded.len(), 4);
}

#[test]
fn an_abort_stops_what_sounds_and_nothing_more_begins() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    assert_eq!(site.abort(2, "li", 1), IntentStatus::Aborted { activation: run_of(1) });
    assert_eq!(site.ceased.len(), 3);
    assert_eq!(site.ended(1), Some(Ending::Aborted { intent: IntentId([2; 16]) }));
    for step in ["s1", "s2", "s3", "s4"] {
        assert_eq!(site.step(1, step), StepState::Vetoed);
    }
    let stopped = site.home.may_execute(&key(1, "s1", "5401", 1), 1, site.now());
    assert_eq!(stopped, Err(Fenced::Stopped));
    site.report(&key(1, "s1", "5401", 1), EffectResult::Ceased, None);
    site.wait_ms(PAGE_MS);
    assert_eq!(site.sounded.len(), 3);
    assert_eq!(site.launch(3, "li", "P-38-page").code(), "started", "it may be launched again");
}

#[test]
fn an_order_held_up_past_its_window_is_not_carried_out() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-37");
    let key = key(1, "s1", "5401", 1);
    let at = |ms| Now { wall: START, mono_ms: 1_000 + ms };
    assert_eq!(site.home.may_execute(&key, 1, at(PAGE_MS)), Ok(()));
    let late = Err(Fenced::WindowPassed { late_ms: 1 });
    assert_eq!(site.home.may_execute(&key, 1, at(PAGE_MS + 1)), late);
    site.report(&key, EffectResult::NotBegun, None);
    assert_eq!(site.step(1, "s1"), StepState::Expired);
}

#[test]
fn who_lost_the_epoch_carries_nothing_out_and_is_not_believed() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-40");
    let key = key(1, "s1", "5401", 1);
    site.input(Input::Epoch { epoch: 2 });
    let old = Fenced::Epoch { ordered: 1, current: 2 };
    assert_eq!(site.home.may_execute(&key, 1, site.now()), Err(old.clone()));
    assert_eq!(site.home.may_execute(&key, 2, site.now()), Err(Fenced::NotOrdered));
    let proof = Proof { grade: Some(Grade::Receiving), reached: 1, of: 1, siren: false };
    let result = EffectResult::Done;
    site.input(Input::Outcome { key: key.clone(), epoch: 1, result, proof });
    assert_eq!(site.events.last(), Some(&Event::OutcomeRefused { key, epoch: 1, why: old }));
    assert_eq!(site.run(1).steps[0].targets[0].state, StepState::Unknown);
}

#[test]
fn a_clock_set_back_or_forward_moves_no_window() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    site.all_heard();
    let jump = |mono_ms, wall| Now { wall: WallMs(wall), mono_ms };
    let early = site.home.step(jump(1_100, START.0 + 7_200_000), &site.directory, Input::Tick);
    assert_eq!(early, [Output::WakeAt { mono_ms: 21_000 }], "the delay still runs");
    let outputs = site.home.step(jump(21_000, START.0 - 500), &site.directory, Input::Tick);
    let asks = outputs.iter().any(|one| matches!(one, Output::Event(Event::Question { .. })));
    assert!(asks, "{outputs:?}");
    assert_eq!(outputs.last(), Some(&Output::WakeAt { mono_ms: 81_000 }));
}

#[test]
fn facts_of_other_nodes_are_shown_and_never_carried_out() {
    let mut elsewhere = Bench::new();
    elsewhere.launch(1, "li", "P-38");
    let mut site = Bench::new();
    for fact in &elsewhere.journal {
        let id = crate::fact::FactId { node: NodeId(4), ..fact.id };
        site.input(Input::Merged { fact: Box::new(Fact { id, ..fact.clone() }) });
    }
    assert_eq!(site.sounded, []);
    assert_eq!(site.journal.len(), 1);
    assert_eq!(site.home.picture().activations, []);
}
