//! Reads TOML that may be broken. What does not parse is named and blanked out,
//! line by line, so that the rest of the file can still be checked: a person
//! who mends a file wants all its mistakes at once. What stood on a blanked
//! line is remembered, so that its absence is not called a second mistake.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, Error};

use super::lines::Lines;
use crate::directory::fault::{Fault, fault};
use crate::directory::limits::MISTAKES_MAX;

/// Blanking a line can lay bare the next broken one, but not for ever.
const ROUNDS_MAX: usize = 8;
/// More lost lines than this are not looked through for what stood on them.
const LOST_MAX: usize = 1_000;
/// More faults than this are not explained: the file is no directory file.
const KEPT_MAX: usize = 2 * MISTAKES_MAX;

/// A file as far as it could be read.
pub(super) struct Recovered {
    /// The file with unreadable lines blanked: as long as the file, and with
    /// the same line breaks.
    pub(super) text: String,
    /// Byte offset and fault, for each place that does not parse.
    pub(super) faults: Vec<(usize, Fault)>,
    /// The blanked lines, counted from 0.
    pub(super) lost: BTreeSet<usize>,
    /// Even the rest does not parse: absence proves nothing.
    pub(super) hopeless: bool,
}

pub(super) fn recover(file: &str) -> Recovered {
    let lines = Lines::new(file);
    let mut text = file.to_owned();
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    let mut lost = BTreeSet::new();
    let mut hopeless = false;
    let mut named = BTreeSet::new();
    for round in 0..ROUNDS_MAX {
        let (_, errors) = DeTable::parse_recoverable(&text);
        let mut blank = BTreeSet::new();
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            let twice = is_duplicate(error);
            // Blanking uncovers what was no mistake before; a key written twice
            // was one all along.
            let line = lines.line_of(at);
            let new = (round == 0 || twice) && faults.len() < KEPT_MAX;
            if new && named.insert(line) {
                faults.push((at, explain(error)));
            }
            if !twice && error.span().is_some() {
                blank.extend(extent(&lines, line));
            }
        }
        blank.retain(|line| lost.insert(*line));
        let unread = errors.iter().any(|error| !is_duplicate(error));
        hopeless = unread || lost.len() > LOST_MAX;
        if blank.is_empty() {
            break;
        }
        text = blanked(text, blank.iter().map(|line| lines.range(*line)));
    }
    Recovered { text, faults, lost, hopeless }
}

/// A broken header takes its keys with it: they would seem to belong to the
/// record above.
fn extent(lines: &Lines<'_>, line: usize) -> Range<usize> {
    let is_header = |line: usize| lines.text(line).trim_start().starts_with('[');
    let is_record = |line: usize| is_header(line) && !lines.text(line).contains('.');
    if !is_header(line) {
        return line..line + 1;
    }
    let next = (line + 1..lines.count()).find(|line| is_record(*line));
    line..next.unwrap_or(lines.count())
}

fn blanked(text: String, ranges: impl Iterator<Item = Range<usize>>) -> String {
    let mut bytes = text.into_bytes();
    for range in ranges {
        for byte in bytes.get_mut(range).unwrap_or_default() {
            *byte = b' ';
        }
    }
    // Whole lines were replaced, so every character is whole.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_duplicate(error: &Error) -> bool {
    error.message().starts_with("duplicate key")
}

fn explain(error: &Error) -> Fault {
    let message = error.message();
    let has = |word: &str| message.contains(word);
    if is_duplicate(error) {
        return fault!(
            Duplicate,
            "同一个键写了两次",
            "a key is written twice",
            "只保留一个",
            "keep one of them",
        );
    }
    let (zh, remedy_zh, remedy_en) = if has("quote") {
        ("字符串没有加引号", "在文字两边加双引号", "put double quotes around the text")
    } else if has("unclosed") || has("missing array opening") || has("missing table open") {
        ("括号没有成对", "补上缺少的括号", "add the missing bracket")
    } else if has("comma") {
        ("逗号缺少或多余", "各项之间写一个逗号", "put one comma between entries")
    } else if has("recurs") {
        ("嵌套过深", "减少嵌套", "nest less deeply")
    } else if has("no value") || has("missing value") || has("assignment") || has("`=`") {
        ("键没有值", "写成 键 = 值", "write it as key = value")
    } else {
        (
            "此处不是合法的 TOML",
            "改正此行，或加 # 改成注释",
            "correct the line, or make it a # comment",
        )
    };
    let zh = zh.to_owned();
    fault!(Syntax, "{zh}", "this is not TOML: {message}", "{remedy_zh}", "{remedy_en}")
}
