//! What a device does with requests and with the call it is in. It refuses
//! calls it cannot play, a second one, and what it does not know, each with the
//! code that RFC 3261 has for it.

use std::net::SocketAddr;

use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request};
use serde_json::json;
use tokio::time::Instant;

use crate::call::{Call, Past, Stage, asks_to_answer};
use crate::device::{Device, Farewell};
use crate::profile::Fault;
use weir_fakes::sip::media::{Media, Setup};
use weir_fakes::sip::message::{self, Added, Ask};
use weir_fakes::sip::sdp::{self, Does, Offer};
use weir_fakes::sip::transaction::{Key, Repeat, Turn};

/// Extensions a device may be required to have.
const SUPPORTED: [&str; 1] = ["answermode"];

/// A refusal: code and words.
type Refusal = (u16, &'static str);

const NO_SUCH_CALL: Refusal = (481, "Call/Transaction Does Not Exist");

impl Device {
    pub(crate) async fn asked(&mut self, request: Request, from: SocketAddr) {
        match request.method {
            Method::Invite => self.invited(request, from).await,
            Method::Ack => self.confirmed(&request),
            Method::Cancel => self.cancelled(&request, from).await,
            Method::Bye => self.parted(&request, from).await,
            Method::Options => {
                let allow = vec![rsip::headers::Allow::new(message::ALLOW).into()];
                self.reply(&request, from, (200, "OK"), allow).await;
            }
            _ => {
                let allow = vec![rsip::headers::Allow::new(message::ALLOW).into()];
                self.reply(&request, from, (405, "Method Not Allowed"), allow).await;
            }
        }
    }

    async fn reply(&mut self, to: &Request, from: SocketAddr, said: Refusal, more: Vec<Header>) {
        let tag = self.dice.token();
        let added = Added { tag: Some(&tag), more, ..Added::default() };
        let bytes = message::response(to, from, said.0, said.1, added);
        self.send(&bytes, from).await;
    }

    async fn invited(&mut self, request: Request, from: SocketAddr) {
        let key = Key::of(&request);
        if let Some(answer) = self.said_before(&key) {
            if !answer.is_empty() {
                self.send(&answer, from).await;
            }
            return;
        }
        let now = Instant::now();
        if message::to_tag(&request).is_some() {
            self.asked_again(request, from, now).await;
            return;
        }
        let auto = asks_to_answer(self.profile.dialect, &request);
        let more = json!({ "auto": auto, "from": from.to_string() });
        self.note("invite", Some(&key.call_id), more);
        let busy = self.call.is_some();
        let fault = if busy { None } else { self.strike() };
        if fault == Some(Fault::Deaf) {
            self.remember(Past { key, answer: Vec::new(), talked: false });
            return;
        }
        match self.judge(&request, busy || fault == Some(Fault::Busy)) {
            Ok(offer) => {
                let rings = matches!(fault, Some(Fault::Ringing | Fault::NoAutoAnswer));
                let stage = if auto && !rings {
                    let range = self.profile.answers_ms.clone();
                    Stage::Answering(now + self.dice.ms(range))
                } else {
                    Stage::Ringing
                };
                self.ring(request, from, offer, stage, fault).await;
            }
            Err(refusal) => self.refuse(request, from, refusal).await,
        }
    }

    /// What was last said to this very INVITE.
    fn said_before(&self, key: &Key) -> Option<Vec<u8>> {
        if let Some(call) = self.call.as_ref().filter(|call| call.key == *key) {
            return Some(call.answer.clone());
        }
        self.past.iter().find(|past| past.key == *key).map(|past| past.answer.clone())
    }

    fn judge(&self, request: &Request, busy: bool) -> Result<Offer, Refusal> {
        let called = request.uri.auth.as_ref().map(|auth| auth.user.as_str());
        if called != Some(self.identity.number.as_str()) {
            return Err((404, "Not Found"));
        }
        if !unsupported(request).is_empty() {
            return Err((420, "Bad Extension"));
        }
        if busy {
            return Err((486, "Busy Here"));
        }
        sdp::offer(&request.body, self.profile.codecs).ok_or((488, "Not Acceptable Here"))
    }

    async fn refuse(&mut self, request: Request, from: SocketAddr, refusal: Refusal) {
        let (code, reason) = refusal;
        let key = Key::of(&request);
        let lacking = unsupported(&request);
        let more = match code {
            420 => vec![rsip::headers::Unsupported::new(lacking.join(", ")).into()],
            _ => Vec::new(),
        };
        let tag = self.dice.token();
        let added = Added { tag: Some(&tag), more, ..Added::default() };
        let answer = message::response(&request, from, code, reason, added);
        self.send(&answer, from).await;
        self.note("refused", Some(&key.call_id), json!({ "code": code }));
        self.remember(Past { key, answer, talked: false });
    }

    async fn ring(
        &mut self,
        invite: Request,
        from: SocketAddr,
        offer: Offer,
        stage: Stage,
        fault: Option<Fault>,
    ) {
        let tag = self.dice.token();
        let contact = self.identity.contact(self.local, self.profile.transport);
        let added = Added { tag: Some(&tag), contact: Some(&contact), ..Added::default() };
        let answer = message::response(&invite, from, 180, "Ringing", added);
        self.send(&answer, from).await;
        self.call = Some(Call {
            key: Key::of(&invite),
            invite,
            from,
            invited: Instant::now(),
            tag,
            offer,
            stage,
            media: None,
            answer,
            session: self.dice.number(),
            version: 1,
            fault,
            strikes: None,
        });
    }

    /// A change within the call: another address of the caller, or a refresh.
    async fn asked_again(&mut self, request: Request, from: SocketAddr, now: Instant) {
        let key = Key::of(&request);
        let tag = message::to_tag(&request);
        let fits = self.call.as_ref().is_some_and(|call| {
            call.key.same_call(&key) && tag.as_deref() == Some(&call.tag) && call.media.is_some()
        });
        let Some(mut call) = self.call.take_if(|_| fits) else {
            self.reply(&request, from, NO_SUCH_CALL, Vec::new()).await;
            return;
        };
        let codecs = [call.offer.codec];
        match sdp::offer(&request.body, &codecs) {
            _ if key.sequence < call.key.sequence => {
                self.reply(&request, from, (500, "Server Internal Error"), Vec::new()).await;
            }
            Some(offer) => {
                self.note("reinvite", Some(&key.call_id), json!({ "from": from.to_string() }));
                (call.offer, call.key, call.invite, call.from) = (offer, key, request, from);
                if let Some(media) = &mut call.media {
                    media.follow(now, offer);
                }
                self.accept(&mut call, now).await;
            }
            None => self.reply(&request, from, (488, "Not Acceptable Here"), Vec::new()).await,
        }
        self.call = Some(call);
    }

    /// Sends the 200, and goes on sending it until the ACK is there.
    async fn accept(&mut self, call: &mut Call, now: Instant) {
        let at = call.media.as_ref().and_then(|media| media.local().ok()).unwrap_or(self.local);
        let sdp = sdp::answer(&call.offer, at, call.session, call.version, Does::Listens);
        let contact = self.identity.contact(self.local, self.profile.transport);
        let added = Added {
            tag: Some(&call.tag),
            contact: Some(&contact),
            more: vec![rsip::headers::Allow::new(message::ALLOW).into()],
            sdp: Some(sdp),
        };
        call.answer = message::response(&call.invite, call.from, 200, "OK", added);
        call.stage = Stage::Talking(Some(Repeat::new(now)));
        self.send(&call.answer, call.from).await;
    }

    async fn pick_up(&mut self, mut call: Call, now: Instant) {
        self.calls += 1;
        let setup = Setup {
            ip: self.local.ip(),
            offer: call.offer,
            folder: &self.folder,
            stem: format!("{}-{}", self.identity.number, self.calls),
            mute: call.fault == Some(Fault::Mute),
            ssrc: self.dice.number(),
            reports: self.profile.rtcp,
            listens: false,
        };
        let media = match Media::open(now, setup).await {
            Ok(media) => media,
            Err(error) => {
                eprintln!("{}: 没有媒体 / no media: {error}", self.identity.number);
                self.refuse(call.invite, call.from, (500, "Server Internal Error")).await;
                return;
            }
        };
        let more = json!({
            "codec": media.offer().codec.name(),
            "audio": media.file().file_name().map(|name| name.to_string_lossy()),
            "after_ms": u64::try_from((now - call.invited).as_millis()).unwrap_or(u64::MAX),
        });
        call.media = Some(media);
        call.strikes = self.strikes(now, call.fault);
        self.accept(&mut call, now).await;
        self.note("answered", Some(&call.key.call_id), more);
        self.call = Some(call);
    }

    fn confirmed(&mut self, request: &Request) {
        let key = Key::of(request);
        if let Some(call) = self.call.as_mut().filter(|call| call.key == key)
            && let Stage::Talking(repeat) = &mut call.stage
        {
            *repeat = None;
        }
    }

    async fn cancelled(&mut self, request: &Request, from: SocketAddr) {
        let key = Key::of(request);
        let known = self.said_before(&key).is_some();
        let said = if known { (200, "OK") } else { NO_SUCH_CALL };
        self.reply(request, from, said, Vec::new()).await;
        // After the answer it comes too late: a BYE must follow.
        let rings = |call: &mut Call| call.key == key && !matches!(call.stage, Stage::Talking(_));
        if let Some(call) = self.call.take_if(rings) {
            self.note("cancel", Some(&key.call_id), json!({}));
            self.refuse(call.invite, call.from, (487, "Request Terminated")).await;
        }
    }

    async fn parted(&mut self, request: &Request, from: SocketAddr) {
        let key = Key::of(request);
        let tag = message::to_tag(request);
        let ours = |call: &Call| call.key.same_call(&key) && tag.as_deref() == Some(&call.tag);
        if self.call.as_ref().is_some_and(ours) {
            self.reply(request, from, (200, "OK"), Vec::new()).await;
            self.end("bye-in", json!({}));
            return;
        }
        let was = self.past.iter().any(|past| past.talked && past.key.same_call(&key));
        let said = if was { (200, "OK") } else { NO_SUCH_CALL };
        self.reply(request, from, said, Vec::new()).await;
    }

    /// The call is over; `event` says how.
    fn end(&mut self, event: &str, more: serde_json::Value) {
        let Some(media) = self.call.as_mut().map(|call| call.media.as_mut()) else { return };
        let notes = media.map(|media| media.finish(Instant::now()));
        self.write_down(notes.unwrap_or_default());
        if let Some(call) = self.call.take() {
            self.note(event, Some(&call.key.call_id), more);
            self.remember(Past { key: call.key, answer: call.answer, talked: true });
        }
    }

    /// What is due in the present call.
    pub(crate) async fn attend(&mut self, now: Instant) {
        let answers = |call: &mut Call| matches!(call.stage, Stage::Answering(at) if at <= now);
        if let Some(call) = self.call.take_if(answers) {
            self.pick_up(call, now).await;
        }
        if let Some(media) = self.call.as_mut().and_then(|call| call.media.as_mut()) {
            let notes = media.tick(now).await;
            self.write_down(notes);
        }
        self.repeat_answer(now).await;
        if self.media_timeout().is_some_and(|at| at <= now) {
            self.time_out("rtp", now).await;
        }
        if self.call.as_ref().and_then(|call| call.strikes).is_some_and(|at| at <= now) {
            match self.call.as_ref().and_then(|call| call.fault) {
                Some(Fault::Reboot) => self.lose_power(now),
                _ => self.hang_up("fault", now).await,
            }
        }
    }

    async fn repeat_answer(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        let Stage::Talking(Some(repeat)) = &mut call.stage else { return };
        match repeat.turn(now) {
            Turn::NotYet => {}
            Turn::Again => {
                let (answer, from) = (call.answer.clone(), call.from);
                self.send(&answer, from).await;
            }
            Turn::GiveUp => self.time_out("ack", now).await,
        }
    }

    async fn time_out(&mut self, what: &str, now: Instant) {
        let call_id = self.call.as_ref().map(|call| call.key.call_id.clone());
        self.note("timeout", call_id.as_deref(), json!({ "waited_for": what }));
        self.hang_up("timeout", now).await;
    }

    /// A BYE of the device's own (RFC 3261 §12.2.1.1 and §15.1.1).
    async fn hang_up(&mut self, why: &str, now: Instant) {
        let Some(call) = &self.call else { return };
        let (invite, to) = (&call.invite, call.from);
        let first = |name: &str| message::values(invite, name).into_iter().next();
        let contact = first("Contact").unwrap_or_default();
        let routes = message::values(invite, "Record-Route");
        let route = |value: String| Header::from(rsip::headers::Route::new(value));
        let branch = self.dice.token();
        let bytes = message::request(Ask {
            method: Method::Bye,
            uri: message::address(&contact),
            via: self.identity.via(self.local, &branch),
            from: with_tag(first("To").unwrap_or_default(), &call.tag),
            to: first("From").unwrap_or_default(),
            call_id: &call.key.call_id,
            sequence: 1,
            more: routes.into_iter().map(route).collect(),
            body: None,
        });
        let call_id = call.key.call_id.clone();
        if let Some(bytes) = bytes {
            self.send(&bytes, to).await;
            self.part(Farewell { call_id, bytes, to, repeat: Repeat::new(now) });
        }
        self.end("bye-out", json!({ "why": why }));
    }
}

/// A request within the call names the tag already.
fn with_tag(to: String, tag: &str) -> String {
    if message::tag(&to).is_some() { to } else { format!("{to};tag={tag}") }
}

/// What the request insists on and the device lacks.
fn unsupported(request: &Request) -> Vec<String> {
    let required = message::values(request, "Require");
    let names = required.iter().flat_map(|value| value.split(',')).map(str::trim);
    names.filter(|name| !SUPPORTED.contains(name)).map(str::to_owned).collect()
}
