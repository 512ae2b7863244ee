//! Every journal reads back as it was written, and so does every copy of it as
//! far as the copy goes; nobody is left with two histories of one node.

use weir_model::fact::verify;

use super::{Invariant, Seen};

#[derive(Default)]
pub(super) struct JournalsVerify;

impl Invariant for JournalsVerify {
    fn name(&self) -> &'static str {
        "every journal verifies"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        if journals.panics > 0 {
            return Err(format!("{} tasks panicked", journals.panics));
        }
        for (node, facts) in &journals.own {
            verify(facts, None).map_err(|broken| format!("{node}: {broken}"))?;
        }
        for ((holder, author), facts) in &journals.copies {
            if !facts.is_empty() {
                verify(facts, None).map_err(|broken| format!("{holder} of {author}: {broken}"))?;
            }
            let own = journals.own.get(author).into_iter().flatten();
            if !own.zip(facts).all(|(one, other)| one == other) {
                return Err(format!("{holder} keeps another history of {author}"));
            }
        }
        let forked = journals.shown.iter().find(|(_, view)| !view.forks.is_empty());
        match forked {
            Some((node, view)) => Err(format!("{node} raised a fork alarm: {:?}", view.forks)),
            None => Ok(()),
        }
    }
}
