//! One task that owns what the node knows of SIP: the desk, the calls, the
//! connections. Everything else sends it letters, through queues with an end.
//! Refuses to wait for anyone: it decides, sends, and takes the next letter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use weir_signaling::registrar::{BindingView, Contact, Source, Transport as Over};

use super::answered::Answered;
use super::call::{
    Call, CallError, CallEvent, DialogNote, Ended, Incoming, MessageError, Outgoing,
};
use super::config::{Account, Accounts, SipConfig};
use super::counters::Tally;
use super::desk::Desk;
use super::dice::Dice;
use super::kept::{KeptBinding, Transport};
use super::legs::{Legs, Open};
use super::line::{Deed, Line, Output};
use super::message::Message;
use super::placing::{Text, Texts};
use super::stale::Stale;
use super::texting::Texting;
use super::wire::{Flow, Wire, kept};

/// Events a call may have that nobody took yet.
pub(super) const EVENTS: usize = 48;
/// Places of them that are kept for what an owner must hear.
const EVENTS_SPARE: usize = 16;
/// Bindings are published at most this often.
const PUBLISH_MS: u64 = 100;
/// How often calls whose owner is gone are looked for.
const SWEEP_MS: u64 = 500;
/// How long calls may take to end when the node stops.
const STOP_WITHIN: Duration = Duration::from_secs(1);
/// Before that ends, those that wait for an ACK are hung up without it.
const INSIST_AFTER: Duration = Duration::from_millis(500);
/// Calls that are over, per call that may be under way; they only acknowledge
/// late answers.
const LATE_PER_CALL: usize = 4;
/// Longest number or name.
pub(super) const TEXT_MAX: usize = 256;

/// Milliseconds since 1970 as they were at start, and from then on monotonic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    base_ms: u64,
    start: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let base_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX / 2);
        Self { base_ms, start: Instant::now() }
    }

    pub(super) fn now_ms(&self) -> u64 {
        let passed = self.start.elapsed().as_millis();
        self.base_ms.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The moment of `ms`, or an hour from now if that is sooner.
    fn at(&self, ms: u64) -> Instant {
        let ahead_ms = ms.saturating_sub(self.now_ms()).min(3_600_000);
        Instant::now() + Duration::from_millis(ahead_ms)
    }
}

/// What comes off the wire.
#[derive(Debug)]
pub(super) enum Input {
    /// `last`: nothing after it can be read from its connection.
    Message {
        message: Message,
        source: Source,
        last: bool,
    },
    Opened {
        flow: u64,
        way: Flow,
    },
    Closed {
        flow: u64,
    },
}

/// One of them in the queue.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) input: Input,
    /// The place it takes up, if it came over a connection.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// What the node wants.
#[derive(Debug)]
pub(super) enum Order {
    Call { call: Box<Outgoing>, told: oneshot::Sender<Result<Call, CallError>> },
    CallAll { call: Box<Outgoing>, told: oneshot::Sender<Result<Vec<Call>, CallError>> },
    Message { message: Box<Text>, told: oneshot::Sender<Result<u16, MessageError>> },
    Deed { call: u64, deed: Deed },
    HangUp { call: u64, told: Option<oneshot::Sender<()>> },
    EndStale { note: Box<DialogNote>, told: oneshot::Sender<Ended> },
}

/// What a hub is made of.
pub(super) struct Parts {
    pub(super) config: SipConfig,
    pub(super) clock: Clock,
    pub(super) desk: Desk,
    pub(super) dice: Dice,
    pub(super) wire: Wire,
    pub(super) accounts: watch::Receiver<Arc<Accounts>>,
    pub(super) bindings: watch::Sender<Arc<Vec<KeptBinding>>>,
    /// For the calls it gives out.
    pub(super) orders: mpsc::WeakSender<Order>,
    /// Where calls that telephones make are handed on.
    pub(super) arrivals: mpsc::Sender<Incoming>,
}

pub(super) struct Hub {
    pub(super) parts: Parts,
    pub(super) tally: Arc<Tally>,
    pub(super) answered: Answered,
    pub(super) legs: Legs,
    pub(super) stale: Vec<Stale>,
    pub(super) texts: Texts,
    last_call: u64,
    /// The numbers as they are now; those before them are struck off already.
    pub(super) admitted: Arc<Accounts>,
    /// What all our branches begin with, so that our own requests are known
    /// when they come back.
    pub(super) stem: String,
    /// Bindings changed and are not yet published.
    pub(super) changed: bool,
    published_ms: u64,
    swept_ms: u64,
    /// When the next registration runs out.
    expiry_ms: Option<u64>,
}

impl Hub {
    pub(super) fn new(mut parts: Parts, kept: Vec<KeptBinding>) -> Self {
        let stem = format!("z9hG4bK{}", parts.dice.text());
        let tally = parts.wire.tally.clone();
        let admitted = parts.accounts.borrow_and_update().clone();
        let mut hub = Self {
            parts,
            tally,
            answered: Answered::default(),
            legs: Legs::default(),
            stale: Vec::new(),
            texts: BTreeMap::new(),
            last_call: 0,
            admitted,
            stem,
            changed: true,
            published_ms: 0,
            swept_ms: 0,
            expiry_ms: None,
        };
        hub.restore(kept);
        hub
    }

    fn restore(&mut self, kept: Vec<KeptBinding>) {
        let now_ms = self.parts.clock.now_ms();
        let accounts = self.admitted.clone();
        let mut by_number: BTreeMap<String, Vec<BindingView>> = BTreeMap::new();
        for binding in kept {
            let Ok(contact) = Contact::new(&binding.contact) else { continue };
            let Some(account) = accounts.by_number.get(&binding.number) else { continue };
            // Made with a password that is none any more.
            if binding.mark.is_some_and(|mark| mark != account.mark()) {
                continue;
            }
            let transport = match binding.transport {
                Transport::Udp => Over::Udp,
                Transport::Tcp => Over::Tcp,
            };
            by_number.entry(binding.number).or_default().push(BindingView {
                contact,
                q_permille: binding.q_permille,
                // Its connection ended with the life that took it.
                source: Source { address: binding.address, transport, flow: None },
                path: binding.path,
                call_id: binding.call_id,
                cseq: binding.cseq,
                refreshed_ago_ms: now_ms.saturating_sub(binding.refreshed_unix_ms),
                expires_in_ms: binding.expires_unix_ms.saturating_sub(now_ms),
            });
        }
        for (number, bindings) in by_number {
            self.parts.desk.restore(now_ms, &number, bindings);
        }
        self.note_expiry();
        self.publish(now_ms);
    }

    /// Serves until `stop`, then hangs up.
    pub(super) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Letter>,
        mut orders: mpsc::Receiver<Order>,
        stop: CancellationToken,
    ) {
        let mut accounts = self.parts.accounts.clone();
        let mut watching = true;
        loop {
            let wake = self.parts.clock.at(self.next_ms());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(order) = orders.recv() => self.order(order),
                // Before what comes in, however much that is.
                news = accounts.changed(), if watching => {
                    watching = news.is_ok();
                    let now = accounts.borrow_and_update().clone();
                    self.admit(now);
                }
                Some(letter) = inputs.recv() => self.take(letter),
                () = sleep_until(wake) => {}
            }
            self.tick();
        }
        self.wind_down(inputs, orders).await;
    }

    /// From here on these numbers are good, and no registration of before that
    /// they would not have let in.
    fn admit(&mut self, now: Arc<Accounts>) {
        let before = std::mem::replace(&mut self.admitted, now);
        let now_ms = self.parts.clock.now_ms();
        let desk = &mut self.parts.desk;
        self.changed |= desk.strike_off(now_ms, &before, &self.admitted, &self.tally);
        self.note_expiry();
    }

    /// Ends all calls; late answers and BYEs are still taken.
    async fn wind_down(
        mut self,
        mut inputs: mpsc::Receiver<Letter>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        orders.close();
        while orders.try_recv().is_ok() {}
        let (by, insist) = (Instant::now() + STOP_WITHIN, Instant::now() + INSIST_AFTER);
        let mut insisted = false;
        self.legs.ids().into_iter().for_each(|call| self.hang_up(call, None));
        while self.legs.under_way() > 0 {
            if Instant::now() >= insist && !std::mem::replace(&mut insisted, true) {
                self.legs.ids().into_iter().for_each(|call| self.hang_up(call, None));
            }
            let soon = if insisted { by } else { insist };
            let wake = self.parts.clock.at(self.next_ms()).min(soon);
            if let Ok(Some(letter)) = timeout_at(wake, inputs.recv()).await {
                self.take(letter);
            }
            if Instant::now() >= by {
                return;
            }
            self.tick();
        }
    }

    fn take(&mut self, Letter { input, place }: Letter) {
        // The next one may come while this one is looked at.
        drop(place);
        self.input(input);
    }

    fn next_ms(&self) -> u64 {
        let stale = self.stale.iter().map(Stale::next_ms).min();
        let texts = self.texts.values().map(Texting::next_ms).min();
        let publish = self.changed.then_some(self.published_ms + PUBLISH_MS);
        let sweep = (self.legs.under_way() > 0).then_some(self.swept_ms + SWEEP_MS);
        let all = [self.legs.next_ms(), stale, texts, self.expiry_ms, publish, sweep];
        all.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    pub(super) fn note_expiry(&mut self) {
        self.expiry_ms = self.parts.desk.registrar().next_expiry_ms();
    }

    fn tick(&mut self) {
        let now_ms = self.parts.clock.now_ms();
        while let Some(call) = self.legs.take_due(now_ms) {
            self.with_leg(call, |line| line.tick(now_ms));
            self.legs.forget_done(call, now_ms);
        }
        for stale in self.stale.iter_mut().filter(|stale| stale.next_ms() <= now_ms) {
            if let Some(bytes) = stale.tick(now_ms) {
                self.parts.wire.send(stale.hop, bytes);
            }
            if stale.is_over() {
                self.tally.stale_failed.one();
            }
        }
        self.stale.retain(|stale| !stale.is_over());
        for text in self.texts.values_mut().filter(|text| text.next_ms() <= now_ms) {
            if let Some(bytes) = text.tick(now_ms) {
                self.parts.wire.send(text.hop, bytes);
            }
        }
        self.texts.retain(|_, text| !text.is_over());
        if self.expiry_ms.is_some_and(|at| at <= now_ms) {
            self.changed |= self.parts.desk.expire(now_ms, &self.tally);
            self.note_expiry();
        }
        if self.changed && self.published_ms + PUBLISH_MS <= now_ms {
            self.publish(now_ms);
        }
        if self.swept_ms + SWEEP_MS <= now_ms {
            self.sweep(now_ms);
        }
    }

    /// Hangs up what nobody holds any more and forgets what is done.
    fn sweep(&mut self, now_ms: u64) {
        self.swept_ms = now_ms;
        self.answered.expire(now_ms);
        self.legs.dropped().into_iter().for_each(|call| self.hang_up(call, None));
        self.legs.trim(self.parts.config.limits.calls * LATE_PER_CALL);
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_call += 1;
        self.last_call
    }

    /// What the branches of this one begin with.
    pub(super) fn stem_of(&self, id: u64) -> String {
        format!("{}.{id:x}", self.stem)
    }

    /// Whose branch it is.
    pub(super) fn id_of(&self, branch: &str) -> Option<u64> {
        let rest = branch.strip_prefix(self.stem.as_str())?.strip_prefix('.')?;
        u64::from_str_radix(rest.split('.').next()?, 16).ok()
    }

    /// Lets a call's machine take one step and does what it says.
    pub(super) fn with_leg(&mut self, call: u64, step: impl FnOnce(&mut Line) -> Vec<Output>) {
        if let Some(live) = self.legs.get_mut(call) {
            let out = step(&mut live.line);
            self.carry_out(call, out);
        }
    }

    pub(super) fn carry_out(&mut self, call: u64, out: Vec<Output>) {
        let now_ms = self.parts.clock.now_ms();
        for output in out {
            let Some(live) = self.legs.get_mut(call) else { return };
            match output {
                Output::Send(bytes) => self.parts.wire.send(live.hop, bytes),
                Output::Again { to, bytes } => self.parts.wire.send(to, bytes),
                Output::Reply { came, code, bytes } => {
                    let incoming = live.caller.is_some() && came.merged.is_some();
                    self.parts.wire.send(came.back, bytes.clone());
                    if code < 200 {
                        let open = Open { leg: call, bytes };
                        self.legs.open.insert(came.key, open);
                    } else {
                        self.legs.open.remove(&came.key);
                        self.answered.keep(now_ms, came.key, came.merged, bytes);
                        self.tally.answered(code);
                        self.tally.invited(code, incoming);
                    }
                }
                Output::Forget(key) => {
                    self.legs.open.remove(&key);
                }
                Output::Tell(event) => self.tell(call, event),
                Output::Crossed => self.tally.calls_crossed.one(),
                Output::Forked => self.tally.calls_forked.one(),
            }
        }
        self.legs.settle(call, now_ms);
        self.tally.calls_now.set(self.legs.under_way());
    }

    fn tell(&mut self, call: u64, event: CallEvent) {
        let Some(live) = self.legs.get_mut(call) else { return };
        self.tally.told(&event, live.caller.is_some());
        let last = matches!(
            event,
            CallEvent::Refused { .. } | CallEvent::Silent | CallEvent::Ended { .. }
        );
        let spare = matches!(event, CallEvent::Info { .. } | CallEvent::Ringing { .. });
        if let Some(events) = &live.events {
            let full = spare && events.capacity() <= EVENTS_SPARE;
            if full || events.try_send(event).is_err() {
                self.tally.calls_untold.one();
            }
        }
        // Even when it found no room: the owner hears that nothing comes any more.
        if last {
            live.events = None;
        }
    }

    fn publish(&mut self, now_ms: u64) {
        (self.changed, self.published_ms) = (false, now_ms);
        let mut all = Vec::new();
        for (aor, _) in self.parts.desk.registrar().view(now_ms) {
            let mark = self.admitted.by_number.get(aor.user()).map(Account::mark);
            for binding in self.parts.desk.registrar().reach(now_ms, &aor) {
                let Some(transport) = kept(binding.source.transport) else { continue };
                all.push(KeptBinding {
                    number: aor.user().into(),
                    contact: binding.contact.uri().into(),
                    transport,
                    address: binding.source.address,
                    reachable: self.parts.wire.way(binding).is_some(),
                    q_permille: binding.q_permille,
                    path: binding.path.clone(),
                    call_id: binding.call_id.clone(),
                    cseq: binding.cseq,
                    refreshed_unix_ms: binding.refreshed_ms,
                    expires_unix_ms: binding.expires_ms,
                    mark,
                });
            }
        }
        self.tally.registrations_now.set(all.len());
        self.parts.bindings.send_replace(Arc::new(all));
    }
}
