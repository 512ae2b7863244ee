//! The nonces we handed out, and which of their counts were used. Refuses to
//! grow: when full, the oldest nonce that nobody proved a password with goes
//! first, so that a stranger asking for challenges without end throws no phone
//! off; a phone that loses its nonce is told `stale` and simply asks again.

use std::collections::BTreeMap;
use std::fmt;

use super::algorithm::unhex;

/// Random bytes, minted by the caller; hexadecimal on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Nonce {
    /// Ours have exactly one spelling.
    fn parse(text: &str) -> Option<Self> {
        let nonce = Self(unhex(text)?.try_into().ok()?);
        (nonce.to_string() == text).then_some(nonce)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceLimits {
    /// How long a nonce is good, from its minting on.
    pub lifetime_ms: u64,
    /// Most nonces kept; at least one is.
    pub most: usize,
}

impl Default for NonceLimits {
    /// Five minutes: a refresh each minute re-uses it, a stolen one is soon dead.
    fn default() -> Self {
        Self { lifetime_ms: 300_000, most: 8192 }
    }
}

/// What the use of a count amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    First,
    Again,
    /// The nonce is not known, or no longer.
    Stale,
}

/// Which of the last 64 counts were used; older ones all count as used.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    highest: u32,
    /// Bit n stands for `highest - n`.
    used: u64,
}

impl Window {
    fn count(&mut self, nc: u32) -> Counted {
        if nc > self.highest {
            let ahead = nc - self.highest;
            self.used = self.used.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return Counted::First;
        }
        match 1u64.checked_shl(self.highest - nc) {
            Some(bit) if nc > 0 && self.used & bit == 0 => {
                self.used |= bit;
                Counted::First
            }
            _ => Counted::Again,
        }
    }
}

#[derive(Debug)]
struct Minted {
    /// Place in the order of minting.
    order: u64,
    expires_ms: u64,
    /// Who was sent it.
    origin: u128,
    counts: Use,
}

#[derive(Debug)]
enum Use {
    /// Handed out; nobody came back with a right answer yet.
    Fresh,
    Counted(Window),
    /// Used by a phone that does not count, so good only once.
    Spent,
}

#[derive(Debug)]
pub(super) struct Nonces {
    limits: NonceLimits,
    minted: BTreeMap<Nonce, Minted>,
    /// Those without a right answer, and those with one, by order of minting.
    fresh: BTreeMap<u64, Nonce>,
    proven: BTreeMap<u64, Nonce>,
    next: u64,
}

impl Nonces {
    pub(super) fn new(limits: NonceLimits) -> Self {
        let (minted, fresh, proven) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { limits, minted, fresh, proven, next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.minted.len()
    }

    /// Whether this is one of ours, still good, and was sent to `origin`.
    pub(super) fn is_good(&self, now_ms: u64, nonce: &str, origin: u128) -> bool {
        let minted = Nonce::parse(nonce).and_then(|nonce| self.minted.get(&nonce));
        minted.is_some_and(|minted| minted.expires_ms > now_ms && minted.origin == origin)
    }

    pub(super) fn mint(&mut self, now_ms: u64, nonce: Nonce, origin: u128) -> Nonce {
        // The same bytes again must not make used counts good again.
        if self.minted.contains_key(&nonce) {
            return nonce;
        }
        self.expire_oldest(now_ms);
        while self.minted.len() >= self.limits.most.max(1) {
            let oldest = self.fresh.pop_first().or_else(|| self.proven.pop_first());
            let Some((_, oldest)) = oldest else { break };
            self.minted.remove(&oldest);
        }
        let (order, expires_ms) = (self.next, now_ms.saturating_add(self.limits.lifetime_ms));
        self.next += 1;
        self.fresh.insert(order, nonce);
        self.minted.insert(nonce, Minted { order, expires_ms, origin, counts: Use::Fresh });
        nonce
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        while self.expire_oldest(now_ms) {}
    }

    /// Drops the oldest of each kind if it is past its lifetime; all live
    /// equally long, so the order of minting is that of expiry.
    fn expire_oldest(&mut self, now_ms: u64) -> bool {
        let mut dropped = false;
        for order in [&mut self.fresh, &mut self.proven] {
            let Some(oldest) = order.first_entry() else { continue };
            let past = |minted: &Minted| minted.expires_ms <= now_ms;
            if self.minted.get(oldest.get()).is_none_or(past) {
                self.minted.remove(&oldest.remove());
                dropped = true;
            }
        }
        dropped
    }

    /// Uses a nonce whose answer was right. Without a count it is good once.
    pub(super) fn count(&mut self, now_ms: u64, nonce: &str, nc: Option<u32>) -> Counted {
        let Some(nonce) = Nonce::parse(nonce) else { return Counted::Stale };
        let Some(minted) = self.minted.get_mut(&nonce) else { return Counted::Stale };
        if minted.expires_ms <= now_ms {
            return Counted::Stale;
        }
        self.fresh.remove(&minted.order);
        self.proven.insert(minted.order, nonce);
        match (&mut minted.counts, nc) {
            (Use::Counted(window), Some(nc)) => window.count(nc),
            (fresh @ Use::Fresh, Some(nc)) => {
                let mut window = Window::default();
                let counted = window.count(nc);
                *fresh = Use::Counted(window);
                counted
            }
            (fresh @ Use::Fresh, None) => {
                *fresh = Use::Spent;
                Counted::First
            }
            // Whoever does not count cannot help coming back with it: ask anew.
            (Use::Spent | Use::Counted(_), None) => Counted::Stale,
            (Use::Spent, Some(_)) => Counted::Again,
        }
    }
}
