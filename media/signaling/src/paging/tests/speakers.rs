//! What each loudspeaker of a page goes through.

use super::*;

#[test]
fn every_speaker_is_called_at_once_and_plays_from_the_moment_it_answers() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12, 13]));
    assert_eq!([11, 12, 13].map(|number| site.called_at(number)), [vec![0], vec![0], vec![0]]);
    site.wait(150);
    site.answer(&[11]);
    assert_eq!(site.plays(), [2]);
    site.wait(650);
    site.answer(&[12, 13]);
    assert_eq!(site.plays(), [2, 2, 2]);
    // 2 × 10 s, half a second between, and the tail.
    site.wait(20_000);
    assert_eq!(site.state(11), SpeakerState::Playing);
    site.wait(650);
    assert_eq!(site.state(11), SpeakerState::Played);
    assert_eq!(site.report(1), None, "two still play");
    site.wait(150);
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Answered, 3, 3)));
    assert_eq!(site.paging.calls(), 0);
}

#[test]
fn a_speaker_that_only_rings_is_hung_up_after_two_seconds_and_tried_again() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.wait(500);
    site.says(11, Event::Ringing);
    site.wait(1_000);
    // Said again: the first counts.
    site.says(11, Event::Ringing);
    site.wait(999);
    assert_eq!(site.state(11), SpeakerState::Ringing);
    site.wait(1);
    assert!(matches!(site.log.last().unwrap().what, Output::WakeAt { .. }));
    let again = SpeakerState::Failed { why: Failure::OnlyRang, again: true };
    assert_eq!(site.state(11), again);
    site.wait(500);
    assert_eq!(site.called_at(11), [0, 3_000]);
}

#[test]
fn a_speaker_that_says_nothing_for_three_seconds_is_silent() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    site.says(12, Event::Trying);
    site.wait(3_000);
    assert_eq!(site.state(11), SpeakerState::Failed { why: Failure::Silent, again: true });
    // A device that said 100 is there; it has two more seconds.
    assert_eq!(site.state(12), SpeakerState::Calling);
    site.wait(2_000);
    assert_eq!(site.state(12), SpeakerState::Failed { why: Failure::Silent, again: true });
}

#[test]
fn a_busy_speaker_is_tried_again_after_longer_and_longer_waits() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    site.answer(&[12]);
    while site.now_ms < 13_000 {
        if site.try_call(11).is_some() {
            site.says(11, Event::Refused { code: 486 });
        }
        site.wait(100);
    }
    assert_eq!(site.called_at(11), [0, 500, 1_500, 3_500, 7_500, 11_500]);
    // While the page lasts, and not a moment longer.
    site.wait(60_000);
    assert!(site.called_at(11).into_iter().all(|at_ms| at_ms < 25_500));
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Answered, 1, 2)));
}

#[test]
fn only_refusals_that_may_pass_are_tried_again() {
    for (code, again) in [
        (486, true),
        (408, true),
        (480, true),
        (487, true),
        (500, true),
        (503, true),
        (401, false),
        (403, false),
        (404, false),
        (407, false),
        (488, false),
        (603, false),
        (606, false),
    ] {
        let mut site = Bench::new();
        site.order(page(1, &[11, 12]));
        site.says(11, Event::Refused { code });
        let why = Failure::Refused { code };
        assert_eq!(site.state(11), SpeakerState::Failed { why, again }, "{code}");
        site.wait(600);
        assert_eq!(site.called_at(11).len(), 1 + usize::from(again), "{code}");
    }
}

/// It reboots for 18 of the page's 25.5 seconds.
#[test]
fn a_speaker_that_reboots_joins_late_and_plays_what_fits_but_one_repetition_at_least() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    site.answer(&[12]);
    while site.now_ms < 19_000 {
        if site.try_call(11).is_some() {
            site.says(11, Event::Unregistered);
        }
        site.wait(100);
    }
    site.wait(4_000);
    site.answer(&[11]);
    assert_eq!(site.plays(), [2, 1]);
    // The other one has played; this one is heard out.
    site.wait(10_000);
    assert_eq!(site.report(1), None);
    site.wait(300);
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Answered, 2, 2)));
}

#[test]
fn a_speaker_that_drops_the_call_is_called_again_once_and_plays_from_the_start() {
    let mut site = Bench::new();
    site.order(page(1, &[11, 12]));
    site.answer(&[11, 12]);
    site.wait(4_000);
    site.says(11, Event::Ended);
    assert_eq!(site.state(11), SpeakerState::Failed { why: Failure::Dropped, again: true });
    site.wait(500);
    site.answer(&[11]);
    assert_eq!(site.plays(), [2, 2, 2]);
    site.wait(4_000);
    site.says(11, Event::Ended);
    assert_eq!(site.state(11), SpeakerState::Failed { why: Failure::Dropped, again: false });
    site.wait(60_000);
    assert_eq!(site.called_at(11).len(), 2);
    // It never came through once, so it does not count.
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Answered, 1, 2)));
}

#[test]
fn a_speaker_that_hangs_up_as_the_last_word_is_spoken_has_played() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    site.answer(&[11]);
    site.wait(20_600);
    site.says(11, Event::Ended);
    assert_eq!(site.state(11), SpeakerState::Played);
    assert_eq!(site.ended(1), (EffectResult::Done, proof(Grade::Answered, 1, 1)));
}

/// A dead device never says that it hung up; it is called again all the same.
#[test]
fn a_device_that_never_ends_its_call_is_called_again_after_a_while() {
    let mut site = Bench::new();
    site.polite = false;
    site.order(page(1, &[11]));
    site.wait(3_000);
    assert_eq!(site.called_at(11), [0]);
    site.wait(2_499);
    assert_eq!(site.called_at(11), [0]);
    site.wait(1);
    assert_eq!(site.called_at(11), [0, 5_500]);
}

#[test]
fn two_speakers_with_one_number_are_one_device() {
    let mut site = Bench::new();
    let mut twice = page(1, &[11, 12]);
    twice.speakers[1].number = twice.speakers[0].number.clone();
    site.order(twice);
    assert_eq!(site.paging.calls(), 1);
    site.answer(&[11]);
    site.wait(60_000);
    assert_eq!(site.ended(1).1, proof(Grade::Answered, 1, 1));
}

#[test]
fn the_screen_shows_how_soon_each_speaker_sounded() {
    let mut site = Bench::new();
    site.order(page(1, &[11]));
    assert_eq!(site.state(11), SpeakerState::Calling);
    site.wait(180);
    site.says(11, Event::Answered);
    assert_eq!(site.state(11), SpeakerState::Answered);
    site.wait(20);
    site.says(11, Event::Sounding);
    assert_eq!(site.state(11), SpeakerState::Playing);
    site.says(11, Event::Receiving);
    assert_eq!(site.state(11), SpeakerState::Receiving);
    let zones = site.paging.picture();
    let shown = zones[0].running.as_ref().unwrap();
    assert_eq!(shown.speakers[0].first_sound_ms, Some(200));
    site.wait(60_000);
    let zones = site.paging.picture();
    assert_eq!(zones[0].running, None);
    assert_eq!(zones[0].last.as_ref().unwrap().ended, Some(EffectResult::Done));
}
