//! The siren that needs no file.

use super::super::siren::{a_law, mu_law};
use super::*;

/// As the standard's tables read, for the encoders to be held against.
fn from_a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, i16::from(code & 15));
    let size = match segment {
        0 => (step << 4) + 8,
        segment => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -size } else { size }
}

fn from_mu_law(code: u8) -> i16 {
    let code = !code;
    let size = (((i32::from(code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    (if code & 0x80 == 0 { size } else { -size }) as i16
}

#[test]
fn every_code_comes_back_from_what_it_means() {
    for code in 0..=255 {
        assert_eq!(a_law(from_a_law(code)), code);
        // There are two zeroes; a sample of nought is the positive one.
        let wants = if code == 0x7f { 0xff } else { code };
        assert_eq!(mu_law(from_mu_law(code)), wants);
    }
}

#[test]
fn every_sample_gets_the_nearest_code() {
    for sample in i16::MIN..=i16::MAX {
        let size = i32::from(sample).abs();
        let off = |decoded: i16| (i32::from(decoded) - i32::from(sample)).abs();
        // Half a step, which is a sixteenth of the segment; the ends are clipped.
        assert!(off(from_a_law(a_law(sample))) <= (size / 32 + 16).max(16), "{sample}");
        let clipped = (size - 32_124).max(0);
        assert!(off(from_mu_law(mu_law(sample))) <= size / 32 + 8 + clipped, "{sample}");
    }
}

#[test]
fn the_siren_lasts_four_seconds_and_is_louder_than_speech() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let siren = siren(codec).unwrap();
        assert_eq!((siren.ms, siren.frames()), (4_000, 200));
        assert!(siren.frame(199).is_some() && siren.frame(200).is_none());
        let (lufs, peak) = heard(&siren);
        println!("siren {codec}: {lufs:.2} LUFS, {peak:.2} dBTP");
        assert!((-14.0..-12.0).contains(&lufs), "{lufs}");
        assert!(peak < -1.0, "{peak}");
    }
    assert_eq!(siren(Codec::G722), None);
}

#[test]
fn the_siren_changes_between_two_tones() {
    let payload = siren(Codec::Pcma).unwrap().payload;
    let samples: Vec<i16> = payload.iter().map(|&code| from_a_law(code)).collect();
    let hz = |part: &[i16]| part.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count() * 2;
    let heard: Vec<usize> = samples.chunks(4_000).map(hz).collect();
    for (at, hz) in heard.iter().enumerate() {
        let wants = if at % 2 == 0 { 970 } else { 800 };
        assert!(hz.abs_diff(wants) <= 4, "{heard:?}");
    }
}
