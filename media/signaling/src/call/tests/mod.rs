//! Stories of calls, over devices that do as they are told. Every story is
//! watched for what may never happen.

mod alarm;
mod cancel;
mod early;
mod forks;
mod glare;
mod groups;
mod hold;
mod late_offer;
mod random;
mod records;
mod refused;
mod ringing;
mod watch;

use std::collections::BTreeMap;

use crate::sdp;

use super::*;
use watch::Watch;

pub(super) const S: u64 = 1_000;

/// What a telephone says: host 10.0.0.`host`, its port 4000.
pub(super) fn said(host: u8, formats: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- {host} 1 IN IP4 10.0.0.{host}\r\ns=-\r\nc=IN IP4 10.0.0.{host}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=rtpmap:96 opus/48000/2\r\na=ptime:20\r\na={direction}\r\n"
    )
}

pub(super) fn plain(host: u8) -> String {
    said(host, "8 0 101", "sendrecv")
}

pub(super) fn dial(number: &str) -> Dial {
    Dial { number: number.into(), dial: None, at: None }
}

pub(super) fn group(numbers: &[&str], ring_s: u64) -> Group {
    Group { numbers: numbers.iter().map(|number| dial(number)).collect(), ring_ms: ring_s * S }
}

pub(super) fn ordinary(groups: Vec<Group>) -> Route {
    Route { groups, emergency: false }
}

/// Calls A for B, whose phone is at 5402.
pub(super) fn to_5402() -> Route {
    ordinary(vec![group(&["5402"], 60)])
}

pub(super) struct Bench {
    pub(super) bridge: Bridge,
    pub(super) now_ms: u64,
    pub(super) log: Vec<Output>,
    watch: Watch,
    /// Placed, and not yet told.
    pub(super) places: BTreeMap<PlaceId, Dial>,
    next_leg: u32,
}

impl Bench {
    pub(super) fn calls(route: Route, offer: &str) -> Self {
        let addresses = Addresses {
            a: "203.0.113.5:30000".parse().unwrap(),
            b: "203.0.113.5:30002".parse().unwrap(),
        };
        let now_ms = 50_000;
        let ids = Ids { a: 1, b: 2 };
        let limits = Limits::default();
        let bridge = Bridge::new(route, offer.into(), addresses, ids, limits, now_ms);
        let (log, places) = (Vec::new(), BTreeMap::new());
        let watch = Watch::default();
        let mut bench = Self { bridge, now_ms, log, watch, places, next_leg: 0 };
        bench.input(Input::Begin);
        bench
    }

    /// A talks to B, leg 1.
    pub(super) fn talk() -> (Self, LegId) {
        let mut bench = Self::calls(to_5402(), &plain(1));
        let leg = bench.place("5402", 1)[0];
        bench.answers(leg, &plain(2));
        bench.confirms(Leg::Caller, "");
        bench.log.clear();
        (bench, leg)
    }

    pub(super) fn input(&mut self, input: Input) -> Vec<Output> {
        self.watch.input(&input);
        let outputs = self.bridge.step(self.now_ms, input);
        for output in &outputs {
            self.watch.output(output);
            if let Output::Place { place, dial, .. } = output {
                self.places.insert(*place, dial.clone());
            }
        }
        self.watch.next(self.bridge.next_ms());
        self.log.extend(outputs.iter().cloned());
        outputs
    }

    /// The oldest order to call this number is carried out.
    pub(super) fn place(&mut self, number: &str, devices: u32) -> Vec<LegId> {
        let place = self.take_place(number);
        let legs: Vec<LegId> = (1..=devices).map(|n| LegId(self.next_leg + n)).collect();
        self.next_leg += devices;
        self.input(Input::Placed { place, legs: legs.clone() });
        legs
    }

    pub(super) fn not_placed(&mut self, number: &str, why: NotPlaced) -> Vec<Output> {
        let place = self.take_place(number);
        self.input(Input::NotPlaced { place, why })
    }

    fn take_place(&mut self, number: &str) -> PlaceId {
        let mut places = self.places.iter();
        let found = places.find(|(_, dial)| dial.number == number).map(|(place, _)| *place);
        let place = found.unwrap_or_else(|| panic!("nobody called {number}"));
        self.places.remove(&place);
        place
    }

    pub(super) fn hear(&mut self, leg: Leg, event: Event) -> Vec<Output> {
        self.input(Input::Heard { leg, event })
    }

    pub(super) fn rings(&mut self, leg: LegId) -> Vec<Output> {
        self.hear(Leg::Callee(leg), Event::Ringing { code: 180, sdp: String::new() })
    }

    pub(super) fn early(&mut self, leg: LegId, code: u16, sdp: &str) -> Vec<Output> {
        self.hear(Leg::Callee(leg), Event::Ringing { code, sdp: sdp.into() })
    }

    pub(super) fn answers(&mut self, leg: LegId, sdp: &str) -> Vec<Output> {
        self.hear(Leg::Callee(leg), Event::Answered { sdp: sdp.into() })
    }

    pub(super) fn refuses(&mut self, leg: LegId, code: u16) -> Vec<Output> {
        self.hear(Leg::Callee(leg), Event::Refused { code })
    }

    pub(super) fn confirms(&mut self, leg: Leg, sdp: &str) -> Vec<Output> {
        self.hear(leg, Event::Confirmed { sdp: sdp.into() })
    }

    pub(super) fn changes(&mut self, leg: Leg, sdp: &str) -> Vec<Output> {
        self.hear(leg, Event::Changed { sdp: sdp.into() })
    }

    pub(super) fn agrees(&mut self, leg: Leg, sdp: &str) -> Vec<Output> {
        self.hear(leg, Event::Agreed { sdp: sdp.into() })
    }

    /// Lets time pass, waking the machine as it asked.
    pub(super) fn wait(&mut self, ms: u64) -> Vec<Output> {
        let until_ms = self.now_ms + ms;
        let mut outputs = Vec::new();
        while let Some(next_ms) = self.bridge.next_ms().filter(|next_ms| *next_ms <= until_ms) {
            self.now_ms = next_ms.max(self.now_ms);
            outputs.extend(self.input(Input::Tick));
            let next = self.bridge.next_ms();
            assert!(next.is_none_or(|next_ms| next_ms > self.now_ms), "wakes for nothing");
        }
        self.now_ms = until_ms;
        outputs
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.watch.records.clone()
    }

    /// How it ended; it must have ended.
    pub(super) fn why(&self) -> Why {
        match self.watch.records.last() {
            Some(Record::Ended { why, .. }) => *why,
            other => panic!("not ended: {other:?}"),
        }
    }

    pub(super) fn refused(&self) -> Option<u16> {
        self.log.iter().find_map(|output| match output {
            Output::Refuse { code, .. } => Some(*code),
            _ => None,
        })
    }

    pub(super) fn aim(&self, side: Side) -> Option<Aim> {
        self.watch.aims.get(&side).cloned()
    }

    /// Numbers called so far, in order.
    pub(super) fn dialled(&self) -> Vec<String> {
        let dials = self.log.iter().filter_map(|output| match output {
            Output::Place { dial, .. } => Some(dial.number.clone()),
            _ => None,
        });
        dials.collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.watch.breaches, Vec::<String>::new());
        }
    }
}

/// The description that an output carries.
pub(super) fn sdp_of(outputs: &[Output]) -> String {
    let mut all = outputs.iter().filter_map(|output| match output {
        Output::Ring { sdp: Some(sdp), .. }
        | Output::Answer { sdp }
        | Output::Change { sdp, .. }
        | Output::Agree { sdp, .. } => Some(sdp.clone()),
        Output::Place { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    let one = all.next().unwrap_or_else(|| panic!("no description in {outputs:?}"));
    assert_eq!(all.next(), None, "two descriptions");
    one
}

pub(super) fn heard(outputs: &[Output]) -> sdp::Audio {
    sdp::read(&sdp_of(outputs)).unwrap().audio
}

pub(super) fn hangs_up(outputs: &[Output]) -> Vec<Leg> {
    let legs = outputs.iter().filter_map(|output| match output {
        Output::HangUp { leg } => Some(*leg),
        _ => None,
    });
    legs.collect()
}

pub(super) fn numbers(audio: &sdp::Audio) -> Vec<u8> {
    audio.formats.iter().map(|format| format.payload_type).collect()
}
