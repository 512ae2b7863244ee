//! Which language each part of a text is spoken in, told by its script. Numbers
//! and marks have none of their own and follow a neighbour. Refuses to guess
//! between languages that share a script: here are two that do not.

use weir_model::directory::Lang;

/// What a character says of its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Of(Lang),
    Blank,
    /// Digits and marks.
    Neutral,
}

/// A run of one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) lang: Lang,
    pub(super) text: String,
}

/// In order, nothing left out but blanks at the seams; `fallback` is the
/// language of a text that is numbers only.
pub(super) fn pieces(text: &str, fallback: Lang) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    // What stands between two letters and is not given to either yet.
    let mut between = String::new();
    for c in text.chars() {
        let Script::Of(lang) = script(c) else {
            between.push(c);
            continue;
        };
        let mine = match pieces.last_mut() {
            None => std::mem::take(&mut between),
            Some(last) if last.lang == lang => {
                last.text.push_str(&std::mem::take(&mut between));
                last.text.push(c);
                continue;
            }
            Some(last) => {
                let (theirs, mine) = divide(&between);
                last.text.push_str(theirs);
                let mine = mine.to_owned();
                between.clear();
                mine
            }
        };
        pieces.push(Piece { lang, text: mine + c.encode_utf8(&mut [0; 4]) });
    }
    match pieces.last_mut() {
        Some(last) => last.text.push_str(&between),
        None => pieces.push(Piece { lang: fallback, text: between }),
    }
    for piece in &mut pieces {
        piece.text = piece.text.trim().to_owned();
    }
    pieces.retain(|piece| piece.text.chars().any(char::is_alphanumeric));
    pieces
}

/// Where the earlier language ends: a number goes with what it touches without a
/// blank, and with what was said before when it touches both or neither.
fn divide(between: &str) -> (&str, &str) {
    let last_blank = between.rfind(char::is_whitespace);
    let tail = last_blank.map_or("", |at| between.get(at..).unwrap_or_default());
    let touches_next = tail.trim_start().starts_with(char::is_numeric);
    match last_blank {
        Some(at) if touches_next => between.split_at(at),
        _ => (between, ""),
    }
}

fn script(c: char) -> Script {
    if c.is_whitespace() {
        Script::Blank
    } else if is_han(c) {
        Script::Of(Lang::ZhCn)
    } else if c.is_alphabetic() {
        Script::Of(Lang::En)
    } else {
        Script::Neutral
    }
}

fn is_han(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3100}'..='\u{312f}'
        | '\u{31a0}'..='\u{31bf}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}
