//! The task that owns a site's journal and machine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_model::directory::Directory;
use weir_model::fact::{
    EffectResult, Fact, FactBody, FactId, Head, KeptLevel, Merge, Offered, Proof,
};
use weir_model::home::{Home, Input, Now, Output, Picture};
use weir_model::id::{Hash, IntentId, NodeId, SiteId};
use weir_model::intent::{IntentStatus, Mode};

use super::effects::{Effects, Report};
use super::inbox::{Full, KeptHere, Mail};
use super::journal::{Journal, JournalError, Reader, Writer};
use crate::cluster::WallClock;
use crate::disk::Disk;
use crate::store::AppliedView;
use crate::types::Runtime;

/// Letters that may wait for the site's task.
const MAIL: usize = 1024;
/// Answers that may be owed for one intent; a retry replaces the oldest.
const OWED: usize = 8;
/// How long the task sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Why a site's part cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a site's task must know.
#[derive(Clone)]
pub struct Settings {
    pub node: NodeId,
    pub site: SiteId,
    pub wall: WallClock,
}

/// The site as it stands, for screens and for shipping.
#[derive(Debug, Clone)]
pub struct SiteView {
    pub picture: Picture,
    pub head: Head,
    /// Of the newest fact.
    pub kept: KeptLevel,
    /// The newest fact that is kept at two sites.
    pub kept_at_two: u64,
    /// The journal's disk has failed: what happens is not recorded any more.
    pub unrecorded: bool,
    /// Names under which two histories are known.
    pub forks: Vec<FactId>,
    /// The newest facts of everyone, in the order of all.
    pub facts: Arc<Vec<Fact>>,
    /// What each node last said of its sounds: of which directory, how many it
    /// holds and how many there are.
    pub sounds: BTreeMap<NodeId, (u64, u32, u32)>,
}

/// A handle on the site's task.
#[derive(Clone)]
pub struct Site<D> {
    pub(super) mail: mpsc::Sender<Mail>,
    view: watch::Receiver<Arc<SiteView>>,
    reader: Reader<D>,
}

struct Driver<D, E> {
    settings: Settings,
    started: Instant,
    journal: Journal<D>,
    reader: Reader<D>,
    merge: Merge,
    home: Home,
    effects: Arc<E>,
    owed: BTreeMap<IntentId, Vec<oneshot::Sender<IntentStatus>>>,
    wake: Option<Instant>,
    unrecorded: bool,
    /// Why facts of other nodes cannot be kept here any more.
    keeps_nothing: Option<String>,
    sounds: BTreeMap<NodeId, (u64, u32, u32)>,
    mail: mpsc::Sender<Mail>,
    agreed: watch::Receiver<Arc<AppliedView>>,
    view: watch::Sender<Arc<SiteView>>,
}

impl<D: Disk> Site<D> {
    /// Reads the journal, makes so what should be so, and goes on.
    ///
    /// # Errors
    /// When the journal cannot be read or does not verify.
    pub async fn start<R: Runtime, E: Effects>(
        settings: Settings,
        disk: D,
        agreed: watch::Receiver<Arc<AppliedView>>,
        effects: Arc<E>,
        stop: CancellationToken,
    ) -> Result<Self, OpenError> {
        let (mail, inbox) = mpsc::channel(MAIL);
        let reader = Reader::new(disk.clone());
        let driver = Driver::open(settings, disk, agreed, effects, mail.clone()).await?;
        let view = driver.view.subscribe();
        // Owned by the token: it ends when the node stops.
        drop(R::spawn(driver.run(inbox, stop)));
        Ok(Self { mail, view, reader })
    }

    pub fn view(&self) -> watch::Receiver<Arc<SiteView>> {
        self.view.clone()
    }

    pub fn reader(&self) -> &Reader<D> {
        &self.reader
    }

    /// Writes down how many of the directory's sounds lie here.
    ///
    /// # Errors
    /// When the site has more to do than it can hold.
    pub fn sounds(&self, directory: u64, have: u32, of: u32) -> Result<(), Full> {
        self.mail.try_send(Mail::Sounds { directory, have, of }).map_err(|_| Full)
    }

    /// Writes down what happened to a telephone call or a conference, and never
    /// waits: it goes on whether or not it is recorded. Any other fact is dropped.
    ///
    /// # Errors
    /// When the site has more to do than it can hold; the fact is then lost, and
    /// whoever holds the call may offer it again.
    pub fn record_call(&self, body: FactBody) -> Result<(), Full> {
        if body.call().is_none() && body.conference().is_none() {
            return Ok(());
        }
        let body = body.with_clipped_numbers();
        self.mail.try_send(Mail::Call(body)).map_err(|_| Full)
    }

    /// Writes a person's line into the journal; returns its head once synced.
    ///
    /// # Errors
    /// When the site has more to do than it can hold.
    pub async fn note(
        &self,
        who: Option<weir_model::id::PersonId>,
        text: String,
    ) -> Result<Option<Head>, Full> {
        let (answer, answered) = oneshot::channel();
        self.mail.try_send(Mail::Note { who, text, answer }).map_err(|_| Full)?;
        answered.await.map_err(|_| Full)
    }
}

impl<D: Disk, E: Effects> Driver<D, E> {
    async fn open(
        settings: Settings,
        disk: D,
        agreed: watch::Receiver<Arc<AppliedView>>,
        effects: Arc<E>,
        mail: mpsc::Sender<Mail>,
    ) -> Result<Self, OpenError> {
        let Settings { node, site, wall } = settings.clone();
        let now = agreed.borrow().clone();
        let writer = Writer { node, site: site.clone(), at: wall(), seen: now.applied };
        let reader = Reader::new(disk.clone());
        let (journal, facts) = Journal::open(disk, writer).await?;
        let epoch = reader.next_epoch().await.map_err(JournalError::from)?;
        let directory = &now.state.directory;
        #[cfg_attr(not(feature = "planted"), expect(unused_mut, reason = "for planted bugs"))]
        let mut home = Home::replay(site.clone(), node, epoch, &facts, directory);
        let mut merge = Merge::new(site, node, journal.head().id.incarnation);
        #[cfg(feature = "planted")]
        {
            home.plant(effects.planted());
            merge.plant(effects.planted());
        }
        for fact in facts {
            let hash = fact.hash().map_err(JournalError::from)?;
            merge.own(fact, hash);
        }
        for head in reader.heads(node).await? {
            merge.known_to(&head);
            merge.synced_here(&head);
        }
        let view = Arc::new(shown(&home, &merge, &journal, false));
        let (view, _) = watch::channel(view);
        Ok(Self {
            settings,
            started: Instant::now(),
            journal,
            reader,
            merge,
            home,
            effects,
            owed: BTreeMap::new(),
            wake: None,
            unrecorded: false,
            keeps_nothing: None,
            sounds: BTreeMap::new(),
            mail,
            agreed,
            view,
        })
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Mail>, stop: CancellationToken) {
        // Nobody holds the calls of the life before any more.
        for ended in self.home.orphaned_calls() {
            self.record_call(ended).await;
        }
        self.turn(Input::Recovered).await;
        loop {
            let wake = self.wake.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                mail = inbox.recv() => match mail {
                    Some(mail) => self.open_mail(mail).await,
                    None => return,
                },
                () = tokio::time::sleep_until(wake) => {
                    self.wake = None;
                    self.turn(Input::Tick).await;
                }
            }
            self.publish();
        }
    }

    async fn open_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Intent { signed, signature, answer } => {
                if let Ok(intent) = signed.open() {
                    let owed = self.owed.entry(intent.id).or_default();
                    owed.retain(|one| !one.is_closed());
                    owed.truncate(OWED - 1);
                    owed.push(answer);
                }
                self.turn(Input::Arrived { signed, signature }).await;
            }
            Mail::Outcome { key, epoch, result, proof } => {
                self.turn(Input::Outcome { key, epoch, result, proof }).await;
            }
            Mail::Shipped { from, site, facts, answer } => {
                let kept = self.receive(from, site.as_ref(), facts).await;
                // The shipper may be gone: it asks again from what is kept.
                let _ = answer.send(kept);
            }
            Mail::Acknowledged { site, head } => {
                if let Err(fork) = self.merge.acknowledged(site, &head) {
                    tracing::error!(%fork, "FORK: two histories of one journal / 日志分叉");
                }
            }
            Mail::RolledBack { known } => self.begin_again(known).await,
            Mail::Sounds { directory, have, of } => {
                self.record(vec![FactBody::SoundsStaged { directory, have, of }]).await;
            }
            Mail::Call(body) => self.record_call(body).await,
            Mail::Note { who, text, answer } => {
                self.record(vec![FactBody::DutyNote { who, text }]).await;
                let head = (!self.unrecorded).then(|| self.journal.head().clone());
                let _ = answer.send(head);
            }
        }
    }

    fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: (self.settings.wall)(), mono_ms }
    }

    fn directory(&self) -> Arc<Directory> {
        self.agreed.borrow().state.directory.clone()
    }

    /// One input, and whatever follows from carrying its outputs out.
    async fn turn(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let outputs = self.home.step(self.now(), &self.directory(), input);
            let mut facts = Vec::new();
            for output in outputs {
                if let Output::Journal(body) = output {
                    facts.push(body);
                    continue;
                }
                // What was said before must be synced before this is done.
                self.record(std::mem::take(&mut facts)).await;
                inputs.extend(self.carry_out(output));
            }
            self.record(facts).await;
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            // Handled by the caller, together with its neighbours.
            Output::Journal(_) => None,
            Output::Effect(order) => {
                let (key, epoch) = (order.key.clone(), order.epoch);
                match self.home.may_execute(&key, epoch, self.now()) {
                    Ok(()) => {
                        let report = self.report(key);
                        let left = order.window_ends_mono_ms.saturating_sub(self.now().mono_ms);
                        self.effects.begin(order, Duration::from_millis(left), report);
                        None
                    }
                    Err(fenced) => {
                        tracing::warn!(%key, %fenced, "an effect was fenced");
                        let (result, proof) = (EffectResult::NotBegun, Proof::default());
                        Some(Input::Outcome { key, epoch, result, proof })
                    }
                }
            }
            Output::Cease { key } => {
                self.effects.cease(&key, self.mode_of(&key));
                None
            }
            Output::Ask { key, until_mono_ms } => {
                let within = until_mono_ms.saturating_sub(self.now().mono_ms);
                let report = self.report(key.clone());
                let mode = self.mode_of(&key);
                self.effects.ask(key, mode, Duration::from_millis(within), report);
                None
            }
            Output::Answer { intent, status } => {
                // Who is told that a plan runs must find it running.
                self.publish();
                let owed = intent.and_then(|id| self.owed.remove(&id)).unwrap_or_default();
                for answer in owed {
                    // Whoever asked may have given up; the status is kept.
                    let _ = answer.send(status.clone());
                }
                None
            }
            Output::WakeAt { mono_ms } => {
                self.wake = Some(self.started + Duration::from_millis(mono_ms));
                None
            }
            Output::Event(event) => {
                tracing::info!(?event, "site");
                None
            }
        }
    }

    /// A run that nobody knows any more is taken at its most serious.
    fn mode_of(&self, key: &weir_model::fact::EffectKey) -> Mode {
        self.home.mode_of(&key.activation).unwrap_or(Mode::Real)
    }

    fn report(&self, key: weir_model::fact::EffectKey) -> Report {
        Report { mail: self.mail.clone(), key, epoch: self.home.epoch() }
    }

    /// Synced on return. A disk that fails never silences a siren: what happens
    /// goes on, marked as unrecorded.
    async fn record(&mut self, bodies: Vec<FactBody>) {
        if bodies.is_empty() || self.unrecorded {
            return;
        }
        let seen = self.agreed.borrow().applied;
        match self.journal.append(bodies, (self.settings.wall)(), seen, &[]).await {
            Ok(written) => {
                for one in written {
                    self.home.heard_of_call(one.fact.at, &one.fact.body);
                    self.heard_of_sounds(&one.fact);
                    self.merge.own(one.fact, one.head.hash);
                }
            }
            Err(error) => {
                tracing::error!(%error, "UNRECORDED: the journal has failed / 日志停止记录");
                self.unrecorded = true;
            }
        }
    }

    /// A call is shown even when it cannot be recorded.
    async fn record_call(&mut self, body: FactBody) {
        let shown = body.clone();
        self.record(vec![body]).await;
        if self.unrecorded {
            self.home.heard_of_call((self.settings.wall)(), &shown);
        }
    }

    fn heard_of_sounds(&mut self, fact: &Fact) {
        if let FactBody::SoundsStaged { directory, have, of } = fact.body {
            self.sounds.insert(fact.id.node, (directory, have, of));
        }
    }

    /// Keeps what another node shipped. Nothing that arrives here is carried
    /// out: it is merged and shown.
    async fn receive(
        &mut self,
        from: NodeId,
        site: Option<&SiteId>,
        facts: Vec<(Fact, Vec<u8>, Hash)>,
    ) -> KeptHere {
        let mut keep = Vec::new();
        let (mut head, mut refused) = (None, None);
        for (fact, bytes, hash) in facts {
            let id = fact.id;
            let stops = match self.merge.offer(fact.clone(), hash, site) {
                Offered::Accepted => {
                    keep.push((id, bytes, false));
                    head = Some(Head { id, hash });
                    self.heard_of_sounds(&fact);
                    let merged = Input::Merged { fact: Box::new(fact) };
                    // Time may have come for something else meanwhile: whatever the
                    // machine says is carried out, as after any other input.
                    self.turn(merged).await;
                    None
                }
                Offered::Already => {
                    head = Some(Head { id, hash });
                    None
                }
                Offered::Aged => self.aged(Head { id, hash }, &mut head).await,
                Offered::Gap { want_from } => Some(format!("missing from {want_from}")),
                Offered::Fork { kept, .. } => {
                    tracing::error!(%from, %id, "FORK: two histories of one journal / 日志分叉");
                    if kept {
                        keep.push((id, bytes, true));
                    }
                    Some(format!("another history stands under {id}; both are kept"))
                }
                Offered::Refused(unfit) => Some(unfit.to_string()),
            };
            if stops.is_some() {
                refused = stops;
                break;
            }
        }
        if let Err(error) = self.journal.keep(&keep).await {
            // The merge has them, the disk does not: from now on this node
            // keeps nothing for anybody.
            self.keeps_nothing = Some(error.to_string());
        }
        if let Some(why) = &self.keeps_nothing {
            return KeptHere { head: None, refused: Some(why.clone()) };
        }
        if let Some(head) = &head {
            self.merge.synced_here(head);
        }
        KeptHere { head, refused }
    }

    /// Too old to compare from memory.
    async fn aged(&mut self, offered: Head, head: &mut Option<Head>) -> Option<String> {
        let stored = match self.reader.hash_of(offered.id).await {
            Ok(Some(hash)) => Head { id: offered.id, hash },
            Ok(None) => return Some(format!("{} is missing here", offered.id)),
            Err(error) => return Some(error.to_string()),
        };
        match self.merge.compare(&stored, &offered) {
            Offered::Already => {
                *head = Some(offered);
                None
            }
            _ => Some(format!("another history stands under {}", offered.id)),
        }
    }

    async fn begin_again(&mut self, known: Head) {
        let own = self.journal.head().id;
        let ahead = (known.id.incarnation, known.id.seq) > (own.incarnation, own.seq);
        if known.id.node != self.settings.node || !ahead || self.unrecorded {
            return;
        }
        tracing::error!(known = %known.id, own = %own, "this journal was rolled back / 日志曾被回退");
        let writer = Writer {
            node: self.settings.node,
            site: self.settings.site.clone(),
            at: (self.settings.wall)(),
            seen: self.agreed.borrow().applied,
        };
        match self.journal.begin_again(writer, known).await {
            Ok(began) => {
                self.home.heard_of_call(began.fact.at, &began.fact.body);
                self.merge.own(began.fact, began.head.hash);
            }
            Err(error) => {
                tracing::error!(%error, "UNRECORDED: the journal has failed / 日志停止记录");
                self.unrecorded = true;
            }
        }
    }

    fn publish(&self) {
        let mut view = shown(&self.home, &self.merge, &self.journal, self.unrecorded);
        view.sounds.clone_from(&self.sounds);
        self.view.send_replace(Arc::new(view));
    }
}

/// How many facts a view shows.
const SHOWN: usize = 500;

fn shown<D: Disk>(home: &Home, merge: &Merge, journal: &Journal<D>, unrecorded: bool) -> SiteView {
    let head = journal.head().clone();
    let older = merge.shown().count().saturating_sub(SHOWN);
    let facts: Vec<Fact> = merge.shown().skip(older).cloned().collect();
    let at_two = (1..=head.id.seq)
        .rev()
        .take(SHOWN)
        .find(|&seq| merge.kept_by().kept_at_two(FactId { seq, ..head.id }));
    SiteView {
        picture: home.picture(),
        kept: merge.kept(head.id),
        kept_at_two: at_two.unwrap_or(0),
        head,
        unrecorded,
        forks: merge.forks().keys().copied().collect(),
        facts: Arc::new(facts),
        sounds: BTreeMap::new(),
    }
}
