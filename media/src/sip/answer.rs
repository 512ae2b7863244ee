//! Our answers as bytes. What a request said of itself goes back as it came, in
//! whatever encoding; refuses to let a line end slip into a field.

use std::net::SocketAddr;

use super::head::{Name, split};
use super::message::Request;
use super::script::SDP;
use super::session::Session;

/// The methods that a request to this node may have.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO";
/// What we call ourselves.
pub(super) const AGENT: &str = "Weir";

/// An answer under way.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) reason: String,
    /// Whole lines without their ends.
    pub(super) fields: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), fields: Vec::new(), body: Vec::new() }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.fields.push(format!("{name}: {value}"));
        self
    }

    /// A session description, and how long the session lives without a word.
    #[must_use]
    pub(super) fn described(mut self, session: &Session, sdp: String) -> Self {
        self.fields.extend(session.answer_fields());
        self.carrying(sdp)
    }

    #[must_use]
    pub(super) fn carrying(mut self, sdp: String) -> Self {
        self.body = sdp.into_bytes();
        if self.body.is_empty() { self } else { self.with("Content-Type", SDP) }
    }

    /// Words for a person, beside the reason phrase (RFC 3261 §20.43).
    #[must_use]
    pub(super) fn warn(self, words: &str) -> Self {
        let words: String =
            words.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
        self.with("Warning", format_args!("399 weir \"{words}\""))
    }

    /// The bytes to send for `request`, which came from `source`; `tag` is given
    /// to a To that has none.
    pub(super) fn bytes(&self, request: &Request, source: SocketAddr, tag: &str) -> Vec<u8> {
        let mut out = format!("SIP/2.0 {} {}\r\n", self.code, self.reason).into_bytes();
        let mut field = |name: &str, value: &[u8], more: &str| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend(value.iter().filter(|b| !matches!(b, b'\r' | b'\n' | 0)));
            out.extend_from_slice(more.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        for (at, via) in request.head.elements(Name::Via).into_iter().enumerate() {
            match at {
                0 => field("Via", &received(via, source), ""),
                _ => field("Via", via, ""),
            }
        }
        let to_tag = match request.to_tag {
            None if self.code > 100 => format!(";tag={tag}"),
            _ => String::new(),
        };
        let echo = |name| request.head.first(name).unwrap_or_default();
        field("From", echo(Name::From), "");
        field("To", echo(Name::To), &to_tag);
        field("Call-ID", echo(Name::CallId), "");
        field("CSeq", echo(Name::CSeq), "");
        for line in &self.fields {
            let line: String = line.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        let length = self.body.len();
        out.extend_from_slice(
            format!("Server: {AGENT}\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
        );
        out.extend_from_slice(&self.body);
        out
    }
}

/// The topmost Via with where its packet really came from (RFC 3581 §4). What
/// the sender itself wrote there is taken out.
fn received(via: &[u8], source: SocketAddr) -> Vec<u8> {
    let (mut out, mut rport) = (Vec::with_capacity(via.len() + 48), false);
    for (at, part) in split(via, b';').into_iter().enumerate() {
        let name = part.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
        if at > 0 && name.eq_ignore_ascii_case(b"received") {
            continue;
        }
        if at > 0 && name.eq_ignore_ascii_case(b"rport") {
            rport = true;
            continue;
        }
        if at > 0 {
            out.push(b';');
        }
        out.extend_from_slice(part);
    }
    let ip = source.ip().to_canonical();
    out.extend_from_slice(format!(";received={ip}").as_bytes());
    if rport {
        out.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
    }
    out
}
