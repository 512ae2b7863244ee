//! What happened in a run, as one number that two runs of a seed must share,
//! and on request as lines to compare when they do not.

use crate::dice::mix;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    pub hash: u64,
    pub events: u64,
    pub lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(keep_lines: bool) -> Self {
        Self { lines: keep_lines.then(Vec::new), ..Self::default() }
    }

    /// Notes that something happened at this time, and up to three numbers.
    pub fn note(&mut self, at_us: u64, what: &'static str, numbers: [u64; 3]) {
        let kind = what.bytes().fold(0, |kind, byte| mix(kind, u64::from(byte)));
        self.hash = [at_us, kind].into_iter().chain(numbers).fold(self.hash, mix);
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            let [a, b, c] = numbers;
            lines.push(format!("{at_us} {what} {a} {b} {c:x}"));
        }
    }
}
