//! One account, a telephone or a trunk: its registration, its texts, and which
//! call a message belongs to, in one task. It refuses users it does not know and
//! calls beyond its lines; what happens in a call is the call's.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use rsip::headers::UntypedHeader;
use rsip::{Header, Method, Request, Response, SipMessage};
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_fakes::ledger::Ledger;
use weir_fakes::sip::dice::Dice;
use weir_fakes::sip::message::{self, Added};
use weir_fakes::sip::registration::{Around, Identity, Registration};
use weir_fakes::sip::sdp::Codec;
use weir_fakes::sip::wire::Transport;

use crate::call::Call;
use crate::caller::Caller;
use crate::config::Account;
use crate::script::{Dials, Does, Plan};

const DATAGRAM_MAX: usize = 8_192;
/// Messages of one call that wait; more are lost, as on a wire.
const INBOX: usize = 32;
/// Calls remembered at once; more are not heard.
const CALLS_MAX: usize = 4_096;
const TEXTS_MAX: usize = 256;
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE";
/// For when nothing is due.
const LONG: Duration = Duration::from_secs(3_600);

/// What a phone and its calls share.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) identity: Identity,
    pub(crate) local: SocketAddr,
    pub(crate) folder: PathBuf,
    /// The tone that is spoken, and those that are listened for.
    pub(crate) tone_hz: Option<u32>,
    pub(crate) tones: Arc<[u32]>,
    /// Not empty.
    pub(crate) codecs: Vec<Codec>,
    socket: UdpSocket,
    ledger: Ledger,
    recordings: AtomicU32,
}

impl Line {
    pub(crate) fn note(&self, event: &str, call_id: Option<&str>, more: Value) {
        self.ledger.note(&self.identity.number, event, call_id, more);
    }

    pub(crate) async fn send(&self, bytes: &[u8], to: SocketAddr) {
        // Lost messages are told by what follows from it, as on a real wire.
        let _ = self.socket.send_to(bytes, to).await;
    }

    pub(crate) fn contact(&self) -> String {
        self.identity.contact(self.local, Transport::Udp)
    }

    /// The name of the next recording, without its ending.
    pub(crate) fn recording(&self) -> String {
        let count = self.recordings.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{count}", self.identity.number)
    }

    /// An answer that nothing follows from.
    pub(crate) async fn reply(&self, to: &Request, from: SocketAddr, said: (u16, &str), tag: &str) {
        let allow: Header = rsip::headers::Allow::new(ALLOW).into();
        let added = Added { tag: Some(tag), more: vec![allow], ..Added::default() };
        let bytes = message::response(to, from, said.0, said.1, added);
        self.send(&bytes, from).await;
    }
}

/// A message for a call.
pub(crate) struct Letter {
    pub(crate) message: SipMessage,
    pub(crate) from: SocketAddr,
}

pub(crate) struct Phone {
    line: Arc<Line>,
    registration: Registration,
    dice: Dice,
    calls: BTreeMap<String, Sender<Letter>>,
    /// How often each number was called.
    attempts: BTreeMap<String, u32>,
    lines: Arc<Semaphore>,
    outside: Option<BTreeMap<String, Vec<Does>>>,
    does: Vec<Does>,
    dials: Vec<Dials>,
    /// Since when it counts until it dials.
    all_there: Option<Instant>,
    /// How many accounts of this process were never registered, and whether this is
    /// one of them.
    lacking: watch::Sender<usize>,
    is_lacking: bool,
    message_code: u16,
    /// Call-ID and sequence number of texts that came.
    texts: VecDeque<(String, u32)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Phone {
    pub(crate) async fn new(
        account: Account,
        seed: u64,
        folder: &Path,
        lacking: &watch::Sender<usize>,
        (tasks, stop): (&TaskTracker, &CancellationToken),
    ) -> anyhow::Result<Self> {
        let seat = account.seat()?;
        let socket = UdpSocket::bind(seat)
            .await
            .with_context(|| format!("{}: 无法监听 / cannot listen on {seat}", account.number))?;
        let mut dice = Dice::new(seed, &account.number);
        let identity = Identity {
            number: account.number,
            password: account.password,
            registrar: account.registrar,
            transport: Transport::Udp,
            hash: account.hash,
            allow: ALLOW,
            expires_s: account.expires_s,
        };
        Ok(Self {
            registration: Registration::new(Instant::now(), &identity, &mut dice),
            line: Arc::new(Line {
                identity,
                local: socket.local_addr()?,
                folder: folder.to_owned(),
                tone_hz: account.tone_hz,
                tones: account.tones,
                codecs: account.codecs,
                socket,
                ledger: account.ledger,
                recordings: AtomicU32::new(0),
            }),
            dice,
            calls: BTreeMap::new(),
            attempts: BTreeMap::new(),
            lines: Arc::new(Semaphore::new(account.lines)),
            outside: account.outside,
            does: account.calls,
            dials: account.dials,
            all_there: None,
            lacking: lacking.clone(),
            is_lacking: true,
            message_code: account.message_code,
            texts: VecDeque::new(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        })
    }

    /// Until it is stopped. Ending is losing power: nobody is told.
    pub(crate) async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (line, stop) = (self.line.clone(), self.stop.clone());
        let mut lacking = self.lacking.subscribe();
        loop {
            let waits = !self.dials.is_empty() && self.all_there.is_none();
            if waits && *lacking.borrow_and_update() == 0 {
                self.all_there = Some(Instant::now());
            }
            let long = Instant::now() + LONG;
            let due = self.registration.due().unwrap_or(long).min(self.dial_at().unwrap_or(long));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                came = line.socket.recv_from(&mut buffer) => {
                    // What comes back by ICMP is no message; silence tells enough.
                    if let Ok((len, from)) = came {
                        self.heard(&buffer[..len], from).await;
                    }
                }
                // The sender is this phone's own: it does not go before it.
                _ = lacking.changed(), if waits => {}
                () = sleep_until(due) => {
                    self.dial(Instant::now());
                    let (registration, mut around) = self.registrar();
                    if let Some(bytes) = registration.tick(&mut around) {
                        line.send(&bytes, line.identity.registrar).await;
                    }
                }
            }
        }
        self.line.note("stopped", None, json!({}));
    }

    fn registrar(&mut self) -> (&mut Registration, Around<'_>) {
        let around = Around {
            now: Instant::now(),
            identity: &self.line.identity,
            local: self.line.local,
            dice: &mut self.dice,
            ledger: &self.line.ledger,
        };
        (&mut self.registration, around)
    }

    async fn heard(&mut self, bytes: &[u8], from: SocketAddr) {
        match message::read(bytes) {
            Some(SipMessage::Request(request)) => self.asked(request, from).await,
            Some(SipMessage::Response(response)) => self.answered(response, from).await,
            // An empty line keeps a way through a NAT open.
            None if bytes.trim_ascii().is_empty() => {}
            None => self.line.note("unreadable", None, json!({ "bytes": bytes.len() })),
        }
    }

    async fn answered(&mut self, response: Response, from: SocketAddr) {
        if let Some(call) = self.calls.get(&message::call_id(&response)) {
            // A full inbox loses it, as a wire does.
            let _ = call.try_send(Letter { message: response.into(), from });
            return;
        }
        let (registration, mut around) = self.registrar();
        if let Some(bytes) = registration.heard(&response, &mut around) {
            self.line.send(&bytes, self.line.identity.registrar).await;
        }
        if self.is_lacking && self.registration.was_granted() {
            self.is_lacking = false;
            self.lacking.send_modify(|lacking| *lacking = lacking.saturating_sub(1));
        }
    }

    fn dial_at(&self) -> Option<Instant> {
        let after = self.dials.iter().map(|dials| dials.after_ms).min()?;
        Some(self.all_there? + Duration::from_millis(after))
    }

    /// Makes every call whose time has come.
    fn dial(&mut self, now: Instant) {
        let Some(since) = self.all_there else { return };
        let due = |dials: &mut Dials| since + Duration::from_millis(dials.after_ms) <= now;
        let due: Vec<Dials> = self.dials.extract_if(.., due).collect();
        for dials in due {
            let permit = self.lines.clone().try_acquire_owned().ok();
            let call_id = self.dice.token();
            let (sender, inbox) = mpsc::channel(INBOX);
            self.calls.insert(call_id.clone(), sender);
            let caller = Caller::new(self.line.clone(), dials, call_id, permit);
            self.tasks.spawn(caller.run(inbox, self.stop.clone()));
        }
    }

    async fn asked(&mut self, request: Request, from: SocketAddr) {
        if let Some(call) = self.calls.get(&message::call_id(&request)) {
            let letter = Letter { message: request.clone().into(), from };
            if !matches!(call.try_send(letter), Err(mpsc::error::TrySendError::Closed(_))) {
                return;
            }
        }
        let tag = self.dice.token();
        let said = match request.method {
            Method::Invite if message::to_tag(&request).is_none() => {
                self.invited(request, from).await;
                return;
            }
            Method::Message => {
                self.text(&request, from).await;
                return;
            }
            Method::Ack => return,
            Method::Options => (200, "OK"),
            Method::Invite | Method::Bye | Method::Cancel | Method::Info => {
                (481, "Call/Transaction Does Not Exist")
            }
            _ => (405, "Method Not Allowed"),
        };
        self.line.reply(&request, from, said, &tag).await;
    }

    async fn text(&mut self, request: &Request, from: SocketAddr) {
        let key = (message::call_id(request), message::sequence(request));
        if !self.texts.contains(&key) {
            let (who, name) = sender(request);
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let code = self.message_code;
            let more = json!({ "from": who, "from_name": name, "text": text, "code": code });
            self.line.note("message", Some(&key.0), more);
            if self.texts.len() == TEXTS_MAX {
                self.texts.pop_front();
            }
            self.texts.push_back(key);
        }
        if self.message_code == 0 {
            return;
        }
        let said = if self.message_code < 300 { "OK" } else { "Not Accepted" };
        let tag = self.dice.token();
        self.line.reply(request, from, (self.message_code, said), &tag).await;
    }

    async fn invited(&mut self, request: Request, from: SocketAddr) {
        self.calls.retain(|_, call| !call.is_closed());
        if self.calls.len() >= CALLS_MAX {
            return;
        }
        let to = request.uri.auth.as_ref().map(|auth| auth.user.clone()).unwrap_or_default();
        let (permit, attempt, plan) = self.judge(&to);
        let (who, name) = sender(&request);
        let asserted = message::values(&request, "P-Asserted-Identity");
        let call_id = message::call_id(&request);
        let more = json!({
            "from": who,
            "from_name": name,
            "asserted": asserted.first().map(|value| message::user(value)),
            "to": to,
            "source": from.to_string(),
            "attempt": attempt,
            "does": plan.name,
        });
        self.line.note("invite", Some(&call_id), more);
        let (sender, inbox) = mpsc::channel(INBOX);
        self.calls.insert(call_id, sender);
        let call = Call::new(self.line.clone(), request, from, plan, permit);
        self.tasks.spawn(call.run(inbox, self.stop.clone()));
    }

    /// A line for the call, its number among the calls, and what happens in it.
    fn judge(&mut self, to: &str) -> (Option<OwnedSemaphorePermit>, u32, Plan) {
        if self.outside.is_none() && to != self.line.identity.number {
            return (None, 0, Plan::refusing("not-here", 0, 404, "Not Found"));
        }
        let Ok(permit) = self.lines.clone().try_acquire_owned() else {
            return (None, 0, Plan::refusing("no-line", 0, 486, "Busy Here"));
        };
        let attempt = self.attempts.entry(to.to_owned()).or_default();
        *attempt += 1;
        let listed = self.outside.as_ref().and_then(|outside| outside.get(to));
        let does = listed.unwrap_or(&self.does);
        let nth = usize::try_from(*attempt - 1).unwrap_or(usize::MAX);
        let does = does.get(nth).or(does.last()).unwrap_or(&Does::NeverAnswers {});
        let plan = does.plan();
        let plan = match self.line.tone_hz {
            Some(hz) => plan.speaking(hz),
            None => plan,
        };
        // Who says nothing is not busy with it.
        ((!plan.deaf).then_some(permit), *attempt, plan)
    }
}

/// Number and name in From.
fn sender(request: &Request) -> (String, String) {
    let from = message::values(request, "From").into_iter().next().unwrap_or_default();
    (message::user(&from).to_owned(), message::display_name(&from))
}
