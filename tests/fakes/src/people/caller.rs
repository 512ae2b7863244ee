//! One call as the person who makes it has it, in a task of its own: INVITE with
//! digest, hold, and an end of one's own or the other's. It refuses to dial again
//! by itself and to follow redirections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request, Response, SipMessage};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use weir_fakes::sip::dice::Dice;
use weir_fakes::sip::digest::{Asked, Challenge};
use weir_fakes::sip::media::{Came, Media, Noted, Setup};
use weir_fakes::sip::message::{self, Added, Ask, Body};
use weir_fakes::sip::sdp::{self, Codec, Offer};
use weir_fakes::sip::transaction::{Repeat, Turn};

use crate::listener::Listener;
use crate::mouth::Mouth;
use crate::phone::{Letter, Line};
use crate::script::Dials;
use crate::voice::Voice;

/// For as long as copies of messages travel (64·T1, RFC 3261 §17).
const LINGERS: Duration = Duration::from_secs(32);
/// Nobody waits or talks longer.
const LIFE_MAX: Duration = Duration::from_secs(2 * 3_600);
const SDP: &str = "application/sdp";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Calling,
    Talking { since: Instant },
    Over,
}

/// What an INVITE says of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Talk,
    Hold,
    Resume,
}

/// An INVITE without a final answer.
#[derive(Debug)]
struct Asking {
    wish: Wish,
    sequence: u32,
    branch: String,
    bytes: Vec<u8>,
    /// Until anything is answered.
    repeat: Option<Repeat>,
    /// Whether it answered a challenge.
    proved: bool,
}

pub(crate) struct Caller {
    line: Arc<Line>,
    dials: Dials,
    dice: Dice,
    call_id: String,
    from: String,
    /// With the other side's tag, once there is one.
    to: String,
    /// Where the other side is, and the way there.
    target: String,
    routes: Vec<String>,
    sequence: u32,
    version: u32,
    session: u32,
    stage: Stage,
    asking: Option<Asking>,
    /// The newest ACK of a call that stands.
    ack: Vec<u8>,
    parting: Option<(Vec<u8>, Repeat)>,
    begun: Instant,
    progress: u16,
    cancelled: bool,
    /// How the other side's sound is; its address means nothing before an answer.
    offer: Offer,
    media: Option<Media>,
    mouth: Mouth,
    listener: Option<Listener>,
    audio: String,
    permit: Option<OwnedSemaphorePermit>,
    gone: Instant,
}

impl Caller {
    pub(crate) fn new(
        line: Arc<Line>,
        dials: Dials,
        call_id: String,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let now = Instant::now();
        let mut dice = Dice::new(0, &call_id);
        let registrar = line.identity.registrar;
        let who = |number: &str| format!("<sip:{number}@{registrar}>");
        let codec = line.codecs.first().copied().unwrap_or(Codec::Pcma);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9));
        Self {
            from: format!("{};tag={}", who(&line.identity.number), dice.token()),
            to: who(&dials.to),
            target: format!("sip:{}@{registrar}", dials.to),
            routes: Vec::new(),
            sequence: 0,
            version: 1,
            session: dice.number(),
            stage: Stage::Calling,
            asking: None,
            ack: Vec::new(),
            parting: None,
            begun: now,
            progress: 0,
            cancelled: false,
            offer: Offer {
                source: nowhere,
                rtcp: nowhere,
                codec,
                payload_type: codec.payload_type(),
                sends: false,
                receives: false,
                event: None,
            },
            media: None,
            mouth: Mouth::new(now, dice.number()),
            listener: None,
            audio: String::new(),
            permit,
            gone: now + LIFE_MAX,
            line,
            dials,
            dice,
            call_id,
        }
    }

    pub(crate) async fn run(mut self, mut inbox: Receiver<Letter>, stop: CancellationToken) {
        self.begin().await;
        while Instant::now() < self.gone {
            let due = self.due();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                letter = inbox.recv() => match letter {
                    Some(Letter { message: SipMessage::Request(request), from }) => {
                        self.asked(&request, from).await;
                    }
                    Some(Letter { message: SipMessage::Response(response), .. }) => {
                        self.answered(&response).await;
                    }
                    None => break,
                },
                came = next(&mut self.media) => self.sounded(came),
                () = sleep_until(due) => self.tick(Instant::now()).await,
            }
        }
        self.silence();
    }

    fn note(&self, event: &str, more: Value) {
        self.line.note(event, Some(&self.call_id), more);
    }

    fn write_down(&self, notes: Vec<Noted>) {
        for Noted { event, more } in notes {
            self.note(event, more);
        }
    }

    async fn begin(&mut self) {
        self.note("dialled", json!({ "to": self.dials.to }));
        if self.permit.is_none() {
            self.end("call-refused", json!({ "code": 0, "why": "no line is free", "words": null }));
            return;
        }
        let setup = Setup {
            ip: self.line.local.ip(),
            offer: self.offer,
            folder: &self.line.folder,
            stem: self.line.recording(),
            mute: false,
            ssrc: self.dice.number(),
            reports: true,
            listens: true,
        };
        match Media::open(Instant::now(), setup).await {
            Ok(media) => {
                let name = media.file().file_name().map(|name| name.to_string_lossy());
                self.audio = name.unwrap_or_default().into_owned();
                self.media = Some(media);
                self.invite(Wish::Talk, None).await;
            }
            Err(error) => {
                let why = error.to_string();
                self.end("call-refused", json!({ "code": 0, "why": why, "words": null }));
            }
        }
    }

    fn due(&self) -> Instant {
        let ms = Duration::from_millis;
        let own = match self.stage {
            Stage::Calling if self.cancelled => None,
            Stage::Calling => self.dials.gives_up_ms.map(|after| self.begun + ms(after)),
            Stage::Talking { since } => {
                let next = [self.dials.holds_at_ms, self.dials.talks_ms];
                next.into_iter().flatten().min().map(|after| since + ms(after))
            }
            Stage::Over => None,
        };
        // Nothing more is begun while an INVITE waits for its answer.
        let own = own.filter(|_| self.stage == Stage::Calling || self.asking.is_none());
        let asking = self.asking.as_ref().and_then(|asking| asking.repeat.as_ref());
        let parting = self.parting.as_ref().map(|(_, repeat)| repeat.due());
        let media = self.media.as_ref().and_then(Media::due);
        let mouth = self.media.as_ref().map(|_| self.mouth.due());
        let listener = self.listener.as_ref().map(Listener::due);
        let all = [own, asking.map(Repeat::due), parting, media, mouth, listener];
        all.into_iter().flatten().min().unwrap_or(self.gone).min(self.gone)
    }

    fn sounded(&mut self, came: Came) {
        let Some(media) = &mut self.media else { return };
        let now = Instant::now();
        let notes = media.take(now, came);
        let newest = media.newest();
        if let Some(listener) = &mut self.listener {
            listener.takes(now, &newest);
        }
        self.write_down(notes);
    }

    async fn tick(&mut self, now: Instant) {
        self.own(now).await;
        self.repeat(now).await;
        if let Some(more) = self.listener.as_mut().and_then(|listener| listener.tick(now)) {
            self.note("tones", more);
        }
        if let Some(media) = &mut self.media {
            if self.mouth.due() <= now {
                for packet in self.mouth.tick(now, &self.offer) {
                    media.send(&packet).await;
                }
            }
            let notes = media.tick(now).await;
            self.write_down(notes);
        }
    }

    /// What it does by itself at its time.
    async fn own(&mut self, now: Instant) {
        let is_due = |since: Instant, after: Option<u64>| {
            after.is_some_and(|after| since + Duration::from_millis(after) <= now)
        };
        match self.stage {
            Stage::Calling if !self.cancelled && is_due(self.begun, self.dials.gives_up_ms) => {
                self.cancelled = true;
                self.cancel().await;
            }
            Stage::Talking { .. } if self.asking.is_some() => {}
            Stage::Talking { since } if is_due(since, self.dials.talks_ms) => {
                self.hang_up("done", now).await;
            }
            Stage::Talking { since } if is_due(since, self.dials.holds_at_ms) => {
                let held = self.mouth.is_quiet();
                let wish = if held { Wish::Resume } else { Wish::Hold };
                let at = self.dials.holds_at_ms.take().filter(|_| !held);
                self.dials.holds_at_ms = at.map(|at| at + self.dials.held_ms);
                self.mouth.say(Voice::Quiet);
                self.version += 1;
                self.invite(wish, None).await;
            }
            Stage::Calling | Stage::Talking { .. } | Stage::Over => {}
        }
    }

    async fn repeat(&mut self, now: Instant) {
        let repeat = self.asking.as_mut().and_then(|asking| asking.repeat.as_mut());
        match repeat.map_or(Turn::NotYet, |repeat| repeat.turn(now)) {
            Turn::NotYet => {}
            Turn::Again => {
                if let Some(asking) = &self.asking {
                    self.send(&asking.bytes).await;
                }
            }
            Turn::GiveUp => {
                self.asking = None;
                self.end("timeout", json!({ "waited_for": "an answer" }));
            }
        }
        let parting = self.parting.as_mut().map(|(_, repeat)| repeat.turn(now));
        match (parting, &self.parting) {
            (Some(Turn::Again), Some((bytes, _))) => self.send(bytes).await,
            (Some(Turn::GiveUp), _) => self.parting = None,
            _ => {}
        }
    }

    async fn send(&self, bytes: &[u8]) {
        self.line.send(bytes, self.line.identity.registrar).await;
    }

    /// The bytes of a request of this call; None when it cannot be written.
    fn request(
        &self,
        method: Method,
        (sequence, branch): (u32, &str),
        mut more: Vec<Header>,
        body: Option<Body>,
    ) -> Option<Vec<u8>> {
        let route = |route: &String| Header::from(rsip::headers::Route::new(route.clone()));
        more.extend(self.routes.iter().map(route));
        message::request(Ask {
            method,
            uri: &self.target,
            via: self.line.identity.via(self.line.local, branch),
            from: self.from.clone(),
            to: self.to.clone(),
            call_id: &self.call_id,
            sequence,
            more,
            body,
        })
    }

    async fn invite(&mut self, wish: Wish, proof: Option<Header>) {
        let at = self.media.as_ref().and_then(|media| media.local().ok());
        let direction = if wish == Wish::Hold { "sendonly" } else { "sendrecv" };
        let (codec, version) = (self.offer.codec, self.version);
        let body = at.map(|at| (SDP, sdp::invitation(codec, at, self.session, version, direction)));
        self.sequence += 1;
        let (sequence, branch) = (self.sequence, self.dice.token());
        let contact = format!("<{}>", self.line.contact());
        let mut more: Vec<Header> = vec![
            rsip::headers::Contact::new(contact).into(),
            rsip::headers::Allow::new(self.line.identity.allow).into(),
        ];
        let proved = proof.is_some();
        more.extend(proof);
        let Some(bytes) = self.request(Method::Invite, (sequence, &branch), more, body) else {
            let why = "the number cannot be written";
            self.end("call-refused", json!({ "code": 0, "why": why, "words": null }));
            return;
        };
        self.send(&bytes).await;
        let repeat = Some(Repeat::new(Instant::now()));
        self.asking = Some(Asking { wish, sequence, branch, bytes, repeat, proved });
    }

    /// Stops calling; before anything was answered there is nothing to stop yet.
    async fn cancel(&mut self) {
        let Some(asking) = self.asking.as_ref().filter(|asking| asking.repeat.is_none()) else {
            return;
        };
        let way = (asking.sequence, asking.branch.as_str());
        if let Some(bytes) = self.request(Method::Cancel, way, Vec::new(), None) {
            self.send(&bytes).await;
        }
    }

    async fn hang_up(&mut self, why: &str, now: Instant) {
        self.sequence += 1;
        let branch = self.dice.token();
        if let Some(bytes) = self.request(Method::Bye, (self.sequence, &branch), Vec::new(), None) {
            self.send(&bytes).await;
            self.parting = Some((bytes, Repeat::new(now)));
        }
        self.end("bye-out", json!({ "why": why }));
    }

    fn silence(&mut self) {
        self.listener = None;
        if let Some(mut media) = self.media.take() {
            self.write_down(media.finish(Instant::now()));
        }
    }

    /// The call is over; `event` says how.
    fn end(&mut self, event: &str, more: Value) {
        self.silence();
        self.note(event, more);
        self.permit = None;
        self.stage = Stage::Over;
        self.gone = Instant::now() + LINGERS;
    }

    async fn answered(&mut self, response: &Response) {
        let code = response.status_code.code();
        let sequence = message::sequence(response);
        let method = message::values(response, "CSeq").first().cloned().unwrap_or_default();
        if method.ends_with("BYE") && code >= 200 {
            if self.parting.take().is_some() {
                self.note("bye-answered", json!({ "code": code }));
            }
            return;
        }
        if !method.ends_with("INVITE") {
            return;
        }
        match self.asking.take_if(|asking| asking.sequence == sequence) {
            Some(asking) if code < 200 => self.progresses(asking, response, code).await,
            Some(asking) if code < 300 => self.connected(&asking, response, code).await,
            Some(asking) => self.declined(asking, response, code).await,
            // A copy of an answer that was acknowledged, and the ACK is lost.
            None if (200..300).contains(&code) && !self.ack.is_empty() => {
                self.send(&self.ack).await;
            }
            None => {}
        }
    }

    async fn progresses(&mut self, mut asking: Asking, response: &Response, code: u16) {
        asking.repeat = None;
        self.asking = Some(asking);
        if code > 100 && self.progress != code {
            self.progress = code;
            self.note("progress", json!({ "code": code }));
        }
        self.follow(&response.body);
        if self.cancelled {
            self.cancel().await;
        }
    }

    fn follow(&mut self, body: &[u8]) {
        if let Some(offer) = sdp::offer(body, &[self.offer.codec])
            && let Some(media) = &mut self.media
        {
            self.offer = offer;
            media.follow(Instant::now(), offer);
        }
    }

    async fn connected(&mut self, asking: &Asking, response: &Response, code: u16) {
        let now = Instant::now();
        let first = |name: &str| message::values(response, name).into_iter().next();
        if let Some(contact) = first("Contact") {
            self.target = message::address(&contact).to_owned();
        }
        if asking.wish == Wish::Talk {
            self.to = first("To").unwrap_or_default();
            self.routes = message::values(response, "Record-Route");
            self.routes.reverse();
        }
        let branch = self.dice.token();
        let way = (asking.sequence, branch.as_str());
        self.ack = self.request(Method::Ack, way, Vec::new(), None).unwrap_or_default();
        self.send(&self.ack).await;
        self.follow(&response.body);
        match asking.wish {
            Wish::Talk => {
                self.stage = Stage::Talking { since: now };
                self.speak();
                self.listener = Listener::new(now, &self.line.tones);
                self.note("answered", self.told(now));
                if self.cancelled {
                    // It crossed the CANCEL.
                    self.hang_up("given up", now).await;
                }
            }
            Wish::Hold => self.note("held", json!({ "code": code })),
            Wish::Resume => {
                self.speak();
                self.note("resumed", json!({ "code": code }));
            }
        }
    }

    fn speak(&mut self) {
        self.mouth.say(self.line.tone_hz.map_or(Voice::Quiet, Voice::Tone));
    }

    fn told(&self, now: Instant) -> Value {
        let keys = self.offer.event.map_or("inband", |_| "rfc4733");
        let after = now - self.begun;
        json!({
            "codec": self.offer.codec.name(),
            "keys": keys,
            "audio": self.audio,
            "after_ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn declined(&mut self, asking: Asking, response: &Response, code: u16) {
        let to = message::values(response, "To").into_iter().next().unwrap_or_default();
        // The ACK of a refusal belongs to the INVITE's own transaction.
        let before = std::mem::replace(&mut self.to, to);
        let way = (asking.sequence, asking.branch.as_str());
        if let Some(bytes) = self.request(Method::Ack, way, Vec::new(), None) {
            self.send(&bytes).await;
        }
        self.to = before;
        if matches!(code, 401 | 407)
            && !asking.proved
            && !self.cancelled
            && let Some(proof) = self.proof(response, code)
        {
            self.invite(asking.wish, Some(proof)).await;
            return;
        }
        if asking.wish != Wish::Talk {
            let event = if asking.wish == Wish::Hold { "held" } else { "resumed" };
            self.note(event, json!({ "code": code }));
            return;
        }
        let reason = response.status_code.to_string();
        let why = reason.split_once(' ').map_or("", |(_, words)| words);
        let words = message::values(response, "Warning").into_iter().next();
        self.end("call-refused", json!({ "code": code, "why": why, "words": words }));
    }

    fn proof(&mut self, response: &Response, code: u16) -> Option<Header> {
        let name = if code == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        let identity = &self.line.identity;
        let offered = message::values(response, name);
        let challenge = offered.iter().find_map(|value| Challenge::read(value, identity.hash))?;
        let asked = Asked {
            number: &identity.number,
            password: &identity.password,
            method: "INVITE",
            uri: &self.target,
        };
        let answer = challenge.answer(asked, identity.hash, 1, &self.dice.token());
        Some(match code {
            401 => rsip::headers::Authorization::new(answer).into(),
            _ => rsip::headers::ProxyAuthorization::new(answer).into(),
        })
    }

    async fn asked(&mut self, request: &Request, from: SocketAddr) {
        let talks = matches!(self.stage, Stage::Talking { .. });
        match request.method {
            Method::Ack => {}
            Method::Bye if talks => {
                self.line.reply(request, from, (200, "OK"), "").await;
                self.end("bye-in", json!({}));
            }
            Method::Invite if talks && self.asking.is_none() => self.changed(request, from).await,
            // Both asked at once (RFC 3261 §14.1).
            Method::Invite if talks => {
                self.line.reply(request, from, (491, "Request Pending"), "").await;
            }
            Method::Info if talks => self.line.reply(request, from, (200, "OK"), "").await,
            Method::Options => self.line.reply(request, from, (200, "OK"), "").await,
            Method::Bye | Method::Invite | Method::Info => {
                let said = (481, "Call/Transaction Does Not Exist");
                self.line.reply(request, from, said, "").await;
            }
            _ => self.line.reply(request, from, (405, "Method Not Allowed"), "").await,
        }
    }

    /// The other side changed the call.
    async fn changed(&mut self, request: &Request, from: SocketAddr) {
        let Some(at) = self.media.as_ref().and_then(|media| media.local().ok()) else { return };
        self.version += 1;
        self.follow(&request.body);
        let (sends, receives) = (self.offer.sends, self.offer.receives);
        self.note("reinvite", json!({ "sends": sends, "receives": receives }));
        let (session, version) = (self.session, self.version);
        let does = sdp::Does::Talks;
        let sdp = match request.body.is_empty() {
            true => sdp::invitation(self.offer.codec, at, session, version, "sendrecv"),
            false => sdp::answer(&self.offer, at, session, version, does),
        };
        let contact = self.line.contact();
        let added = Added { contact: Some(&contact), sdp: Some(sdp), ..Added::default() };
        let bytes = message::response(request, from, 200, "OK", added);
        self.line.send(&bytes, from).await;
    }
}

/// The next datagram of media; never, while there is none.
async fn next(media: &mut Option<Media>) -> Came {
    match media {
        Some(media) => media.next().await,
        None => std::future::pending().await,
    }
}
