//! What becomes of what people ask for.

use super::*;

/// The dispatcher clicks "evacuate" while the town is cut off, and clicks again
/// because nothing was heard. The link returns an hour later.
#[test]
fn a_click_that_missed_its_window_never_sounds() {
    let mut site = Bench::new();
    let first = site.launching(1, "li", "P-38");
    let second = Intent { id: IntentId([2; 16]), ..first.clone() };
    site.wait_ms(3_600_000);
    for late in [first, second] {
        let judged = site.wall();
        let expired = IntentStatus::Expired { not_after: late.not_after, judged };
        assert_eq!(site.send(&late), expired);
    }
    assert_eq!(site.sounded, []);
    assert_eq!(site.home.picture().activations, []);
}

#[test]
fn a_late_launch_is_expired_even_when_the_plan_runs_already() {
    let mut site = Bench::new();
    let late = site.launching(1, "li", "P-38-page");
    site.wait_ms(PAGE_MS + 1);
    site.launch(2, "li", "P-38-page");
    assert!(matches!(site.send(&late), IntentStatus::Expired { .. }));
    assert_eq!(site.run(2).launches.len(), 1);
}

#[test]
fn a_launch_on_its_last_millisecond_still_sounds() {
    let mut site = Bench::new();
    let launch = site.launching(1, "li", "P-38");
    site.wait_ms(PAGE_MS);
    assert_eq!(site.send(&launch), IntentStatus::Started { activation: run_of(1) });
    assert_eq!(site.zones(), ["5401", "5402", "5403"]);
    assert_eq!(site.broken, [""; 0]);
}

#[test]
fn two_people_click_and_the_plan_runs_once_with_both_ids() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    assert_eq!(site.launch(2, "wang", "P-38"), IntentStatus::Joined { activation: run_of(1) });
    assert_eq!(site.sounded.len(), 3);
    let ids: Vec<IntentId> = site.run(1).launches.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [IntentId([1; 16]), IntentId([2; 16])]);
}

#[test]
fn the_same_click_delivered_twice_is_answered_alike_and_sounds_once() {
    let mut site = Bench::new();
    let launch = site.launching(1, "li", "P-38");
    let first = site.send(&launch);
    site.all_heard();
    assert_eq!(site.ended(1), Some(Ending::Completed));
    assert_eq!(site.send(&launch), first);
    assert_eq!(site.sounded.len(), 3);
    let received = |fact: &&Fact| matches!(fact.body, FactBody::IntentReceived { .. });
    assert_eq!(site.journal.iter().filter(received).count(), 1);
}

/// The node that sent it restarted, or the person clicked again at another one.
#[test]
fn the_same_click_stamped_anew_is_the_same_click() {
    let mut site = Bench::new();
    let launch = site.launching(1, "li", "P-38");
    let first = site.send(&launch);
    site.wait_ms(5_000);
    let via = NodeId(2);
    let again =
        Intent { issued: site.wall(), not_after: site.wall().plus_ms(PAGE_MS), via, ..launch };
    assert_eq!(site.send(&again), first);
    assert_eq!(site.sounded.len(), 3);
}

#[test]
fn an_id_never_stands_for_two_requests() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    let other = site.launch(1, "li", "P-37");
    assert_eq!(other, IntentStatus::Refused(IntentRefusal::IdReused));
}

#[test]
fn a_forgery_does_not_take_the_id_from_the_true_request() {
    let mut site = Bench::new();
    let launch = site.launching(1, "li", "P-38");
    let signature = Signature::Invalid { why: "wrong key".into() };
    site.input(Input::Arrived { signed: signed(&launch), signature });
    assert_eq!(site.answers.last().unwrap().1.code(), "unsigned");
    let other = SignedIntent { signer: NodeId(9), ..signed(&launch) };
    site.input(Input::Arrived { signed: other, signature: Signature::Valid });
    assert_eq!(site.answers.last().unwrap().1.code(), "signer");
    assert_eq!(site.journal.len(), 1, "neither is worth a fact");
    assert_eq!(site.send(&launch).code(), "started");
}

#[test]
fn an_unknown_mode_is_refused_and_does_nothing() {
    let mut site = Bench::new();
    let mut signed = signed(&site.launching(1, "li", "P-38"));
    // The mode stands after the priority; every other value of it is unknown.
    let real = encode(&site.launching(1, "li", "P-38")).unwrap();
    let drill = encode(&Intent { mode: Mode::Drill, ..site.launching(1, "li", "P-38") }).unwrap();
    let at = real.iter().zip(&drill).position(|(a, b)| a != b).unwrap();
    signed.intent[at] = 9;
    site.input(Input::Arrived { signed, signature: Signature::Valid });
    assert_eq!(site.answers.last().unwrap().1.code(), "unreadable");
    assert_eq!(site.sounded, []);
}

#[test]
fn rights_are_judged_on_the_sites_own_copy() {
    let mut site = Bench::new();
    let refused = site.launch(1, "zhao", "P-38");
    assert!(matches!(refused, IntentStatus::Refused(IntentRefusal::Denied(Denied::Role { .. }))));
    let elsewhere = Intent { home: SiteId::new("R4").unwrap(), ..site.launching(2, "li", "P-38") };
    assert_eq!(site.send(&elsewhere).code(), "not-home");
    let version = Hash([9; 32]);
    let old = IntentBody::Launch { plan: PlanId::new("P-38").unwrap(), version };
    let old = site.intent(3, "li", old);
    assert_eq!(site.send(&old).code(), "plan-version");
    assert_eq!(site.launch(4, "li", "P-99").code(), "plan-unknown");
    let long = Intent { not_after: WallMs(u64::MAX), ..site.launching(5, "li", "P-38") };
    assert_eq!(site.send(&long).code(), "window-too-long");
    assert_eq!(site.sounded, []);
}

#[test]
fn a_plan_for_two_people_waits_for_the_second() {
    let mut site = Bench::new();
    assert_eq!(site.launch(1, "li", "P-41").code(), "awaits-second");
    assert_eq!(site.launch(2, "li", "P-41").code(), "same-person");
    assert_eq!(site.sounded, []);
    assert_eq!(site.launch(3, "wang", "P-41").code(), "started");
    assert_eq!(site.zones(), ["5401"]);
    assert_eq!(site.home.status(&IntentId([1; 16])).unwrap().code(), "started");
    assert_eq!(site.run(3).launches.len(), 2);
}

#[test]
fn a_second_person_who_comes_too_late_starts_nothing() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-41");
    site.wait_ms(PAGE_MS + 1);
    assert_eq!(site.launch(2, "wang", "P-41").code(), "awaits-second");
    assert_eq!(site.sounded, []);
}

/// Nothing is forgotten before it is certainly too late, and a full memory
/// still lets a warning through.
#[test]
fn a_full_site_still_starts_a_warning() {
    let mut site = Bench::new();
    let mut filler = site.launching(0, "zhao", "P-39");
    for n in 0..INTENTS_MAX - RESERVED_INTENTS {
        filler.id.0[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
        site.input(arrived(&filler));
    }
    let calm = Intent { id: IntentId([0xee; 16]), ..filler.clone() };
    assert_eq!(site.send(&calm).code(), "intents-full");
    assert_eq!(site.launch(1, "li", "P-38").code(), "started");
    site.wait_ms(REMEMBERED_MS + 1);
    let again = Intent { not_after: site.wall().plus_ms(1), ..calm };
    assert_eq!(site.send(&again).code(), "denied", "yesterday's made room");
    let forgotten = site.send(&filler);
    assert!(matches!(forgotten, IntentStatus::Expired { .. }), "{forgotten:?}");
}

#[test]
fn a_full_board_names_its_limit_and_keeps_room_for_warnings() {
    let mut site = Bench::new();
    let most = ACTIVATIONS_MAX - RESERVED_ACTIVATIONS;
    for n in 0..most {
        let clear = plan(&format!("C-{n}"), Level::Clear, vec![page("s1", &["5401"])]);
        site.directory.put_record(Record::Plan(clear));
        site.launch(n as u8 + 10, "wang", &format!("C-{n}"));
    }
    let full = IntentStatus::Refused(IntentRefusal::ActivationsFull { most });
    assert_eq!(site.launch(1, "wang", "P-39"), full);
    assert_eq!(site.launch(2, "wang", "P-37").code(), "started");
}
