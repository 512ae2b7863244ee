//! Who is in, who is heard, and who decides.

use super::*;

fn three() -> Bench {
    let names = [("chief", "5001"), ("li", "5002"), ("wang", "5003")];
    let members = names.map(|(who, number)| person("HQ", who, &[number]));
    let mut room = Bench::new(setup(members.to_vec()));
    for (_, number) in names {
        room.answer(number);
    }
    room
}

#[test]
fn whoever_is_mute_stays_and_is_not_heard() {
    let mut room = three();
    room.order(Order::Mute { who: "li".into(), mute: true });
    assert_eq!((room.heard(), room.sits(true)), (vec!["5001", "5003"], vec!["5002"]));
    room.order(Order::MuteAll(true));
    assert_eq!(room.heard(), ["5001"], "the chair is not muted with all");
    room.order(Order::MuteAll(false));
    assert_eq!(room.heard().len(), 3);
}

#[test]
fn in_a_lecture_only_the_chair_speaks() {
    let mut room = three();
    room.order(Order::Lecture(true));
    assert_eq!(room.heard(), ["5001"]);
    // Whoever comes late listens, too.
    room.hear("5003", Event::Ended);
    room.call_in("5003");
    assert_eq!(room.heard(), ["5001"]);
    room.order(Order::Lecture(false));
    assert_eq!(room.heard().len(), 3);
    room.is_clean();
}

#[test]
fn members_may_call_in_until_it_is_locked() {
    let members = vec![person("HQ", "li", &["5002"]), person("HQ", "wang", &["5003"])];
    let mut room = Bench::new(setup(members));
    room.place_all();
    // While the telephone rings they call from it.
    let ringing = room.line("5002");
    let called = room.call_in("5002");
    assert!(!room.lines.contains_key(&ringing));
    assert_eq!(room.lines[&called].seat, Some(false));
    let stranger = room.call_in("9999");
    assert!(!room.lines.contains_key(&stranger));

    room.order(Order::Lock(true));
    room.hear("5003", Event::Silent);
    let late = room.call_in("5003");
    assert!(!room.lines.contains_key(&late));
    room.order(Order::Lock(false));
    room.call_in("5003");
    assert_eq!(room.focus.joined(), 2);
    room.is_clean();
}

#[test]
fn an_open_room_takes_whoever_calls_but_not_more_than_it_holds() {
    let mut room = Bench::new(Setup { open: true, ..setup(Vec::new()) });
    for number in 0..MEMBERS_MAX {
        room.call_in(&format!("6{number:03}"));
    }
    assert_eq!(room.heard().len(), MEMBERS_MAX);
    let one_more = room.call_in("7000");
    assert!(!room.lines.contains_key(&one_more));
    room.is_clean();
}

#[test]
fn a_second_telephone_of_the_same_person_takes_the_seat_over() {
    let mut room = Bench::new(setup(vec![person("HQ", "li", &["5002", "139"])]));
    room.answer("5002");
    room.call_in("139");
    assert_eq!(room.heard(), ["139"]);
    assert_eq!((room.lines.len(), room.focus.joined()), (1, 1));
    let joined = |record: &&Record| matches!(record, Record::Joined { .. });
    assert_eq!(room.records.iter().filter(joined).count(), 1);
    room.is_clean();
}

#[test]
fn whoever_is_removed_is_out_until_invited_again() {
    let mut room = three();
    room.order(Order::Remove { who: "li".into() });
    assert_eq!(room.heard(), ["5001", "5003"]);
    let back = room.call_in("5002");
    assert!(!room.lines.contains_key(&back));
    room.wait(3_600_000);
    assert_eq!(room.state("li"), State::Removed);
    room.order(Order::Invite(person("HQ", "li", &["5002"])));
    room.answer("5002");
    assert_eq!(room.heard().len(), 3);
    room.is_clean();
}

#[test]
fn it_is_told_once_whether_enough_have_joined() {
    let members = vec![person("HQ", "li", &["5001"]), person("HQ", "wang", &["5002"])];
    let mut room = Bench::new(Setup { min_join: 2, ..setup(members) });
    room.answer("5001");
    room.wait(60_000);
    assert_eq!(room.reports, [Report::NotReached { joined: 1 }]);
    room.wait(10_000);
    room.answer("5002");
    room.hear("5002", Event::Ended);
    room.call_in("5002");
    assert_eq!(room.reports[1..], [Report::Reached { joined: 2 }]);
}

#[test]
fn the_end_hangs_up_on_everybody_and_says_nothing_after() {
    let mut room = three();
    room.order(Order::End);
    assert!(room.over && room.lines.is_empty());
    let left = |record: &&Record| matches!(record, Record::Left { why: Why::Ended, .. });
    assert_eq!(room.records.iter().filter(left).count(), 3);
    room.order(Order::Lecture(true));
    room.wait(3_600_000);
    room.is_clean();
}

#[test]
fn nobody_can_fill_the_journal() {
    let mut room = Bench::new(setup(vec![person("HQ", "li", &["5001"])]));
    for _ in 0..100 {
        let leg = room.call_in("5001");
        room.hear_leg(leg, Event::Ended);
    }
    assert_eq!(room.records.len(), 1 + 16);
}
