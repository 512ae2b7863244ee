//! STATUS.md says which slices are done in a form that a script can count.

use super::finding::{Finding, Rule};
use super::tree::Tree;

const PAGE: &str = "STATUS.md";

pub(crate) fn check(tree: &Tree, found: &mut Vec<Finding>) {
    let mut report = |line: usize, what: String| {
        found.push(Finding {
            path: PAGE.into(),
            line,
            rule: Rule::SliceLine,
            what,
            remedy: "write each slice as `- [x] …` when it is done, `- [ ] …` until then",
        });
    };
    let Some(page) = tree.file(PAGE) else {
        return report(1, "there is no STATUS.md".into());
    };
    let mut slices = 0;
    for (index, line) in page.text.lines().enumerate() {
        match slice_line(line) {
            SliceLine::Other => {}
            SliceLine::Well => slices += 1,
            SliceLine::Badly => report(index + 1, format!("not the form of a slice: {line:?}")),
        }
    }
    if slices == 0 {
        report(1, "no slice is listed".into());
    }
}

enum SliceLine {
    Well,
    Badly,
    Other,
}

/// A list item that opens with a box is a slice; one that opens with a link is
/// not.
fn slice_line(line: &str) -> SliceLine {
    if line.starts_with("- [x] ") || line.starts_with("- [ ] ") {
        return SliceLine::Well;
    }
    let item = line.trim_start();
    let mark = item.trim_start_matches(|c: char| c.is_ascii_digit());
    let boxed = mark.strip_prefix(['-', '*', '+', '.']).map(str::trim_start);
    match boxed {
        Some(rest) if rest.starts_with('[') && !rest.contains("](") => SliceLine::Badly,
        _ => SliceLine::Other,
    }
}
