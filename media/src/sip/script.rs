//! Our requests as bytes: one call's names, addresses and routes, and the
//! requests made of them. Refuses text that could end a line or a quoted name.

use std::fmt::Write as _;
use std::net::SocketAddr;

use weir_model::directory::AutoAnswer;

use super::answer::{AGENT, ALLOW};
use super::call::{DialogNote, Outgoing};
use super::head::{Address, Name};
use super::kept::Transport;
use super::message::Request;

/// Longest display name, in characters.
const NAME_MAX: usize = 128;

/// `address` as it stands in a header: an IPv4 address that came over an IPv6
/// socket is shown as what it is.
pub(super) fn shown(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A user part; what may not stand there is escaped.
pub(super) fn user(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()+".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _never_fails = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn quoted(name: &str) -> String {
    let plain = name.chars().filter(|c| !c.is_control()).take(NAME_MAX);
    let mut out = String::from("\"");
    for c in plain {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Where a call goes, as the registrar knows it.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) transport: Transport,
    /// Where the device's packets come from.
    pub(super) address: SocketAddr,
    /// Its Contact.
    pub(super) uri: String,
    /// Its Path.
    pub(super) route: Vec<String>,
    /// Our own address, as the device sees it.
    pub(super) local: SocketAddr,
}

/// The standing parts of a call's requests.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) number: String,
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
    pub(super) uri: String,
    pub(super) route: Vec<String>,
    pub(super) call_id: String,
    pub(super) from: String,
    pub(super) from_tag: String,
    pub(super) to: String,
    local: SocketAddr,
    contact: String,
    /// What every branch of this call begins with.
    stem: String,
    branches: u32,
    max_forwards: u8,
}

/// One request's own parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) route: &'a [String],
    pub(super) to: &'a str,
    pub(super) cseq: u32,
    pub(super) branch: &'a str,
    pub(super) fields: &'a [String],
    /// The body, and its Content-Type.
    pub(super) kind: &'a str,
    pub(super) body: &'a [u8],
}

/// The Content-Type of an offer or an answer.
pub(super) const SDP: &str = "application/sdp";

impl Script {
    /// `stem` is unguessable, begins with the magic cookie and is used once.
    pub(super) fn new(
        call: &Outgoing,
        way: &Way,
        realm: &str,
        stem: String,
        secrets: [String; 2],
    ) -> Self {
        let [call_id, from_tag] = secrets;
        let from = user(&call.from);
        let local = shown(way.local);
        let over = if way.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        let name = match call.from_name.trim() {
            "" => String::new(),
            name => format!("{} ", quoted(name)),
        };
        Self {
            number: call.to.clone(),
            transport: way.transport,
            address: way.address,
            uri: dialled(&way.uri, call.dial.as_deref()),
            route: way.route.clone(),
            call_id,
            from: format!("{name}<sip:{from}@{realm}>;tag={from_tag}"),
            from_tag,
            to: format!("<sip:{}@{realm}>", user(call.dial.as_deref().unwrap_or(&call.to))),
            local,
            contact: format!("<sip:{from}@{local}{over}>"),
            stem,
            branches: 0,
            max_forwards: call.max_forwards,
        }
    }

    /// For a dialog that the far side began: From is what the INVITE called To,
    /// with our tag.
    pub(super) fn callee(
        request: &Request,
        way: &Way,
        called: &str,
        stem: String,
        tag: &str,
    ) -> Self {
        let (from, to) = (address(request, Name::To), address(request, Name::From));
        let theirs = match request.from_tag.as_str() {
            "" => String::new(),
            tag => format!(";tag={tag}"),
        };
        let local = shown(way.local);
        let over = if way.transport == Transport::Tcp { ";transport=tcp" } else { "" };
        Self {
            number: called.into(),
            transport: way.transport,
            address: way.address,
            uri: way.uri.clone(),
            route: way.route.clone(),
            call_id: request.call_id.clone(),
            from: format!("<{from}>;tag={tag}"),
            from_tag: tag.into(),
            to: format!("<{to}>{theirs}"),
            local,
            contact: format!("<sip:{}@{local}{over}>", user(called)),
            stem,
            branches: 0,
            max_forwards: 70,
        }
    }

    /// The same for another machine: its branches are others.
    pub(super) fn apart(&self) -> Self {
        Self { stem: format!("{}.d", self.stem), branches: 0, max_forwards: 70, ..self.clone() }
    }

    /// To end what an earlier life began.
    pub(super) fn stale(note: &DialogNote, local: SocketAddr, stem: String) -> Self {
        Self {
            number: note.number.clone(),
            transport: note.transport,
            address: note.address,
            uri: note.target.clone(),
            route: note.route.clone(),
            call_id: note.call_id.clone(),
            from: note.from.clone(),
            from_tag: String::new(),
            to: note.to.clone(),
            local: shown(local),
            contact: String::new(),
            stem,
            branches: 0,
            max_forwards: 70,
        }
    }

    pub(super) fn branch(&mut self) -> String {
        self.branches += 1;
        format!("{}.{}", self.stem, self.branches)
    }

    pub(super) fn bytes(&self, asked: &Asked<'_>) -> Vec<u8> {
        let Asked { method, uri, route, to, cseq, branch, fields, kind, body } = *asked;
        let mut out = format!("{method} {uri} SIP/2.0\r\n");
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            let value: String =
                value.to_string().chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
            let _never_fails = write!(out, "{name}: {value}\r\n");
        };
        let (over, local) = (self.transport.name(), self.local);
        line("Via", &format_args!("SIP/2.0/{over} {local};branch={branch};rport"));
        for uri in route {
            line("Route", &format_args!("<{uri}>"));
        }
        line("Max-Forwards", &self.max_forwards);
        line("From", &self.from);
        line("To", &to);
        line("Call-ID", &self.call_id);
        line("CSeq", &format_args!("{cseq} {method}"));
        if !self.contact.is_empty() && method == "INVITE" {
            line("Contact", &self.contact);
            line("Allow", &ALLOW);
        }
        for field in fields {
            if let Some((name, value)) = field.split_once(": ") {
                line(name, &value);
            }
        }
        line("User-Agent", &AGENT);
        if !body.is_empty() {
            line("Content-Type", &kind);
        }
        line("Content-Length", &body.len());
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        out.extend_from_slice(body);
        out
    }

    /// Contact as it stands in our answers to re-INVITEs.
    pub(super) fn contact(&self) -> &str {
        &self.contact
    }
}

/// A URI that may stand between angle brackets in a line of ours.
pub(super) fn fits(uri: &str) -> bool {
    uri.len() <= 512 && uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b))
}

/// The URI in From or To.
fn address(request: &Request, name: Name) -> String {
    let address = request.head.first(name).and_then(Address::read);
    let uri = address.map(|address| address.uri).filter(|uri| fits(uri));
    uri.unwrap_or_else(|| "sip:anonymous@anonymous.invalid".into())
}

/// A gateway's Contact with the user part that it shall dial.
fn dialled(contact: &str, dial: Option<&str>) -> String {
    let Some(dial) = dial else { return contact.into() };
    let rest = contact.split_once(':').map_or(contact, |(_, rest)| rest);
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("sip:{}@{host}", user(dial))
}

/// Who calls, for those who believe us (RFC 3325).
pub(super) fn asserted(from: &str, realm: &str) -> String {
    format!("P-Asserted-Identity: <sip:{}@{realm}>", user(from))
}

/// How a device is told to answer by itself, in the dialect it knows.
pub(super) fn answer_by_yourself(dialect: AutoAnswer, realm: &str) -> Vec<String> {
    match dialect {
        AutoAnswer::CallInfo => vec![format!("Call-Info: <sip:{realm}>;answer-after=0")],
        AutoAnswer::AlertInfo => {
            vec![format!("Alert-Info: <http://{realm}>;info=alert-autoanswer;delay=0")]
        }
        // RFC 5373, without Require: a device that does not know it shall ring.
        AutoAnswer::AnswerMode => vec!["Answer-Mode: Auto".into()],
        AutoAnswer::Device => Vec::new(),
    }
}
