//! Sizes a reader can hold, and the sentence every file opens with.

use super::code;
use super::finding::{Finding, Rule};
use super::tree::{File, Tree};

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 600;
const LINE_CHARS: usize = 100;

pub(crate) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    for file in tree.rust() {
        opening(file, found);
        file_length(file, found);
        line_lengths(file, found);
        function_lengths(file, found);
    }
}

fn opening(file: &File, found: &mut Vec<Finding>) {
    if !file.text.starts_with("//!") {
        found.push(Finding {
            path: file.path.clone(),
            line: 1,
            rule: Rule::Opening,
            what: "the file does not open with `//!`".into(),
            remedy: "say in its first line what it is and what it refuses to do",
        });
    }
}

fn file_length(file: &File, found: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        found.push(Finding {
            path: file.path.clone(),
            line: FILE_LINES + 1,
            rule: Rule::FileLength,
            what: format!("{lines} lines, more than {FILE_LINES}"),
            remedy: "split it where a reader would look for two things",
        });
    }
}

fn line_lengths(file: &File, found: &mut Vec<Finding>) {
    for (index, line) in file.text.lines().enumerate() {
        let chars = line.chars().count();
        if chars > LINE_CHARS {
            found.push(Finding {
                path: file.path.clone(),
                line: index + 1,
                rule: Rule::LineLength,
                what: format!("{chars} characters, more than {LINE_CHARS}"),
                remedy: "break the line",
            });
        }
    }
}

fn function_lengths(file: &File, found: &mut Vec<Finding>) {
    for (name, span) in code::functions(&file.code) {
        if span.lines() > FUNCTION_LINES {
            found.push(Finding {
                path: file.path.clone(),
                line: span.first,
                rule: Rule::FunctionLength,
                what: format!("`{name}` has {} lines, more than {FUNCTION_LINES}", span.lines()),
                remedy: "name its parts and call them",
            });
        }
    }
}
