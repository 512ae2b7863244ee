//! How a device keeps its place at the registrar: asks, answers the challenge,
//! renews at half of what was granted, and tries again when nobody answers. It
//! refuses to give up.

use std::net::SocketAddr;
use std::time::Duration;

use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Response};
use serde_json::json;
use tokio::time::Instant;

use super::dice::Dice;
use super::digest::{Asked, Challenge, Hash};
use super::message::{self, Ask};
use super::wire::Transport;
use crate::ledger::Ledger;

/// First pause between two copies over UDP (T1 of RFC 3261).
const T1: Duration = Duration::from_millis(500);
/// After that the registrar is away.
const GIVE_UP: Duration = Duration::from_secs(4);
/// Until the next try when it was away.
const AWAY_MS: (u64, u64) = (1_000, 2_000);
/// Longest pause after refusals.
const REFUSED_MAX_MS: u64 = 5_000;

/// Who the device is to its registrar.
#[derive(Debug)]
pub struct Identity {
    pub number: String,
    pub password: String,
    pub registrar: SocketAddr,
    pub transport: Transport,
    pub hash: Hash,
    /// What it says it can do.
    pub allow: &'static str,
    pub expires_s: u32,
}

impl Identity {
    /// `sip:5411@192.0.2.7:5062`, where it can be called.
    pub fn contact(&self, local: SocketAddr, transport: Transport) -> String {
        let suffix = match transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("sip:{}@{local}{suffix}", self.number)
    }

    /// The value of the device's own topmost Via.
    pub fn via(&self, local: SocketAddr, branch: &str) -> String {
        let name = match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        format!("SIP/2.0/{name} {local};rport;branch=z9hG4bK{branch}")
    }
}

#[derive(Debug)]
enum State {
    /// Until somebody says that the connection stands.
    Idle,
    Waiting(Instant),
    Asked {
        bytes: Vec<u8>,
        resend: Option<(Instant, Duration)>,
        give_up: Instant,
    },
}

#[derive(Debug)]
pub struct Registration {
    state: State,
    call_id: String,
    tag: String,
    sequence: u32,
    challenge: Option<(Challenge, u32)>,
    /// Whether the request under way answered a challenge that was just asked.
    answered: bool,
    expires_s: u32,
    refusals: u32,
    silent: bool,
    granted: bool,
}

/// What a step needs to know of its surroundings.
pub struct Around<'a> {
    pub now: Instant,
    pub identity: &'a Identity,
    pub local: SocketAddr,
    pub dice: &'a mut Dice,
    pub ledger: &'a Ledger,
}

impl Around<'_> {
    fn note(&self, event: &str, more: serde_json::Value) {
        self.ledger.note(&self.identity.number, event, None, more);
    }
}

impl Registration {
    /// The first try comes after a while of booting.
    pub fn new(now: Instant, identity: &Identity, dice: &mut Dice) -> Self {
        Self {
            state: State::Waiting(now + dice.ms(0..=200)),
            call_id: dice.token(),
            tag: dice.token(),
            sequence: 0,
            challenge: None,
            answered: false,
            expires_s: identity.expires_s,
            refusals: 0,
            silent: false,
            granted: false,
        }
    }

    /// Whether it was ever registered.
    pub fn was_granted(&self) -> bool {
        self.granted
    }

    pub fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Waiting(at) => Some(*at),
            State::Asked { resend, give_up, .. } => {
                Some(resend.map_or(*give_up, |(at, _)| at.min(*give_up)))
            }
        }
    }

    /// Whether the next step needs a connection; it then waits for
    /// [`Self::connected`] or [`Self::lost`].
    pub fn wants_link(&mut self, now: Instant) -> bool {
        let wants = matches!(self.state, State::Waiting(at) if at <= now);
        if wants {
            self.state = State::Idle;
        }
        wants
    }

    pub fn connected(&mut self, now: Instant) {
        self.state = State::Waiting(now);
    }

    pub fn lost(&mut self, around: &mut Around<'_>) {
        self.away(around, "no connection");
    }

    /// What to send now.
    pub fn tick(&mut self, around: &mut Around<'_>) -> Option<Vec<u8>> {
        let now = around.now;
        match &mut self.state {
            State::Waiting(at) if *at <= now => self.ask(around),
            State::Asked { give_up, .. } if *give_up <= now => {
                self.away(around, "no answer");
                None
            }
            State::Asked { bytes, resend: Some((at, gap)), .. } if *at <= now => {
                *gap *= 2;
                *at = now + *gap;
                Some(bytes.clone())
            }
            _ => None,
        }
    }

    fn away(&mut self, around: &mut Around<'_>, why: &str) {
        if !self.silent {
            // Once for each absence, however long it lasts.
            self.silent = true;
            around.note("registrar-silent", json!({ "why": why }));
        }
        let pause = around.dice.ms(AWAY_MS.0..=AWAY_MS.1);
        self.state = State::Waiting(around.now + pause);
    }

    fn ask(&mut self, around: &mut Around<'_>) -> Option<Vec<u8>> {
        let Identity { number, password, registrar, transport, hash, .. } = around.identity;
        self.sequence += 1;
        let (uri, local) = (format!("sip:{registrar}"), around.local);
        let contact = around.identity.contact(local, *transport);
        let mut more: Vec<Header> = vec![
            rsip::headers::Contact::new(format!("<{contact}>")).into(),
            rsip::headers::Expires::new(self.expires_s.to_string()).into(),
            rsip::headers::Allow::new(around.identity.allow).into(),
        ];
        if let Some((challenge, count)) = &mut self.challenge {
            *count += 1;
            let asked = Asked { number, password, method: "REGISTER", uri: &uri };
            let cnonce = around.dice.token();
            let answer = challenge.answer(asked, *hash, *count, &cnonce);
            more.push(rsip::headers::Authorization::new(answer).into());
        }
        let who = format!("<sip:{number}@{}>", registrar.ip());
        let bytes = message::request(Ask {
            method: Method::Register,
            uri: &uri,
            via: around.identity.via(local, &around.dice.token()),
            from: format!("{who};tag={}", self.tag),
            to: who,
            call_id: &self.call_id,
            sequence: self.sequence,
            more,
            body: None,
        });
        let Some(bytes) = bytes else {
            self.away(around, "the registrar's address cannot be written");
            return None;
        };
        let resend = (*transport == Transport::Udp).then_some((around.now + T1, T1));
        let give_up = around.now + GIVE_UP;
        self.state = State::Asked { bytes: bytes.clone(), resend, give_up };
        Some(bytes)
    }

    /// A response; what to send then.
    pub fn heard(&mut self, response: &Response, around: &mut Around<'_>) -> Option<Vec<u8>> {
        let ours = matches!(self.state, State::Asked { .. })
            && message::call_id(response) == self.call_id
            && message::sequence(response) == self.sequence;
        if !ours {
            return None;
        }
        match response.status_code.code() {
            ..200 => None,
            200..300 => {
                self.granted(response, around);
                None
            }
            401 if !self.answered => self.challenged(response, around),
            423 => {
                let least = message::values(response, "Min-Expires");
                let least = least.first().and_then(|least| least.parse().ok());
                match least {
                    Some(least) if least > self.expires_s => {
                        self.expires_s = least;
                        self.ask(around)
                    }
                    _ => self.refused(response, "", around),
                }
            }
            _ => self.refused(response, "", around),
        }
    }

    fn challenged(&mut self, response: &Response, around: &mut Around<'_>) -> Option<Vec<u8>> {
        let hash = around.identity.hash;
        let offered = message::values(response, "WWW-Authenticate");
        match offered.iter().find_map(|value| Challenge::read(value, hash)) {
            Some(challenge) => {
                self.challenge = Some((challenge, 0));
                self.answered = true;
                self.ask(around)
            }
            None => self.refused(response, "no challenge that the device knows", around),
        }
    }

    fn granted(&mut self, response: &Response, around: &mut Around<'_>) {
        let of_contact = message::values(response, "Contact").iter().find_map(|value| {
            let expires = value.split(';').find_map(|param| param.trim().strip_prefix("expires="));
            value.contains(&around.local.to_string()).then_some(expires?.parse().ok()?)
        });
        let of_header = || message::values(response, "Expires").first()?.parse().ok();
        let granted: u32 = of_contact.or_else(of_header).unwrap_or(self.expires_s);
        let renewed = around.now + Duration::from_millis(u64::from(granted.max(2)) * 500);
        self.state = State::Waiting(renewed);
        (self.answered, self.refusals, self.silent) = (false, 0, false);
        self.granted = true;
        around.note("registered", json!({ "expires_s": granted }));
    }

    fn refused(
        &mut self,
        response: &Response,
        why: &str,
        around: &mut Around<'_>,
    ) -> Option<Vec<u8>> {
        let code = response.status_code.code();
        around.note("register-refused", json!({ "code": code, "why": why }));
        self.refusals += 1;
        self.challenge = None;
        (self.answered, self.silent) = (false, false);
        let most = (1_000_u64 << self.refusals.min(8)).min(REFUSED_MAX_MS);
        self.state = State::Waiting(around.now + around.dice.ms(most / 2..=most));
        None
    }
}
