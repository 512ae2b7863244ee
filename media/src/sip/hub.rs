//! One task that owns what the node knows of SIP: the desk, the calls, the
//! connections. Everything else sends it letters, through queues with an end.
//! Refuses to wait for anyone: it decides, sends, and takes the next letter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use weir_signaling::registrar::{Binding, BindingView, Contact, Source, Transport as Over};

use super::answered::Answered;
use super::call::{Call, CallError, CallEvent, DialogNote, Ended, Outgoing};
use super::config::{Account, Accounts, SipConfig};
use super::counters::Tally;
use super::desk::Desk;
use super::dice::Dice;
use super::head::BODY_MAX;
use super::kept::{KeptBinding, Transport};
use super::leg::{Leg, Output};
use super::message::Message;
use super::script::{Script, Way, answer_by_yourself};
use super::stale::Stale;
use super::wire::{Flow, Hop, Wire, kept};

/// Events a call may have that nobody took yet: more than one call ever has.
const EVENTS: usize = 24;
/// Bindings are published at most this often.
const PUBLISH_MS: u64 = 100;
/// How often calls whose owner is gone are looked for.
const SWEEP_MS: u64 = 500;
/// How long calls may take to end when the node stops.
const STOP_WITHIN: Duration = Duration::from_secs(1);
/// Calls that are over, per call that may be under way; they only acknowledge
/// late answers.
const LATE_PER_CALL: usize = 4;
/// Most dialogs of an earlier life being ended at once.
const STALE_MAX: usize = 1_024;
/// Longest number or name.
const TEXT_MAX: usize = 256;

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
    HangUp { call: u64, told: Option<oneshot::Sender<()>> },
    EndStale { note: Box<DialogNote>, told: oneshot::Sender<Ended> },
}

/// A call as the hub holds it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) leg: Leg,
    pub(super) hop: Hop,
    /// Until the last event.
    events: Option<mpsc::Sender<CallEvent>>,
    /// Who waits for its end.
    told: Vec<oneshot::Sender<()>>,
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
}

pub(super) struct Hub {
    pub(super) parts: Parts,
    pub(super) tally: Arc<Tally>,
    pub(super) answered: Answered,
    pub(super) live: BTreeMap<u64, Live>,
    pub(super) by_call_id: BTreeMap<String, u64>,
    pub(super) stale: Vec<Stale>,
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
            live: BTreeMap::new(),
            by_call_id: BTreeMap::new(),
            stale: Vec::new(),
            last_call: 0,
            admitted,
            stem,
            changed: true,
            published_ms: 0,
            swept_ms: 0,
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
    }

    /// Ends all calls; late answers and BYEs are still taken.
    async fn wind_down(
        mut self,
        mut inputs: mpsc::Receiver<Letter>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        orders.close();
        while orders.try_recv().is_ok() {}
        let by = Instant::now() + STOP_WITHIN;
        let calls: Vec<u64> = self.live.keys().copied().collect();
        calls.into_iter().for_each(|call| self.hang_up(call, None));
        while self.live.values().any(|live| !live.leg.is_over()) {
            let wake = self.parts.clock.at(self.next_ms()).min(by);
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
        let legs = self.live.values().map(|live| live.leg.next_ms()).min();
        let stale = self.stale.iter().map(Stale::next_ms).min();
        let bindings = self.parts.desk.registrar().next_expiry_ms();
        let publish = self.changed.then_some(self.published_ms + PUBLISH_MS);
        let sweep = (!self.live.is_empty()).then_some(self.swept_ms + SWEEP_MS);
        let all = [legs, stale, bindings, publish, sweep].into_iter().flatten();
        all.min().unwrap_or(u64::MAX)
    }

    fn tick(&mut self) {
        let now_ms = self.parts.clock.now_ms();
        let due = self.live.iter().filter(|(_, live)| live.leg.next_ms() <= now_ms);
        let due: Vec<u64> = due.map(|(call, _)| *call).collect();
        for call in due {
            self.with_leg(call, |leg| leg.tick(now_ms));
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
        if self.parts.desk.registrar().next_expiry_ms().is_some_and(|at| at <= now_ms) {
            self.changed |= self.parts.desk.expire(now_ms, &self.tally);
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
        let dropped = self.live.iter().filter(|(_, live)| {
            live.events.as_ref().is_some_and(mpsc::Sender::is_closed) && !live.leg.is_over()
        });
        let dropped: Vec<u64> = dropped.map(|(call, _)| *call).collect();
        dropped.into_iter().for_each(|call| self.hang_up(call, None));
        let late = self.live.values().filter(|live| live.leg.is_over()).count();
        let mut too_many = late.saturating_sub(self.parts.config.limits.calls * LATE_PER_CALL);
        self.live.retain(|_, live| {
            if live.leg.is_over() && too_many > 0 {
                too_many -= 1;
                return false;
            }
            !live.leg.is_done(now_ms)
        });
        let live = &self.live;
        self.by_call_id.retain(|_, call| live.contains_key(call));
    }

    /// Calls that are not over.
    fn under_way(&self) -> usize {
        self.live.values().filter(|live| !live.leg.is_over()).count()
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Call { call, told } => {
                let made = self.call(&call);
                if let Err(Ok(_unwanted)) = told.send(made) {
                    // Dropped with its owner: the sweep hangs it up.
                }
            }
            Order::HangUp { call, told } => self.hang_up(call, told),
            Order::EndStale { note, told } => self.end_stale(&note, told),
        }
    }

    fn call(&mut self, call: &Outgoing) -> Result<Call, CallError> {
        let limits = &self.parts.config.limits;
        if self.under_way() >= limits.calls {
            return Err(CallError::TooMany(limits.calls));
        }
        let texts = [&call.to, &call.from, &call.from_name];
        if call.offer.len() > BODY_MAX || texts.iter().any(|text| text.len() > TEXT_MAX) {
            return Err(CallError::TooLarge);
        }
        let orders = self.parts.orders.upgrade().ok_or(CallError::Stopped)?;
        let (hop, way) = self.way(&call.to)?;
        let now_ms = self.parts.clock.now_ms();
        self.last_call += 1;
        let id = self.last_call;
        let realm = &self.parts.config.realm;
        let fields = answer_by_yourself(call.auto_answer, realm);
        let stem = format!("{}.{id:x}", self.stem);
        let secrets = [self.parts.dice.text(), self.parts.dice.text()];
        let script = Script::new(call, &way, realm, stem, secrets);
        self.by_call_id.insert(script.call_id.clone(), id);
        let within_ms = u64::try_from(call.answer_within.as_millis()).unwrap_or(u64::MAX);
        let (leg, out) = Leg::new(now_ms, script, &fields, call.offer.clone(), within_ms);
        let (told, events) = mpsc::channel(EVENTS);
        self.live.insert(id, Live { leg, hop, events: Some(told), told: Vec::new() });
        self.tally.calls_started.one();
        self.carry_out(id, out);
        Ok(Call { id, events, orders, note: None })
    }

    /// Where a number is called: the first of its contacts that can be reached.
    fn way(&self, number: &str) -> Result<(Hop, Way), CallError> {
        let now_ms = self.parts.clock.now_ms();
        let bindings = self.parts.desk.reach(now_ms, number);
        if bindings.is_empty() {
            return Err(CallError::NotRegistered(number.into()));
        }
        let open = |binding: &&Binding| {
            let (hop, local) = self.parts.wire.way(binding)?;
            let way = Way {
                transport: kept(binding.source.transport)?,
                address: binding.source.address,
                uri: binding.contact.uri().into(),
                route: binding.path.clone(),
                local,
            };
            Some((hop, way))
        };
        bindings.iter().find_map(open).ok_or_else(|| CallError::Unreachable(number.into()))
    }

    fn hang_up(&mut self, call: u64, told: Option<oneshot::Sender<()>>) {
        let now_ms = self.parts.clock.now_ms();
        if let Some(live) = self.live.get_mut(&call) {
            live.told.extend(told);
            // Whoever hangs up wants to hear no more.
            live.events = None;
            self.with_leg(call, |leg| leg.hang_up(now_ms));
        }
    }

    fn end_stale(&mut self, note: &DialogNote, told: oneshot::Sender<Ended>) {
        let now_ms = self.parts.clock.now_ms();
        let hop = match note.transport {
            Transport::Udp => {
                Some((Hop::Udp(note.address), self.parts.wire.seen_from(note.address)))
            }
            // Over the connection it has now, if it came back.
            Transport::Tcp => {
                let bindings = self.parts.desk.reach(now_ms, &note.number);
                let tcp = bindings.iter().filter(|b| {
                    b.source.transport == Over::Tcp && b.source.address.ip() == note.address.ip()
                });
                tcp.filter_map(|binding| self.parts.wire.way(binding)).next()
            }
        };
        let Some((hop, local)) = hop.filter(|_| self.stale.len() < STALE_MAX) else {
            self.tally.stale_failed.one();
            let _nobody_waits = told.send(Ended::Unreachable);
            return;
        };
        self.last_call += 1;
        let stem = format!("{}.{:x}", self.stem, self.last_call);
        let script = Script::stale(note, local, stem);
        let stale = Stale::new(now_ms, note, script, hop, told);
        self.parts.wire.send(hop, stale.bytes());
        self.stale.push(stale);
    }

    /// Lets a call's machine take one step and does what it says.
    pub(super) fn with_leg(&mut self, call: u64, step: impl FnOnce(&mut Leg) -> Vec<Output>) {
        if let Some(live) = self.live.get_mut(&call) {
            let out = step(&mut live.leg);
            self.carry_out(call, out);
        }
    }

    pub(super) fn carry_out(&mut self, call: u64, out: Vec<Output>) {
        let Some(live) = self.live.get_mut(&call) else { return };
        for output in out {
            match output {
                Output::Send(bytes) => self.parts.wire.send(live.hop, bytes),
                Output::Tell(event) => {
                    count(&event, &self.tally);
                    let last = matches!(
                        event,
                        CallEvent::Refused { .. } | CallEvent::Silent | CallEvent::Ended { .. }
                    );
                    if let Some(events) = &live.events {
                        let _owner_is_gone = events.try_send(event);
                    }
                    if last {
                        live.events = None;
                    }
                }
                Output::Crossed => self.tally.calls_crossed.one(),
                Output::Forked => self.tally.calls_forked.one(),
            }
        }
        if live.leg.is_over() {
            // Dropping tells who waits.
            live.told.clear();
        }
        self.tally.calls_now.set(self.under_way());
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

fn count(event: &CallEvent, tally: &Tally) {
    match event {
        CallEvent::Trying | CallEvent::Ringing { .. } => {}
        CallEvent::Answered { .. } => tally.calls_answered.one(),
        CallEvent::Refused { .. } => tally.calls_refused.one(),
        CallEvent::Silent => tally.calls_silent.one(),
        CallEvent::Ended { .. } => tally.calls_ended_far.one(),
    }
}
