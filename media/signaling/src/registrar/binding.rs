//! A REGISTER as the machine takes it, and the binding that comes of it.
//! Refuses to send to the address a phone believes it has: where its packet
//! came from is where it is reached.

use core::net::SocketAddr;

use super::address::{Aor, Contact, URI_MAX};
use super::refused::Refused;
use super::{ASKED_MAX, CALL_ID_MAX, Limits, PATH_MAX};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    WebSocket,
}

/// Where a request really came from: `received` and `rport` (RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub address: SocketAddr,
    pub transport: Transport,
    /// The connection, numbered by whoever holds it; a phone behind a NAT is
    /// reached through no other (RFC 5626).
    pub flow: Option<u64>,
}

/// One element of the Contact headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `Contact: *`.
    All,
    One {
        contact: Contact,
        /// Its `expires`; what cannot be read counts as none (RFC 3261 §10.3).
        expires_s: Option<u32>,
        /// Its `q` in thousandths; 1000 when it has none.
        q_permille: u16,
    },
}

/// A REGISTER whose sender is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// From To.
    pub aor: Aor,
    pub call_id: String,
    pub cseq: u32,
    /// Empty: the phone only asks what is bound.
    pub asked: Vec<Asked>,
    /// The Expires header.
    pub expires_s: Option<u32>,
    pub source: Source,
    /// The URIs of Path, topmost first (RFC 3327).
    pub path: Vec<String>,
    /// Whom digest accepted.
    pub user: String,
}

impl Register {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Refused> {
        if self.call_id.is_empty() || self.call_id.len() > CALL_ID_MAX {
            return Err(Refused::CallId);
        }
        // They come back as Route headers, so they must fit one.
        let fits = |uri: &String| {
            let plain = |b: u8| b.is_ascii_graphic() && !b"<>\"".contains(&b);
            !uri.is_empty() && uri.len() <= URI_MAX && uri.bytes().all(plain)
        };
        if self.path.len() > PATH_MAX || !self.path.iter().all(fits) {
            return Err(Refused::Path { most: PATH_MAX });
        }
        let star = self.asked.contains(&Asked::All);
        if star && (self.asked.len() > 1 || self.expires_s != Some(0)) {
            return Err(Refused::Star);
        }
        let mut binding = 0;
        for asked in &self.asked {
            binding += usize::from(self.granted_s(asked, limits)? > 0);
        }
        if binding > limits.contacts_per_aor || self.asked.len() > ASKED_MAX {
            return Err(Refused::TooMany { most: limits.contacts_per_aor });
        }
        Ok(())
    }

    /// How long one element is bound for; 0 removes it.
    pub(super) fn granted_s(&self, asked: &Asked, limits: &Limits) -> Result<u32, Refused> {
        let Asked::One { expires_s, .. } = asked else { return Ok(0) };
        match expires_s.or(self.expires_s).unwrap_or(limits.max_expires_s) {
            0 => Ok(0),
            short if short < limits.min_expires_s => {
                Err(Refused::TooBrief { min_expires_s: limits.min_expires_s })
            }
            long => Ok(long.min(limits.max_expires_s)),
        }
    }
}

/// One place where an address is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub contact: Contact,
    pub q_permille: u16,
    pub source: Source,
    pub path: Vec<String>,
    pub call_id: String,
    pub cseq: u32,
    pub refreshed_ms: u64,
    /// From this moment on it is gone.
    pub expires_ms: u64,
}

/// Where the first packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop<'a> {
    /// Where the phone's own packets come from, whatever its Contact says.
    Source(Source),
    /// The topmost Path element: the phone stands behind a proxy.
    Proxy(&'a str),
}

impl Binding {
    pub(super) fn new(
        now_ms: u64,
        register: &Register,
        asked: &Asked,
        contact: &Contact,
        granted_s: u32,
    ) -> Self {
        let q_permille = match asked {
            Asked::One { q_permille, .. } => (*q_permille).min(1000),
            Asked::All => 1000,
        };
        Self {
            contact: contact.clone(),
            q_permille,
            source: register.source,
            path: register.path.clone(),
            call_id: register.call_id.clone(),
            cseq: register.cseq,
            refreshed_ms: now_ms,
            expires_ms: now_ms.saturating_add(u64::from(granted_s) * 1000),
        }
    }

    pub(super) fn restored(now_ms: u64, view: BindingView, limits: &Limits) -> Self {
        let left_ms = view.expires_in_ms.min(u64::from(limits.max_expires_s) * 1000);
        Self {
            contact: view.contact,
            q_permille: view.q_permille.min(1000),
            source: view.source,
            path: view.path,
            call_id: view.call_id,
            cseq: view.cseq,
            refreshed_ms: now_ms.saturating_sub(view.refreshed_ago_ms),
            expires_ms: now_ms.saturating_add(left_ms),
        }
    }

    /// Smaller: refreshed longer ago; what was refreshed by the same clock tick
    /// is told apart by CSeq, which one phone raises with every request.
    pub(super) fn order(&self) -> (u64, u32) {
        (self.refreshed_ms, self.cseq)
    }

    /// Where a request for this binding is sent first. The Request-URI is always
    /// the contact's, the Route set always `path`.
    pub fn hop(&self) -> Hop<'_> {
        match self.path.first() {
            Some(proxy) => Hop::Proxy(proxy),
            None => Hop::Source(self.source),
        }
    }

    /// What is left of it at `now_ms`.
    pub fn view(&self, now_ms: u64) -> BindingView {
        BindingView {
            contact: self.contact.clone(),
            q_permille: self.q_permille,
            source: self.source,
            path: self.path.clone(),
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            refreshed_ago_ms: now_ms.saturating_sub(self.refreshed_ms),
            expires_in_ms: self.expires_ms.saturating_sub(now_ms),
        }
    }
}

/// A binding with times that mean the same on another node's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingView {
    pub contact: Contact,
    pub q_permille: u16,
    pub source: Source,
    pub path: Vec<String>,
    pub call_id: String,
    pub cseq: u32,
    pub refreshed_ago_ms: u64,
    pub expires_in_ms: u64,
}

impl BindingView {
    /// For the `expires` of a 200's Contact: whole seconds, never more than are
    /// left, so that no phone comes back too late.
    pub fn expires_in_s(&self) -> u64 {
        self.expires_in_ms / 1000
    }
}
