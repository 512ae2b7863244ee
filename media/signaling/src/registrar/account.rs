//! One address of record: its bindings, and the last CSeq of each Call-ID that
//! spoke for it. Refuses a CSeq that is not higher than the last one, even when
//! the binding it was about is gone: a REGISTER that was held up on the way must
//! not bring back a phone that signed off.

use super::address::Contact;
use super::binding::{Asked, Binding, BindingView, Register};
use super::refused::Refused;
use super::{Change, Limits};

#[derive(Debug, Clone)]
struct Heard {
    call_id: String,
    cseq: u32,
    at_ms: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    bindings: Vec<Binding>,
    heard: Vec<Heard>,
}

impl Account {
    pub(super) fn live(&self, now_ms: u64) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.expires_ms > now_ms)
    }

    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    pub(super) fn is_bare(&self) -> bool {
        self.bindings.is_empty()
    }

    pub(super) fn last_heard_ms(&self) -> u64 {
        self.heard.iter().map(|heard| heard.at_ms).max().unwrap_or(0)
    }

    pub(super) fn next_expiry_ms(&self) -> Option<u64> {
        self.bindings.iter().map(|binding| binding.expires_ms).min()
    }

    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<Binding> {
        self.bindings.extract_if(.., |binding| binding.expires_ms <= now_ms).collect()
    }

    /// Carries out a well-formed request; on an error the account is spoiled,
    /// and the caller throws it away.
    pub(super) fn take(
        &mut self,
        now_ms: u64,
        register: &Register,
        limits: &Limits,
    ) -> Result<Vec<Change>, Refused> {
        self.hear(now_ms, &register.call_id, register.cseq, limits)?;
        let mut changes = Vec::new();
        for asked in &register.asked {
            match asked {
                Asked::All => {
                    let gone = self.bindings.drain(..);
                    changes.extend(gone.map(|binding| Change::Removed(binding.contact)));
                }
                Asked::One { contact, .. } => match register.granted_s(asked, limits)? {
                    0 => changes.extend(self.remove(contact)),
                    granted_s => {
                        let binding = Binding::new(now_ms, register, asked, contact, granted_s);
                        changes.extend(self.bind(binding));
                    }
                },
            }
        }
        self.displace(limits, &mut changes);
        Ok(changes)
    }

    fn hear(
        &mut self,
        at_ms: u64,
        call_id: &str,
        cseq: u32,
        limits: &Limits,
    ) -> Result<(), Refused> {
        if let Some(heard) = self.heard.iter_mut().find(|heard| heard.call_id == call_id) {
            if cseq <= heard.cseq {
                return Err(Refused::Late { cseq, last: heard.cseq });
            }
            (heard.cseq, heard.at_ms) = (cseq, at_ms);
            return Ok(());
        }
        // Twice the bindings: so there is always one that no binding hangs on.
        if self.heard.len() >= limits.contacts_per_aor * 2 {
            let idle = |heard: &&Heard| !self.bindings.iter().any(|b| b.call_id == heard.call_id);
            let oldest = self.heard.iter().filter(idle).min_by_key(|heard| heard.at_ms);
            if let Some(oldest) = oldest.map(|heard| heard.call_id.clone()) {
                self.heard.retain(|heard| heard.call_id != oldest);
            }
        }
        self.heard.push(Heard { call_id: call_id.into(), cseq, at_ms });
        Ok(())
    }

    fn remove(&mut self, contact: &Contact) -> Option<Change> {
        let at = self.bindings.iter().position(|binding| binding.contact.is(contact))?;
        Some(Change::Removed(self.bindings.remove(at).contact))
    }

    fn bind(&mut self, binding: Binding) -> Option<Change> {
        let contact = binding.contact.clone();
        let Some(old) = self.bindings.iter_mut().find(|old| old.contact.is(&contact)) else {
            self.bindings.push(binding);
            return Some(Change::Added(contact));
        };
        let moved = old.source != binding.source || old.path != binding.path;
        *old = binding;
        Some(if moved { Change::Moved(contact) } else { Change::Refreshed(contact) })
    }

    /// Drops those refreshed longest ago; a request never asks for more than fit,
    /// so none of its own goes.
    fn displace(&mut self, limits: &Limits, changes: &mut Vec<Change>) {
        while self.bindings.len() > limits.contacts_per_aor {
            let all = self.bindings.iter().enumerate();
            let Some((at, _)) = all.min_by_key(|(_, binding)| binding.order()) else { return };
            changes.push(Change::Displaced(self.bindings.remove(at).contact));
        }
    }

    /// Takes what another node knew, as far as nothing later was heard here.
    pub(super) fn restore(&mut self, now_ms: u64, views: Vec<BindingView>, limits: &Limits) {
        // Judged by what was heard here, not by the other views: two contacts of
        // one phone carry the CSeq each was last named with.
        let here = self.heard.clone();
        let later = |view: &BindingView| {
            here.iter().any(|heard| heard.call_id == view.call_id && heard.cseq >= view.cseq)
        };
        for view in views {
            let known = self.bindings.iter().any(|binding| binding.contact.is(&view.contact));
            let room = self.bindings.len() < limits.contacts_per_aor;
            if known || !room || view.expires_in_ms == 0 || later(&view) {
                continue;
            }
            // Late only beside a sibling that was named after it: then all is known.
            let _late = self.hear(now_ms, &view.call_id, view.cseq, limits);
            self.bindings.push(Binding::restored(now_ms, view, limits));
        }
    }
}
