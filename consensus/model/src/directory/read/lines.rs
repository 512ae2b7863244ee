//! Where in a file a byte stands, as an editor counts: lines and characters
//! from 1.

use std::ops::Range;

pub(super) struct Lines<'t> {
    text: &'t str,
    /// Byte offset of each line's first byte; never empty.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The line in which a byte stands, counted from 0.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of a line without its break.
    pub(super) fn range(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        let end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        start..end
    }

    pub(super) fn text(&self, line: usize) -> &'t str {
        self.text.get(self.range(line)).unwrap_or_default()
    }

    /// Line and column for people, both from 1.
    pub(super) fn position(&self, at: usize) -> (u32, u32) {
        let line = self.line_of(at);
        let range = self.range(line);
        let before = self.text.get(range.start..at.min(range.end)).unwrap_or_default();
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        (number(line), number(before.chars().count()))
    }
}
