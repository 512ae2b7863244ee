//! The listener that judges what loudspeakers played, judged itself: with
//! sounds made here, spoilt as telephone lines spoil them, and with sounds that
//! only look alike. It refuses recorded audio: all is arithmetic.

use std::f64::consts::TAU;
use std::time::Instant;

use weir_tests::hearing::{Heard, RATE, Span, heard, in_a_row, longest_silence_ms, strange};

/// Uniform in -1..1, the same for a seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    }
}

fn seconds(seconds: f64) -> usize {
    (seconds * RATE as f64) as usize
}

/// Like an announcement: syllables of gliding harmonics and hiss, with pauses.
fn announcement(seed: u64, length: usize) -> Vec<i16> {
    let mut noise = Noise(seed);
    let mut samples = Vec::with_capacity(length);
    let mut phase = 0.0;
    while samples.len() < length {
        let syllable = seconds(0.2 + 0.1 * noise.next());
        let (pitch, glide) = (160.0 + 60.0 * noise.next(), 50.0 * noise.next());
        let (hiss, bright) = (0.15 + 0.15 * noise.next(), 0.5 + 0.4 * noise.next());
        for at in 0..syllable {
            let along = at as f64 / syllable as f64;
            phase += TAU * (pitch + glide * along) / RATE as f64;
            let voice: f64 = (1..8)
                .map(|harmonic| (phase * f64::from(harmonic)).sin() * bright.powi(harmonic))
                .sum();
            let loud = (along * TAU / 2.0).sin() * 6_000.0;
            samples.push(((voice + hiss * noise.next()) * loud) as i16);
        }
        samples.extend(vec![0; seconds(0.04 + 0.03 * noise.next())]);
    }
    samples.truncate(length);
    samples
}

/// Up and down again every two seconds: one cycle resembles the next.
fn siren(length: usize) -> Vec<i16> {
    let mut phase = 0.0;
    let tone = (0..length).map(|at| {
        let along = at as f64 / RATE as f64 / 2.0;
        phase += TAU * (700.0 + 300.0 * (TAU * along).sin()) / RATE as f64;
        (8_000.0 * phase.sin()) as i16
    });
    tone.collect()
}

/// What a loudspeaker hears of it over A-law: 13 segments of 16 steps.
fn over_a_law(samples: &[i16]) -> Vec<i16> {
    let coded = samples.iter().map(|&sample| {
        let size = i32::from(sample).abs().min(32_255);
        let segment = (32 - (size >> 8).leading_zeros()).saturating_sub(1);
        let step = if size < 512 { 16 } else { 8 << (segment + 1) };
        let level = size / step * step + step / 2;
        let level = if sample < 0 { -level } else { level };
        i16::try_from(level).unwrap_or(i16::MAX)
    });
    coded.collect()
}

fn louder(samples: &[i16], factor: f64) -> Vec<i16> {
    samples.iter().map(|&sample| (f64::from(sample) * factor) as i16).collect()
}

/// All parts one after another.
fn tape(parts: &[&[i16]]) -> Vec<i16> {
    parts.concat()
}

fn quiet(length: f64) -> Vec<i16> {
    vec![0; seconds(length)]
}

/// Places within 2 ms.
fn at(times: &[Heard], wanted_ms: &[i64]) {
    let found: Vec<i64> = times.iter().map(|time| time.at_ms).collect();
    let fits = found.len() == wanted_ms.len()
        && found.iter().zip(wanted_ms).all(|(found, wanted)| (found - wanted).abs() <= 2);
    assert!(fits, "heard at {found:?} instead of {wanted_ms:?}: {times:?}");
}

#[test]
fn an_announcement_is_heard_as_often_as_it_was_played() {
    let words = announcement(1, seconds(6.0));
    let once = over_a_law(&louder(&words, 0.3));
    let pcm = tape(&[&quiet(1.5), &once, &quiet(0.5), &once, &quiet(4.0), &once, &quiet(1.0)]);

    let times = heard(&pcm, &words);
    at(&times, &[1_500, 8_000, 18_000]);
    assert!(times.iter().all(|time| time.score > 0.98 && time.share > 0.99), "{times:?}");
    assert_eq!(in_a_row(&times, &words, 1_000), 2);
    assert_eq!(in_a_row(&times, &words, 5_000), 3);
    assert_eq!(strange(&pcm, &[&words]), []);
    assert_eq!(longest_silence_ms(&pcm), 4_000);
}

#[test]
fn other_sounds_are_not_mistaken_for_it() {
    let words = announcement(1, seconds(6.0));
    let mut backwards = words.clone();
    backwards.reverse();
    let mut noise = Noise(9);
    let hiss: Vec<i16> = (0..seconds(8.0)).map(|_| (noise.next() * 8_000.0) as i16).collect();
    let others: [(&str, Vec<i16>); 6] = [
        ("another announcement", announcement(2, seconds(6.0))),
        ("backwards", backwards),
        ("hiss", hiss),
        ("a siren", siren(seconds(8.0))),
        ("silence", quiet(8.0)),
        ("its first second", words[..seconds(1.0)].to_vec()),
    ];
    for (what, other) in others {
        let pcm = tape(&[&quiet(0.5), &over_a_law(&other), &quiet(0.5)]);
        assert_eq!(heard(&pcm, &words), [], "{what} was taken for the announcement");
    }
    assert_eq!(heard(&[], &words), []);
    assert_eq!(heard(&words, &[]), []);
}

/// Five percent of the packets are gone, others came while a fan was running.
#[test]
fn a_page_over_a_bad_line_is_heard_and_its_holes_are_told() {
    let words = announcement(3, seconds(10.0));
    let mut noise = Noise(4);
    let mut pcm = tape(&[&quiet(1.0), &over_a_law(&words), &quiet(1.0)]);
    for packet in pcm.chunks_mut(160).skip(50) {
        if noise.next() > 0.9 {
            packet.fill(0);
        } else {
            packet.iter_mut().for_each(|sample| *sample += (noise.next() * 300.0) as i16);
        }
    }
    pcm[seconds(4.0)..seconds(5.5)].fill(0);

    let times = heard(&pcm, &words);
    at(&times, &[1_000]);
    assert!(times[0].score > 0.8 && times[0].share > 0.75, "{times:?}");
    assert!((1_400..=1_800).contains(&times[0].missing_ms), "{times:?}");
}

/// The device hung up half way.
#[test]
fn a_page_that_broke_off_is_not_heard_whole() {
    let words = announcement(5, seconds(8.0));
    let pcm = tape(&[&quiet(1.0), &over_a_law(&words[..seconds(4.0)])]);

    let times = heard(&pcm, &words);
    at(&times, &[1_000]);
    assert!((0.4..0.6).contains(&times[0].share), "{times:?}");
    assert!(times[0].missing_ms >= 3_500, "{times:?}");
}

#[test]
fn a_page_whose_beginning_was_lost_is_dated_before_the_recording() {
    let words = announcement(6, seconds(5.0));
    let pcm = over_a_law(&words[seconds(0.3)..]);

    at(&heard(&pcm, &words), &[-300]);
}

/// Every cycle of a siren looks like the one before.
#[test]
fn a_siren_is_counted_by_its_whole_length() {
    let wail = siren(seconds(8.0));
    let once = over_a_law(&wail);
    let pcm = tape(&[&quiet(0.7), &once, &once, &quiet(1.0), &once]);

    let times = heard(&pcm, &wail);
    at(&times, &[700, 8_700, 17_700]);
    assert_eq!(in_a_row(&times, &wail, 100), 2);
}

#[test]
fn what_sounded_besides_is_pointed_at() {
    let words = announcement(7, seconds(5.0));
    let wail = siren(seconds(3.0));
    let stranger = announcement(8, seconds(2.0));
    let pcm = tape(&[&quiet(1.0), &over_a_law(&words), &stranger, &over_a_law(&wail), &quiet(1.0)]);

    assert_eq!(strange(&pcm, &[&words, &wail]).first().map(|span| span.at_ms), Some(6_000));
    let all: u64 = strange(&pcm, &[&words, &wail]).iter().map(|span| span.ms).sum();
    assert!((1_400..=2_000).contains(&all), "{all} ms of 2,000 found strange");
    assert_eq!(strange(&pcm, &[&words, &wail, &stranger]), []);
    assert_eq!(strange(&quiet(3.0), &[&words]), Vec::<Span>::new());
}

/// A site's whole test must not wait for its judge.
#[test]
fn ten_minutes_are_judged_within_seconds() {
    let words = announcement(10, seconds(20.0));
    let pcm = tape(&[&quiet(300.0), &over_a_law(&words), &quiet(280.0)]);

    let began = Instant::now();
    at(&heard(&pcm, &words), &[300_000]);
    assert!(began.elapsed().as_secs() < 20, "took {:?}", began.elapsed());
}
