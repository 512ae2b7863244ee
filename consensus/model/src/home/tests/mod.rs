//! A site in simulated time: the machine, a driver that does what the contract
//! says, and a ledger that stands for the loudspeakers. Checks after every
//! output what must hold always.

mod calls;
mod checks;
mod conference;
mod contradiction;
mod intents;
mod mirror;
mod page;
mod people;
#[cfg(feature = "planted")]
mod planted;
mod random;
mod restart;
mod running;

use std::collections::BTreeSet;

use super::*;
use crate::codec::encode;
use crate::directory::*;
use crate::fact::{Chain, Fact, Proof, StepState, Target, Why};
use crate::id::*;
use crate::intent::*;

pub(super) const PAGE_MS: u64 = 120_000;
const SITE: &str = "R3";

pub(super) fn site() -> SiteId {
    SiteId::new(SITE).unwrap()
}

fn person(id: &str, role: RoleKind, sites: Scope) -> Person {
    Person {
        id: PersonId::new(id).unwrap(),
        name: id.into(),
        roles: vec![Role { role, sites }],
        rank: 5,
        contacts: Contacts::default(),
    }
}

fn zone(id: &str, at: &str) -> Zone {
    Zone {
        id: ZoneId::new(id).unwrap(),
        site: SiteId::new(at).unwrap(),
        name_zh: id.into(),
        name_en: id.into(),
        speakers: Vec::new(),
    }
}

fn at_site(id: &str, prefix: &str) -> Site {
    Site {
        id: SiteId::new(id).unwrap(),
        name_zh: id.into(),
        name_en: None,
        prefix: prefix.into(),
        class: SiteClass::Reservoir,
        links: Vec::new(),
        nodes: Vec::new(),
    }
}

pub(super) fn page(id: &str, zones: &[&str]) -> Step {
    let zones = zones.iter().map(|zone| ZoneName::try_from((*zone).to_owned()).unwrap()).collect();
    let sound = Sound::Audio(AudioId::new("aud-red").unwrap());
    let evidence = Some(Evidence { grade: Grade::Receiving, within_s: 10 });
    step(id, StepKind::PaPlay(PaPlay { zones, sound, repeat: 5, evidence }))
}

pub(super) fn step(id: &str, kind: StepKind) -> Step {
    Step { id: StepId::new(id).unwrap(), kind, group: None, island_ok: true }
}

pub(super) fn grouped(mut step: Step, group: &str) -> Step {
    step.group = Some(StepGroup::new(group).unwrap());
    step
}

pub(super) fn asks(id: &str, on_timeout: OnTimeout) -> Step {
    let (question_zh, question_en) = ("重复广播?".into(), "Repeat the page?".into());
    let by = RoleKind::SiteDuty;
    step(id, StepKind::Confirm(Confirm { question_zh, question_en, by, timeout_s: 60, on_timeout }))
}

pub(super) fn plan(id: &str, level: Level, steps: Vec<Step>) -> Plan {
    let anyone = [RoleKind::Commander, RoleKind::ChiefDispatcher, RoleKind::SiteDuty];
    let authority = anyone.map(|role| Authority { role, own_site: false }).to_vec();
    let (name_zh, name_en) = (id.into(), id.into());
    let id = PlanId::new(id).unwrap();
    Plan { id, name_zh, name_en, level, authority, two_person: false, steps, version: 1 }
}

/// R3 with three zones, its plans and the people of that night.
pub(super) fn directory() -> Directory {
    let mut all = Directory { version: 1, ..Directory::default() };
    let own = || Scope::Sites(BTreeSet::from([site()]));
    let delay = || step("s2", StepKind::Delay { s: 20 });
    let both = || vec![grouped(page("s1", &["5401"]), "a"), grouped(page("s2", &["5402"]), "a")];
    let flow = |on_timeout| {
        vec![page("s1", &["$SITE*"]), delay(), asks("s3", on_timeout), page("s4", &["5403"])]
    };
    let records = [
        Record::Site(at_site("R3", "5")),
        Record::Site(at_site("R4", "6")),
        Record::Zone(zone("5401", "R3")),
        Record::Zone(zone("5402", "R3")),
        Record::Zone(zone("5403", "R3")),
        Record::Zone(zone("6401", "R4")),
        Record::Person(person("wang", RoleKind::Commander, Scope::All)),
        Record::Person(person("li", RoleKind::ChiefDispatcher, Scope::All)),
        Record::Person(person("zhao", RoleKind::Dispatcher, Scope::All)),
        Record::Person(person("chen", RoleKind::SiteDuty, own())),
        Record::Person(person("sun", RoleKind::SiteDuty, own())),
        Record::Plan(plan("P-38", Level::Red, vec![page("s1", &["$SITE*"])])),
        Record::Plan(plan("P-38-page", Level::Red, flow(OnTimeout::Proceed))),
        Record::Plan(plan("P-38-stop", Level::Red, flow(OnTimeout::Abort))),
        Record::Plan(plan("P-37", Level::Orange, vec![page("s1", &["5401"])])),
        Record::Plan(plan("P-36", Level::Orange, both())),
        Record::Plan(plan("P-39", Level::Clear, vec![page("s1", &["$SITE*"])])),
        Record::Plan(plan("P-40", Level::Red, vec![page("s1", &["5401", "6401"])])),
        Record::Plan(Plan {
            two_person: true,
            ..plan("P-41", Level::Red, vec![page("s1", &["5401"])])
        }),
    ];
    records.into_iter().for_each(|record| all.put_record(record));
    let people = people::village().into_iter().chain(conference::meetings());
    people.for_each(|record| all.put_record(record));
    all
}

/// What a loudspeaker was really told to do, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sounded {
    pub(super) key: EffectKey,
    pub(super) mode: Mode,
    pub(super) why: Why,
    pub(super) action: EffectAction,
    pub(super) at_ms: u64,
}

impl Sounded {
    /// Whom it called or wrote to.
    pub(super) fn person(&self) -> Option<&str> {
        match &self.action {
            EffectAction::Page { .. } | EffectAction::Confer { .. } => None,
            EffectAction::Call { person, .. } | EffectAction::Message { person, .. } => {
                Some(person.as_str())
            }
        }
    }
}

/// The site's node: machine, journal, driver, loudspeakers.
pub(super) struct Bench {
    pub(super) directory: Directory,
    pub(super) home: Home,
    pub(super) chain: Chain,
    pub(super) journal: Vec<Fact>,
    pub(super) ordered: BTreeSet<EffectKey>,
    pub(super) held: Option<Vec<EffectOrder>>,
    pub(super) sounded: Vec<Sounded>,
    pub(super) ceased: Vec<EffectKey>,
    pub(super) asked: Vec<EffectKey>,
    pub(super) answers: Vec<(Option<IntentId>, IntentStatus)>,
    pub(super) events: Vec<Event>,
    pub(super) fenced: Vec<Fenced>,
    /// What loudspeakers really reported as done.
    pub(super) heard: BTreeSet<EffectKey>,
    pub(super) broken: Vec<String>,
    /// True time, in milliseconds since the start of the story.
    pub(super) at_ms: u64,
    booted_at_ms: u64,
    pub(super) wake_ms: Option<u64>,
    #[cfg(feature = "planted")]
    pub(super) planted: Planted,
}

pub(super) const START: WallMs = WallMs(1_784_000_000_000);

impl Bench {
    pub(super) fn new() -> Self {
        let (node, first) = (NodeId(3), Incarnation(1));
        let (chain, began) = Chain::begin(site(), node, first, None, START, 0).unwrap();
        Self {
            directory: directory(),
            home: Home::new(site(), node, 1),
            chain,
            journal: vec![began.fact],
            ordered: BTreeSet::new(),
            held: None,
            sounded: Vec::new(),
            ceased: Vec::new(),
            asked: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            fenced: Vec::new(),
            heard: BTreeSet::new(),
            broken: Vec::new(),
            at_ms: 0,
            booted_at_ms: 0,
            wake_ms: None,
            #[cfg(feature = "planted")]
            planted: Planted::default(),
        }
    }

    pub(super) fn wall(&self) -> WallMs {
        START.plus_ms(self.at_ms)
    }

    pub(super) fn now(&self) -> Now {
        // A life's monotonic clock starts anywhere.
        Now { wall: self.wall(), mono_ms: self.at_ms - self.booted_at_ms + 1_000 }
    }

    pub(super) fn input(&mut self, input: Input) {
        let outputs = self.home.step(self.now(), &self.directory, input);
        self.carry_out(outputs, usize::MAX);
    }

    /// As [`Bench::input`], but the node falls after `kept` of the outputs were
    /// carried out.
    pub(super) fn input_and_fall(&mut self, input: Input, kept: usize) {
        let outputs = self.home.step(self.now(), &self.directory, input);
        self.carry_out(outputs, kept);
    }

    fn carry_out(&mut self, outputs: Vec<Output>, kept: usize) {
        for output in outputs.into_iter().take(kept) {
            match output {
                Output::Journal(body) => {
                    let written = self.chain.next(body, self.wall(), 0, &[]).unwrap();
                    self.journal.push(written.fact);
                }
                Output::Effect(order) => self.ordered(order),
                Output::Cease { key } => self.ceased.push(key),
                Output::Ask { key, .. } => self.asked.push(key),
                Output::Answer { intent, status } => self.answers.push((intent, status)),
                Output::WakeAt { mono_ms } => self.wake_ms = Some(mono_ms),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// What must hold of every order.
    fn ordered(&mut self, order: EffectOrder) {
        let begun = |fact: &Fact| begins(fact, &order.key);
        if !self.journal.iter().any(begun) {
            self.broken.push(format!("{} was ordered before it was written down", order.key));
        }
        if !self.ordered.insert(order.key.clone()) {
            self.broken.push(format!("{} was ordered twice", order.key));
        }
        match &mut self.held {
            Some(held) => held.push(order),
            None => self.execute(&order),
        }
    }

    /// The last thing before the loudspeaker.
    fn execute(&mut self, order: &EffectOrder) {
        if let Err(why) = self.home.may_execute(&order.key, order.epoch, self.now()) {
            return self.fenced.push(why);
        }
        if self.now().mono_ms > order.window_ends_mono_ms {
            self.broken.push(format!("{} sounded after its window", order.key));
        }
        let settled = |fact: &Fact| match &fact.body {
            FactBody::EffectOutcome { key, .. } => *key == order.key,
            FactBody::ActivationEnded { activation, .. } => *activation == order.key.activation,
            _ => false,
        };
        if self.journal.iter().any(settled) {
            self.broken.push(format!("{} sounded after it was over", order.key));
        }
        let (key, mode, why) = (order.key.clone(), order.mode, order.why);
        let action = order.action.clone();
        self.sounded.push(Sounded { key, mode, why, action, at_ms: self.at_ms });
    }

    /// The driver is held up: it carries orders out only when let go.
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(super) fn let_go(&mut self) {
        for order in self.held.take().unwrap_or_default() {
            self.execute(&order);
        }
    }

    /// Time passes; the machine is woken when it asked to be.
    pub(super) fn wait_ms(&mut self, ms: u64) {
        let end = self.at_ms + ms;
        while let Some(wake) =
            self.wake_ms.filter(|wake| wake.saturating_sub(1_000) + self.booted_at_ms <= end)
        {
            self.wake_ms = None;
            self.at_ms = self.at_ms.max(wake.saturating_sub(1_000) + self.booted_at_ms);
            self.input(Input::Tick);
            if self.wake_ms == Some(wake) {
                break;
            }
        }
        self.at_ms = end;
        self.input(Input::Tick);
    }

    /// The node dies and comes back `down_ms` later, with what it had synced.
    pub(super) fn restart_after(&mut self, down_ms: u64) {
        self.at_ms += down_ms;
        self.booted_at_ms = self.at_ms;
        self.wake_ms = None;
        self.held = None;
        let last = self.journal.last().unwrap();
        self.chain = Chain::resume(last, last.hash().unwrap());
        let epoch = self.home.epoch() + 1;
        self.home = Home::replay(site(), NodeId(3), epoch, &self.journal, &self.directory);
        #[cfg(feature = "planted")]
        self.home.plant(self.planted);
        self.input(Input::Recovered);
    }

    pub(super) fn intent(&self, n: u8, who: &str, body: IntentBody) -> Intent {
        Intent {
            id: IntentId([n; 16]),
            home: site(),
            body,
            who: PersonId::new(who).unwrap(),
            via: NodeId(1),
            priority: Priority::Evacuation,
            mode: Mode::Real,
            issued: self.wall(),
            not_after: self.wall().plus_ms(PAGE_MS),
            attempt: 1,
        }
    }

    pub(super) fn launching(&self, n: u8, who: &str, plan: &str) -> Intent {
        let plan = PlanId::new(plan).unwrap();
        let version = self.directory.plan_hash(&plan).unwrap().unwrap_or_default();
        self.intent(n, who, IntentBody::Launch { plan, version })
    }

    pub(super) fn send(&mut self, intent: &Intent) -> IntentStatus {
        self.input(arrived(intent));
        self.answers.last().unwrap().1.clone()
    }

    pub(super) fn launch(&mut self, n: u8, who: &str, plan: &str) -> IntentStatus {
        let intent = self.launching(n, who, plan);
        self.send(&intent)
    }

    pub(super) fn drill(&mut self, n: u8, plan: &str) -> IntentStatus {
        let intent = Intent { mode: Mode::Drill, ..self.launching(n, "wang", plan) };
        self.send(&intent)
    }

    pub(super) fn abort(&mut self, n: u8, who: &str, run: u8) -> IntentStatus {
        let intent = self.intent(n, who, IntentBody::Abort { activation: run_of(run) });
        self.send(&intent)
    }

    pub(super) fn report(&mut self, key: &EffectKey, result: EffectResult, grade: Option<Grade>) {
        let proof = Proof { grade, reached: u16::from(grade.is_some()), of: 1, siren: false };
        let epoch = self.home.epoch();
        if result == EffectResult::Done && grade.is_some() {
            self.heard.insert(key.clone());
        }
        self.input(Input::Outcome { key: key.clone(), epoch, result, proof });
    }

    /// Every effect under way is reported as heard.
    pub(super) fn all_heard(&mut self) {
        for one in self.sounded.clone() {
            self.report(&one.key, EffectResult::Done, Some(Grade::Receiving));
        }
    }

    pub(super) fn zones(&self) -> Vec<String> {
        self.sounded.iter().map(|one| one.key.target.to_string()).collect()
    }

    pub(super) fn run(&self, n: u8) -> ActivationPicture {
        let run = self.home.picture().activations.into_iter().find(|run| run.id == run_of(n));
        run.unwrap()
    }

    pub(super) fn step(&self, run: u8, step: &str) -> StepState {
        let run = self.run(run);
        run.steps.iter().find(|one| one.id.as_str() == step).unwrap().state
    }

    pub(super) fn ended(&self, run: u8) -> Option<Ending> {
        self.run(run).ended.map(|(how, _)| how)
    }
}

pub(super) use crate::fact::Ending;

pub(super) fn run_of(n: u8) -> ActivationId {
    ActivationId([n; 16])
}

pub(super) fn signed(intent: &Intent) -> SignedIntent {
    SignedIntent::new(encode(intent).unwrap(), vec![7; SIGNATURE_BYTES], intent.via)
}

pub(super) fn arrived(intent: &Intent) -> Input {
    Input::Arrived { signed: signed(intent), signature: Signature::Valid }
}

pub(super) fn key(run: u8, step: &str, zone: &str, attempt: u16) -> EffectKey {
    let target = Target::Zone(ZoneId::new(zone).unwrap());
    EffectKey { activation: run_of(run), step: StepId::new(step).unwrap(), target, attempt }
}

pub(super) fn unknown() -> EffectResult {
    EffectResult::Unknown { why: "no answer".into() }
}

pub(super) fn failed() -> EffectResult {
    EffectResult::Failed { why: "busy".into() }
}

/// Whether this is the fact that must stand before the effect.
pub(super) fn begins(fact: &Fact, effect: &EffectKey) -> bool {
    let FactBody::EffectBegun { key, .. } = &fact.body else { return false };
    key == effect
}
