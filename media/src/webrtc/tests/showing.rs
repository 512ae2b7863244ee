//! What browsers see.

use super::*;

#[test]
fn a_browser_sees_every_access_unit_in_order() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    let mut browser = bench.browser("dam");
    let mut units = vec![key(0, 30_000, 1)];
    units.extend((1..=60).map(|at| delta(at * 40, 300 + 97 * usize::try_from(at).unwrap(), 1)));
    for unit in &units {
        assert!(picture.push(unit));
    }
    browser.until("all came", |browser| browser.whole() == units.len());
    assert_eq!(browser.pictures(), units.iter().map(seen).collect::<Vec<_>>());
    let times: Vec<u32> = browser.units().iter().map(|(time, _)| *time).collect();
    assert!(times.windows(2).all(|two| two[1].wrapping_sub(two[0]) == 40 * 90));
    let stats = bench.viewers.stats();
    assert_eq!((stats.viewers, stats.pictures, stats.connected, stats.frames), (1, 1, 1, 61));
    assert_eq!(picture.viewers(), 1);
}

/// The key frame was sent long before it came, and the next is far away.
#[test]
fn who_comes_late_sees_the_picture_at_once() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    let mut units = vec![key(0, 60_000, 1)];
    units.extend((1..200).map(|at| delta(at * 40, 3_000, 1)));
    let mut early = bench.browser("dam");
    for (number, unit) in units.iter().enumerate() {
        assert!(picture.push(unit));
        early.until("it has come", |early| early.whole() > number);
    }
    let mut late = bench.browser("dam");
    late.until("it has caught up", |late| late.whole() == units.len());
    assert_eq!(late.pictures(), units.iter().map(seen).collect::<Vec<_>>());
    // From here on both see the same.
    picture.push(&delta(8_000, 500, 2));
    late.until("it sees what all see", |late| late.whole() == units.len() + 1);
    early.until("so does the other", |early| early.whole() == units.len() + 1);
    let (late, early) = (late.units(), early.units());
    assert_eq!(late.last(), early.last(), "the same time, too");
    assert!(late.windows(2).all(|two| two[0].0 < two[1].0));
}

#[test]
fn a_source_that_starts_again_is_no_more_than_a_jump() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    let mut browser = bench.browser("dam");
    let before = [key(4_000_000_000, 2_000, 1), delta(4_000_000_040, 900, 1)];
    let after = [key(7, 2_500, 2), delta(47, 800, 2)];
    before.iter().for_each(|unit| assert!(picture.push(unit)));
    browser.until("the first source is seen", |browser| browser.whole() == 2);
    // Somebody else has the picture now.
    drop(picture);
    let picture = bench.viewers.picture("dam").unwrap();
    after.iter().for_each(|unit| assert!(picture.push(unit)));
    browser.until("the second source is seen", |browser| browser.whole() == 4);
    let units: Vec<_> = before.iter().chain(&after).map(seen).collect();
    assert_eq!(browser.pictures(), units, "no number is missing either");
    let times: Vec<u32> = browser.units().iter().map(|(time, _)| *time).collect();
    assert!(times.windows(2).all(|two| two[1].wrapping_sub(two[0]) < 20 * 90_000));
    assert_eq!(bench.viewers.stats().connected, 1);
}

#[test]
fn after_a_gap_nothing_is_shown_before_the_next_key_frame() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    let mut wanted = picture.wants_key();
    let mut browser = bench.browser("dam");
    picture.push(&key(0, 2_000, 1));
    browser.until("it sees something", |browser| browser.whole() == 1);
    wanted.mark_unchanged();
    picture.lost();
    picture.push(&delta(80, 500, 1));
    browser.until("a key frame is asked for", |_| wanted.has_changed().unwrap());
    picture.push(&key(120, 2_000, 2));
    browser.until("it sees something again", |browser| browser.whole() == 2);
    assert_eq!(browser.pictures(), [seen(&key(0, 2_000, 1)), seen(&key(120, 2_000, 2))]);
}

#[test]
fn many_browsers_that_ask_are_one_question_to_the_source() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    picture.push(&key(0, 1_000, 1));
    let mut browsers: Vec<_> = (0..3).map(|_| bench.browser("dam")).collect();
    for browser in &mut browsers {
        browser.until("it sees something", |browser| browser.whole() == 1);
    }
    assert_eq!(*picture.wants_key().borrow(), 0);
    let began = Instant::now();
    for _ in 0..4 {
        browsers.iter_mut().for_each(Browser::ask_for_key);
    }
    let mut all = |count: u64| {
        until("the source is asked", || {
            browsers.iter_mut().for_each(Browser::step);
            *picture.wants_key().borrow() == count
        });
    };
    all(1);
    assert!(began.elapsed() < Duration::from_millis(900), "the first is not put off");
    assert_eq!(bench.viewers.stats().keys_asked, 1);
}

#[test]
fn who_closes_the_page_is_gone() {
    let bench = Bench::new();
    let picture = bench.viewers.picture("dam").unwrap();
    let mut browser = Browser::new();
    let offer = browser.offer();
    let answer = bench.offer("dam", &offer).unwrap();
    browser.accept(&answer);
    browser.until("it is connected", |browser| browser.connected);
    until("it is counted", || picture.viewers() == 1);
    let id: ViewerId = answer.id.to_string().parse().unwrap();
    assert!(bench.viewers.end(id));
    assert!(!bench.viewers.end(id), "only once");
    browser.until("it is told", |browser| browser.closed);
    until("nobody is there", || picture.viewers() == 0);
    assert_eq!(bench.viewers.stats().viewers, 0);
    // Its browser closes the session without a word to the server.
    let mut browser = bench.browser("dam");
    until("it is counted", || picture.viewers() == 1);
    browser.rtc.close().unwrap();
    browser.until("that is noticed", |_| picture.viewers() == 0);
}

#[test]
fn who_falls_silent_or_never_connects_is_removed() {
    let connect = Duration::from_millis(1_500);
    let bench = Bench::with(Limits { connect, silence: connect, ..Limits::default() });
    let picture = bench.viewers.picture("dam").unwrap();
    let answer = bench.offer("dam", &Browser::new().offer()).unwrap();
    assert_eq!(bench.viewers.stats().viewers, 1);
    until("who never came is gone", || bench.viewers.stats().viewers == 0);
    assert!(!bench.viewers.end(answer.id));
    // This one is unplugged.
    let _browser = bench.browser("dam");
    until("it is counted", || picture.viewers() == 1);
    until("who said nothing more is gone", || bench.viewers.stats().viewers == 0);
    assert_eq!((picture.viewers(), bench.viewers.stats().expired), (0, 2));
}

#[test]
fn there_are_no_more_viewers_and_pictures_than_there_may_be() {
    let bench = Bench::with(Limits { viewers: 1, pictures: 2, ..Limits::default() });
    let dam = bench.viewers.picture("dam").unwrap();
    let gate = bench.viewers.picture("gate").unwrap();
    let refused = bench.viewers.picture("weir").err().unwrap().to_string();
    assert!(refused.contains("上限") && refused.contains("2"), "{refused}");
    drop(gate);
    let _weir = bench.viewers.picture("weir").unwrap();
    let _viewer = bench.browser("dam");
    // It is watched, so it stays.
    drop(dam);
    assert!(matches!(bench.viewers.picture("gate"), Err(PictureError::Full(2))));
    let second = bench.offer("dam", &Browser::new().offer());
    assert!(matches!(second, Err(OfferError::Full(1))));
    let nowhere = bench.offer("gate", &Browser::new().offer());
    assert!(matches!(nowhere, Err(OfferError::NoPicture(_))));
    assert_eq!(bench.viewers.stats().refused, 2);
}
