//! What the demo promises, one check a file. A check is a function of what was
//! seen: recordings, the loudspeakers' ledger, answers of nodes. None of them
//! knows how the nodes were built or started.

mod heard_everywhere;
mod local_mode;
mod merged_once;
mod new_leader;
mod not_delivered;
mod started;
mod unbroken;

use serde::Serialize;

pub(crate) use heard_everywhere::{Listening, heard_everywhere};
pub(crate) use local_mode::{CutOff, local_mode};
pub(crate) use merged_once::{Rejoined, merged_once};
pub(crate) use new_leader::{Fall, new_leader};
pub(crate) use not_delivered::{LateClick, not_delivered};
pub(crate) use started::red_plan_started;
pub(crate) use unbroken::{Sounded, unbroken};

/// What a check says.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
    /// Empty: passed.
    pub(crate) failures: Vec<String>,
    /// What it was judged by, and the value.
    pub(crate) measured: Vec<(String, String)>,
    /// For the scene's line.
    #[serde(skip)]
    pub(crate) line: String,
}

impl Verdict {
    pub(crate) fn new(name: &'static str, zh: &'static str, en: &'static str) -> Self {
        let (failures, measured) = (Vec::new(), Vec::new());
        Self { name, zh, en, failures, measured, line: String::new() }
    }

    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn measure(&mut self, what: &str, value: impl ToString) {
        self.measured.push((what.to_owned(), value.to_string()));
    }

    /// What must hold, and what is said when it does not.
    pub(crate) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(otherwise());
        }
    }

    /// It could not be looked at: that is no pass.
    pub(crate) fn blind(mut self, why: &anyhow::Error) -> Self {
        self.failures.push(format!("{why:#}"));
        self.line = "not seen".to_owned();
        self
    }
}

/// Seconds with `digits` decimals.
pub(crate) fn seconds(ms: u64, digits: usize) -> String {
    format!("{:.digits$} s", ms as f64 / 1000.0)
}

/// A few of many, for a message.
pub(crate) fn some(all: &[String]) -> String {
    let shown = all.iter().take(8).cloned().collect::<Vec<_>>().join(" ");
    if all.len() > 8 { format!("{shown} … ({})", all.len()) } else { shown }
}
