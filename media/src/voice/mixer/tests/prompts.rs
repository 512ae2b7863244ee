//! What one is asked before it hears the room.

use super::*;

const ASKING: f64 = 1_250.0;

fn asking() -> Prompt {
    let sample = |n: u32| (LOUD * (TAU * ASKING * f64::from(n) / 8_000.0).sin()) as i16;
    Prompt::new((0..16_000).map(sample).collect::<Vec<i16>>())
}

#[test]
fn who_is_asked_hears_only_the_question_until_the_key() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let (mut one, mut two, mut late) = (Phone::new(440.0), Phone::new(700.0), Phone::new(1_000.0));
    let _seats = [one.join(&room, 1), two.join(&room, 2)];
    let seat = late.join(&room, 3);
    seat.deaf(true);
    seat.mute(true);
    seat.prompt(Some(asking()));
    talk(&mut site, &mut [&mut one, &mut two, &mut late], 75);
    assert_hears(&late, &[ASKING]);
    assert_misses(&late, &[440.0, 700.0, 1_000.0]);
    assert_misses(&one, &[ASKING, 1_000.0]);

    // It goes on after a pause, and is over with the key.
    talk(&mut site, &mut [&mut one, &mut two, &mut late], 125);
    assert_hears(&late, &[ASKING]);
    seat.prompt(None);
    seat.deaf(false);
    seat.mute(false);
    talk(&mut site, &mut [&mut one, &mut two, &mut late], 50);
    assert_hears(&late, &[440.0, 700.0]);
    assert_misses(&late, &[ASKING]);
    assert_hears(&one, &[700.0, 1_000.0]);
}

/// A gateway that agreed to events passes the tones of a key on.
#[test]
fn a_key_is_heard_as_a_tone_while_it_is_asked_for() {
    let mut site = Site::new();
    let room = site.mixer.room(1).unwrap();
    let mut phone = Phone::new(440.0);
    let seat = phone.join(&room, 7);
    for (asked, keys) in [(false, 0), (true, 1), (false, 0)] {
        seat.deaf(asked);
        seat.prompt(asked.then(asking));
        let mut heard = 0;
        for tick in 0..50_u32 {
            // The one: 697 and 1,209 Hz for a tenth of a second.
            let sample = |n: u32| {
                let at = f64::from(tick * 160 + n) / 8_000.0;
                let tones = (TAU * 697.0 * at).sin() + (TAU * 1_209.0 * at).sin();
                if (10..15).contains(&tick) { (tones * LOUD / 2.0) as i16 } else { 0 }
            };
            let payload: Vec<u8> = (0..FRAME_STEPS).map(|n| g711::a_encode(sample(n))).collect();
            phone.send(8, phone.timestamp, &payload);
            phone.seq = phone.seq.wrapping_add(1);
            phone.timestamp = phone.timestamp.wrapping_add(FRAME_STEPS);
            site.tick();
            while let Ok(key) = site.heard.try_recv() {
                assert_eq!(key, Heard::Digit { room: 1, who: 7, digit: '1', way: Way::Tone });
                heard += 1;
            }
        }
        assert_eq!(heard, keys, "asked: {asked}");
    }
}
