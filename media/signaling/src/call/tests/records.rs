//! Three things at most go into the journal.

use super::*;

#[test]
fn a_call_with_many_holds_leaves_three_records() {
    let (mut bench, leg) = Bench::talk();
    for _ in 0..5 {
        bench.wait(S);
        bench.changes(Leg::Caller, &said(1, "8 0 101", "sendonly"));
        bench.agrees(Leg::Callee(leg), &said(2, "8 0 101", "recvonly"));
        bench.changes(Leg::Caller, &plain(1));
        bench.agrees(Leg::Callee(leg), &plain(2));
    }
    bench.hear(Leg::Caller, Event::Ended);
    let by = "5402".to_string();
    let records = [
        Record::Answered { by: by.clone(), at_ms: 50_000 },
        Record::Changed { held: true, at_ms: 51_000 },
        Record::Ended {
            why: Why::CallerHungUp,
            by: Some(by),
            talked_ms: Some(5_000),
            missed: false,
        },
    ];
    assert_eq!(bench.records(), records);
}

#[test]
fn an_ordinary_call_leaves_two_and_an_unanswered_one_a_single() {
    let (mut bench, leg) = Bench::talk();
    bench.hear(Leg::Callee(leg), Event::Ended);
    assert_eq!(bench.records().len(), 2);
    let mut bench = Bench::calls(to_5402(), &plain(1));
    bench.not_placed("5402", NotPlaced::NotRegistered);
    let ended = Record::Ended { why: Why::NotRegistered, by: None, talked_ms: None, missed: false };
    assert_eq!(bench.records(), [ended]);
}
