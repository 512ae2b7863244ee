//! One call as the person called has it, in a task of its own: works off its
//! plan, answers what comes, and outlives the call for as long as copies may
//! travel. It refuses to make a second call of a copy.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsip::{Method, Request, Response, SipMessage};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use weir_fakes::sip::dice::Dice;
use weir_fakes::sip::media::{Came, Media, Noted, Setup};
use weir_fakes::sip::message::{self, Added};
use weir_fakes::sip::sdp::{self, Codec, Offer};
use weir_fakes::sip::transaction::{Key, Repeat, Turn};

use crate::dialog::{Dialog, Within};
use crate::ear::Ear;
use crate::listener::Listener;
use crate::mouth::Mouth;
use crate::phone::{Letter, Line};
use crate::script::{Act, Plan, Way};
use crate::voice::event;

/// For as long as copies of messages travel (64·T1, RFC 3261 §17).
const LINGERS: Duration = Duration::from_secs(32);
/// Nobody lets a telephone ring or talk longer.
const LIFE_MAX: Duration = Duration::from_secs(2 * 3_600);

#[derive(Debug)]
enum Stage {
    Ringing,
    Talking {
        since: Instant,
        /// Until the ACK is there.
        repeat: Option<Repeat>,
    },
    Refused(Option<Repeat>),
    Over,
}

pub(crate) struct Call {
    line: Arc<Line>,
    dice: Dice,
    key: Key,
    /// The newest INVITE, and where it came from.
    invite: Request,
    from: SocketAddr,
    invited: Instant,
    tag: String,
    offer: Option<Offer>,
    plan: Plan,
    stage: Stage,
    dialog: Dialog,
    media: Option<Media>,
    mouth: Mouth,
    ear: Ear,
    /// Who listens for tones, from the answer on.
    listener: Option<Listener>,
    audio: String,
    /// The newest response to the newest INVITE.
    answer: Vec<u8>,
    code: u16,
    /// The sequence number of the newest INFO.
    informed: u32,
    session: u32,
    version: u32,
    permit: Option<OwnedSemaphorePermit>,
    /// When nothing is remembered of it any more.
    gone: Instant,
}

impl Call {
    pub(crate) fn new(
        line: Arc<Line>,
        invite: Request,
        from: SocketAddr,
        plan: Plan,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let now = Instant::now();
        let key = Key::of(&invite);
        let mut dice = Dice::new(0, &key.call_id);
        let deaf = plan.deaf;
        let offer = sdp::offer(&invite.body, &line.codecs);
        Self {
            line,
            key,
            from,
            invited: now,
            tag: dice.token(),
            offer,
            invite,
            plan,
            stage: Stage::Ringing,
            dialog: Dialog::default(),
            media: None,
            mouth: Mouth::new(now, dice.number()),
            ear: Ear::default(),
            listener: None,
            audio: String::new(),
            answer: Vec::new(),
            code: 0,
            informed: 0,
            session: dice.number(),
            version: 1,
            dice,
            permit,
            gone: now + if deaf { LINGERS * 2 } else { LIFE_MAX },
        }
    }

    pub(crate) async fn run(mut self, mut inbox: Receiver<Letter>, stop: CancellationToken) {
        while Instant::now() < self.gone {
            let due = self.due();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                letter = inbox.recv() => match letter {
                    Some(Letter { message: SipMessage::Request(request), from }) => {
                        self.asked(request, from).await;
                    }
                    Some(Letter { message: SipMessage::Response(response), .. }) => {
                        self.answered(&response);
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
        self.line.note(event, Some(&self.key.call_id), more);
    }

    fn write_down(&self, notes: Vec<Noted>) {
        for Noted { event, more } in notes {
            self.note(event, more);
        }
    }

    fn due(&self) -> Instant {
        let first = |base: Instant, acts: &VecDeque<(Duration, Act)>| {
            acts.front().map(|(after, _)| base + *after)
        };
        let (act, repeat) = match &self.stage {
            Stage::Ringing => (first(self.invited, &self.plan.ringing), None),
            Stage::Talking { since, repeat } => {
                (first(*since, &self.plan.talking), repeat.as_ref())
            }
            Stage::Refused(repeat) => (None, repeat.as_ref()),
            Stage::Over => (None, None),
        };
        let media = self.media.as_ref().and_then(Media::due);
        let mouth = self.media.as_ref().map(|_| self.mouth.due());
        let listener = self.listener.as_ref().map(Listener::due);
        let rest = [act, repeat.map(Repeat::due), media, mouth, listener, self.dialog.due()];
        rest.into_iter().flatten().min().unwrap_or(self.gone).min(self.gone)
    }

    fn sounded(&mut self, came: Came) {
        let Some(media) = &mut self.media else { return };
        let now = Instant::now();
        let notes = media.take(now, came);
        let newest = media.newest();
        self.write_down(notes);
        let Stage::Talking { since, .. } = self.stage else { return };
        if let Some(listener) = &mut self.listener {
            listener.takes(now, &newest);
        }
        let newest: Vec<i16> = newest.into_iter().flat_map(|piece| piece.samples).collect();
        let Some(times) = self.plan.hears.as_ref().map(|(times, _)| *times) else { return };
        let Some(heard) = self.ear.hears(&newest) else { return };
        self.note("heard", json!({ "times": heard, "at_ms": whole_ms(now - since) }));
        if heard >= times
            && let Some((_, acts)) = self.plan.hears.take()
        {
            self.plan.talking = acts.into_iter().map(|(at, act)| (now - since + at, act)).collect();
        }
    }

    async fn tick(&mut self, now: Instant) {
        if let Some(act) = self.take_act(now) {
            self.act(act, now).await;
        }
        self.repeat(now).await;
        if let Some(more) = self.listener.as_mut().and_then(|listener| listener.tick(now)) {
            self.note("tones", more);
        }
        for copy in self.dialog.copies(now) {
            self.line.send(&copy, self.from).await;
        }
        if let (Some(media), Some(offer)) = (&mut self.media, &self.offer) {
            if self.mouth.due() <= now {
                for packet in self.mouth.tick(now, offer) {
                    media.send(&packet).await;
                }
            }
            let notes = media.tick(now).await;
            self.write_down(notes);
        }
    }

    fn take_act(&mut self, now: Instant) -> Option<Act> {
        let (base, acts) = match self.stage {
            Stage::Ringing => (self.invited, &mut self.plan.ringing),
            Stage::Talking { since, .. } => (since, &mut self.plan.talking),
            Stage::Refused(_) | Stage::Over => return None,
        };
        let due = acts.front().is_some_and(|(after, _)| base + *after <= now);
        if due { acts.pop_front().map(|(_, act)| act) } else { None }
    }

    async fn act(&mut self, act: Act, now: Instant) {
        match act {
            Act::Ring => self.ring(180, "Ringing", false).await,
            Act::Early => {
                if self.open(now).await {
                    self.ring(183, "Session Progress", true).await;
                }
            }
            Act::Answer => {
                if self.open(now).await {
                    self.pick_up(now).await;
                }
            }
            Act::Say(voice) => self.mouth.say(voice),
            Act::Press(key, way) => self.press(key, way, now).await,
            Act::HangUp => self.hang_up("done", now).await,
            Act::Refuse(code, reason) => self.refuse(code, &reason, self.plan.name, now).await,
        }
    }

    async fn ring(&mut self, code: u16, reason: &str, describes: bool) {
        let sdp = if describes { self.description() } else { None };
        self.respond(code, reason, sdp).await;
        let audio = describes.then_some(&self.audio);
        self.note("ringing", json!({ "code": code, "audio": audio }));
    }

    async fn respond(&mut self, code: u16, reason: &str, sdp: Option<String>) {
        let contact = self.line.contact();
        let contact = (code < 300).then_some(contact.as_str());
        let added = Added { tag: Some(&self.tag), contact, sdp, ..Added::default() };
        self.answer = message::response(&self.invite, self.from, code, reason, added);
        self.code = code;
        self.line.send(&self.answer, self.from).await;
    }

    fn description(&self) -> Option<String> {
        let at = self.media.as_ref()?.local().ok()?;
        let offer = self.offer.as_ref()?;
        Some(sdp::answer(offer, at, self.session, self.version, sdp::Does::Talks))
    }

    /// Media, when there are none yet; refuses the call when there can be none.
    async fn open(&mut self, now: Instant) -> bool {
        if self.media.is_some() {
            return true;
        }
        let Some(offer) = self.offer else {
            self.refuse(488, "Not Acceptable Here", "no audio that it knows", now).await;
            return false;
        };
        let setup = Setup {
            ip: self.line.local.ip(),
            offer,
            folder: &self.line.folder,
            stem: self.line.recording(),
            mute: false,
            ssrc: self.dice.number(),
            reports: true,
            listens: self.plan.hears.is_some() || !self.line.tones.is_empty(),
        };
        match Media::open(now, setup).await {
            Ok(media) => {
                let name = media.file().file_name().map(|name| name.to_string_lossy());
                self.audio = name.unwrap_or_default().into_owned();
                self.media = Some(media);
                self.mouth = Mouth::new(now, self.dice.number());
                true
            }
            Err(error) => {
                eprintln!("{}: 没有媒体 / no media: {error}", self.line.identity.number);
                self.refuse(500, "Server Internal Error", "no media", now).await;
                false
            }
        }
    }

    async fn pick_up(&mut self, now: Instant) {
        let sdp = self.description();
        self.respond(200, "OK", sdp).await;
        self.stage = Stage::Talking { since: now, repeat: Some(Repeat::new(now)) };
        self.listener = Listener::new(now, &self.line.tones);
        let offer = self.offer.as_ref();
        let keys = offer.and_then(|offer| offer.event).map_or("inband", |_| "rfc4733");
        let more = json!({
            "codec": offer.map(|offer| offer.codec.name()),
            "keys": keys,
            "audio": self.audio,
            "after_ms": whole_ms(now - self.invited),
        });
        self.note("answered", more);
    }

    async fn press(&mut self, key: char, way: Way, now: Instant) {
        let Stage::Talking { since, .. } = self.stage else { return };
        let known = event(key).is_some();
        let event = known
            && way.means(Way::Rfc4733)
            && self.offer.is_some_and(|offer| offer.event.is_some());
        let tone = known && way.means(Way::Inband);
        let info = known && way.means(Way::Info) && self.tell(key, now).await;
        self.mouth.press(key, event, tone);
        let ways = [(event, "rfc4733"), (info, "info"), (tone, "inband")];
        let ways: Vec<_> = ways.into_iter().filter_map(|(is, name)| is.then_some(name)).collect();
        let happened = if ways.is_empty() { "key-lost" } else { "key" };
        let more = json!({
            "key": key.to_string(),
            "ways": ways,
            "at_ms": whole_ms(now - since),
        });
        self.note(happened, more);
    }

    async fn tell(&mut self, key: char, now: Instant) -> bool {
        let body = ("application/dtmf-relay", format!("Signal={key}\r\nDuration=160\r\n"));
        self.ask(Method::Info, Some(body), now).await
    }

    async fn ask(&mut self, method: Method, body: Option<message::Body>, now: Instant) -> bool {
        let branch = self.dice.token();
        let within =
            Within { line: &self.line, invite: &self.invite, tag: &self.tag, branch: &branch };
        match self.dialog.ask(now, method, within, body) {
            Some(bytes) => {
                self.line.send(&bytes, self.from).await;
                true
            }
            None => false,
        }
    }

    async fn hang_up(&mut self, why: &str, now: Instant) {
        self.ask(Method::Bye, None, now).await;
        self.end("bye-out", json!({ "why": why }), now);
    }

    async fn refuse(&mut self, code: u16, reason: &str, why: &str, now: Instant) {
        self.respond(code, reason, None).await;
        self.end("refused", json!({ "code": code, "why": why }), now);
        self.stage = Stage::Refused(Some(Repeat::new(now)));
    }

    /// The last words about its media, if it has any.
    fn silence(&mut self) {
        self.listener = None;
        if let Some(mut media) = self.media.take() {
            self.write_down(media.finish(Instant::now()));
        }
    }

    /// The call is over; `event` says how.
    fn end(&mut self, event: &str, more: Value, now: Instant) {
        self.silence();
        self.note(event, more);
        self.permit = None;
        self.stage = Stage::Over;
        self.gone = now + LINGERS;
    }

    async fn repeat(&mut self, now: Instant) {
        let (Stage::Talking { repeat, .. } | Stage::Refused(repeat)) = &mut self.stage else {
            return;
        };
        match repeat.as_mut().map_or(Turn::NotYet, |repeat| repeat.turn(now)) {
            Turn::NotYet => {}
            Turn::Again => self.line.send(&self.answer, self.from).await,
            Turn::GiveUp => {
                *repeat = None;
                let talking = matches!(self.stage, Stage::Talking { .. });
                self.note("timeout", json!({ "waited_for": "ack" }));
                if talking {
                    self.hang_up("timeout", now).await;
                }
            }
        }
    }

    async fn asked(&mut self, request: Request, from: SocketAddr) {
        if self.plan.deaf {
            return;
        }
        let now = Instant::now();
        match request.method {
            Method::Invite => self.invited(request, from, now).await,
            Method::Ack => self.confirmed(&request),
            Method::Cancel => self.cancelled(&request, from, now).await,
            Method::Bye => self.parted(&request, from, now).await,
            Method::Info => {
                let talks = self.within(&request) && matches!(self.stage, Stage::Talking { .. });
                let said = if talks { (200, "OK") } else { NO_SUCH_CALL };
                self.reply(&request, from, said).await;
                let sequence = message::sequence(&request);
                if std::mem::replace(&mut self.informed, sequence) != sequence {
                    let text = String::from_utf8_lossy(&request.body).into_owned();
                    self.note("info", json!({ "code": said.0, "body": text }));
                }
            }
            Method::Options => self.reply(&request, from, (200, "OK")).await,
            _ => self.reply(&request, from, (405, "Method Not Allowed")).await,
        }
    }

    async fn reply(&self, request: &Request, from: SocketAddr, said: (u16, &str)) {
        self.line.reply(request, from, said, &self.tag).await;
    }

    /// Whether the request belongs to this call and no other.
    fn within(&self, request: &Request) -> bool {
        self.key.same_call(&Key::of(request))
            && message::to_tag(request).as_deref() == Some(&self.tag)
    }

    async fn invited(&mut self, request: Request, from: SocketAddr, now: Instant) {
        let key = Key::of(&request);
        if key == self.key {
            self.line.send(&self.answer, from).await;
            return;
        }
        if message::to_tag(&request).is_none() {
            self.reply(&request, from, (482, "Loop Detected")).await;
            return;
        }
        let Stage::Talking { since, .. } = self.stage else {
            self.reply(&request, from, NO_SUCH_CALL).await;
            return;
        };
        if !self.within(&request) {
            self.reply(&request, from, NO_SUCH_CALL).await;
            return;
        }
        if key.sequence < self.key.sequence {
            self.reply(&request, from, (500, "Server Internal Error")).await;
            return;
        }
        let codecs: Vec<Codec> = self.offer.iter().map(|offer| offer.codec).collect();
        let asks = request.body.is_empty();
        let offer = if asks { self.offer } else { sdp::offer(&request.body, &codecs) };
        let Some(offer) = offer else {
            self.reply(&request, from, (488, "Not Acceptable Here")).await;
            return;
        };
        if self.offer != Some(offer) {
            self.version += 1;
        }
        self.note("reinvite", json!({ "sends": offer.sends, "receives": offer.receives }));
        (self.offer, self.key, self.invite, self.from) = (Some(offer), key, request, from);
        if let Some(media) = &mut self.media {
            media.follow(now, offer);
        }
        let sdp = self.description();
        self.respond(200, "OK", sdp).await;
        self.stage = Stage::Talking { since, repeat: Some(Repeat::new(now)) };
    }

    fn confirmed(&mut self, request: &Request) {
        if Key::of(request) != self.key {
            return;
        }
        if let Stage::Talking { repeat, .. } | Stage::Refused(repeat) = &mut self.stage
            && repeat.take().is_some()
        {
            self.note("ack", json!({ "code": self.code }));
        }
    }

    async fn cancelled(&mut self, request: &Request, from: SocketAddr, now: Instant) {
        let ours = Key::of(request) == self.key;
        self.reply(request, from, if ours { (200, "OK") } else { NO_SUCH_CALL }).await;
        // After the answer it comes too late: a BYE must follow.
        if ours && matches!(self.stage, Stage::Ringing) {
            self.respond(487, "Request Terminated", None).await;
            self.end("cancel", json!({}), now);
            self.stage = Stage::Refused(Some(Repeat::new(now)));
        }
    }

    async fn parted(&mut self, request: &Request, from: SocketAddr, now: Instant) {
        let ours = self.within(request);
        self.reply(request, from, if ours { (200, "OK") } else { NO_SUCH_CALL }).await;
        if ours && matches!(self.stage, Stage::Talking { .. }) {
            self.end("bye-in", json!({}), now);
        }
    }

    fn answered(&mut self, response: &Response) {
        if let Some(method) = self.dialog.answered(response) {
            let code = response.status_code.code();
            match method {
                Method::Info => self.note("info-answered", json!({ "code": code })),
                _ => self.note("bye-answered", json!({ "code": code })),
            }
        }
    }
}

const NO_SUCH_CALL: (u16, &str) = (481, "Call/Transaction Does Not Exist");

/// The next datagram of media; never, while there is none.
async fn next(media: &mut Option<Media>) -> Came {
    match media {
        Some(media) => media.next().await,
        None => std::future::pending().await,
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
