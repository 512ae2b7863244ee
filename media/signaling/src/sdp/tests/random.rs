//! Anything at all, and real descriptions with something wrong.

use proptest::prelude::*;

use super::*;

const STRANGE: &str = "(v=0\r\n)?(\\PC|[vcma]=|audio |RTP/AVP |[0-9 \r\n:/]){0,200}";

/// What goes wrong with a description on its way.
#[derive(Debug, Clone)]
enum Harm {
    Drop(usize),
    Twice(usize),
    Swap(usize, usize),
    Cut(usize),
    Byte(usize, char),
    Join(usize),
    Graft(usize, usize),
}

fn harms() -> impl Strategy<Value = Harm> {
    let at = 0..2_000_usize;
    prop_oneof![
        at.clone().prop_map(Harm::Drop),
        at.clone().prop_map(Harm::Twice),
        (at.clone(), at.clone()).prop_map(|(a, b)| Harm::Swap(a, b)),
        at.clone().prop_map(Harm::Cut),
        (at.clone(), prop_oneof!["[ -~]", "\\PC", "[\r\n\t\0/:=]"])
            .prop_map(|(at, c)| Harm::Byte(at, c.chars().next().unwrap_or(' '))),
        at.clone().prop_map(Harm::Join),
        (at.clone(), at).prop_map(|(a, b)| Harm::Graft(a, b)),
    ]
}

fn harmed(text: &str, harm: &Harm) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(Into::into).collect();
    let count = lines.len().max(1);
    if lines.is_empty() {
        return String::new();
    }
    match *harm {
        Harm::Drop(at) => drop(lines.remove(at % count)),
        Harm::Twice(at) => lines.insert(at % count, lines[at % count].clone()),
        Harm::Swap(a, b) => lines.swap(a % count, b % count),
        Harm::Join(at) => lines[at % count] = lines[at % count].trim_end().into(),
        Harm::Graft(a, b) => {
            let other = phones::ALL[a % phones::ALL.len()];
            let line = other.split_inclusive('\n').nth(b % 12).unwrap_or("a=\n");
            lines.insert(b % count, line.into());
        }
        Harm::Cut(at) => return text.chars().take(at % (text.len() + 1)).collect(),
        Harm::Byte(at, c) => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at % chars.len();
            chars[at] = c;
            return chars.into_iter().collect();
        }
    }
    lines.concat()
}

/// What was read can be written, and means the same when it is read again.
fn holds_together(text: &str) -> Result<(), TestCaseError> {
    let Ok(session) = read(text) else { return Ok(()) };
    let audio = &session.audio;
    prop_assert!(audio.formats.iter().any(|format| format.kind.is_voice()));
    prop_assert!(audio.rtp.port() != 0 && audio.rtcp.ip() == audio.rtp.ip());
    prop_assert!(!audio.direction.receives() || !audio.rtp.ip().is_unspecified());
    let us = at("203.0.113.5:30000");
    let mut writer = Writer::new(1, us);
    writer.follow(&session);
    let told = writer.write(audio);
    prop_assert_eq!(&told, &writer.write(audio));
    let line = |line: &str| {
        let plain = line.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        plain && "vosctma".contains(&line[..1]) && &line[1..2] == "="
    };
    prop_assert!(told.split_terminator("\r\n").all(line), "{}", told);
    let media = told.lines().filter(|line| line.starts_with("m=")).count();
    prop_assert_eq!(media, session.others.len() + 1);
    let back = read(&told);
    prop_assert!(back.is_ok(), "{:?} of {}", back, told);
    let back = back.unwrap();
    prop_assert_eq!((back.place, back.profile), (session.place, session.profile));
    prop_assert_eq!(back.others, session.others);
    let there = Audio { rtp: us, rtcp: at("203.0.113.5:30001"), ..audio.clone() };
    prop_assert_eq!(&back.audio, &there);
    // Whoever said it would agree with itself, in every direction.
    let agreed = agree(audio, &there).unwrap();
    prop_assert_eq!(agreed.formats, there.formats);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_is_too_strange(text in STRANGE) {
        holds_together(&text)?;
        let _ = read_answer(&text, &own_audio(at("10.0.0.1:4000")));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        holds_together(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn a_description_with_something_wrong_is_refused_or_makes_sense(
        phone in 0..phones::ALL.len(),
        harms in prop::collection::vec(harms(), 0..6),
    ) {
        let text = phones::ALL[phone].to_string();
        let text = harms.iter().fold(text, |text, harm| harmed(&text, harm));
        holds_together(&text)?;
        let offered = read(phones::DESK).unwrap().audio;
        if let Ok(answer) = read_answer(&text, &offered) {
            let all = &answer.audio.formats;
            prop_assert!(all.iter().all(|format| offered.like(format).is_some()));
        }
    }
}
