//! Enough of Rust's grammar to find functions and test modules: comments and
//! literals are blanked, then brackets are matched. It is no parser; what it
//! cannot read it passes over, and rustc has the last word on syntax.

/// Lines from the first to the last, counted from 1, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Span {
    pub(crate) fn lines(&self) -> usize {
        self.last - self.first + 1
    }

    pub(crate) fn holds(&self, line: usize) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// The source with every character of a comment or literal turned into a
/// space, line by line as before.
pub(crate) fn mask(source: &str) -> String {
    let mut masker = Masker { chars: source.chars().collect(), at: 0, out: String::new() };
    while masker.at < masker.chars.len() {
        masker.step();
    }
    masker.out
}

struct Masker {
    chars: Vec<char>,
    at: usize,
    out: String,
}

impl Masker {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => self.blank_while(|masker| masker.peek(0) != Some('\n')),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('\''), _) => self.quote(),
            (Some('r'), Some('"' | '#')) if self.starts_word() => self.raw_string(),
            _ => self.keep(),
        }
    }

    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    fn blank(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(c) = self.peek(0) {
                self.out.push(if c == '\n' { '\n' } else { ' ' });
                self.at += 1;
            }
        }
    }

    fn blank_while(&mut self, goes_on: impl Fn(&Self) -> bool) {
        while self.at < self.chars.len() && goes_on(self) {
            self.blank(1);
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.blank(1);
                    continue;
                }
            }
            self.blank(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.blank(1);
        while let Some(c) = self.peek(0) {
            self.blank(if c == '\\' { 2 } else { 1 });
            if c == '"' {
                return;
            }
        }
    }

    /// A character, or the tick of a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') {
            self.blank(3);
            self.blank_while(|masker| masker.peek(0) != Some('\''));
            self.blank(1);
        } else if self.peek(2) == Some('\'') {
            self.blank(3);
        } else {
            self.keep();
        }
    }

    /// Whether `r` here opens a word, alone or after the `b` or `c` of a byte
    /// or C string.
    fn starts_word(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).and_then(|at| self.chars.get(at));
        match before(1) {
            Some('b' | 'c') => before(2).is_none_or(|c| !is_word(*c)),
            other => other.is_none_or(|c| !is_word(*c)),
        }
    }

    fn raw_string(&mut self) {
        let hashes = (1..).take_while(|&ahead| self.peek(ahead) == Some('#')).count();
        if self.peek(1 + hashes) != Some('"') {
            // A raw identifier, such as `r#type`.
            return self.keep();
        }
        self.blank(2 + hashes);
        while self.at < self.chars.len() {
            let closes = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            self.blank(1);
            if closes {
                return self.blank(hashes);
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands as a whole word in masked source, as byte offsets.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_at(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Every function with a body, with its name, from `fn` to the closing brace.
pub(crate) fn functions(code: &str) -> Vec<(String, Span)> {
    let named = words(code, "fn").filter_map(|at| {
        let rest = code[at + 2..].trim_start();
        let name: String = rest.chars().take_while(|&c| is_word(c) || c == '$').collect();
        // `fn(u8)` is a type.
        (!name.is_empty()).then_some((name, at))
    });
    named.filter_map(|(name, at)| Some((name, body_span(code, at)?))).collect()
}

/// The modules compiled for tests only.
pub(crate) fn test_modules(code: &str) -> Vec<Span> {
    code.match_indices("#[cfg(test)]").filter_map(|(at, _)| body_span(code, at)).collect()
}

/// From `at` to the end of the first braces that follow outside parentheses and
/// brackets; nothing if a semicolon ends the item before.
fn body_span(code: &str, at: usize) -> Option<Span> {
    let mut nested = 0_usize;
    let mut braces = 0_usize;
    for (offset, c) in code[at..].char_indices() {
        match c {
            '(' | '[' if braces == 0 => nested += 1,
            ')' | ']' if braces == 0 => nested = nested.saturating_sub(1),
            ';' if braces == 0 && nested == 0 => return None,
            '{' if nested == 0 => braces += 1,
            '}' if braces == 1 => {
                return Some(Span { first: line_at(code, at), last: line_at(code, at + offset) });
            }
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
    }
    None
}
