//! What a listener hears at the end of real roads: how much is made up, and how
//! long it takes from mouth to ear.

use super::road::{GEO, GEO_DOUBLED, Heard, LAN, LTE, Road, listen};
use super::*;

const SEEDS: [u64; 4] = [3, 77, 1_234, 987_654_321];

fn told(road: Road) -> Vec<Heard> {
    let all: Vec<Heard> = SEEDS.iter().map(|seed| listen(road, 240, *seed)).collect();
    for heard in &all {
        println!(
            "delay {} (most {}) ms, made up {} of 10,000, gap {} steps, {:?}",
            heard.delay_ms,
            heard.delay_most_ms,
            heard.concealed_bp(),
            heard.gap_steps,
            heard.counters
        );
        let apart = heard.changes_ms.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(apart.min().is_none_or(|ms| ms >= 2_000), "{:?}", heard.changes_ms);
    }
    all
}

#[test]
fn on_a_lan_nothing_is_made_up_and_nobody_waits() {
    for heard in told(LAN) {
        assert_eq!(heard.counters.concealed + heard.counters.missing, 0);
        assert!(heard.delay_most_ms <= 60, "{heard:?}");
        assert!(heard.counters.stretched + heard.counters.squeezed <= 3);
    }
}

/// 50 ms of unevenness, and every seven seconds everything waits for 160 ms.
#[test]
fn over_lte_little_is_made_up() {
    for heard in told(LTE) {
        assert!(heard.concealed_bp() <= 200, "{heard:?}");
        assert!(heard.delay_most_ms <= 260, "{heard:?}");
    }
}

/// Frame 60, at most 60 until the tick, 300 on the way, then this delay.
#[test]
fn over_a_satellite_what_is_lost_is_made_up_and_no_more() {
    for heard in told(GEO) {
        assert!((50..=350).contains(&heard.concealed_bp()), "{heard:?}");
        assert!(heard.delay_most_ms <= 70, "{heard:?}");
        // A burst of three, and one more.
        assert!(heard.gap_steps <= 12, "{heard:?}");
    }
}

#[test]
fn over_a_satellite_with_second_sendings_nearly_all_is_heard() {
    for heard in told(GEO_DOUBLED) {
        // Ten seconds until the delay has grown to hold the second sendings.
        assert!(heard.concealed_bp() <= 60, "{heard:?}");
        assert!(heard.delay_most_ms <= 240, "mouth to ear within 660 ms: {heard:?}");
    }
}

/// Two crystals 200 ppm apart are 48 ms apart after four minutes.
#[test]
fn clocks_that_drift_apart_do_not_lengthen_the_delay() {
    for drift_ppm in [-200, 200] {
        for road in [LAN, GEO] {
            for heard in told(Road { drift_ppm, ..road }) {
                assert!(heard.delay_most_ms <= 45, "{heard:?}");
                let allowed = if road.loss_ppm > 0 { 350 } else { 5 };
                assert!(heard.concealed_bp() <= allowed, "{heard:?}");
            }
        }
    }
}

struct Listener {
    jitter: Jitter<u16>,
    now_ms: u64,
    heard: Vec<Piece<u16>>,
}

impl Listener {
    fn new() -> Self {
        let jitter = Jitter::new(JitterConfig::default());
        Self { jitter, now_ms: 1_000, heard: Vec::new() }
    }

    fn push(&mut self, step: u16) {
        let arrived = Arrived { step, steps: 1, again: false, sound: Some(step) };
        self.jitter.push(self.now_ms, arrived);
    }

    fn silence(&mut self, step: u16) {
        self.jitter.push(self.now_ms, Arrived { step, steps: 1, again: false, sound: None });
    }

    fn wait(&mut self, steps: u64) {
        for _ in 0..steps {
            self.now_ms += 20;
            let sounded = self.jitter.pull(self.now_ms);
            assert_eq!(sounded.squeezed, None);
            self.heard.push(sounded.piece);
        }
    }

    fn speak(&mut self, steps: impl IntoIterator<Item = u16>) {
        for step in steps {
            self.push(step);
            self.wait(1);
        }
    }

    fn frames(&self) -> Vec<u16> {
        let frame = |piece: &Piece<u16>| match piece {
            Piece::Frame { sound, .. } => Some(*sound),
            Piece::Rest | Piece::Conceal | Piece::Silence => None,
        };
        self.heard.iter().filter_map(frame).collect()
    }
}

/// A pause in speech is no loss: nothing is made up, and afterwards it goes on.
#[test]
fn a_pause_in_speech_is_silence() {
    let mut listener = Listener::new();
    listener.speak(0..20);
    listener.silence(20);
    listener.wait(300);
    listener.speak(320..340);
    listener.wait(5);
    let counters = listener.jitter.counters();
    assert_eq!(listener.frames(), (0..20).chain(320..340).collect::<Vec<_>>());
    // The end of the test itself is missing.
    assert!(counters.concealed <= 5 && counters.missing == 0, "{counters:?}");
}

/// A cut of ten seconds: 200 ms are made up, then it is quiet, then it goes on.
#[test]
fn after_a_cut_sound_goes_on_at_once() {
    let mut listener = Listener::new();
    listener.speak(0..50);
    listener.wait(500);
    let counters = listener.jitter.counters();
    assert_eq!((counters.concealed, counters.late), (10, 0));
    assert!(counters.missing >= 480, "{counters:?}");
    listener.speak(550..560);
    listener.wait(4);
    assert_eq!(listener.frames().len(), 60);
}

/// The node that sent was replaced; its successor's time line begins anywhere.
#[test]
fn a_sender_that_begins_anew_is_heard_after_one_frame() {
    for first in [30_000_u16, 60_000, 60] {
        let mut listener = Listener::new();
        listener.speak(2_000..2_050);
        listener.speak((0..20).map(|i| first.wrapping_add(i)));
        listener.wait(5);
        assert_eq!(listener.jitter.counters().restarts, 1);
        assert!(listener.frames().len() >= 65, "{:?}", listener.heard);
    }
}

#[test]
fn one_stray_frame_disturbs_nothing() {
    let mut listener = Listener::new();
    listener.speak(2_000..2_050);
    listener.push(40_000);
    listener.speak(2_050..2_100);
    listener.wait(4);
    assert_eq!(listener.jitter.counters().restarts, 0);
    assert_eq!(listener.frames(), (2_000..2_100).collect::<Vec<_>>());
}

#[test]
fn late_and_double_frames_are_counted_apart() {
    let mut listener = Listener::new();
    listener.speak((0..40).filter(|step| *step != 10));
    listener.push(10);
    listener.push(30);
    listener.push(39);
    let counters = listener.jitter.counters();
    assert_eq!((counters.late, counters.duplicate), (1, 2), "{counters:?}");
}

/// Only the tail of a long frame comes in time: that much of it is heard.
#[test]
fn a_long_frame_that_comes_late_is_heard_from_where_it_is() {
    let mut jitter = Jitter::new(JitterConfig::default());
    let frame = |step| Arrived { step, steps: 3, again: false, sound: Some(step) };
    let mut now_ms = 0;
    let mut heard = Vec::new();
    for tick in 0..30_u16 {
        now_ms += 20;
        match tick {
            // Forty milliseconds late.
            17 => jitter.push(now_ms, frame(15)),
            15 => {}
            tick if tick % 3 == 0 => jitter.push(now_ms, frame(tick)),
            _ => {}
        }
        heard.push(jitter.pull(now_ms).piece);
    }
    let partly = |piece: &Piece<u16>| matches!(piece, Piece::Frame { sound: 15, .. });
    assert!(heard.iter().any(partly), "{heard:?}");
    assert_eq!(jitter.counters().late, 0);
}
