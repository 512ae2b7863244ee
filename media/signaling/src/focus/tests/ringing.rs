//! Who is rung, and how often.

use super::*;

fn two() -> Vec<Invited> {
    vec![person("HQ", "li", &["5001", "139"]), person("HQ", "wang", &["5002"])]
}

#[test]
fn all_numbers_of_everybody_ring_and_the_first_answer_joins() {
    let mut room = Bench::new(setup(two()));
    assert_eq!(room.pending.len(), 3);
    room.answer("139");
    assert_eq!(room.heard(), ["139"]);
    assert_eq!(room.lines.len(), 2, "the desk telephone stops ringing");
    room.answer("5002");
    assert_eq!(room.focus.joined(), 2);
    room.is_clean();
}

#[test]
fn voice_mail_never_joins() {
    let mut room = Bench::new(Setup { confirm: Some('1'), ..setup(two()) });
    room.answer("5002");
    let leg = room.line("5002");
    assert!(room.asked.contains(&leg));
    assert_eq!(room.heard(), Vec::<&str>::new());
    room.hear("5002", Event::Key('7'));
    assert_eq!(room.heard(), Vec::<&str>::new());
    room.wait(40_000);
    assert!(!room.lines.contains_key(&leg));
    assert_eq!(room.state("wang"), State::NoAnswer);

    // At the next try somebody is there.
    room.wait(20_000);
    room.answer("5002");
    room.hear("5002", Event::Key('1'));
    assert!(room.heard().contains(&"5002"));
    room.is_clean();
}

#[test]
fn whoever_does_not_answer_is_rung_again_ever_more_seldom_and_then_let_be() {
    let mut room = Bench::new(setup(vec![person("HQ", "li", &["5001"])]));
    let mut tries = Vec::new();
    for _ in 0..2_000 {
        if !room.pending.is_empty() {
            tries.push(room.now_ms / 1_000);
            room.place_all();
        }
        room.wait(1_000);
    }
    // 45 s of ringing, then 20, 40 and 80 s of rest.
    assert_eq!(tries, [0, 65, 150, 275]);
    assert_eq!(room.state("li"), State::NoAnswer);
    assert!(room.lines.is_empty());

    room.order(Order::Redial { who: "li".into() });
    room.answer("5001");
    assert_eq!(room.heard(), ["5001"]);
    room.is_clean();
}

#[test]
fn whoever_is_busy_is_rung_as_long_as_the_room_lives() {
    let mut room = Bench::new(setup(vec![person("HQ", "li", &["5001"])]));
    for _ in 0..20 {
        room.place_all();
        room.hear("5001", Event::Refused { code: 486 });
        assert_eq!(room.state("li"), State::Busy);
        room.wait(30_000);
    }
    assert_eq!(room.rung.len(), 21);
    room.answer("5001");
    assert_eq!(room.state("li"), State::Joined);
    room.is_clean();
}

#[test]
fn whoever_declines_is_let_be() {
    let mut room = Bench::new(setup(vec![person("HQ", "li", &["5001"])]));
    room.place_all();
    room.hear("5001", Event::Refused { code: 603 });
    room.wait(3_600_000);
    assert_eq!((room.state("li"), room.rung.len()), (State::Refused, 1));
}

#[test]
fn a_number_without_a_telephone_is_tried_again() {
    let mut room = Bench::new(setup(vec![person("HQ", "li", &["5001"])]));
    let place = *room.pending.keys().next().unwrap();
    room.pending.clear();
    room.step(Input::NotPlaced { place, why: NotPlaced::NotRegistered });
    assert_eq!(room.state("li"), State::Unreachable);
    room.wait(20_000);
    room.answer("5001");
    assert_eq!(room.state("li"), State::Joined);
}

#[test]
fn a_lost_call_is_rung_again_at_once_but_not_who_hung_up() {
    let mut room = Bench::new(setup(two()));
    room.answer("5001");
    room.answer("5002");
    room.hear("5001", Event::Lost);
    assert_eq!(room.state("li"), State::Ringing);
    room.answer("139");
    room.hear("5002", Event::Ended);
    room.wait(3_600_000);
    assert_eq!(room.state("wang"), State::Left);
    assert_eq!(room.rung.iter().filter(|who| *who == "wang").count(), 1);
    room.is_clean();
}

#[test]
fn a_call_that_was_on_its_way_at_the_end_rings_nobody() {
    let mut room = Bench::new(setup(two()));
    room.order(Order::End);
    assert!(!room.over, "it waits for what is on its way");
    room.place_all();
    assert!(room.over && room.lines.is_empty());
    assert_eq!(room.focus.next_ms(), None);
    assert_eq!(room.records.last(), Some(&Record::Ended { at_ms: 0, joined: 0 }));
    room.is_clean();
}
