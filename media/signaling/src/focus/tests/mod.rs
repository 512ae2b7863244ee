//! A conference and the telephones around it, in simulated time. Whatever the
//! story, the bench notes what must never happen.

mod joining;
mod random;
mod ringing;
mod sites;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn site(name: &str) -> SiteId {
    SiteId::new(name).unwrap()
}

fn dial(number: &str) -> Dial {
    Dial { number: number.into(), dial: None, at: None }
}

/// `who` with these numbers, at site `at`.
fn person(at: &str, who: &str, numbers: &[&str]) -> Invited {
    let dials = numbers.iter().map(|number| dial(number)).collect();
    Invited { who: who.into(), dials, site: site(at) }
}

fn setup(members: Vec<Invited>) -> Setup {
    Setup {
        room: 7,
        site: site("HQ"),
        place: Place::Root { branches: BTreeSet::new() },
        members,
        rings: true,
        chair: Some("chief".into()),
        confirm: None,
        min_join: 0,
        min_by_ms: 60_000,
        open: false,
        limits: Limits::default(),
    }
}

/// A leg that is not over: whose, and whether it is in the room, and mute.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    who: String,
    number: String,
    seat: Option<bool>,
}

struct Bench {
    focus: Focus,
    now_ms: u64,
    next_leg: u32,
    pending: BTreeMap<PlaceId, (String, String)>,
    lines: BTreeMap<LegId, Line>,
    asked: BTreeSet<LegId>,
    reports: Vec<Report>,
    records: Vec<Record>,
    /// Trunks that are open or asked for.
    trunks: BTreeSet<SiteId>,
    told: Vec<(SiteId, Picture)>,
    /// Who was rung, ever.
    rung: Vec<String>,
    over: bool,
    breaches: Vec<String>,
}

impl Bench {
    fn new(setup: Setup) -> Self {
        let mut bench = Self {
            focus: Focus::new(setup, 0),
            now_ms: 0,
            next_leg: 0,
            pending: BTreeMap::new(),
            lines: BTreeMap::new(),
            asked: BTreeSet::new(),
            reports: Vec::new(),
            records: Vec::new(),
            trunks: BTreeSet::new(),
            told: Vec::new(),
            rung: Vec::new(),
            over: false,
            breaches: Vec::new(),
        };
        bench.step(Input::Begin);
        bench
    }

    fn breach(&mut self, what: String) {
        self.breaches.push(what);
    }

    fn step(&mut self, input: Input) {
        for output in self.focus.step(self.now_ms, input) {
            if self.over {
                self.breach(format!("after the end: {output:?}"));
            }
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Place { place, who, dial, .. } => {
                let number = dial.number;
                let placing =
                    self.pending.values().any(|one| *one == (who.clone(), number.clone()));
                let same = |line: &Line| line.number == number && line.who == who;
                let on_line = self.lines.values().any(same);
                if placing || on_line {
                    self.breach(format!("{who} is rung twice at once on {number}"));
                }
                self.rung.push(who.clone());
                self.pending.insert(place, (who, number));
            }
            Output::Answer { leg, who } => match self.lines.get_mut(&leg) {
                Some(line) if line.who.is_empty() => line.who = who,
                other => panic!("{leg} answered, but is {other:?}"),
            },
            Output::Refuse { leg, .. } | Output::HangUp { leg } => {
                if self.lines.remove(&leg).is_none() {
                    self.breach(format!("{leg} was over already"));
                }
                self.asked.remove(&leg);
            }
            Output::Ask { leg, .. } => _ = self.asked.insert(leg),
            Output::Seat { leg, mute } => match self.lines.get_mut(&leg) {
                Some(line) => line.seat = Some(mute),
                None => self.breach(format!("{leg} is over and takes a seat")),
            },
            Output::OpenTrunk { site } => {
                if !self.trunks.insert(site.clone()) {
                    self.breach(format!("two trunks to {site}"));
                }
            }
            Output::CloseTrunk { site } => _ = self.trunks.remove(&site),
            Output::Tell { site, picture } => self.told.push((site, *picture)),
            Output::Report(report) => self.reports.push(report),
            Output::Record(record) => self.records.push(record),
            Output::Over => self.over = true,
        }
        let mut seated = BTreeSet::new();
        for line in self.lines.values().filter(|line| line.seat.is_some()) {
            if !seated.insert(line.who.clone()) {
                self.breaches.push(format!("{} sits twice", line.who));
            }
        }
    }

    /// Time passes; what is due is done.
    fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        for _ in 0..100_000 {
            match self.focus.next_ms() {
                Some(next_ms) if next_ms <= until_ms => {
                    self.now_ms = self.now_ms.max(next_ms);
                    self.step(Input::Tick);
                }
                _ => break,
            }
        }
        self.now_ms = until_ms;
        self.step(Input::Tick);
    }

    fn leg(&mut self, who: &str, number: &str) -> LegId {
        self.next_leg += 1;
        let leg = LegId(self.next_leg);
        let line = Line { who: who.into(), number: number.into(), seat: None };
        self.lines.insert(leg, line);
        leg
    }

    /// Everything that was placed rings.
    fn place_all(&mut self) {
        if self.over {
            // The driver hangs up on them.
            self.pending.clear();
        }
        for (place, (who, number)) in std::mem::take(&mut self.pending) {
            let leg = self.leg(&who, &number);
            self.step(Input::Placed { place, legs: vec![leg] });
        }
    }

    fn call_in(&mut self, number: &str) -> LegId {
        let leg = self.leg("", number);
        self.step(Input::CallIn { leg, number: number.into() });
        leg
    }

    fn line(&self, number: &str) -> LegId {
        let found = self.lines.iter().find(|(_, line)| line.number == number);
        *found.unwrap_or_else(|| panic!("{number} has no line")).0
    }

    fn hear(&mut self, number: &str, event: Event) {
        let leg = self.line(number);
        self.hear_leg(leg, event);
    }

    fn hear_leg(&mut self, leg: LegId, event: Event) {
        let last = [Event::Silent, Event::Ended, Event::Lost].contains(&event)
            || matches!(event, Event::Refused { .. });
        if last {
            self.lines.remove(&leg);
        }
        self.step(Input::Heard { leg, event });
    }

    fn answer(&mut self, number: &str) {
        self.place_all();
        self.hear(number, Event::Answered);
    }

    fn order(&mut self, order: Order) {
        self.step(Input::Order { order, rank: 1 });
    }

    fn state(&self, who: &str) -> State {
        self.focus.members().into_iter().find(|seen| seen.who == who).unwrap().state
    }

    /// Numbers that are heard, and those that sit there and are mute.
    fn heard(&self) -> Vec<&str> {
        self.sits(false)
    }

    fn sits(&self, mute: bool) -> Vec<&str> {
        let lines = self.lines.values().filter(|line| line.seat == Some(mute));
        lines.map(|line| line.number.as_str()).collect()
    }

    fn is_clean(&self) {
        assert_eq!(self.breaches, Vec::<String>::new());
    }
}
