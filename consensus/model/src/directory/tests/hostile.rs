//! Files that nobody meant to write: whatever the bytes, the reader answers.

use proptest::prelude::*;

use super::super::{ChangeSet, Record, limits, read};
use super::DEMO;
use crate::codec::decode;

/// Cuts, repeats or replaces a piece of the demo file.
fn mutated(at: usize, len: usize, with: &str) -> String {
    let boundary = |mut at: usize| {
        at = at.min(DEMO.len());
        while !DEMO.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (boundary(at % DEMO.len()), boundary(at % DEMO.len() + len));
    format!("{}{with}{}", &DEMO[..start], &DEMO[end..])
}

/// Pieces of a directory file, right and wrong.
const HEADS: &str = r"(\[\[(site|plan|plan\.step|zone|person|roster)\]\]\n|\[\[|\[site\]\n)?";
const KEYS: &str = r#"(id|kind|speakers|step|roles|members|zones|evidence|authority|"links"|)"#;
const VALUES: &str =
    r##"( = (1|-1|"[a-z$*{]{0,3}"|\[1, "a"\]|\{ count = 9, first = "9" \}|\[\{\}\]|1979-05-27))?"##;

fn answered(text: &str) -> Result<(), TestCaseError> {
    if let Err(mistakes) = read(text) {
        prop_assert!(!mistakes.is_empty());
        prop_assert!(mistakes.len() <= limits::MISTAKES_MAX + 1);
        let lines = u32::try_from(text.matches('\n').count()).unwrap() + 1;
        for mistake in &mistakes {
            prop_assert!((1..=lines).contains(&mistake.line), "{}", mistake);
        }
        prop_assert!(mistakes.is_sorted_by_key(|one| (one.line, one.column)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        answered(&text)?;
    }

    #[test]
    fn no_toml_like_text_makes_the_reader_panic(
        lines in proptest::collection::vec((HEADS, KEYS, VALUES), 0..24)
    ) {
        let lines = lines.iter().map(|(head, key, value)| format!("{head}{key}{value}\n"));
        answered(&lines.collect::<String>())?;
    }

    #[test]
    fn no_damage_to_a_good_file_makes_the_reader_panic(
        at in any::<usize>(),
        len in 0_usize..200,
        with in r##"[\[\]{}=,.\n"#a-z0-9$* 站-]{0,12}"##,
    ) {
        answered(&mutated(at, len, &with))?;
    }

    #[test]
    fn no_bytes_make_the_record_decoder_panic(bytes: Vec<u8>) {
        let _ = decode::<Record>(&[&[10, 1], bytes.as_slice()].concat());
        let _ = decode::<ChangeSet>(&[&[11, 1], bytes.as_slice()].concat());
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for text in ["[".repeat(100_000), "a.".repeat(100_000), "a = [".repeat(50_000)] {
        assert!(read(&text).is_err());
    }
}
