//! The parts on their own: filter, codec, what is made up, effort.

use core::time::Duration;

use proptest::prelude::*;

use super::super::codec::{PIECE, Packet};
use super::super::conceal::Conceal;
use super::super::resample::{Down, Up};
use super::*;

/// Loudness after going up and down again, of a thousand.
fn through(hz: f64) -> (u64, u64) {
    let sound: Vec<i16> = (0..8_000).map(|n| tone(hz, n)).collect();
    let (mut wide, mut back) = (Vec::new(), Vec::new());
    Up::default().run(&sound, &mut wide);
    Down::default().run(&wide, &mut back);
    assert_eq!((wide.len(), back.len()), (16_000, 8_000));
    let loud = |sound: &[i16]| {
        sound.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum::<u64>()
    };
    let kept = loud(&back[100..7_900]) * 1_000 / loud(&sound[100..7_900]).max(1);
    (kept, share_of(hz, &back[100..7_900]))
}

#[test]
fn what_a_telephone_hears_survives_both_rates() {
    for hz in [300.0, 440.0, 1_000.0, 2_000.0, 3_000.0] {
        let (kept, pure) = through(hz);
        assert!((950..=1_050).contains(&kept) && pure > 995, "{hz} Hz: {kept}, {pure}");
    }
    let (kept, pure) = through(3_400.0);
    assert!((700..=1_100).contains(&kept) && pure > 980, "{kept} {pure}");
}

/// The mirror of 1 kHz lies at 7 kHz; there is next to nothing there.
#[test]
fn doubling_the_rate_adds_no_mirror() {
    let sound: Vec<i16> = (0..8_000).map(|n| tone(1_000.0, n)).collect();
    let mut wide = Vec::new();
    Up::default().run(&sound, &mut wide);
    // At twice the rate, so half the number.
    assert!(share_of(500.0, &wide[200..15_800]) > 998);
    assert_eq!(share_of(3_500.0, &wide[200..15_800]), 0);
}

#[test]
fn what_lies_above_the_telephone_is_taken_away() {
    let wide: Vec<i16> = (0..16_000)
        .map(|n| ((core::f64::consts::TAU * 6_000.0 * f64::from(n) / 16_000.0).sin() * 8e3) as i16)
        .collect();
    let mut narrow = Vec::new();
    Down::default().run(&wide, &mut narrow);
    assert!(narrow[100..].iter().all(|sample| sample.abs() < 60));
}

#[test]
fn sixty_milliseconds_become_three_pieces() {
    let mut encoder = OpusEncoder::new(Frames::Ms60, 8_000, true).unwrap();
    let sound: Vec<i16> = (0..960).map(|n| tone(220.0, n)).collect();
    let Packet::Sound(packet) = encoder.encode(&sound).unwrap() else { panic!("silent") };
    let mut decoder = OpusDecoder::new().unwrap();
    assert_eq!(decoder.decode(&packet).unwrap().len(), 3 * PIECE);
    assert!(encoder.encode(&sound[1..]).is_err());
    assert!(decoder.decode(&[]).is_err());
}

#[test]
fn what_is_made_up_fades_to_silence() {
    let mut conceal = Conceal::default();
    for n in 0..4 {
        let mut piece = core::array::from_fn(|i| tone(125.0, n * 160 + i as u64));
        conceal.heard(&mut piece);
    }
    let loud = |piece: [i16; 160]| piece.iter().map(|s| s.unsigned_abs()).max().unwrap();
    let made_up: Vec<u16> = (0..5).map(|_| loud(conceal.missing())).collect();
    assert!(made_up[0] > 6_000 && made_up[1] < made_up[0] && made_up[2] < made_up[1]);
    assert_eq!(made_up[3..], [0, 0]);
}

#[test]
fn work_falls_when_it_is_too_much_and_rises_slowly() {
    // Half a core; fifty calls; 400 µs a piece would be a whole one.
    let mut effort = Effort::new(500);
    for _ in 0..60 {
        effort.measured(3, Duration::from_micros(1_200), 50);
    }
    assert_eq!(effort.complexity(), 4);
    for _ in 0..2_000 {
        effort.measured(3, Duration::from_micros(1_200), 50);
    }
    assert_eq!(effort.complexity(), 0);
    for _ in 0..400 {
        effort.measured(3, Duration::from_micros(60), 50);
    }
    assert_eq!(effort.complexity(), 0, "not before ten seconds");
    for _ in 0..10_000 {
        effort.measured(3, Duration::from_micros(60), 50);
    }
    assert_eq!(effort.complexity(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever a telephone and a peer send, nothing panics, and the RTP that
    /// comes out is one stream.
    #[test]
    fn anything_at_all_may_come(
        packets in prop::collection::vec(
            (prop::sample::select(vec![0_u8, 8, 13, 101]), any::<u32>(), any::<bool>(),
             prop::collection::vec(any::<u8>(), 0..500)),
            1..60,
        ),
        satellite in any::<bool>(),
    ) {
        let link = if satellite { SATELLITE } else { Link::Terrestrial };
        let mut encoder = Encoder::new(0, PCMA, link, 7).unwrap();
        let mut decoder = Decoder::new(PCMA, link, FIRST).unwrap();
        let mut into = Vec::new();
        for (n, (payload_type, timestamp, near, payload)) in packets.iter().enumerate() {
            let timestamp = if *near { timestamp % 2_000 } else { *timestamp };
            let (ssrc, now_ms) = (timestamp % 2, n as u64 * 20);
            let (marker, seq, payload_type) = (false, 0, *payload_type);
            let packet = rtp::Packet { marker, payload_type, seq, timestamp, ssrc, payload };
            for out in encoder.rtp(now_ms, &packet) {
                match out {
                    Outgoing::Frame(frame) => {
                        prop_assert!(frame.steps().is_some());
                        decoder.frame(now_ms, frame);
                    }
                    Outgoing::Key(key) => decoder.key(weir_signaling::wan::Press {
                        channel: 0, key: key.key, end: key.end, held_steps: key.held_steps,
                    }),
                }
            }
            let body = weir_signaling::wan::Body::Sound {
                codec: weir_signaling::wan::Codec::Opus60,
                payload: payload.clone(),
            };
            let step = u16::try_from(timestamp % 200).unwrap();
            let (channel, begins, again) = (0, false, *near);
            let frame = weir_signaling::wan::Frame { channel, step, begins, again, body };
            decoder.frame(now_ms, frame);
            prop_assert!(decoder.tick(now_ms, &mut into));
            prop_assert!(rtp::parse(&into).is_some());
        }
    }
}
