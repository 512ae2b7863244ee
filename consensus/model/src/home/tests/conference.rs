//! A plan brings people together: when it is done, when it has failed, and that no
//! conference is opened twice because nobody knows how it went.

use super::people::{MINUTE_MS, reachable, roster};
use super::*;
use crate::directory::{Attendee, ConferenceOpen, Contact, Endpoint};
use crate::fact::LeaveReason;

const WAIT_MS: u64 = 60_000;
const ROOM: &str = "5500";

pub(super) const MIN_JOIN: u32 = 2;

pub(super) fn meeting(id: &str, rosters: &[&str]) -> Step {
    let rosters = rosters.iter().map(|name| name.parse().unwrap()).collect();
    let (room, min_join, wait_s) = ("500".into(), MIN_JOIN, 60);
    let confirm = Some(1);
    step(id, StepKind::ConferenceOpen(ConferenceOpen { room, rosters, min_join, wait_s, confirm }))
}

pub(super) fn meetings() -> Vec<Record> {
    let both = || meeting("s1", &["two", "site.duty"]);
    let then = step("s2", StepKind::Delay { s: 600 });
    let late = vec![step("s1", StepKind::Delay { s: 20 }), meeting("s2", &["two"])];
    let red = |id: &str, steps| Record::Plan(plan(id, Level::Red, steps));
    vec![
        red("P-meet", vec![both()]),
        red("P-meet-on", vec![both(), then]),
        red("P-meet-late", late),
        Record::Plan(plan("P-meet-clear", Level::Clear, vec![both()])),
        roster("nobody", &[("tao", &[])]),
        red("P-meet-nobody", vec![meeting("s1", &["nobody"])]),
    ]
}

pub(super) fn room_key(run: u8, step: &str, attempt: u16) -> EffectKey {
    let target = Target::Conference(Extension::new(ROOM).unwrap());
    EffectKey { activation: run_of(run), step: StepId::new(step).unwrap(), target, attempt }
}

fn at(attempt: u16) -> EffectKey {
    room_key(1, "s1", attempt)
}

fn launched(plan: &str) -> Bench {
    let mut site = Bench::new();
    assert_eq!(site.launch(1, "li", plan).code(), "started");
    site
}

impl Bench {
    fn joins(&mut self, key: &EffectKey, people: u32) {
        let (result, proof) = (EffectResult::Done, Proof::joined(people, MIN_JOIN));
        self.heard.insert(key.clone());
        self.input(Input::Outcome { key: key.clone(), epoch: self.home.epoch(), result, proof });
    }

    fn misses(&mut self, key: &EffectKey, people: u32) {
        self.report(key, EffectResult::too_few(people, MIN_JOIN), None);
    }

    /// Which conferences were opened, by which attempt.
    fn opened(&self) -> Vec<(u16, ConferenceId)> {
        let opened = self.sounded.iter().filter_map(|one| match &one.action {
            EffectAction::Confer { conference, .. } => Some((one.key.attempt, *conference)),
            _ => None,
        });
        opened.collect()
    }

    fn result(&self) -> Option<EffectResult> {
        self.run(1).steps[0].targets[0].attempts.last().unwrap().result.clone()
    }

    fn again(&mut self, n: u8, attempt: u16) -> IntentStatus {
        let EffectKey { activation, step, target, .. } = at(attempt);
        let body = IntentBody::Repeat { activation, step, target };
        let again = Intent { attempt, ..self.intent(n, "li", body) };
        self.send(&again)
    }
}

#[test]
fn a_conference_is_done_when_enough_have_joined() {
    let mut site = launched("P-meet");
    let EffectAction::Confer { conference, number, members, min_join, wait_s, confirm } =
        site.sounded[0].action.clone()
    else {
        panic!()
    };
    assert_eq!(conference, ConferenceId::of(&run_of(1), &StepId::new("s1").unwrap(), 1));
    assert_eq!((number.as_str(), min_join, wait_s, confirm), (ROOM, 2, 60, Some(1)));
    let who: Vec<_> = members.iter().map(|one| one.person.as_str()).collect();
    assert_eq!(who, ["jiang", "hu", "gao", "chen", "deng", "sun"]);
    let jiang = Attendee {
        person: PersonId::new("jiang").unwrap(),
        site: self::site(),
        numbers: vec![Contact::Phone("+8619900000201".into())],
    };
    assert_eq!(members[0], jiang);
    assert_eq!(members[3].numbers, [], "nobody knows how to reach chen, and all can see it");
    assert_eq!(site.step(1, "s1"), StepState::Running);
    site.joins(&at(1), 2);
    assert_eq!(site.step(1, "s1"), StepState::Done);
    assert_eq!(site.ended(1), Some(Ending::Completed));
    assert_eq!(checks::breaches(&site), [""; 0]);
}

#[test]
fn a_conference_that_too_few_joined_has_failed_and_says_how_many() {
    let mut site = launched("P-meet");
    site.misses(&at(1), 1);
    assert_eq!(site.step(1, "s1"), StepState::Failed);
    assert_eq!(site.result(), Some(EffectResult::Failed { why: "joined 1 of 2".into() }));
    assert_eq!(site.opened().len(), 1);
}

/// An edge that says *done* of one who sits there alone is not believed.
#[test]
fn too_few_are_not_rounded_up() {
    let mut site = launched("P-meet");
    site.joins(&at(1), 1);
    assert_eq!(site.step(1, "s1"), StepState::Failed);
    assert_eq!(site.result(), Some(EffectResult::too_few(1, 2)));
    let mut site = launched("P-meet");
    site.joins(&at(1), 0);
    assert_eq!(site.step(1, "s1"), StepState::Unknown, "nothing was seen of it");
    assert_eq!(checks::breaches(&site), [""; 0]);
}

#[test]
fn a_conference_that_could_not_be_opened_is_unreachable() {
    let mut site = launched("P-meet");
    site.report(&at(1), EffectResult::Unreachable { why: "no telephony".into() }, None);
    assert_eq!(site.step(1, "s1"), StepState::Unreachable);
}

#[test]
fn what_follows_waits_no_longer_than_the_conference_may_take() {
    let mut site = launched("P-meet-on");
    site.wait_ms(WAIT_MS + CONFERENCE_GRACE_MS - 1);
    assert_eq!(site.step(1, "s1"), StepState::Running);
    assert_eq!(site.step(1, "s2"), StepState::Pending);
    site.wait_ms(1);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    assert_eq!(site.step(1, "s2"), StepState::Waiting);
    // Told late, it is known after all.
    site.joins(&at(1), 3);
    assert_eq!(site.step(1, "s1"), StepState::Done);
    assert_eq!(site.opened().len(), 1);
}

#[test]
fn steps_of_its_group_do_not_wait_for_a_conference() {
    let mut site = Bench::new();
    let steps = vec![grouped(meeting("s1", &["two"]), "b"), grouped(page("s2", &["5401"]), "b")];
    site.directory.put_record(Record::Plan(plan("P-beside", Level::Red, steps)));
    site.launch(1, "li", "P-beside");
    assert_eq!(site.sounded.len(), 2);
    site.report(&key(1, "s2", "5401", 1), EffectResult::Done, Some(Grade::Receiving));
    assert_eq!(site.step(1, "s2"), StepState::Done);
    assert_eq!(site.step(1, "s1"), StepState::Running);
}

/// Its people may be talking at this very moment.
#[test]
fn a_conference_cut_off_by_a_crash_is_unknown_and_not_opened_again() {
    let mut site = launched("P-meet-on");
    site.restart_after(10_000);
    assert_eq!(site.step(1, "s1"), StepState::Unknown);
    assert_eq!(site.asked, [], "no device can say");
    site.wait_ms(10 * MINUTE_MS);
    site.restart_after(10_000);
    assert_eq!(site.opened().len(), 1);
    assert_eq!(checks::breaches(&site), [""; 0]);
}

/// The node falls after any of the outputs of the launch.
#[test]
fn wherever_the_node_falls_a_conference_is_opened_at_most_once() {
    for kept in 0..8 {
        let mut site = Bench::new();
        let launch = site.launching(1, "li", "P-meet");
        site.input_and_fall(arrived(&launch), kept);
        site.restart_after(1_000);
        site.send(&launch);
        site.wait_ms(10 * MINUTE_MS);
        assert!(site.opened().len() <= 1, "after {kept}");
        assert_eq!(checks::breaches(&site), [""; 0], "after {kept}");
    }
}

#[test]
fn a_person_may_call_an_unknown_conference_together_once_more() {
    let mut site = launched("P-meet-on");
    assert_eq!(site.again(2, 2).code(), "not-repeatable", "it is under way");
    site.restart_after(10_000);
    let status = site.again(3, 2);
    assert_eq!(status.code(), "repeats");
    assert!(status.said().en.contains("5500 is called together once more"), "{status}");
    let opened = site.opened();
    let [(1, first), (2, second)] = opened.as_slice() else { panic!("{opened:?}") };
    assert_ne!(first, second);
    assert_eq!(site.sounded[1].why, Why::Person(IntentId([3; 16])));
    site.restart_after(10_000);
    assert_eq!(site.opened().len(), 2, "one more is one more");
    assert_eq!(site.again(4, 3).code(), "repeats");
    site.joins(&at(3), 2);
    assert_eq!(site.run(1).steps[0].targets[0].state, StepState::Done);
    assert_eq!(checks::breaches(&site), [""; 0]);
}

#[test]
fn an_abort_ends_the_step_and_opens_nothing_more() {
    let mut site = launched("P-meet");
    assert_eq!(site.abort(2, "li", 1).code(), "aborted");
    assert_eq!(site.ceased, [at(1)]);
    assert_eq!(site.step(1, "s1"), StepState::Vetoed);
    site.report(&at(1), EffectResult::Ceased, None);
    site.wait_ms(10 * MINUTE_MS);
    assert_eq!(site.step(1, "s1"), StepState::Vetoed);
    assert_eq!(site.opened().len(), 1);
}

#[test]
fn a_drill_confers_in_its_own_mode_and_a_real_alarm_ends_it() {
    let mut site = Bench::new();
    site.drill(1, "P-meet");
    assert!(site.sounded.iter().all(|one| one.mode == Mode::Drill));
    assert_eq!(site.opened().len(), 1);
    site.launch(2, "li", "P-38");
    assert_eq!(site.ceased, [at(1)]);
    assert_eq!(site.ended(1), Some(Ending::Superseded { by: run_of(2) }));
}

/// No other site is asked, and none could stop it: who is elsewhere is rung if
/// there is a way, and missing if there is none.
#[test]
fn a_site_that_is_cut_off_opens_its_conference_all_the_same() {
    let mut site = Bench::new();
    let number = Extension::new("6001").unwrap();
    let phone = ExtensionRecord {
        number: number.clone(),
        site: SiteId::new("R4").unwrap(),
        kind: ExtensionKind::DeskPhone,
        owner: None,
    };
    site.directory.put_record(Record::Extension(phone));
    let hu = site.directory.people.get_mut("hu").unwrap();
    hu.contacts.extension = Some(number.clone());
    assert!(matches!(site.directory.endpoint(&number), Some(Endpoint::Phone(_))));
    let launch = site.launching(1, "chen", "P-meet");
    let outputs = site.home.step(site.now(), &site.directory, arrived(&launch));
    let orders = outputs.iter().filter_map(|output| match output {
        Output::Effect(order) => Some(&order.action),
        _ => None,
    });
    let orders: Vec<_> = orders.collect();
    let [EffectAction::Confer { members, .. }] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!(members[1].site.as_str(), "R4");
    assert_eq!(members[1].numbers[0], Contact::Extension(number));
}

#[test]
fn a_conference_does_not_open_out_of_the_blue_hours_later() {
    let mut site = launched("P-meet-late");
    site.restart_after(3 * 3_600_000);
    site.wait_ms(10 * MINUTE_MS);
    assert_eq!(site.opened(), []);
    assert_eq!(site.step(1, "s2"), StepState::Expired);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn an_order_held_up_for_too_long_opens_nothing() {
    let mut site = Bench::new();
    site.hold();
    site.launch(1, "li", "P-meet-on");
    site.wait_ms(WAIT_MS + CONFERENCE_GRACE_MS);
    site.let_go();
    assert_eq!(site.opened(), []);
    assert_eq!(site.fenced.len(), 1);
}

#[test]
fn with_nobody_who_could_be_rung_a_conference_has_failed_at_once() {
    let site = launched("P-meet-nobody");
    assert_eq!(site.opened(), []);
    assert_eq!(site.result(), Some(EffectResult::too_few(0, 2)));
    assert_eq!(site.step(1, "s1"), StepState::Failed);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn a_site_that_the_directory_knows_no_more_has_no_room() {
    let mut site = launched("P-meet-late");
    site.directory.sites.remove(&self::site());
    site.wait_ms(20_000);
    assert_eq!(site.opened(), []);
    assert_eq!(site.step(1, "s2"), StepState::Failed);
    assert_eq!(site.ended(1), Some(Ending::Completed));
}

#[test]
fn more_duty_people_than_a_room_holds_are_refused_at_launch() {
    let mut site = Bench::new();
    for n in 0..64 {
        let duty = Some(RoleKind::SiteDuty);
        site.directory.put_record(reachable(&format!("d{n:02}"), duty, 5, "120"));
    }
    let status = site.launch(1, "li", "P-meet");
    assert_eq!(status.code(), "too-many-people");
    assert!(status.said().en.contains("more than 64 people"), "{status}");
}

/// Who decides to send people home may talk about it while the sirens sound.
#[test]
fn a_warning_does_not_keep_people_from_conferring() {
    let mut site = Bench::new();
    site.launch(1, "li", "P-38");
    site.launch(2, "wang", "P-meet-clear");
    assert_eq!(site.opened().len(), 1);
    assert_eq!(site.step(2, "s1"), StepState::Running);
}

#[test]
fn a_replay_and_a_mirror_show_the_same_conference() {
    let mut site = launched("P-meet-on");
    site.report(&at(1), unknown(), None);
    site.again(2, 2);
    site.joins(&at(2), 2);
    let again = Home::replay(self::site(), NodeId(3), 1, &site.journal, &site.directory);
    assert_eq!(again.picture(), site.home.picture());
    let mut mirror = Mirror::new(self::site(), NodeId(3));
    assert!(site.journal.iter().all(|fact| mirror.fold(fact, &site.directory)));
    assert_eq!(mirror.picture().activations, site.home.picture().activations);
}

fn opened(n: u64) -> FactBody {
    let (conference, number, by) = (ConferenceId(n), ROOM.into(), Some(run_of(1)));
    FactBody::ConferenceOpened { conference, number, by }
}

fn joined(n: u64, who: &str) -> FactBody {
    FactBody::ConferenceJoined { conference: ConferenceId(n), who: who.into(), site: site() }
}

fn left(n: u64, who: &str) -> FactBody {
    let (conference, who, why) = (ConferenceId(n), who.into(), LeaveReason::HungUp);
    FactBody::ConferenceLeft { conference, who, why }
}

fn over(n: u64, joined: u32) -> FactBody {
    FactBody::ConferenceEnded { conference: ConferenceId(n), joined }
}

impl Bench {
    fn told(&mut self, body: FactBody) -> ConferencesPicture {
        self.call_fact(body);
        self.home.picture().conferences
    }
}

fn present(of: &LiveConference) -> Vec<&str> {
    of.present.iter().map(|one| one.who.as_str()).collect()
}

#[test]
fn a_conference_shows_who_is_in_it_until_it_is_over() {
    let mut site = Bench::new();
    site.told(opened(1));
    site.wait_ms(2_000);
    site.told(joined(1, "hu"));
    site.told(joined(1, "+8619900000201"));
    site.told(joined(1, "hu"));
    let shown = site.told(joined(9, "who is in no conference"));
    let [live] = shown.live.as_slice() else { panic!("{shown:?}") };
    assert_eq!((live.number.as_str(), live.by, live.since), (ROOM, Some(run_of(1)), START));
    assert_eq!(present(live), ["+8619900000201", "hu"], "one person is there once");
    assert_eq!(live.joined, 2);
    assert_eq!(live.present[0].since, START.plus_ms(2_000));
    let shown = site.told(left(1, "+8619900000201"));
    assert_eq!((present(&shown.live[0]), shown.live[0].joined), (vec!["hu"], 2));
    site.wait_ms(1_000);
    let shown = site.told(over(1, 2));
    assert_eq!(shown.live, []);
    assert_eq!((shown.ended[0].joined, shown.ended[0].at), (2, START.plus_ms(3_000)));
    for n in 2..100 {
        site.told(opened(n));
        site.told(over(n, 0));
    }
    let shown = site.home.picture().conferences;
    assert_eq!(shown.ended.len(), ENDED_CONFERENCES_SHOWN);
    assert_eq!(shown.ended[0].conference, ConferenceId(99));
}

#[test]
fn conferences_that_went_on_when_the_node_fell_are_ended_by_its_return() {
    let mut site = Bench::new();
    [opened(1), joined(1, "hu"), joined(1, "gao"), left(1, "gao")].into_iter().for_each(|body| {
        site.told(body);
    });
    site.restart_after(60_000);
    assert_eq!(site.home.picture().conferences.live.len(), 1);
    let orphans = site.home.orphaned_calls();
    let (conference, who, why) = (ConferenceId(1), "hu".into(), LeaveReason::NodeStopped);
    assert_eq!(orphans, [FactBody::ConferenceLeft { conference, who, why }, over(1, 2)]);
    orphans.into_iter().for_each(|body| site.call_fact(body));
    assert_eq!(site.home.orphaned_calls(), []);
    let shown = site.home.picture().conferences;
    assert_eq!((shown.live.len(), shown.ended[0].joined), (0, 2));
    let again = Home::replay(self::site(), NodeId(3), 2, &site.journal, &site.directory);
    assert_eq!(again.picture(), site.home.picture());
    let mut mirror = Mirror::new(self::site(), NodeId(3));
    assert!(site.journal.iter().all(|fact| mirror.fold(fact, &site.directory)));
    assert_eq!(mirror.picture().conferences, shown);
}

#[test]
fn a_journal_that_began_anew_leads_its_conferences_no_more() {
    let mut site = Bench::new();
    site.home.heard_of_call(START, &opened(1));
    site.home.heard_of_call(START, &FactBody::Began { after: None });
    let shown = site.home.picture().conferences;
    assert_eq!((shown.live.len(), shown.ended.len()), (0, 1));
    // It is led from here again.
    let shown = site.told(opened(1));
    assert_eq!((shown.live.len(), shown.ended.len()), (1, 0));
}

/// A journal from elsewhere may hold what no room does.
#[test]
fn endless_conferences_end_at_the_limits() {
    let mut site = Bench::new();
    for n in 0..200 {
        site.home.heard_of_call(START.plus_ms(n), &opened(n));
    }
    for n in 0..300 {
        site.home.heard_of_call(START, &joined(199, &format!("v{n}")));
    }
    let shown = site.home.picture().conferences;
    assert_eq!((shown.live.len(), shown.ended.len()), (64, 50));
    let newest = &shown.live[63];
    assert_eq!((newest.present.len(), newest.present_more), (PRESENT_SHOWN, 172));
    site.home.heard_of_call(START, &left(199, "v299"));
    site.home.heard_of_call(START, &joined(199, &"九".repeat(400)));
    let shown = site.home.picture().conferences;
    assert_eq!(shown.live[63].present_more, 172);
    site.home.heard_of_call(START, &left(199, "v0"));
    site.home.heard_of_call(START, &joined(199, &"九".repeat(400)));
    let shown = site.home.picture().conferences;
    assert_eq!(shown.live[63].present[127].who, "九".repeat(21));
}
