//! Who gets what answer: requests outside a dialog, one at a time. Time is an
//! argument; refuses to open a socket, to tell an unknown number from a wrong
//! password, and to let anyone guess for long.

use std::net::SocketAddr;

use weir_signaling::digest::{self, Authenticator, Credential, NonceLimits, Realm};
use weir_signaling::registrar::{
    Aor, Asked, Binding, BindingView, Change, Contact, Limits, Outcome, Register, Registrar, Source,
};

use super::answer::{ALLOW, Answer};
use super::config::{Accounts, SipConfig, StartError};
use super::counters::Tally;
use super::dice::Dice;
use super::grammar::Uri;
use super::head::{Address, Name};
use super::message::{Method, Request};
use super::throttle::{Key, Throttle, origin};

/// Most sources whose wrong passwords are counted one by one.
const GUESSERS: usize = 4_096;
/// What a desk looks up while it answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Books<'a> {
    pub(super) accounts: &'a Accounts,
    pub(super) tally: &'a Tally,
}

#[derive(Debug)]
pub(super) struct Desk {
    realm: Realm,
    digest: Authenticator,
    registrar: Registrar,
    guesses: Throttle,
    guess_every_s: u32,
    /// For the Call-IDs of removals of our own.
    removals: u32,
}

impl Desk {
    pub(super) fn new(config: &SipConfig) -> Result<Self, StartError> {
        let realm = Realm::new(config.realm.clone())?;
        let limits = &config.limits;
        let registrar = Limits {
            min_expires_s: limits.min_expires_s,
            max_expires_s: limits.max_expires_s,
            aors: limits.numbers,
            ..Limits::default()
        };
        let every_s = limits.guess_every_s.max(1);
        Ok(Self {
            digest: Authenticator::new(realm.clone(), NonceLimits::default())
                .offering(&config.algorithms),
            registrar: Registrar::new(registrar),
            guesses: Throttle::new(limits.guesses, 1000 / u64::from(every_s), GUESSERS),
            guess_every_s: every_s,
            removals: 0,
            realm,
        })
    }

    pub(super) fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    pub(super) fn aor(&self, number: &str) -> Option<Aor> {
        Aor::new(number, self.realm.as_str()).ok()
    }

    /// Answers a request outside a dialog. Whether bindings changed can be seen
    /// from the second part.
    pub(super) fn answer(
        &mut self,
        now_ms: u64,
        source: Source,
        request: &Request,
        books: Books<'_>,
        dice: &mut Dice,
    ) -> (Answer, bool) {
        let answer = match request.method {
            Method::Options => Answer::new(200, "OK")
                .with("Allow", ALLOW)
                .with("Accept", "application/sdp")
                .with("Supported", "path, timer"),
            Method::Register => {
                return match self.user(now_ms, source, request, books, dice) {
                    Ok(user) => self.register(now_ms, source, request, user, books),
                    Err(answer) => (answer, false),
                };
            }
            // The hub asks [`user`](Self::user) first.
            Method::Invite => Answer::new(480, "Temporarily Unavailable"),
            Method::Bye | Method::Cancel | Method::Ack | Method::Info => {
                Answer::new(481, "Call/Transaction Does Not Exist")
            }
            Method::Unserved => Answer::new(405, "Method Not Allowed").with("Allow", ALLOW),
            Method::Unknown => Answer::new(501, "Not Implemented").with("Allow", ALLOW),
        };
        (answer, false)
    }

    /// Whom digest accepts, or what to answer instead.
    pub(super) fn user(
        &mut self,
        now_ms: u64,
        source: Source,
        request: &Request,
        books: Books<'_>,
        dice: &mut Dice,
    ) -> Result<String, Answer> {
        let authorizations: Vec<_> = request.head.all(Name::Authorization).collect();
        let purse = self.purse(now_ms, source.address, request);
        let asked = digest::Request {
            method: &request.method_text,
            authorizations: &authorizations,
            origin: origin(source.address.ip()),
        };
        // Only whoever was sent our challenge can guess, so nobody else is held
        // back, and nobody is held back for what a forger sends in their name.
        if self.digest.is_answered_by(now_ms, asked) && !self.guesses.has(now_ms, &purse) {
            books.tally.refused_guessing.one();
            let later = Answer::new(503, "Service Unavailable");
            return Err(later.with("Retry-After", self.guess_every_s));
        }
        let kept = |user: &str| {
            let account = books.accounts.by_number.get(user)?;
            Some(Credential::Ha1 { sha256: Some(account.sha256), md5: Some(account.md5) })
        };
        match self.digest.check(now_ms, asked, kept) {
            digest::Outcome::Accepted { user } => Ok(user),
            digest::Outcome::Challenge { stale } => {
                books.tally.challenged.one();
                let mut answer = Answer::new(401, "Unauthorized");
                let (nonce, opaque) = (dice.bytes(), dice.bytes());
                let challenges = self.digest.challenges(now_ms, asked.origin, nonce, opaque, stale);
                for challenge in challenges {
                    answer = answer.with("WWW-Authenticate", challenge);
                }
                Err(answer)
            }
            digest::Outcome::Refused { why } => {
                match &why {
                    digest::Refused::Malformed(_) => books.tally.refused_malformed_digest.one(),
                    // The password was right, so nobody guessed.
                    digest::Refused::Replayed => books.tally.refused_replayed.one(),
                    digest::Refused::Credentials | digest::Refused::NoKey { .. } => {
                        self.guesses.take(now_ms, &purse);
                        books.tally.refused_credentials.one();
                    }
                }
                tracing::info!(source = %source.address, why = why.code(), "credentials refused");
                Err(Answer::new(why.status(), phrase(why.status())))
            }
        }
    }

    /// Out of which bucket a wrong password is paid: the source's, but when that
    /// is empty, a number that is registered from that very place has one of its
    /// own. So one phone with a wrong password throws no other off behind the
    /// same NAT.
    fn purse(&self, now_ms: u64, source: SocketAddr, request: &Request) -> Key {
        let shared = Key::source(source.ip());
        if self.guesses.has(now_ms, &shared) {
            return shared;
        }
        // Whoever registers speaks of To, whoever calls of From.
        let number = match request.method {
            Method::Register => number_of(request),
            _ => number_in(request, Name::From),
        };
        let number = number.and_then(|number| self.aor(&number));
        let at_home = number.filter(|aor| {
            let bindings = self.registrar.reach(now_ms, aor);
            bindings.iter().any(|b| b.source.address.ip() == source.ip())
        });
        at_home.map_or(shared, |aor| Key::number(source.ip(), aor.user()))
    }

    fn register(
        &mut self,
        now_ms: u64,
        source: Source,
        request: &Request,
        user: String,
        books: Books<'_>,
    ) -> (Answer, bool) {
        let aor = number_of(request).and_then(|number| self.aor(&number));
        let Some(aor) = aor else {
            books.tally.refused_register.one();
            let words = "To 中没有号码；请检查话机账号设置 / To names no number; check the account";
            return (Answer::new(404, "Not Found").warn(words), false);
        };
        let register = match read_register(source, request, aor, user) {
            Ok(register) => register,
            Err(answer) => {
                books.tally.refused_register.one();
                return (answer, false);
            }
        };
        let path = register.path.clone();
        match self.registrar.step(now_ms, register) {
            Outcome::Registered { bindings, changes } => {
                count(&changes, books.tally);
                (registered(&bindings, &path), !changes.is_empty())
            }
            Outcome::Refused { why } => {
                books.tally.refused_register.one();
                let answer = Answer::new(why.status(), phrase(why.status()));
                let answer = answer.warn(&why.said().to_string());
                let least = why.min_expires_s();
                (least.into_iter().fold(answer, |a, s| a.with("Min-Expires", s)), false)
            }
        }
    }

    /// Takes over what was kept of a number.
    pub(super) fn restore(&mut self, now_ms: u64, number: &str, bindings: Vec<BindingView>) {
        if let Some(aor) = self.aor(number)
            && let Err(why) = self.registrar.restore(now_ms, &aor, bindings)
        {
            tracing::warn!(number, why = %why, "a kept registration found no room");
        }
    }

    /// Ends the registrations of numbers that are no longer in the directory, or
    /// whose password is another one: a new one is set to throw somebody out.
    pub(super) fn strike_off(
        &mut self,
        now_ms: u64,
        before: &Accounts,
        now: &Accounts,
        tally: &Tally,
    ) -> bool {
        let stays = |number: &str| {
            let was = before.by_number.get(number);
            now.by_number.get(number).zip(was).is_some_and(|(now, was)| now.is_as(was))
        };
        let bound = self.registrar.view(now_ms).into_iter();
        let gone: Vec<_> = bound.filter(|(aor, _)| !stays(aor.user())).collect();
        for (aor, bindings) in &gone {
            let Some(binding) = bindings.first() else { continue };
            self.removals = self.removals.wrapping_add(1);
            let register = Register {
                aor: aor.clone(),
                call_id: format!("struck-off-{}", self.removals),
                cseq: 1,
                asked: vec![Asked::All],
                expires_s: Some(0),
                source: binding.source,
                path: Vec::new(),
                user: aor.user().into(),
            };
            if let Outcome::Registered { changes, .. } = self.registrar.step(now_ms, register) {
                count(&changes, tally);
            }
        }
        !gone.is_empty()
    }

    /// Drops what has run out; whether anything had.
    pub(super) fn expire(&mut self, now_ms: u64, tally: &Tally) -> bool {
        self.digest.expire(now_ms);
        let gone = self.registrar.expire(now_ms);
        gone.iter().for_each(|_| tally.registrations_expired.one());
        !gone.is_empty()
    }

    /// The bindings of a number, the one to call first.
    pub(super) fn reach(&self, now_ms: u64, number: &str) -> Vec<&Binding> {
        self.aor(number).map(|aor| self.registrar.reach(now_ms, &aor)).unwrap_or_default()
    }
}

/// The number a request speaks for: that of its To.
fn number_of(request: &Request) -> Option<String> {
    number_in(request, Name::To)
}

fn number_in(request: &Request, field: Name) -> Option<String> {
    let address = Address::read(request.head.first(field)?)?;
    Uri::read(&address.uri)?.number().map(str::to_owned)
}

fn read_register(
    source: Source,
    request: &Request,
    aor: Aor,
    user: String,
) -> Result<Register, Answer> {
    let mut asked = Vec::new();
    for element in request.head.elements(Name::Contact) {
        if element == b"*" {
            asked.push(Asked::All);
            continue;
        }
        let contact = Address::read(element);
        let bad = |words: &str| Answer::new(400, "Bad Contact").warn(words);
        let Some(address) = contact else {
            return Err(bad("Contact 无法识别；请检查话机固件 / Contact cannot be read"));
        };
        let contact = Contact::new(&address.uri)
            .map_err(|error| bad(&format!("Contact：{} / Contact: {error}", error.zh())))?;
        let expires_s = address.parameter("expires").and_then(|text| text.parse().ok());
        let q_permille = address.parameter("q").and_then(|q| permille(&q)).unwrap_or(1000);
        asked.push(Asked::One { contact, expires_s, q_permille });
    }
    let expires = request.head.only(Name::Expires);
    let path = request.head.elements(Name::Path).into_iter();
    let path = path.map(|element| Address::read(element).map(|a| a.uri).unwrap_or_default());
    Ok(Register {
        aor,
        call_id: request.call_id.clone(),
        cseq: request.cseq,
        asked,
        expires_s: expires.and_then(|text| text.trim().parse().ok()),
        source,
        path: path.collect(),
        user,
    })
}

/// `0.7` in thousandths.
fn permille(q: &str) -> Option<u16> {
    let (whole, rest) = q.split_once('.').unwrap_or((q, ""));
    if rest.len() > 3 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    Some((whole * 1000 + rest).min(1000))
}

fn registered(bindings: &[BindingView], path: &[String]) -> Answer {
    let mut answer = Answer::new(200, "OK");
    for binding in bindings {
        let value = format!("<{}>;expires={}", binding.contact.uri(), binding.expires_in_s());
        answer = answer.with("Contact", value);
    }
    for uri in path {
        answer = answer.with("Path", format_args!("<{uri}>"));
    }
    answer
}

fn count(changes: &[Change], tally: &Tally) {
    for change in changes {
        match change {
            Change::Added(_) => tally.registrations_added.one(),
            Change::Removed(_) | Change::Displaced(_) => tally.registrations_removed.one(),
            Change::Refreshed(_) | Change::Moved(_) => {}
        }
    }
}

fn phrase(code: u16) -> &'static str {
    match code {
        400 => "Bad Request",
        403 => "Forbidden",
        423 => "Interval Too Brief",
        503 => "Service Unavailable",
        _ => "Server Internal Error",
    }
}
