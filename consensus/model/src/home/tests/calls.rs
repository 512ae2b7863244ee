//! What a site shows of its telephones.

use super::*;
use crate::fact::{CallEnd, FactId};

fn call(n: u16) -> CallId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    CallId(id)
}

fn answered(n: u16, emergency: bool) -> FactBody {
    let (from, dialled, by) = ("5102".into(), "5001".into(), "5001".into());
    FactBody::CallAnswered { call: call(n), from, dialled, by, emergency }
}

fn ended(n: u16, why: CallEnd, missed: bool) -> FactBody {
    let talked_ms = (!missed).then_some(4_000);
    let (from, dialled) = ("5102".into(), "112".into());
    FactBody::CallEnded {
        call: call(n),
        from,
        dialled,
        by: None,
        why,
        talked_ms,
        emergency: missed,
        missed,
    }
}

impl Bench {
    /// As the driver does with a call's fact.
    pub(super) fn call_fact(&mut self, body: FactBody) {
        let written = self.chain.next(body, self.wall(), 0, &[]).unwrap();
        self.home.heard_of_call(written.fact.at, &written.fact.body);
        self.journal.push(written.fact);
    }

    fn calls(&self) -> CallsPicture {
        self.home.picture().calls
    }
}

#[test]
fn a_call_shows_while_it_goes_on_and_then_among_the_newest() {
    let mut site = Bench::new();
    site.call_fact(answered(1, false));
    site.call_fact(FactBody::CallChanged { call: call(1), held: true });
    assert!(site.calls().live[0].held);
    site.wait_ms(4_000);
    for n in 1..200 {
        site.call_fact(ended(n, CallEnd::CallerHungUp, false));
    }
    let calls = site.calls();
    assert_eq!(calls.live, []);
    assert_eq!(calls.ended.len(), ENDED_CALLS_SHOWN);
    assert_eq!(calls.ended[0].call, call(199));
}

#[test]
fn a_missed_emergency_stays_until_somebody_has_seen_it() {
    let mut site = Bench::new();
    for n in 0..70 {
        site.call_fact(ended(n, CallEnd::NoAnswer, true));
    }
    for n in 100..300 {
        site.call_fact(ended(n, CallEnd::CallerHungUp, false));
    }
    let calls = site.calls();
    assert_eq!((calls.missed.len(), calls.missed_more), (MISSED_CALLS_MAX, 6));
    let who = PersonId::new("chen").unwrap();
    site.call_fact(FactBody::CallSeen { call: call(69), who });
    assert_eq!(site.calls().missed.len(), MISSED_CALLS_MAX - 1);
}

#[test]
fn calls_that_went_on_when_the_node_fell_are_ended_by_its_return() {
    let mut site = Bench::new();
    site.call_fact(answered(1, true));
    site.call_fact(answered(2, false));
    site.call_fact(ended(2, CallEnd::CalleeHungUp, false));
    site.restart_after(60_000);
    let orphans = site.home.orphaned_calls();
    let [FactBody::CallEnded { call: of, why, missed, emergency, talked_ms, .. }] = &orphans[..]
    else {
        panic!("{orphans:?}")
    };
    assert_eq!((*of, why, *missed, *emergency), (call(1), &CallEnd::NodeStopped, false, true));
    assert_eq!(*talked_ms, None);
    orphans.into_iter().for_each(|body| site.call_fact(body));
    assert_eq!(site.calls().live, []);
    assert_eq!(site.home.orphaned_calls(), []);
    let again = Home::replay(self::site(), NodeId(3), 2, &site.journal, &site.directory);
    assert_eq!(again.picture(), site.home.picture());
}

#[test]
fn a_journal_that_began_anew_leaves_its_calls_unknown_until_they_end() {
    let bench = Bench::new();
    let mut mirror = Mirror::new(site(), NodeId(3));
    let mut fact = bench.journal[0].clone();
    let mut fold = |seq, incarnation, body| {
        fact.id = FactId { seq, incarnation: Incarnation(incarnation), ..fact.id };
        fact.body = body;
        assert!(mirror.fold(&fact, &bench.directory));
        mirror.picture().calls
    };
    assert_eq!(fold(2, 1, answered(1, false)).live.len(), 1);
    let calls = fold(1, 2, FactBody::Began { after: None });
    assert_eq!((calls.live.len(), &calls.ended[0].why), (0, &CallEnd::Unknown));
    let calls = fold(2, 2, ended(1, CallEnd::MediaLost, false));
    assert_eq!((calls.ended.len(), &calls.ended[0].why), (1, &CallEnd::MediaLost));
}

/// A journal from elsewhere may hold what no telephone dials.
#[test]
fn a_hostile_number_is_cut() {
    let mut site = Bench::new();
    let (from, dialled, by) = ("九".repeat(400), "5001".into(), "5001".into());
    let body = FactBody::CallAnswered { call: call(1), from, dialled, by, emergency: false };
    site.home.heard_of_call(START, &body);
    assert_eq!(site.calls().live[0].from, "九".repeat(10));
}
