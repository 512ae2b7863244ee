//! The real espeak-ng, and programs that are none.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::speech::speak;

use super::*;

fn seconds(speech: &Speech) -> f64 {
    speech.samples.len() as f64 / f64::from(speech.rate)
}

async fn said(text: &str) -> Speech {
    speak(&EspeakNg::default(), text, Lang::ZhCn).await.unwrap()
}

#[tokio::test]
async fn both_languages_are_spoken_and_a_mixed_text_is_both() {
    let chinese = said("请立即撤离。").await;
    let english = said("Leave the valley now.").await;
    let mixed = said("请立即撤离。Leave the valley now.").await;
    for speech in [&chinese, &english] {
        assert!((0.5..6.0).contains(&seconds(speech)), "{}", seconds(speech));
        assert!(speech.samples.iter().any(|sample| sample.unsigned_abs() > 3_000));
    }
    let wants = seconds(&chinese) + seconds(&english) + 0.15;
    assert!((seconds(&mixed) - wants).abs() < 0.01, "{} {wants}", seconds(&mixed));
}

/// A text is a text: no options, no phonemes, no files.
#[tokio::test]
async fn nothing_in_a_text_is_a_command() {
    for text in
        ["-f /etc/passwd", "--stdin -w x.wav", "[[h@l'oU]]", "<speak>走</speak>", "走\0\u{7}走"]
    {
        assert!(seconds(&said(text).await) > 0.1, "{text}");
    }
    let plain = said("abc").await;
    assert_eq!(said("[[abc]]").await, plain);
}

#[tokio::test]
async fn a_text_too_long_or_without_words_is_refused() {
    let long = speak(&Scripted, &"洪".repeat(700), Lang::ZhCn).await;
    assert!(matches!(long, Err(TtsError::TooLong(2_100))), "{long:?}");
    let none = speak(&Scripted, "——。", Lang::ZhCn).await;
    assert!(matches!(none, Err(TtsError::Nothing)), "{none:?}");
}

/// A speech program of our own making.
fn engine(folder: &TempDir, script: &str) -> EspeakNg {
    let path = folder.path().join("engine");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    EspeakNg::at(path)
}

#[tokio::test]
async fn a_program_that_never_ends_is_ended() {
    let folder = TempDir::new().unwrap();
    let note = folder.path().join("pid");
    let engine = engine(&folder, &format!("echo $$ > {}; exec sleep 600", note.display()));
    let late = engine.with_patience(Duration::from_secs(1)).say("走", Lang::ZhCn).await;
    assert!(matches!(late, Err(TtsError::Late(1))), "{late:?}");
    let pid = fs::read_to_string(note).unwrap().trim().parse().unwrap();
    until(|| ended(pid)).await;
}

#[tokio::test]
async fn a_program_that_fails_babbles_or_is_missing_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let babbling = engine(&folder, "exec yes").say("走", Lang::ZhCn).await;
    assert!(matches!(babbling, Err(TtsError::TooMuch)), "{babbling:?}");
    let failing = engine(&folder, "echo no voice >&2; exit 3").say("走", Lang::ZhCn).await;
    assert!(matches!(&failing, Err(TtsError::Failed(why)) if why.contains("no voice")));
    let wordless = engine(&folder, "echo hello").say("走", Lang::ZhCn).await;
    assert!(matches!(wordless, Err(TtsError::Failed(_))), "{wordless:?}");
    let missing = EspeakNg::at("/nowhere/espeak-ng".into()).say("走", Lang::ZhCn).await;
    assert!(matches!(missing, Err(TtsError::Start { .. })), "{missing:?}");
}

#[test]
fn a_wave_is_read_back_and_nothing_else_is() {
    let speech = Speech { rate: 22_050, samples: vec![1, -2, 3] };
    let file = wave::write(&speech);
    assert_eq!(wave::read(&file), Some(speech));
    for len in 0..44 {
        assert_eq!(wave::read(&file[..len]), None, "{len}");
    }
    let mut stereo = file;
    stereo[22] = 2;
    assert_eq!(wave::read(&stereo), None);
}
