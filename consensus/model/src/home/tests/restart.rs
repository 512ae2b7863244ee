//! A node falls, and comes back sooner or later.

use super::*;

#[test]
fn a_page_cut_off_by_a_crash_is_repeated_once_marked_within_its_window() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    site.report(&key(1, "s1", "5401", 1), EffectResult::Done, Some(Grade::Receiving));
    site.restart_after(30_000);
    assert_eq!(site.asked, [key(1, "s1", "5402", 1), key(1, "s1", "5403", 1)]);
    site.wait_ms(ASK_MS);
    let again: Vec<_> = site.sounded[3..].iter().map(|one| (one.key.clone(), one.why)).collect();
    let why = Why::AfterUnknown;
    assert_eq!(again, [(key(1, "s1", "5402", 2), why), (key(1, "s1", "5403", 2), why)]);
    site.restart_after(10_000);
    site.wait_ms(PAGE_MS);
    assert_eq!(site.sounded.len(), 5, "once is once, however often the node falls");
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    assert_eq!(site.broken, [""; 0]);
}

#[test]
fn a_page_cut_off_by_a_crash_is_not_repeated_after_its_window() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    site.restart_after(PAGE_MS + 1);
    site.wait_ms(PAGE_MS);
    assert_eq!(site.sounded.len(), 3);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

/// Three hours of lying dead are three hours: the second page of the plan must
/// not come out of the blue when the node is switched on again.
#[test]
fn what_a_plan_had_left_does_not_sound_hours_later() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    site.restart_after(3 * 3_600_000);
    site.wait_ms(10 * 60_000);
    assert_eq!(site.sounded.len(), 3);
    assert_eq!(site.step(1, "s3"), StepState::Expired);
    assert_eq!(site.step(1, "s4"), StepState::Expired);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn a_delay_goes_on_where_it_was() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    site.all_heard();
    site.wait_ms(5_000);
    site.restart_after(5_000);
    assert_eq!(site.step(1, "s2"), StepState::Waiting);
    site.wait_ms(9_999);
    assert_eq!(site.step(1, "s2"), StepState::Waiting);
    site.wait_ms(1);
    assert_eq!(site.step(1, "s3"), StepState::Waiting);
    site.events.clear();
    site.restart_after(20_000);
    assert!(matches!(&site.events[..], [Event::Question { .. }]), "asked again");
    site.wait_ms(39_999);
    assert_eq!(site.step(1, "s3"), StepState::Waiting);
    site.wait_ms(1);
    assert_eq!(site.step(1, "s3"), StepState::Expired);
}

/// The node's clock was reset to last year while it was off.
#[test]
fn time_never_starts_earlier_than_what_the_journal_knows() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-37");
    let late = Intent { not_after: site.wall(), ..site.launching(2, "li", "P-37") };
    site.wait_ms(1);
    site.report(&key(1, "s1", "5401", 1), failed(), None);
    let mut home = Home::replay(self::site(), NodeId(3), 2, &site.journal, &site.directory);
    let now = Now { wall: WallMs(1_000), mono_ms: 5 };
    let outputs = home.step(now, &site.directory, arrived(&late));
    let expired =
        |one: &Output| matches!(one, Output::Answer { status: IntentStatus::Expired { .. }, .. });
    assert!(outputs.iter().any(expired), "{outputs:?}");
}

#[test]
fn an_intent_written_down_but_not_judged_is_judged_on_return() {
    for (down_ms, code) in [(1_000, "started"), (PAGE_MS + 1, "expired")] {
        let mut site = Bench::new();
        let launch = site.launching(1, "li", "P-38");
        site.input_and_fall(arrived(&launch), 1);
        assert_eq!(site.answers, []);
        site.restart_after(down_ms);
        assert_eq!(site.answers.last().unwrap().1.code(), code);
        assert_eq!(site.sounded.len(), if code == "started" { 3 } else { 0 });
    }
}

#[test]
fn an_abort_outlives_the_crash_that_cut_it_short() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    let abort = site.intent(2, "li", IntentBody::Abort { activation: run_of(1) });
    // Received and judged are synced; no Cease went out.
    site.input_and_fall(arrived(&abort), 2);
    assert_eq!(site.ceased, []);
    site.restart_after(1_000);
    assert_eq!(site.ceased.len(), 3);
    assert_eq!(site.sounded.len(), 3);
    assert_eq!(site.ended(1), Some(Ending::Aborted { intent: IntentId([2; 16]) }));
    assert_eq!(site.send(&abort).code(), "aborted", "and the answer can still be had");
}

#[test]
fn a_plan_changed_while_the_node_was_down_is_not_continued() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    let changed = plan("P-38-page", Level::Red, vec![page("s1", &["5402"])]);
    site.directory.put_record(Record::Plan(changed));
    site.restart_after(1_000);
    site.wait_ms(PAGE_MS);
    assert_eq!(site.ended(1), Some(Ending::PlanGone));
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    assert_eq!(site.sounded.len(), 3);
    assert_eq!(site.launch(2, "li", "P-38-page").code(), "started");
}

#[test]
fn a_replay_shows_what_life_showed() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38-page");
    site.launch(2, "wang", "P-38-page");
    site.all_heard();
    site.wait_ms(20_000);
    let again = Home::replay(self::site(), NodeId(3), 1, &site.journal, &site.directory);
    assert_eq!(again.picture(), site.home.picture());
}

#[test]
fn a_new_incarnation_names_the_head_of_the_old() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-37");
    let old = Some(site.chain.head().clone());
    let (node, next) = (NodeId(3), Incarnation(2));
    let (chain, began) =
        Chain::begin(self::site(), node, next, old.clone(), site.wall(), 0).unwrap();
    assert_eq!(began.fact.body, FactBody::Began { after: old });
    site.chain = chain;
    site.journal.push(began.fact);
    site.restart_after(1_000);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
}
