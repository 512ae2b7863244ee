//! Which device is in which call. A device has one line, whichever zones it
//! stands in; the line is free again when nothing of the call is left.

use std::collections::BTreeMap;

use weir_model::fact::EffectKey;
use weir_model::id::Extension;

use super::order::{CallId, Event};
use super::timing::ENDING_MS;

/// Who holds a device's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    By(EffectKey, CallId),
    /// Being hung up.
    Ending,
}

#[derive(Debug, Clone)]
struct Line {
    number: Extension,
    key: EffectKey,
    ending_since_ms: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    last: u64,
    calls: BTreeMap<CallId, Line>,
    numbers: BTreeMap<Extension, CallId>,
}

impl Lines {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn any_ending(&self) -> bool {
        self.calls.values().any(|line| line.ending_since_ms.is_some())
    }

    pub(super) fn held(&self, number: &Extension) -> Option<Held> {
        let call = self.numbers.get(number)?;
        let line = self.calls.get(call)?;
        match line.ending_since_ms {
            None => Some(Held::By(line.key.clone(), *call)),
            Some(_) => Some(Held::Ending),
        }
    }

    /// The caller has looked: the line is free.
    pub(super) fn take(&mut self, number: &Extension, key: &EffectKey) -> CallId {
        self.last += 1;
        let call = CallId(self.last);
        let line = Line { number: number.clone(), key: key.clone(), ending_since_ms: None };
        self.calls.insert(call, line);
        self.numbers.insert(number.clone(), call);
        call
    }

    pub(super) fn ending(&mut self, call: CallId, now_ms: u64) {
        if let Some(line) = self.calls.get_mut(&call) {
            line.ending_since_ms.get_or_insert(now_ms);
        }
    }

    /// Whose call it is, unless it is being hung up or was never placed.
    pub(super) fn heard(&mut self, call: CallId, event: Event) -> Option<EffectKey> {
        let line = self.calls.get(&call)?;
        let owner = line.ending_since_ms.is_none().then(|| line.key.clone());
        if event.ends() {
            self.free(call);
        }
        owner
    }

    fn free(&mut self, call: CallId) {
        if let Some(line) = self.calls.remove(&call)
            && self.numbers.get(&line.number) == Some(&call)
        {
            self.numbers.remove(&line.number);
        }
    }

    /// A device that is dead never says that it hung up.
    pub(super) fn forget_ended(&mut self, now_ms: u64) {
        let over = |line: &Line| {
            line.ending_since_ms.is_some_and(|since| now_ms >= since.saturating_add(ENDING_MS))
        };
        let ended = self.calls.iter().filter(|(_, line)| over(line));
        let ended: Vec<CallId> = ended.map(|(call, _)| *call).collect();
        ended.into_iter().for_each(|call| self.free(call));
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let ending = self.calls.values().filter_map(|line| line.ending_since_ms);
        ending.min().map(|since| since.saturating_add(ENDING_MS))
    }
}
