//! A message as far as it must be understood to be answered. Refuses nothing by
//! itself: what is wrong with a request stands in its `fault`, for whoever
//! answers; what cannot be answered is no message.

use std::borrow::Cow;

use super::grammar::{self, Uri};
use super::head::{Address, BODY_MAX, Flaw, Head, Name, is_closed, is_token, parameter, split};

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    Register,
    Options,
    Invite,
    Ack,
    Bye,
    Cancel,
    Info,
    /// Standardised, not spoken here: 405.
    Unserved,
    /// Never heard of: 501.
    Unknown,
}

const UNSERVED: [&[u8]; 7] =
    [b"MESSAGE", b"NOTIFY", b"PRACK", b"PUBLISH", b"REFER", b"SUBSCRIBE", b"UPDATE"];

impl Method {
    /// Capitals matter (RFC 3261 §7.1).
    fn read(name: &[u8]) -> Self {
        match name {
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"INFO" => Self::Info,
            other if UNSERVED.contains(&other) => Self::Unserved,
            _ => Self::Unknown,
        }
    }
}

/// What is wrong with a request that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: u16,
    /// The reason phrase.
    pub(super) why: &'static str,
}

const fn bad(why: &'static str) -> Fault {
    Fault { code: 400, why }
}

/// The topmost Via.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Via {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) branch: String,
    /// Asks to be answered where its packet came from (RFC 3581).
    pub(super) rport: bool,
}

impl Via {
    /// One Via element. With a quote left open, what we add to it would be part
    /// of the quoted text.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        let control = |b: &u8| b.is_ascii_control() && *b != b'\t';
        if !is_closed(value) || value.iter().any(control) {
            return None;
        }
        let parts = split(value, b';');
        let (first, parameters) = parts.split_first()?;
        let first = String::from_utf8_lossy(first);
        let mut sides = first.splitn(3, '/');
        let (sip, version) = (sides.next()?.trim(), sides.next()?.trim());
        let (transport, at) = sides.next()?.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        if !sip.eq_ignore_ascii_case("SIP") || version != "2.0" || !transport.bytes().all(is_token)
        {
            return None;
        }
        let (host, port) = grammar::host_port(at.trim())?;
        let branch = parameter(parameters, "branch").unwrap_or_default();
        // Wider than the token it should be.
        if branch.len() > 256 || !branch.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let rport = parameter(parameters, "rport").is_some();
        Some(Self { host, port, branch, rport })
    }
}

/// A request that can be answered.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The method as it was written; it is what digest covers.
    pub(super) method_text: String,
    /// The Request-URI.
    pub(super) uri: String,
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
    pub(super) via: Via,
    pub(super) from_tag: String,
    pub(super) to_tag: Option<String>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) fault: Option<Fault>,
}

/// An answer to a request, perhaps one of ours.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) head: Head,
    pub(super) body: Vec<u8>,
    pub(super) branch: String,
    pub(super) to_tag: Option<String>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    /// The method of its CSeq.
    pub(super) method: Method,
}

#[derive(Debug, Clone)]
pub(super) enum Message {
    Request(Box<Request>),
    Response(Box<Response>),
}

impl Message {
    /// Reads one message that fills `bytes`. `None`: nobody can be answered.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, body_at) = Head::read(bytes)?;
        let rest = bytes.get(body_at..).unwrap_or_default();
        if head.start.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
            return Response::read(head, rest).map(|r| Self::Response(Box::new(r)));
        }
        Request::read(head, rest).map(|r| Self::Request(Box::new(r)))
    }
}

/// How long the body says it is, as far as that can be believed.
pub(super) fn content_length(head: &Head) -> Result<Option<usize>, Fault> {
    let mut said = None;
    for value in head.all(Name::ContentLength) {
        let digits = !value.is_empty() && value.len() <= 10 && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| digits);
        let Some(number) = number.and_then(|n| n.parse::<usize>().ok()) else {
            return Err(bad("Bad Content-Length"));
        };
        if said.is_some_and(|before| before != number) {
            return Err(bad("Two Content-Lengths"));
        }
        said = Some(number);
    }
    Ok(said)
}

fn body(head: &Head, rest: &[u8]) -> Result<Vec<u8>, Fault> {
    let length = content_length(head)?.unwrap_or(rest.len());
    if length > BODY_MAX {
        return Err(Fault { code: 413, why: "Request Entity Too Large" });
    }
    // RFC 3261 §18.3: what follows the body is no part of it.
    rest.get(..length).map(<[u8]>::to_vec).ok_or(bad("Content-Length Beyond The Message"))
}

/// CSeq's number and method.
fn cseq(head: &Head) -> Option<(Option<u32>, Vec<u8>)> {
    let value = head.first(Name::CSeq)?;
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (number, method) = (words.next()?, words.next()?);
    let number = std::str::from_utf8(number).ok().and_then(|n| n.parse::<u32>().ok());
    // RFC 3261 §8.1.1.5: less than 2^31.
    let number = number.filter(|n| *n < 1 << 31 && words.next().is_none());
    Some((number, method.to_vec()))
}

fn call_id(head: &Head) -> Option<String> {
    let id = head.first(Name::CallId)?;
    let plain = !id.is_empty() && id.len() <= 256 && id.iter().all(u8::is_ascii_graphic);
    plain.then(|| String::from_utf8_lossy(id).into_owned())
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl Request {
    fn read(head: Head, rest: &[u8]) -> Option<Self> {
        let via = Via::read(head.elements(Name::Via).first()?)?;
        let call_id = call_id(&head)?;
        let (cseq, cseq_method) = cseq(&head)?;
        let from = Address::read(head.first(Name::From)?);
        let to = Address::read(head.first(Name::To)?);
        let from_tag = from.as_ref().and_then(|from| from.parameter("tag"));
        let to_tag = to.as_ref().and_then(|to| to.parameter("tag"));
        let line = StartLine::read(&head.start);
        let mut fault = line.fault.or_else(|| flaw(&head));
        if fault.is_none() && (from.is_none() || to.is_none()) {
            fault = Some(bad("Bad From Or To"));
        }
        if fault.is_none() && (cseq.is_none() || line.method_text.as_bytes() != cseq_method) {
            fault = Some(bad("Bad CSeq"));
        }
        let twice = [Name::CSeq, Name::CallId, Name::From, Name::To, Name::MaxForwards];
        if fault.is_none() && twice.iter().any(|name| head.all(*name).count() > 1) {
            fault = Some(bad("A Field Is There Twice"));
        }
        let body = match body(&head, rest) {
            Ok(body) => body,
            Err(wrong) => {
                fault = fault.or(Some(wrong));
                Vec::new()
            }
        };
        fault = fault.or_else(|| forwards(&head)).or_else(|| scheme(&line.uri));
        Some(Self {
            method: line.method,
            method_text: line.method_text,
            uri: line.uri,
            body,
            via,
            from_tag: from_tag.unwrap_or_default(),
            to_tag: to_tag.filter(|tag| !tag.is_empty()),
            call_id,
            cseq: cseq.unwrap_or_default(),
            fault,
            head,
        })
    }
}

fn flaw(head: &Head) -> Option<Fault> {
    head.flaw.map(|flaw| match flaw {
        Flaw::Truncated => bad("The Head Has No End"),
        Flaw::BadLine => bad("Bad Header Line"),
        Flaw::TooManyFields | Flaw::TooLong => Fault { code: 513, why: "Message Too Large" },
    })
}

/// RFC 3261 §16.3: a request that went through too many hands goes no further.
fn forwards(head: &Head) -> Option<Fault> {
    let value = head.first(Name::MaxForwards)?;
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u8>().ok());
    match number {
        None => Some(bad("Bad Max-Forwards")),
        Some(0) => Some(Fault { code: 483, why: "Too Many Hops" }),
        Some(_) => None,
    }
}

fn scheme(uri: &str) -> Option<Fault> {
    match Uri::read(uri) {
        None => Some(bad("Bad Request-URI")),
        Some(Uri::Other) => Some(Fault { code: 416, why: "Unsupported URI Scheme" }),
        Some(Uri::Sip { .. } | Uri::Tel { .. }) => None,
    }
}

struct StartLine {
    method: Method,
    method_text: String,
    uri: String,
    fault: Option<Fault>,
}

impl StartLine {
    fn read(line: &[u8]) -> Self {
        let words: Vec<_> = line.split(|b| *b == b' ').collect();
        let (method, uri, version) = match words.as_slice() {
            [method, uri, version] => (*method, *uri, *version),
            [method, ..] => (*method, b"".as_slice(), b"".as_slice()),
            [] => Default::default(),
        };
        let mut fault = None;
        if method.is_empty() || method.len() > 64 || !method.iter().all(|b| is_token(*b)) {
            fault = Some(bad("Bad Method"));
        } else if uri.is_empty() {
            fault = Some(bad("Bad Request-Line"));
        } else if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            let other = version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/"));
            fault = Some(match other {
                true => Fault { code: 505, why: "Version Not Supported" },
                false => bad("Bad Request-Line"),
            });
        }
        let method_text = text(method.get(..64).unwrap_or(method)).into_owned();
        Self { method: Method::read(method), method_text, uri: text(uri).into_owned(), fault }
    }
}

impl Response {
    fn read(head: Head, rest: &[u8]) -> Option<Self> {
        if head.flaw.is_some() {
            return None;
        }
        let line = text(&head.start).into_owned();
        let mut words = line.splitn(3, ' ');
        let version = words.next()?;
        let code = words.next()?;
        let code = code.parse::<u16>().ok().filter(|_| code.len() == 3);
        let code = code.filter(|code| (100..700).contains(code))?;
        let reason: String = words.next().unwrap_or_default().chars().take(128).collect();
        let (cseq, cseq_method) = cseq(&head)?;
        let branch = Via::read(head.elements(Name::Via).first()?)?.branch;
        let to_tag = Address::read(head.first(Name::To)?)?.parameter("tag");
        let (call_id, body) = (call_id(&head)?, body(&head, rest).ok()?);
        let known = version.eq_ignore_ascii_case("SIP/2.0");
        known.then_some(Self {
            code,
            reason,
            body,
            branch,
            to_tag: to_tag.filter(|tag| !tag.is_empty()),
            call_id,
            cseq: cseq?,
            method: Method::read(&cseq_method),
            head,
        })
    }
}
