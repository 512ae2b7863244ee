//! SIP messages, read and written through rsip. It refuses what rsip cannot
//! read and what lacks the headers every message has (RFC 3261 §8.1.1).

use std::net::SocketAddr;

use rsip::headers::{Headers, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use rsip::{Header, Method, Request, Response, SipMessage, StatusCode, Uri, Version};

/// A body with its type.
pub type Body = (&'static str, String);

const SDP: &str = "application/sdp";

/// What a loudspeaker says it can do.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

pub fn read(bytes: &[u8]) -> Option<SipMessage> {
    let message = SipMessage::try_from(bytes).ok()?;
    let whole = message.call_id_header().is_ok()
        && message.cseq_header().is_ok()
        && message.via_header().is_ok()
        && message.from_header().is_ok()
        && message.to_header().is_ok();
    whole.then_some(message)
}

/// The values of every header of this name, known to rsip or not.
pub fn values(message: &impl HasHeaders, name: &str) -> Vec<String> {
    let named = message.headers().iter().filter_map(|header| {
        let line = header.to_string();
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    named.collect()
}

pub fn call_id(message: &impl HeadersExt) -> String {
    message.call_id_header().map(|found| found.value().trim().to_owned()).unwrap_or_default()
}

/// The number in CSeq.
pub fn sequence(message: &impl HeadersExt) -> u32 {
    let value = message.cseq_header().map(|found| found.value().to_owned()).unwrap_or_default();
    value.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The tag in From or To.
pub fn tag(value: &str) -> Option<&str> {
    // What stands in <> belongs to the address.
    let params = value.rsplit_once('>').map_or(value, |(_, params)| params);
    params.split(';').find_map(|param| param.trim().strip_prefix("tag="))
}

pub fn from_tag(message: &impl HeadersExt) -> Option<String> {
    tag(message.from_header().ok()?.value()).map(str::to_owned)
}

pub fn to_tag(message: &impl HeadersExt) -> Option<String> {
    tag(message.to_header().ok()?.value()).map(str::to_owned)
}

/// The address in angle brackets, or the value without its parameters.
pub fn address(value: &str) -> &str {
    match value.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((address, _)) => address,
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// The user part of an address, as it stands there.
pub fn user(value: &str) -> &str {
    let address = address(value);
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    let end = rest.find(['@', ';']).unwrap_or(rest.len());
    &rest[..end]
}

/// The display name before an address, without its quotes; empty when there is
/// none.
pub fn display_name(value: &str) -> String {
    let name = value.split_once('<').map_or("", |(name, _)| name).trim();
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => name.to_owned(),
    }
}

/// What a response adds to the headers it takes over from its request.
#[derive(Debug, Default)]
pub struct Added<'a> {
    pub tag: Option<&'a str>,
    pub contact: Option<&'a str>,
    pub more: Vec<Header>,
    pub sdp: Option<String>,
}

/// RFC 3261 §8.2.6. The source goes into the topmost Via, as NATs ask for.
pub fn response(
    request: &Request,
    from: SocketAddr,
    code: u16,
    reason: &str,
    added: Added<'_>,
) -> Vec<u8> {
    let mut headers: Vec<Header> = Vec::new();
    let mut topmost = true;
    for header in request.headers().iter() {
        match header {
            Header::Via(via) if topmost => {
                topmost = false;
                headers.push(rsip::headers::Via::new(reached(via.value(), from)).into());
            }
            Header::To(to) => {
                let value = match added.tag {
                    Some(new) if tag(to.value()).is_none() => format!("{};tag={new}", to.value()),
                    _ => to.value().to_owned(),
                };
                headers.push(rsip::headers::To::new(value).into());
            }
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => {
                headers.push(header.clone());
            }
            Header::RecordRoute(_) if code < 300 => headers.push(header.clone()),
            _ => {}
        }
    }
    if let Some(contact) = added.contact {
        headers.push(rsip::headers::Contact::new(format!("<{contact}>")).into());
    }
    headers.extend(added.more);
    let body = finish(&mut headers, added.sdp.map(|sdp| (SDP, sdp)));
    let response = Response {
        status_code: StatusCode::Other(code, reason.to_owned()),
        version: Version::V2,
        headers: headers.into(),
        body,
    };
    response.to_string().into_bytes()
}

/// `rport` is filled in where it was asked for (RFC 3581).
fn reached(via: &str, from: SocketAddr) -> String {
    let params = via.split(';').map(|param| match param.trim() {
        "rport" => format!("rport={};received={}", from.port(), from.ip()),
        _ => param.to_owned(),
    });
    params.collect::<Vec<_>>().join(";")
}

fn finish(headers: &mut Vec<Header>, body: Option<Body>) -> Vec<u8> {
    headers.push(rsip::headers::UserAgent::new("weir-fakes").into());
    let (kind, body) = body.unwrap_or_default();
    let body = body.into_bytes();
    if !body.is_empty() {
        headers.push(rsip::headers::ContentType::new(kind).into());
    }
    headers.push(rsip::headers::ContentLength::new(body.len().to_string()).into());
    body
}

/// A request of the device's own.
#[derive(Debug)]
pub struct Ask<'a> {
    pub method: Method,
    pub uri: &'a str,
    pub via: String,
    pub from: String,
    pub to: String,
    pub call_id: &'a str,
    pub sequence: u32,
    pub more: Vec<Header>,
    pub body: Option<Body>,
}

/// None when `uri` is one that rsip cannot write.
pub fn request(ask: Ask<'_>) -> Option<Vec<u8>> {
    let uri = Uri::try_from(ask.uri).ok()?;
    let mut headers: Vec<Header> = vec![
        rsip::headers::Via::new(ask.via).into(),
        rsip::headers::MaxForwards::new("70").into(),
        rsip::headers::From::new(ask.from).into(),
        rsip::headers::To::new(ask.to).into(),
        rsip::headers::CallId::new(ask.call_id).into(),
        rsip::headers::CSeq::new(format!("{} {}", ask.sequence, ask.method)).into(),
    ];
    headers.extend(ask.more);
    let body = finish(&mut headers, ask.body);
    let (method, version) = (ask.method, Version::V2);
    let request = Request { method, uri, version, headers: Headers::from(headers), body };
    Some(request.to_string().into_bytes())
}
