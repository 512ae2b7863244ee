//! Where each address of record is reached (RFC 3261 §10.3): a machine that
//! takes one REGISTER at a time. Refuses bindings for anyone but the
//! authenticated user, orders that come late, and more than there is room for.
//! A request is carried out whole or not at all.

mod account;
mod address;
mod binding;
mod refused;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use address::{AddressError, Aor, Contact, URI_MAX};
pub use binding::{Asked, Binding, BindingView, Hop, Register, Source, Transport};
pub use refused::Refused;

use account::Account;

/// Longest Call-ID, in bytes.
pub const CALL_ID_MAX: usize = 256;
/// Most elements of a Path.
pub const PATH_MAX: usize = 4;
/// Most Contact elements looked at in one request.
pub const ASKED_MAX: usize = 16;

/// Bounds of a registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Shorter is refused with 423. Above 3,600 s it counts as 3,600 s, the most
    /// that RFC 3261 §10.3 lets a registrar insist on.
    pub min_expires_s: u32,
    /// Longer is shortened to it; also what is given when none is asked for.
    pub max_expires_s: u32,
    /// Most bindings of one address. A new one beyond it takes the place of the
    /// one refreshed longest ago: a speaker that reboots on another port each
    /// time must not be locked out by its own past just before an evacuation,
    /// and whoever holds the password could remove the others anyway.
    pub contacts_per_aor: usize,
    /// Most addresses with bindings, or with a past that still guards against
    /// late requests.
    pub aors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_expires_s: 60, max_expires_s: 3600, contacts_per_aor: 4, aors: 8192 }
    }
}

/// What a REGISTER did to one binding. Only a refresh is of no interest beyond
/// the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Added(Contact),
    /// The same contact for longer, reached as before.
    Refreshed(Contact),
    /// The same contact, now reached another way.
    Moved(Contact),
    Removed(Contact),
    /// Gave way to a newer one, see [`Limits::contacts_per_aor`].
    Displaced(Contact),
}

/// What to answer a REGISTER with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 200, listing `bindings` in the order of their first registration.
    Registered { bindings: Vec<BindingView>, changes: Vec<Change> },
    /// Nothing changed.
    Refused { why: Refused },
}

/// The bindings of one site. Times are milliseconds of any clock that does not
/// go back.
#[derive(Debug)]
pub struct Registrar {
    limits: Limits,
    accounts: BTreeMap<Aor, Account>,
}

impl Registrar {
    pub fn new(limits: Limits) -> Self {
        let min_expires_s = limits.min_expires_s.min(3600);
        let max_expires_s = limits.max_expires_s.max(min_expires_s).max(1);
        let contacts_per_aor = limits.contacts_per_aor.clamp(1, ASKED_MAX);
        let limits = Limits { min_expires_s, max_expires_s, contacts_per_aor, ..limits };
        Self { limits, accounts: BTreeMap::new() }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes one REGISTER whose digest was accepted.
    pub fn step(&mut self, now_ms: u64, register: Register) -> Outcome {
        let aor = register.aor.clone();
        match self.decide(now_ms, register) {
            Ok(changes) => Outcome::Registered { bindings: self.bindings(now_ms, &aor), changes },
            Err(why) => Outcome::Refused { why },
        }
    }

    fn decide(&mut self, now_ms: u64, register: Register) -> Result<Vec<Change>, Refused> {
        if register.user != register.aor.user() {
            return Err(Refused::NotYours { aor: register.aor, user: register.user });
        }
        register.check(&self.limits)?;
        if register.asked.is_empty() {
            return Ok(Vec::new());
        }
        let fresh = Account::default();
        let mut account = self.accounts.get(&register.aor).unwrap_or(&fresh).clone();
        account.expire(now_ms);
        // On a copy, so that what fails half-way leaves nothing behind.
        let changes = account.take(now_ms, &register, &self.limits)?;
        if !self.accounts.contains_key(&register.aor) {
            // Nothing to remove and nothing to guard: a stranger's clean-up at boot.
            if account.is_bare() {
                return Ok(changes);
            }
            self.make_room()?;
        }
        self.accounts.insert(register.aor, account);
        Ok(changes)
    }

    /// An address without bindings is kept only for its past, so it goes first.
    fn make_room(&mut self) -> Result<(), Refused> {
        if self.accounts.len() < self.limits.aors {
            return Ok(());
        }
        let bare = self.accounts.iter().filter(|(_, account)| account.is_bare());
        let oldest = bare.min_by_key(|(_, account)| account.last_heard_ms());
        let oldest = oldest.map(|(aor, _)| aor.clone());
        match oldest.and_then(|aor| self.accounts.remove(&aor)) {
            Some(_) => Ok(()),
            None => Err(Refused::Full { most: self.limits.aors }),
        }
    }

    /// The live bindings of an address, first registered first.
    pub fn bindings(&self, now_ms: u64, aor: &Aor) -> Vec<BindingView> {
        let account = self.accounts.get(aor);
        let live = account.into_iter().flat_map(|account| account.live(now_ms));
        live.map(|binding| binding.view(now_ms)).collect()
    }

    /// Whom to ring: the live bindings of an address, preferred ones first
    /// (q, then the one heard of last).
    pub fn reach(&self, now_ms: u64, aor: &Aor) -> Vec<&Binding> {
        let account = self.accounts.get(aor);
        let mut live: Vec<_> =
            account.into_iter().flat_map(|account| account.live(now_ms)).collect();
        live.sort_by_key(|b| (u16::MAX - b.q_permille, u64::MAX - b.refreshed_ms));
        live
    }

    /// All live bindings, for a partner or a screen.
    pub fn view(&self, now_ms: u64) -> Vec<(Aor, Vec<BindingView>)> {
        let all = self.accounts.keys().map(|aor| (aor.clone(), self.bindings(now_ms, aor)));
        all.filter(|(_, bindings)| !bindings.is_empty()).collect()
    }

    /// Takes over what a partner's [`view`](Self::view) showed; what is known
    /// here already is newer and stays. Within the same bounds. A clock younger
    /// than a binding's last refresh counts it as refreshed at 0.
    ///
    /// # Errors
    /// [`Refused::Full`] when there is no room for the address.
    pub fn restore(
        &mut self,
        now_ms: u64,
        aor: &Aor,
        bindings: Vec<BindingView>,
    ) -> Result<(), Refused> {
        if !self.accounts.contains_key(aor) {
            self.make_room()?;
        }
        let account = self.accounts.entry(aor.clone()).or_default();
        account.expire(now_ms);
        account.restore(now_ms, bindings, &self.limits);
        Ok(())
    }

    /// Drops what has run out and says what it was.
    pub fn expire(&mut self, now_ms: u64) -> Vec<(Aor, Binding)> {
        let mut gone = Vec::new();
        let memory_ms = u64::from(self.limits.max_expires_s) * 1000;
        self.accounts.retain(|aor, account| {
            gone.extend(account.expire(now_ms).into_iter().map(|binding| (aor.clone(), binding)));
            !account.is_bare() || account.last_heard_ms().saturating_add(memory_ms) > now_ms
        });
        gone
    }

    /// When [`expire`](Self::expire) next has a binding to drop.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.accounts.values().filter_map(Account::next_expiry_ms).min()
    }

    /// How many bindings are held, run out or not.
    pub fn len(&self) -> usize {
        self.accounts.values().map(Account::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
