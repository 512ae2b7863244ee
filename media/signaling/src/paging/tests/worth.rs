//! What a page is worth: proof and reasons.

use super::*;

#[test]
fn every_speaker_that_counts_has_the_grade_in_time() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Receiving, 8, page(1, &[11, 12])));
    site.answer(&[11, 12]);
    site.wait(7_000);
    site.all_say(&[11, 12], Event::Receiving);
    site.wait(60_000);
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Receiving, 2, 2)));
}

/// One speaker reports a second too late, one has no amplifier that could.
#[test]
fn evidence_that_comes_late_or_never_is_not_rounded_up() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Receiving, 8, page(1, &[11, 12, 13])));
    site.answer(&[11, 12, 13]);
    site.wait(2_000);
    site.says(11, Event::Receiving);
    site.wait(7_000);
    site.says(12, Event::Receiving);
    site.wait(60_000);
    let (result, seen) = site.ended(1);
    assert_eq!(seen, proof(Grade::Receiving, 1, 3));
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.contains("horn-12") && why.contains("horn-13"), "{why}");
    assert!(!why.contains("horn-11"), "{why}");
}

#[test]
fn when_none_reached_the_grade_the_next_lower_one_is_told() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Receiving, 8, page(1, &[11, 12, 13])));
    site.answer(&[11, 12]);
    site.wait(9_000);
    // Too late: it counts as answered.
    site.says(11, Event::Receiving);
    site.wait(60_000);
    assert_eq!(site.ended(1).1, proof(Grade::Answered, 2, 3));
}

#[test]
fn a_speaker_that_left_early_proves_nothing() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Receiving, 8, page(1, &[11])));
    site.answer(&[11]);
    site.wait(2_000);
    site.says(11, Event::Receiving);
    site.wait(1_000);
    site.says(11, Event::Ended);
    while site.report(1).is_none() {
        if site.try_call(11).is_some() {
            site.says(11, Event::Refused { code: 486 });
        }
        site.wait(100);
    }
    let (result, seen) = site.ended(1);
    assert!(matches!(result, EffectResult::Failed { .. }), "{result:?}");
    assert_eq!(seen, proof(Grade::Sent, 1, 1));
}

#[test]
fn a_speaker_that_came_back_and_played_counts_from_when_it_first_received() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Receiving, 8, page(1, &[11])));
    site.answer(&[11]);
    site.wait(2_000);
    site.says(11, Event::Receiving);
    site.wait(5_000);
    site.says(11, Event::Ended);
    site.wait(500);
    site.answer(&[11]);
    site.wait(60_000);
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Receiving, 1, 1)));
}

#[test]
fn a_zone_where_nobody_answers_at_all_is_unreachable() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    while site.report(1).is_none() {
        for number in [11, 12] {
            if site.try_call(number).is_some() {
                let said = if number == 11 { Event::Unregistered } else { Event::Sent };
                site.says(number, said);
            }
        }
        site.wait(500);
    }
    let (result, seen) = site.ended(1);
    let EffectResult::Unreachable { why } = result else { panic!("{result:?}") };
    assert!(why.contains("horn-11 未注册") && why.contains("horn-12 silent"), "{why}");
    assert_eq!(seen, proof(Grade::Sent, 1, 2));
    assert!(site.now_ms < 1_000 + 30_000);
}

#[test]
fn a_zone_of_83_names_eight_of_its_failures_and_fits_its_record() {
    let mut site = Bench::new();
    let numbers: Vec<u16> = (1_000..1_083).collect();
    site.order(page(1, &numbers));
    assert_eq!(site.paging.calls(), 83);
    site.all_say(&numbers, Event::Refused { code: 404 });
    let (result, seen) = site.ended(1);
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.len() <= WHY_MAX_BYTES, "{}", why.len());
    assert!(why.contains("83 of 83") && why.contains("horn-1000 refused 404"), "{why}");
    assert!(!why.contains("horn-1008"), "{why}");
    assert_eq!(seen, proof(Grade::Sent, 83, 83));
}

#[test]
fn long_names_are_left_out_rather_than_cut_in_half() {
    let mut site = Bench::new();
    let mut long = page(1, &[11, 12, 13, 14, 15, 16, 17, 18]);
    for (n, speaker) in long.speakers.iter_mut().enumerate() {
        speaker.id = SpeakerId::new(format!("{n}{}", "x".repeat(47))).unwrap();
    }
    let speakers = long.speakers.clone();
    site.order(long);
    for call in (1..=8).map(CallId) {
        site.hear(call, Event::Refused { code: 403 });
    }
    let (EffectResult::Failed { why }, _) = site.ended(1) else { panic!("done") };
    assert!(why.len() <= WHY_MAX_BYTES);
    assert_eq!(why.matches(speakers[0].id.as_str()).count(), 2, "{why}");
    assert!(why.contains('等'), "{why}");
}

#[test]
fn a_zone_without_speakers_says_so_at_once() {
    let mut site = Bench::new();
    site.order(page(1, &[]));
    let (EffectResult::Failed { why }, seen) = site.ended(1) else { panic!("done") };
    assert!(why.contains("no speakers") && why.contains("没有扬声器"), "{why}");
    assert_eq!(seen, Proof { grade: None, reached: 0, of: 0, siren: false });
}

/// A plan may be content with having sent.
#[test]
fn a_plan_that_wants_little_is_content_with_little() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Sent, 8, page(1, &[11])));
    site.says(11, Event::Sent);
    site.says(11, Event::Refused { code: 404 });
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Sent, 1, 1)));
}

#[test]
fn loudspeakers_that_cannot_be_heard_are_never_proved_heard() {
    let mut site = Bench::new();
    site.order(wanting(Grade::Heard, 8, page(1, &[11])));
    site.answer(&[11]);
    site.says(11, Event::Receiving);
    site.wait(60_000);
    let (result, seen) = site.ended(1);
    assert!(matches!(result, EffectResult::Failed { .. }), "{result:?}");
    assert_eq!(seen, proof(Grade::Receiving, 1, 1));
}
