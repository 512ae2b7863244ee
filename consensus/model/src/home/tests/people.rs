//! People on a roster: who is called, who stands in, who is left in peace.

use super::*;
use crate::directory::{CallMode, CallRoster, Contact, Member, Message, Need, Roster, RosterName};

pub(super) const MINUTE_MS: u64 = 60_000;
const CALL_MS: u64 = 5 * MINUTE_MS;
const MESSAGE_MS: u64 = 30 * MINUTE_MS;

pub(super) fn reachable(id: &str, role: Option<RoleKind>, rank: u8, mobile: &str) -> Record {
    let own = Scope::Sites(BTreeSet::from([site()]));
    let roles = role.into_iter().map(|role| Role { role, sites: own.clone() }).collect();
    let mobile = Some(mobile.to_owned()).filter(|number| !number.is_empty());
    let contacts = Contacts { sms: mobile.clone(), mobile, extension: None };
    Record::Person(Person {
        id: PersonId::new(id).unwrap(),
        name: id.into(),
        roles,
        rank,
        contacts,
    })
}

pub(super) fn roster(id: &str, members: &[(&str, &[&str])]) -> Record {
    let name = |id: &str| PersonId::new(id).unwrap();
    let member = |(person, substitutes): &(&str, &[&str])| Member {
        person: name(person),
        substitutes: substitutes.iter().map(|id| name(id)).collect(),
    };
    let members = members.iter().map(member).collect();
    Record::Roster(Roster { id: RosterId::new(id).unwrap(), site: None, members })
}

fn calls(roster: &str, mode: CallMode, retry: u32, need: Need) -> StepKind {
    let roster = RosterName::try_from(roster.to_owned()).unwrap();
    let sound = Sound::Audio(AudioId::new("aud-red").unwrap());
    StepKind::CallRoster(CallRoster { roster, sound, ack: 1, mode, timeout_s: 40, retry, need })
}

fn texts() -> StepKind {
    let roster = RosterName::try_from("heads".to_owned()).unwrap();
    let (text_zh, text_en) = ("{site}：请转移".into(), Some("{site}: leave".into()));
    StepKind::Message(Message { roster, text_zh, text_en })
}

fn red(id: &str, kind: StepKind) -> Record {
    Record::Plan(plan(id, Level::Red, vec![step("s1", kind)]))
}

/// Three village heads and the two who stand in for them.
pub(super) fn village() -> Vec<Record> {
    let blast = CallMode::Parallel;
    let line = CallMode::Sequential;
    let duty = Some(RoleKind::SiteDuty);
    let two = Record::Plan(Plan {
        two_person: true,
        ..plan("P-two", Level::Red, vec![step("s1", calls("heads", blast, 0, Need::All))])
    });
    let clear = plan("P-clear-text", Level::Clear, vec![step("s1", texts())]);
    vec![
        reachable("jiang", None, 9, "+8619900000201"),
        reachable("hu", None, 9, "+8619900000202"),
        reachable("tao", None, 9, ""),
        reachable("gao", duty, 4, "+8619900000203"),
        reachable("deng", duty, 5, "+8619900000204"),
        roster("heads", &[("jiang", &["gao", "deng"]), ("hu", &["gao"]), ("tao", &[])]),
        roster("two", &[("jiang", &["gao"]), ("hu", &["gao"])]),
        red("P-call", calls("heads", blast, 1, Need::All)),
        red("P-line", calls("two", line, 0, Need::All)),
        red("P-one", calls("two", blast, 0, Need::Count(1))),
        red("P-both", calls("two", blast, 0, Need::Count(2))),
        red("P-duty", calls("site.duty", line, 2, Need::All)),
        red("P-text", texts()),
        Record::Plan(clear),
        two,
    ]
}

pub(super) fn person_key(run: u8, step: &str, person: &str, attempt: u16) -> EffectKey {
    let target = Target::Person(PersonId::new(person).unwrap());
    EffectKey { activation: run_of(run), step: StepId::new(step).unwrap(), target, attempt }
}

fn at(person: &str, attempt: u16) -> EffectKey {
    person_key(1, "s1", person, attempt)
}

fn launched(plan: &str) -> Bench {
    let mut site = Bench::new();
    assert_eq!(site.launch(1, "li", plan).code(), "started");
    site
}

impl Bench {
    /// For whom, and whom, each call or message went to.
    fn tried(&self) -> Vec<(String, String)> {
        let person = |one: &Sounded| one.person().unwrap().to_owned();
        self.sounded.iter().map(|one| (one.key.target.to_string(), person(one))).collect()
    }

    fn newest(&self) -> (String, String) {
        self.tried().pop().unwrap()
    }

    fn acknowledges(&mut self, key: &EffectKey) {
        self.report(key, EffectResult::Done, Some(Grade::Heard));
    }

    fn fails(&mut self, key: &EffectKey, why: &str) {
        self.report(key, EffectResult::Failed { why: why.into() }, None);
    }

    fn of(&self, person: &str) -> TargetPicture {
        let target = Target::Person(PersonId::new(person).unwrap());
        let run = self.run(1);
        run.steps[0].targets.iter().find(|one| one.target == target).unwrap().clone()
    }

    fn by(&self, person: &str) -> Option<String> {
        self.of(person).by.map(String::from)
    }
}

fn pair(one: &str, two: &str) -> (String, String) {
    (one.to_owned(), two.to_owned())
}

fn unreachable() -> EffectResult {
    EffectResult::Unreachable { why: "no gateway".into() }
}

#[test]
fn a_blast_calls_everybody_at_once_and_each_acknowledges() {
    let mut site = launched("P-call");
    assert_eq!(site.tried(), [pair("jiang", "jiang"), pair("hu", "hu")]);
    let EffectAction::Call { numbers, ack, ring_s, .. } = &site.sounded[0].action else { panic!() };
    assert_eq!(numbers, &[Contact::Phone("+8619900000201".into())]);
    assert_eq!((*ack, *ring_s), (1, 40));
    // Nobody wrote down how to reach the third.
    let tao = site.of("tao");
    assert_eq!(tao.state, StepState::Failed);
    let no_number = Some(EffectResult::Failed { why: NO_NUMBER.into() });
    assert_eq!(tao.attempts[0].result, no_number);
    site.acknowledges(&at("jiang", 1));
    site.acknowledges(&at("hu", 1));
    assert_eq!((site.by("jiang"), site.by("hu")), (Some("jiang".into()), Some("hu".into())));
    assert_eq!(site.step(1, "s1"), StepState::Failed, "tao was never reached");
    assert_eq!(site.broken, [""; 0]);
}

#[test]
fn a_telephone_that_was_answered_is_no_acknowledgement() {
    let mut site = launched("P-line");
    site.report(&at("jiang", 1), EffectResult::Done, Some(Grade::Answered));
    assert_eq!(site.newest(), pair("jiang", "gao"));
}

#[test]
fn who_does_not_answer_is_called_again_and_then_who_stands_in() {
    let mut site = launched("P-call");
    site.fails(&at("jiang", 1), "no_answer");
    assert_eq!(site.sounded.len(), 2, "a line that was busy is busy still");
    assert_eq!(site.of("jiang").state, StepState::Waiting);
    site.wait_ms(CALL_AGAIN_MS + 1);
    assert_eq!(site.newest(), pair("jiang", "jiang"));
    site.fails(&at("jiang", 2), "busy");
    assert_eq!(site.newest(), pair("jiang", "gao"), "another person need not wait");
    site.fails(&at("jiang", 3), "not_acknowledged");
    site.wait_ms(CALL_AGAIN_MS + 1);
    site.fails(&at("jiang", 4), "wrong_key");
    assert_eq!(site.newest(), pair("jiang", "deng"));
    site.acknowledges(&at("jiang", 5));
    assert_eq!(site.of("jiang").state, StepState::Done);
    assert_eq!(site.by("jiang"), Some("deng".into()));
    let callees = site.of("jiang").attempts.into_iter().map(|one| one.callee.unwrap().to_string());
    assert_eq!(callees.collect::<Vec<_>>(), ["jiang", "jiang", "gao", "gao", "deng"]);
    // The other village's head does not answer either: gao failed there, once
    // more for each.
    site.fails(&at("hu", 1), "no_answer");
    site.wait_ms(CALL_AGAIN_MS + 1);
    site.fails(&at("hu", 2), "no_answer");
    assert_eq!(site.newest(), pair("hu", "gao"));
    assert_eq!(checks::breaches(&site), [""; 0]);
}

#[test]
fn down_a_line_the_next_is_called_when_the_one_before_is_over() {
    let mut site = launched("P-line");
    assert_eq!(site.tried(), [pair("jiang", "jiang")]);
    site.acknowledges(&at("jiang", 1));
    assert_eq!(site.newest(), pair("hu", "hu"));
    site.acknowledges(&at("hu", 1));
    assert_eq!(site.step(1, "s1"), StepState::Done);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

/// He knows already; to ring him again would take a line from somebody else.
#[test]
fn who_acknowledged_for_one_village_is_not_called_for_the_other() {
    let mut site = launched("P-line");
    site.fails(&at("jiang", 1), "no_answer");
    site.acknowledges(&at("jiang", 2));
    site.fails(&at("hu", 1), "no_answer");
    assert_eq!(site.tried().len(), 3);
    assert_eq!((site.of("hu").state, site.by("hu")), (StepState::Done, Some("gao".into())));
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn one_who_stands_in_for_two_is_not_rung_by_both_at_once() {
    let mut site = launched("P-both");
    site.fails(&at("jiang", 1), "busy");
    site.fails(&at("hu", 1), "busy");
    assert_eq!(site.newest(), pair("jiang", "gao"));
    assert_eq!(site.tried().len(), 3);
    site.acknowledges(&at("jiang", 2));
    // One person is not two.
    assert_eq!(site.of("hu").state, StepState::Done);
    assert_eq!(site.step(1, "s1"), StepState::Failed);
}

#[test]
fn when_enough_have_acknowledged_the_rest_is_left_in_peace() {
    let mut site = launched("P-one");
    site.acknowledges(&at("hu", 1));
    assert_eq!(site.ceased, [at("jiang", 1)]);
    assert_eq!(site.of("jiang").state, StepState::Skipped);
    assert_eq!(site.step(1, "s1"), StepState::Done);
    site.report(&at("jiang", 1), EffectResult::Ceased, None);
    assert_eq!(site.of("jiang").state, StepState::Skipped);
    assert_eq!(site.tried().len(), 2);
}

/// Perhaps jiang pressed the key in the second in which the node fell.
#[test]
fn a_call_cut_off_by_a_crash_is_not_made_again_but_who_stands_in_is_called() {
    let mut site = launched("P-line");
    site.restart_after(10_000);
    assert_eq!(site.tried(), [pair("jiang", "jiang"), pair("jiang", "gao")]);
    site.fails(&at("jiang", 2), "no_answer");
    site.wait_ms(CALL_MS);
    assert_eq!(site.of("jiang").state, StepState::Unknown);
    let jiang = site.tried().into_iter().filter(|(_, callee)| callee == "jiang").count();
    assert_eq!(jiang, 1);
    assert_eq!(checks::breaches(&site), [""; 0]);
}

/// The node falls after any of the outputs of the launch.
#[test]
fn wherever_the_node_falls_nobody_is_rung_twice_for_one_attempt() {
    for kept in 0..12 {
        let mut site = Bench::new();
        let launch = site.launching(1, "li", "P-call");
        site.input_and_fall(arrived(&launch), kept);
        site.restart_after(1_000);
        site.send(&launch);
        site.wait_ms(CALL_MS + PERSON_OVERDUE_MS);
        assert_eq!(checks::breaches(&site), [""; 0], "after {kept}");
    }
}

#[test]
fn an_acknowledgement_told_late_stops_the_call_to_who_stands_in() {
    let mut site = launched("P-line");
    site.report(&at("jiang", 1), unknown(), None);
    assert_eq!(site.newest(), pair("jiang", "gao"));
    site.acknowledges(&at("jiang", 1));
    assert_eq!(site.of("jiang").state, StepState::Done);
    assert_eq!(site.by("jiang"), Some("jiang".into()));
    assert_eq!(site.ceased, [at("jiang", 2)]);
}

#[test]
fn no_call_begins_after_its_window() {
    let mut site = launched("P-line");
    site.wait_ms(CALL_MS - 1_000);
    site.fails(&at("jiang", 1), "no_answer");
    assert_eq!(site.newest(), pair("jiang", "gao"), "a second before the end");
    site.wait_ms(1_001);
    assert_eq!(site.of("hu").state, StepState::Expired);
    site.fails(&at("jiang", 2), "no_answer");
    assert_eq!(site.of("jiang").state, StepState::Failed);
    assert_eq!(site.tried().len(), 2);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn an_abort_stops_what_rings_and_calls_nobody_more() {
    let mut site = launched("P-call");
    assert_eq!(site.abort(2, "li", 1).code(), "aborted");
    assert_eq!(site.ceased, [at("hu", 1), at("jiang", 1)]);
    site.report(&at("jiang", 1), EffectResult::Ceased, None);
    site.fails(&at("hu", 1), "no_answer");
    site.wait_ms(CALL_MS);
    assert_eq!(site.tried().len(), 2);
    assert_eq!(site.of("hu").state, StepState::Vetoed);
}

#[test]
fn a_person_may_ask_for_one_more_call_and_it_goes_to_the_member() {
    let mut site = Bench::new();
    let waits = step("s2", StepKind::Delay { s: 600 });
    let steps = vec![step("s1", calls("two", CallMode::Parallel, 0, Need::All)), waits];
    site.directory.put_record(Record::Plan(plan("P-more", Level::Red, steps)));
    site.launch(1, "li", "P-more");
    for (person, attempt) in [("jiang", 1), ("jiang", 2), ("hu", 1), ("hu", 2)] {
        site.fails(&at(person, attempt), "no_answer");
    }
    assert_eq!(site.of("jiang").state, StepState::Failed);
    let EffectKey { activation, step, target, .. } = at("jiang", 3);
    let body = IntentBody::Repeat { activation, step, target };
    let again = Intent { attempt: 3, ..site.intent(2, "li", body) };
    let status = site.send(&again);
    assert_eq!(status.code(), "repeats");
    assert!(status.said().en.contains("jiang is tried once more"), "{status}");
    assert_eq!(site.newest(), pair("jiang", "jiang"));
    site.fails(&at("jiang", 3), "no_answer");
    assert_eq!(site.of("jiang").state, StepState::Failed, "one more is one more");
    assert_eq!(site.tried().len(), 5);
}

#[test]
fn the_duty_people_stand_in_for_those_above_them() {
    let mut site = launched("P-duty");
    let people: Vec<_> =
        site.run(1).steps[0].targets.iter().map(|one| one.target.to_string()).collect();
    assert_eq!(people, ["gao", "chen", "deng", "sun"], "by rank, then by name");
    site.acknowledges(&at("gao", 1));
    // Nobody knows how to reach chen; deng stands in and is then not called for
    // himself.
    assert_eq!(site.newest(), pair("chen", "deng"));
    site.acknowledges(&at("chen", 2));
    assert_eq!((site.of("deng").state, site.by("deng")), (StepState::Done, Some("deng".into())));
    assert_eq!(site.tried().len(), 2);
}

#[test]
fn a_message_is_done_when_the_gateway_took_it() {
    let mut site = launched("P-text");
    let EffectAction::Message { to, text, dedupe, not_after, .. } = &site.sounded[0].action else {
        panic!()
    };
    assert_eq!(to, &Contact::Phone("+8619900000201".into()));
    assert_eq!(text, "R3：请转移\nR3: leave");
    assert_eq!(*dedupe, format!("{}/s1/jiang", run_of(1)));
    assert_eq!(*not_after, START.plus_ms(MESSAGE_MS));
    site.report(&at("jiang", 1), EffectResult::Done, Some(Grade::Sent));
    site.fails(&at("hu", 1), "refused 403");
    assert_eq!(site.of("jiang").state, StepState::Done);
    assert_eq!(site.of("hu").state, StepState::Failed);
    assert_eq!(site.of("tao").state, StepState::Failed);
    assert_eq!(site.ended(1), Some(Ending::Completed));
    assert_eq!(site.tried().len(), 2);
}

#[test]
fn a_message_whose_answer_was_lost_is_never_sent_again_unasked() {
    let mut site = launched("P-text");
    site.report(&at("jiang", 1), unknown(), None);
    site.restart_after(5_000);
    site.wait_ms(MESSAGE_MS);
    assert_eq!(site.of("jiang").state, StepState::Unknown);
    assert_eq!(site.of("hu").state, StepState::Unknown, "the crash lost its answer too");
    assert_eq!(site.tried().len(), 2);
    assert_eq!(checks::breaches(&site), [""; 0]);
}

#[test]
fn a_message_that_nobody_took_is_sent_again_with_longer_pauses_until_it_expires() {
    let mut site = launched("P-text");
    site.report(&at("hu", 1), EffectResult::Done, Some(Grade::Sent));
    let mut at_ms = Vec::new();
    for attempt in 1..=60 {
        let sent = site.sounded.iter().find(|one| one.key == at("jiang", attempt));
        let Some(sent) = sent.cloned() else { break };
        at_ms.push(sent.at_ms);
        let EffectAction::Message { dedupe, .. } = &sent.action else { panic!() };
        assert_eq!(*dedupe, format!("{}/s1/jiang", run_of(1)), "the gateway knows it again");
        site.report(&sent.key, unreachable(), None);
        site.wait_ms(61_000);
    }
    let pauses: Vec<u64> = (1..8).map(|tried| message_pause_ms(tried) / 1_000).collect();
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
    assert!(at_ms.len() > 25 && at_ms.iter().all(|at| *at <= MESSAGE_MS), "{at_ms:?}");
    site.wait_ms(MESSAGE_MS);
    assert_eq!(site.of("jiang").state, StepState::Expired);
    assert_eq!(checks::breaches(&site), [""; 0]);
}

#[test]
fn a_message_waits_out_its_pause_through_a_restart() {
    let mut site = launched("P-text");
    site.report(&at("jiang", 1), unreachable(), None);
    site.report(&at("hu", 1), EffectResult::Done, Some(Grade::Sent));
    site.restart_after(500);
    assert_eq!(site.tried().len(), 2);
    site.wait_ms(1_500);
    assert_eq!(site.newest(), pair("jiang", "jiang"));
    assert_eq!(site.tried().len(), 3);
}

/// An all-clear by text while the evacuation runs would send people home.
#[test]
fn no_all_clear_is_sent_to_people_while_a_warning_runs() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    site.launch(2, "wang", "P-clear-text");
    assert!(site.sounded.iter().all(|one| one.person().is_none()));
    assert_eq!(site.step(2, "s1"), StepState::Superseded);
}

#[test]
fn a_drill_calls_in_its_own_mode_and_a_real_alarm_ends_it() {
    let mut site = Bench::new();
    site.drill(1, "P-call");
    assert!(site.sounded.iter().all(|one| one.mode == Mode::Drill));
    assert_eq!(site.sounded.len(), 2);
    site.launch(2, "li", "P-38");
    assert_eq!(site.ceased.len(), 2);
    assert_eq!(site.ended(1), Some(Ending::Superseded { by: run_of(2) }));
}

#[test]
fn a_plan_for_two_people_shows_who_waits_and_calls_nobody_before() {
    let mut site = Bench::new();
    assert_eq!(site.launch(1, "li", "P-two").code(), "awaits-second");
    let picture = site.home.picture();
    let [half] = picture.awaiting.as_slice() else { panic!("{picture:?}") };
    assert_eq!((half.who.as_str(), half.plan.as_str()), ("li", "P-two"));
    assert_eq!(half.until, START.plus_ms(PAGE_MS));
    assert_eq!(site.sounded, []);
    assert_eq!(site.launch(2, "wang", "P-two").code(), "started");
    assert_eq!(site.home.picture().awaiting, []);
    assert_eq!(site.sounded.len(), 2);
}

#[test]
fn no_more_than_so_many_calls_of_a_step_are_under_way_at_once() {
    let mut site = Bench::new();
    let names: Vec<String> = (0..50).map(|n| format!("v{n:02}")).collect();
    for name in &names {
        site.directory.put_record(reachable(name, None, 9, "+8619900000300"));
    }
    let members: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    site.directory.put_record(roster("many", &members));
    site.directory.put_record(red("P-many", calls("many", CallMode::Parallel, 1, Need::All)));
    site.launch(1, "li", "P-many");
    assert_eq!(site.sounded.len(), IN_FLIGHT_MAX);
    for n in 0..4 {
        let key = site.sounded[n].key.clone();
        site.fails(&key, "no_answer");
    }
    site.wait_ms(CALL_AGAIN_MS);
    assert_eq!(site.sounded.len(), IN_FLIGHT_MAX + 4);
    assert_eq!(site.newest().0, "v35", "who was never tried goes first");
}

#[test]
fn a_roster_too_long_to_keep_track_of_is_refused_at_launch() {
    let mut site = Bench::new();
    for n in 0..130 {
        site.directory.put_record(reachable(
            &format!("d{n:03}"),
            Some(RoleKind::SiteDuty),
            5,
            "120",
        ));
    }
    assert_eq!(site.launch(1, "li", "P-duty").code(), "too-many-people");
}

#[test]
fn a_replay_and_a_mirror_show_whom_life_called() {
    let mut site = launched("P-call");
    site.fails(&at("jiang", 1), "no_answer");
    site.wait_ms(CALL_AGAIN_MS + 1);
    site.report(&at("jiang", 2), unknown(), None);
    site.acknowledges(&at("jiang", 3));
    let again = Home::replay(self::site(), NodeId(3), 1, &site.journal, &site.directory);
    assert_eq!(again.picture(), site.home.picture());
    let mut mirror = Mirror::new(self::site(), NodeId(3));
    assert!(site.journal.iter().all(|fact| mirror.fold(fact, &site.directory)));
    assert_eq!(mirror.picture().activations, site.home.picture().activations);
}
