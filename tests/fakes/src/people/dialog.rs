//! Requests of the called side's own within a call (RFC 3261 §12.2.1.1), each
//! repeated until it is answered. It refuses to decide when one is made.

use std::collections::VecDeque;

use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request, Response};
use tokio::time::Instant;
use weir_fakes::sip::message::{self, Ask, Body};
use weir_fakes::sip::transaction::{Repeat, Turn};

use crate::phone::Line;

const PENDING_MAX: usize = 16;

#[derive(Debug)]
struct Pending {
    sequence: u32,
    method: Method,
    bytes: Vec<u8>,
    repeat: Repeat,
}

#[derive(Debug, Default)]
pub(crate) struct Dialog {
    sequence: u32,
    pending: VecDeque<Pending>,
}

/// What a request within the call is made from.
pub(crate) struct Within<'a> {
    pub(crate) line: &'a Line,
    /// The newest INVITE of the other side.
    pub(crate) invite: &'a Request,
    pub(crate) tag: &'a str,
    pub(crate) branch: &'a str,
}

impl Dialog {
    /// What to send; None when the other side cannot be addressed.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        method: Method,
        within: Within<'_>,
        body: Option<Body>,
    ) -> Option<Vec<u8>> {
        let Within { line, invite, tag, branch } = within;
        let first = |name: &str| message::values(invite, name).into_iter().next();
        let routes = message::values(invite, "Record-Route");
        let route = |value: String| Header::from(rsip::headers::Route::new(value));
        self.sequence += 1;
        let bytes = message::request(Ask {
            method,
            uri: message::address(&first("Contact")?),
            via: line.identity.via(line.local, branch),
            from: with_tag(first("To")?, tag),
            to: first("From")?,
            call_id: &message::call_id(invite),
            sequence: self.sequence,
            more: routes.into_iter().map(route).collect(),
            body,
        })?;
        if self.pending.len() == PENDING_MAX {
            self.pending.pop_front();
        }
        let (sequence, repeat) = (self.sequence, Repeat::new(now));
        self.pending.push_back(Pending { sequence, method, bytes: bytes.clone(), repeat });
        Some(bytes)
    }

    /// Which request a final response is to.
    pub(crate) fn answered(&mut self, response: &Response) -> Option<Method> {
        if response.status_code.code() < 200 {
            return None;
        }
        let sequence = message::sequence(response);
        let at = self.pending.iter().position(|pending| pending.sequence == sequence)?;
        self.pending.remove(at).map(|pending| pending.method)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.pending.iter().map(|pending| pending.repeat.due()).min()
    }

    /// Copies that are due.
    pub(crate) fn copies(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut copies = Vec::new();
        self.pending.retain_mut(|pending| match pending.repeat.turn(now) {
            Turn::NotYet => true,
            Turn::Again => {
                copies.push(pending.bytes.clone());
                true
            }
            Turn::GiveUp => false,
        });
        copies
    }
}

/// A request within the call names the tag already.
fn with_tag(to: String, tag: &str) -> String {
    if message::tag(&to).is_some() { to } else { format!("{to};tag={tag}") }
}
