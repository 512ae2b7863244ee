//! Pages that meet: in a zone, at a device, and where there is no more room.

use super::*;

fn red(page: Page) -> Page {
    Page { priority: Priority::Evacuation, ..page }
}

#[test]
fn an_evacuation_silences_a_notice_at_once_and_says_who_did_it() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    site.answer(&[11, 12]);
    site.wait(12_000);
    site.order(red(page(2, &[11, 12])));
    let (result, seen) = site.ended(1);
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.contains(&key(2).to_string()), "{why}");
    assert!(why.len() <= WHY_MAX_BYTES && why.contains("打断"), "{why}");
    assert_eq!(seen, proof(Grade::Answered, 2, 2));
    // Hung up first, then called for the other page, in the same moment.
    assert_eq!(site.called_at(11), [0, 12_000]);
    site.answer(&[11, 12]);
    site.wait(60_000);
    assert_eq!(site.ended(2), (EffectResult::Done, proof(Grade::Answered, 2, 2)));
}

#[test]
fn a_device_that_is_slow_to_hang_up_does_not_hold_up_the_others() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    site.answer(&[11, 12]);
    let (quick, slow) = (site.call(11), site.call(12));
    site.polite = false;
    site.wait(1_000);
    site.order(red(page(2, &[11, 12])));
    assert_eq!(site.called_at(11), [0]);
    site.hear(quick, Event::Ended);
    assert_eq!((site.called_at(11), site.called_at(12)), (vec![0, 1_000], vec![0]));
    site.wait(300);
    site.hear(slow, Event::Ended);
    assert_eq!(site.called_at(12), [0, 1_300]);
}

#[test]
fn a_page_of_the_same_priority_waits_its_turn() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.answer(&[11]);
    site.wait(1_000);
    site.order(page(2, &[11]));
    site.order(Page { priority: Priority::Notice, ..page(3, &[11]) });
    site.order(page(4, &[11]));
    let picture = site.paging.picture();
    assert_eq!(picture[0].waiting, [key(2), key(4), key(3)]);
    assert_eq!(site.called_at(11), [0]);
    site.wait(19_800);
    assert_eq!(site.report(1).unwrap().0, EffectResult::Done);
    assert_eq!(site.called_at(11), [0, 20_800]);
    assert!(site.paging.is_open(&key(2)) && !site.paging.is_open(&key(1)));
    site.answer(&[11]);
    site.wait(20_800);
    assert_eq!(site.ended(2).0, EffectResult::Done);
}

#[test]
fn a_page_that_waits_past_its_window_never_begins() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.answer(&[11]);
    site.order(Page { window_ends_ms: 15_000, ..page(2, &[11]) });
    site.wait(14_000);
    assert_eq!(site.report(2), None);
    site.wait(1);
    assert_eq!(
        site.ended(2),
        (EffectResult::NotBegun, Proof { grade: None, reached: 0, of: 1, siren: false })
    );
    site.order(Page { window_ends_ms: 15_000, ..page(3, &[11]) });
    assert_eq!(site.ended(3).0, EffectResult::NotBegun);
    assert_eq!(site.called_at(11), [0]);
}

#[test]
fn a_page_that_is_stopped_falls_silent_at_once_and_tells_how_far_it_came() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Receiving, 8, page(1, &[11, 12, 13])));
    site.says(11, Event::Sent);
    site.answer(&[12, 13]);
    site.wait(2_000);
    site.says(12, Event::Receiving);
    let (ringing, waiting) = (site.call(11), key(2));
    site.order(page(2, &[11]));
    site.polite = false;
    site.cease(1);
    assert_eq!(site.ended(1), (EffectResult::Ceased, proof(Grade::Receiving, 1, 3)));
    assert_eq!(site.ending.len(), 3);
    // Its 200 crossed our CANCEL: nothing is played.
    site.hear(ringing, Event::Answered);
    assert_eq!(site.plays().len(), 2);
    // The next one waits for the devices, not in the queue.
    assert!(site.paging.picture()[0].running.as_ref().unwrap().key == waiting);
}

#[test]
fn a_page_that_is_stopped_while_it_waits_has_reached_nobody() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.order(page(2, &[11, 12]));
    site.cease(2);
    assert_eq!(
        site.ended(2),
        (EffectResult::Ceased, Proof { grade: None, reached: 0, of: 2, siren: false })
    );
    // Nobody knows such a page.
    site.cease(9);
    assert_eq!(site.report(9), None);
}

#[test]
fn a_page_ordered_again_is_not_played_again() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.order(page(1, &[11]));
    site.answer(&[11]);
    site.wait(60_000);
    site.order(page(1, &[11]));
    assert_eq!(site.called_at(11), [0]);
    assert!(site.paging.knows(&key(1)));
}

/// Horn 11 stands at the fence of two zones.
#[test]
fn a_device_of_two_zones_goes_to_the_higher_page_and_comes_back() {
    let mut site = Bench::new();
    let other = |n| Page { zone: zone("5404"), ..page(n, &[11, 12]) };
    site.order(page(1, &[11, 13]));
    site.answer(&[11, 13]);
    site.wait(1_000);
    site.order(red(Page { repeat: 1, clip_ms: 3_000, ..other(2) }));
    assert_eq!(site.called_at(11), [0, 1_000]);
    assert_eq!(site.report(1), None, "its other horn plays on");
    site.answer(&[11, 12]);
    site.wait(3_300);
    assert_eq!(site.ended(2).0, EffectResult::Done);
    // It comes back with its next try.
    site.wait(300);
    site.answer(&[11]);
    site.wait(60_000);
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Answered, 2, 2)));
    // An equal one does not take it away.
    site.order(page(3, &[11]));
    site.answer(&[11]);
    site.order(other(4));
    let taken = SpeakerState::Failed { why: Failure::Taken, again: true };
    let shown = site.paging.picture();
    assert_eq!(shown[1].running.as_ref().unwrap().speakers[0].state, taken);
}

fn crowd(n: u8) -> Page {
    let own = zone(&format!("6{n:03}"));
    Page { zone: own, priority: Priority::Routine, ..page(n, &[u16::from(n) + 100]) }
}

#[test]
fn when_all_places_are_taken_only_a_higher_page_gets_one() {
    let mut site = Bench::new();
    (1..=64).for_each(|n| site.order(crowd(n)));
    site.order(crowd(65));
    let (EffectResult::Failed { why }, _) = site.ended(65) else { panic!("begun") };
    assert!(why.contains("64"), "{why}");
    site.order(red(crowd(66)));
    assert_eq!(site.called_at(166).len(), 1);
    assert_eq!(site.reports.len(), 2, "one gave way");
    // A waiting one goes before one that plays.
    site.order(Page { zone: zone("6001"), ..crowd(67) });
    let mut site = Bench::new();
    (1..=63).for_each(|n| site.order(crowd(n)));
    site.order(Page { zone: zone("6001"), ..crowd(64) });
    site.order(red(crowd(65)));
    assert!(site.report(64).is_some());
    assert_eq!(site.called_at(165).len(), 1);
}

#[test]
fn when_all_lines_are_taken_a_higher_page_gets_them() {
    let mut site = Bench::new();
    let numbers: Vec<u16> = (1_000..2_024).collect();
    site.order(page(1, &numbers));
    assert_eq!(site.paging.calls(), CALLS_MAX);
    // No line is left for an equal one.
    site.order(Page { zone: zone("5404"), ..page(2, &[11]) });
    assert_eq!(site.called_at(11), []);
    site.order(red(Page { zone: zone("5405"), ..page(3, &[12]) }));
    assert_eq!(site.called_at(12), [0]);
    assert!(site.report(1).is_some() || site.report(2).is_some());
}

/// Nothing more will be heard of it, so nothing else would bring the report.
#[test]
fn a_page_whose_only_device_stays_taken_says_so_when_it_gives_up() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.answer(&[11]);
    site.order(Page { zone: zone("5404"), repeat: 1, clip_ms: 1_000, ..page(2, &[11]) });
    site.wait(3_500);
    let (EffectResult::Unreachable { why }, _) = site.ended(2) else { panic!("reached") };
    assert!(why.contains("horn-11 taken by another page"), "{why}");
}
