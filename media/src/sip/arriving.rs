//! Calls that telephones make: who calls is what digest says, what is dialled is
//! the Request-URI. Part of the hub; refuses calls that nobody would take, at
//! once and with words.

use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use weir_signaling::registrar::Source;

use super::answer::Answer;
use super::answering::{Answering, Arrival};
use super::call::{Call, Incoming};
use super::desk::Books;
use super::dialog::{kind, later};
use super::grammar::Uri;
use super::head::Name;
use super::hub::{EVENTS, Hub, TEXT_MAX};
use super::legs::Caller;
use super::line::Line;
use super::message::Request;
use super::script::{SDP, Script, Way, shown};
use super::served::Came;
use super::session::{MIN_SE_S, too_brief};
use super::wire::kept;

/// When to try again what there was no room for, in seconds.
const RETRY_AFTER_S: u32 = 5;

/// Legs beyond the limit that calls to emergency numbers may take.
const EMERGENCIES: usize = 64;

impl Hub {
    /// An INVITE outside a dialog. `None`: it is answered by its leg.
    pub(super) fn incoming(
        &mut self,
        now_ms: u64,
        source: Source,
        request: &Request,
        came: Came,
    ) -> Option<Answer> {
        if let Some(cseq) = self.legs.overlapping(request) {
            // The same by another way, or a second one before the first is answered.
            return Some(match request.cseq == cseq {
                true => Answer::new(482, "Request Merged"),
                false => later(self.roll()),
            });
        }
        let books = Books { accounts: &self.admitted, tally: &self.tally };
        let (desk, dice) = (&mut self.parts.desk, &mut self.parts.dice);
        let user = match desk.user(now_ms, source, request, books, dice) {
            Ok(user) => user,
            Err(answer) => return Some(answer),
        };
        let refused = self.arrive(now_ms, source, request, came, user).err();
        if let Some(answer) = &refused {
            self.tally.calls_in_refused.one();
            tracing::debug!(source = %source.address, code = answer.code, "a call was refused");
        }
        refused
    }

    fn roll(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.parts.dice.bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    fn arrive(
        &mut self,
        now_ms: u64,
        source: Source,
        request: &Request,
        came: Came,
        from: String,
    ) -> Result<(), Answer> {
        let to = asked_well(request)?;
        let limits = self.parts.config.limits.clone();
        let busy = || Answer::new(503, "Service Unavailable").with("Retry-After", RETRY_AFTER_S);
        let emergency = self.parts.config.emergency.contains(&to);
        let most = limits.calls + if emergency { EMERGENCIES } else { 0 };
        if self.legs.of_number(&from) >= limits.calls_per_number && !emergency {
            self.tally.calls_in_too_many.one();
            let words = "该号码同时呼出的通话已达上限 / this number makes too many calls at once";
            return Err(Answer::new(486, "Busy Here").warn(words));
        }
        let arrivals = self.parts.arrivals.clone();
        let place = arrivals.try_reserve().ok().filter(|_| self.legs.under_way() < most);
        let orders = self.parts.orders.upgrade();
        let (Some(place), Some(orders)) = (place, orders) else {
            self.tally.calls_in_too_many.one();
            return Err(busy());
        };
        let (hop, local) = self.parts.wire.facing(source).ok_or_else(busy)?;
        let transport = kept(source.transport).ok_or_else(busy)?;
        let id = self.next_id();
        let tag = self.parts.dice.text();
        // Where it says nothing better of itself.
        let uri = format!("sip:{}", shown(source.address));
        let way = Way { transport, address: source.address, uri, route: Vec::new(), local };
        let script = Script::callee(request, &way, &to, self.stem_of(id), &tag);
        let arrival = Arrival { script, session_s: limits.session_s, seed: self.roll() };
        let (leg, out) = Answering::new(now_ms, arrival, request, came);
        let (told, events) = mpsc::channel(EVENTS);
        let (note, answered) = (Some(leg.note()), AtomicBool::new(false));
        let caller = Caller { number: from.clone(), tag: request.from_tag.clone() };
        let way = (hop, source.address.ip());
        let facts = (request.call_id.clone(), tag);
        self.legs.enter(id, facts, Line::In(Box::new(leg)), way, told, Some(caller));
        self.tally.calls_in.one();
        // Its connection stays, however little is said on it during the call.
        self.parts.wire.prove(source);
        self.carry_out(id, out);
        place.send(Incoming {
            from,
            to,
            offer: String::from_utf8_lossy(&request.body).into_owned(),
            source: source.address,
            max_forwards: forwards(request).saturating_sub(1),
            call: Call { id, events, orders, note, answered, peer: source.address.ip() },
        });
        Ok(())
    }
}

/// What is dialled, when all else is as it must be.
fn asked_well(request: &Request) -> Result<String, Answer> {
    if too_brief(&request.head) {
        let answer = Answer::new(422, "Session Interval Too Small");
        return Err(answer.with("Min-SE", MIN_SE_S));
    }
    let typed = request.head.first(Name::ContentType).is_some();
    if !request.body.is_empty() && typed && kind(request) != SDP {
        let answer = Answer::new(415, "Unsupported Media Type");
        return Err(answer.with("Accept", SDP));
    }
    dialled(&request.uri).ok_or_else(|| {
        let words = "被叫号码为空或无法识别 / the number dialled is empty or cannot be read";
        Answer::new(484, "Address Incomplete").warn(words)
    })
}

fn forwards(request: &Request) -> u8 {
    let value = request.head.only(Name::MaxForwards);
    value.and_then(|text| text.trim().parse().ok()).unwrap_or(70)
}

/// The number in a Request-URI, unescaped and without parameters.
pub(super) fn dialled(uri: &str) -> Option<String> {
    let uri = Uri::read(uri)?;
    let written = uri.number()?.split(';').next()?;
    let mut bytes = written.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
        out.push(high * 16 + low);
    }
    let number = String::from_utf8(out).ok()?;
    let fits = !number.is_empty() && number.len() <= TEXT_MAX;
    (fits && !number.chars().any(char::is_control)).then_some(number)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
