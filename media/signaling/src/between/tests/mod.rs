//! Stories of calls between two sites: two bridges, two ends, two telephones and
//! a stream that does what the story wants.

mod bytes;
mod codecs;
mod random;
mod stories;
mod streams;
mod words;

use core::net::SocketAddr;
use std::collections::VecDeque;

use weir_model::id::SiteId;

use super::*;
use crate::call::{
    self, Addresses, Bridge, Dial, Group, Ids, Leg, LegId, Limits, NotPlaced, Record, Route, Why,
};
use crate::sdp::{self, Direction};

pub(super) const S: u64 = 1_000;
pub(super) const SAME: Path = Path { same: true, wide: true };
pub(super) const THIN: Path = Path { same: false, wide: false };
const KEY: CallKey = CallKey([7; 16]);

pub(super) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub(super) fn said(host: u8, formats: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- {host} 1 IN IP4 10.0.0.{host}\r\ns=-\r\nc=IN IP4 10.0.0.{host}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=rtpmap:111 opus/48000/2\r\na=ptime:20\r\na={direction}\r\n"
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    On,
    Rings,
    Talks,
    Refused(u16),
    Over,
}

/// A telephone that answers what it is asked.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) host: u8,
    pub(super) formats: &'static str,
    pub(super) hook: Hook,
    /// The newest description that it was told.
    pub(super) told: String,
    pub(super) early: bool,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) declined: Vec<u16>,
    /// Refuses every change.
    pub(super) stubborn: bool,
}

impl Phone {
    fn new(host: u8) -> Self {
        Self {
            host,
            formats: "8 0 101",
            hook: Hook::On,
            told: String::new(),
            early: false,
            keys: Vec::new(),
            declined: Vec::new(),
            stubborn: false,
        }
    }

    pub(super) fn says(&self, direction: &str) -> String {
        said(self.host, self.formats, direction)
    }

    pub(super) fn heard(&self) -> sdp::Audio {
        sdp::read(&self.told).unwrap().audio
    }

    pub(super) fn is_out(&self) -> bool {
        matches!(self.hook, Hook::On | Hook::Over | Hook::Refused(_))
    }
}

/// A site: a bridge between its telephone and its end.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) bridge: Option<Bridge>,
    pub(super) far: Option<Far>,
    pub(super) phone: Phone,
    pub(super) records: Vec<Record>,
    pub(super) over: bool,
    pub(super) told: Vec<Event>,
    pub(super) joins: Vec<(u16, Telephone, SocketAddr)>,
    path: Path,
}

impl Site {
    fn new(host: u8) -> Self {
        Self {
            bridge: None,
            far: None,
            phone: Phone::new(host),
            records: Vec::new(),
            over: false,
            told: Vec::new(),
            joins: Vec::new(),
            path: SAME,
        }
    }

    pub(super) fn why(&self) -> Option<Why> {
        match self.records.last() {
            Some(Record::Ended { why, .. }) => Some(*why),
            _ => None,
        }
    }
}

/// A dials, B is called.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

#[derive(Debug)]
enum Post {
    Frame(Vec<u8>),
    First(Vec<u8>),
    Opened,
    NotOpened,
    Lost,
}

#[derive(Debug)]
struct Letter {
    at_ms: u64,
    to: usize,
    /// Of this stream.
    stream: u32,
    post: Post,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) sites: [Site; 2],
    letters: VecDeque<Letter>,
    /// The newest stream, and the one that each end believes in.
    streams: u32,
    pub(super) ends: [Option<u32>; 2],
    /// A new stream may be opened.
    pub(super) reach: bool,
    pub(super) delay_ms: u64,
    /// B's end is told twice of everything.
    pub(super) twice: bool,
    /// B lets nobody in.
    pub(super) closed: bool,
    pub(super) opens: u32,
}

fn far_leg(site: usize) -> Leg {
    if site == A { Leg::Callee(LegId(1)) } else { Leg::Caller }
}

fn phone_leg(site: usize) -> Leg {
    if site == A { Leg::Caller } else { Leg::Callee(LegId(1)) }
}

fn route(number: &str, at: Option<&str>) -> Route {
    let at = at.map(|site| SiteId::new(site).unwrap());
    let numbers = vec![Dial { number: number.into(), dial: None, at }];
    Route { groups: vec![Group { numbers, ring_ms: 60 * S }], emergency: false }
}

fn bridge(site: usize, offer: &str, now_ms: u64) -> Bridge {
    let addresses = match site {
        A => Addresses { a: at("203.0.113.1:30000"), b: at("203.0.113.1:30002") },
        _ => Addresses { a: at("203.0.113.2:30000"), b: at("203.0.113.2:30002") },
    };
    let route = if site == A { route("5402", Some("R4")) } else { route("5402", None) };
    let limits = Limits { change_ms: 15 * S, ..Limits::default() };
    Bridge::new(route, offer.into(), addresses, Ids { a: 1, b: 2 }, limits, now_ms)
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now_ms: 1_000,
            sites: [Site::new(1), Site::new(2)],
            letters: VecDeque::new(),
            streams: 0,
            ends: [None, None],
            reach: true,
            delay_ms: 20,
            twice: false,
            closed: false,
            opens: 0,
        }
    }

    pub(super) fn paths(mut self, path: Path) -> Self {
        self.sites.iter_mut().for_each(|site| site.path = path);
        self
    }

    /// A's telephone dials B's.
    pub(super) fn dial(&mut self) {
        let offer = self.sites[A].phone.says("sendrecv");
        self.sites[A].phone.hook = Hook::Rings;
        self.sites[A].bridge = Some(bridge(A, &offer, self.now_ms));
        self.input(A, call::Input::Begin);
    }

    pub(super) fn talking() -> Self {
        let mut world = Self::new();
        world.dial();
        world.wait(S);
        world.picks_up();
        world.wait(S);
        assert_eq!(world.hooks(), [Hook::Talks, Hook::Talks]);
        world
    }

    pub(super) fn hooks(&self) -> [Hook; 2] {
        [self.sites[A].phone.hook, self.sites[B].phone.hook]
    }

    pub(super) fn whys(&self) -> [Option<Why>; 2] {
        [self.sites[A].why(), self.sites[B].why()]
    }

    pub(super) fn hear(&mut self, site: usize, event: call::Event) {
        self.input(site, call::Input::Heard { leg: phone_leg(site), event });
    }

    pub(super) fn rings(&mut self) {
        self.hear(B, call::Event::Ringing { code: 180, sdp: String::new() });
    }

    pub(super) fn picks_up(&mut self) {
        let sdp = self.sites[B].phone.says("sendrecv");
        self.sites[B].phone.hook = Hook::Talks;
        self.hear(B, call::Event::Answered { sdp });
    }

    pub(super) fn refuses(&mut self, code: u16) {
        self.sites[B].phone.hook = Hook::Over;
        self.hear(B, call::Event::Refused { code });
    }

    pub(super) fn hangs_up(&mut self, site: usize) {
        self.sites[site].phone.hook = Hook::Over;
        self.hear(site, call::Event::Ended);
    }

    pub(super) fn changes(&mut self, site: usize, direction: &str) {
        let sdp = self.sites[site].phone.says(direction);
        self.hear(site, call::Event::Changed { sdp });
    }

    pub(super) fn input(&mut self, site: usize, input: call::Input) {
        let Some(bridge) = self.sites[site].bridge.as_mut() else { return };
        for output in bridge.step(self.now_ms, input) {
            self.carry_out(site, output);
        }
    }

    fn deed(&mut self, site: usize, deed: Deed) {
        self.far(site, Input::Deed(deed));
    }

    pub(super) fn far(&mut self, site: usize, input: Input) {
        let Some(far) = self.sites[site].far.as_mut() else { return };
        for output in far.step(self.now_ms, input) {
            self.far_says(site, output);
        }
    }

    fn carry_out(&mut self, site: usize, output: call::Output) {
        use call::Output;
        let to_phone = |leg: Leg| leg == phone_leg(site);
        match output {
            Output::Place { place, offer, ring_ms, .. } => self.place(site, place, offer, ring_ms),
            Output::Ring { sdp, .. } if site == A => {
                self.sites[A].phone.early |= sdp.is_some();
                self.sites[A].phone.told = sdp.unwrap_or_default();
            }
            Output::Ring { code, sdp } => self.deed(B, Deed::Ring { code, sdp }),
            Output::Answer { sdp } if site == A => {
                (self.sites[A].phone.hook, self.sites[A].phone.told) = (Hook::Talks, sdp);
                self.hear(A, call::Event::Confirmed { sdp: String::new() });
            }
            Output::Answer { sdp } => self.deed(B, Deed::Answer { sdp }),
            Output::Refuse { code, .. } if site == A => {
                self.sites[A].phone.hook = Hook::Refused(code);
            }
            Output::Refuse { code, words } => {
                self.deed(B, Deed::Refuse { code, words: words.into() });
            }
            Output::Change { leg, sdp } if to_phone(leg) => self.phone_changes(site, sdp),
            Output::Change { sdp, .. } => self.deed(site, Deed::Change { sdp }),
            Output::Agree { leg, sdp } if to_phone(leg) => self.sites[site].phone.told = sdp,
            Output::Agree { sdp, .. } => self.deed(site, Deed::Agree { sdp }),
            Output::Decline { leg, code } if to_phone(leg) => {
                self.sites[site].phone.declined.push(code);
            }
            Output::Decline { code, .. } => {
                self.deed(site, Deed::Refuse { code, words: String::new() });
            }
            Output::Info { leg, body, .. } if to_phone(leg) => {
                self.sites[site].phone.keys.push(body);
            }
            Output::Info { kind, body, .. } => self.deed(site, Deed::Info { kind, body }),
            Output::HangUp { leg } if to_phone(leg) => self.sites[site].phone.hook = Hook::Over,
            Output::HangUp { .. } => self.deed(site, Deed::HangUp),
            Output::Record(record) => self.sites[site].records.push(record),
            Output::Over => self.sites[site].over = true,
            Output::Aim { .. } => {}
        }
    }

    fn place(&mut self, site: usize, place: call::PlaceId, offer: String, ring_ms: u64) {
        if site == B {
            self.sites[B].phone.hook = Hook::Rings;
            self.sites[B].phone.told = offer;
            return self.input(B, call::Input::Placed { place, legs: vec![LegId(1)] });
        }
        let dialling = Dialling {
            key: KEY,
            from: "5401".into(),
            from_name: "甲".into(),
            dialled: "5402".into(),
            emergency: false,
            max_forwards: 69,
            offer,
            channel: 11,
            answer_within_ms: ring_ms + 5 * S,
        };
        let end = End::new(3, at("203.0.113.1:40000"), self.sites[A].path);
        match Far::dial(self.now_ms, dialling, end) {
            Ok(far) => {
                self.sites[A].far = Some(far);
                self.input(A, call::Input::Placed { place, legs: vec![LegId(1)] });
                self.far(A, Input::Begin);
            }
            Err(_) => {
                self.input(A, call::Input::NotPlaced { place, why: NotPlaced::Unreachable });
            }
        }
    }

    fn phone_changes(&mut self, site: usize, sdp: String) {
        if self.sites[site].phone.stubborn {
            return self.hear(site, call::Event::Declined { code: 488 });
        }
        let offered = sdp::read(&sdp).unwrap().audio;
        let direction = Direction::Both.answering(offered.direction);
        self.sites[site].phone.told = sdp;
        let sdp = self.sites[site].phone.says(direction.name());
        self.hear(site, call::Event::Agreed { sdp });
    }

    fn far_says(&mut self, site: usize, output: Output) {
        match output {
            Output::Open { first } => self.open(first),
            Output::Send(message) => {
                let Some(stream) = self.ends[site] else { return };
                let bytes = message.bytes().unwrap();
                if self.twice && site == A {
                    self.post(1 - site, stream, Post::Frame(bytes.clone()));
                }
                self.post(1 - site, stream, Post::Frame(bytes));
            }
            Output::Cut => self.let_go(site),
            Output::Tell(event) => {
                self.sites[site].told.push(event.clone());
                if self.sites[site].bridge.is_some() && !self.sites[site].over {
                    self.input(site, event.told_of(far_leg(site)));
                }
            }
            Output::Join { channel, telephone, towards } => {
                self.sites[site].joins.push((channel, telephone, towards));
            }
            Output::Over => {
                self.let_go(site);
                self.sites[site].far = None;
            }
        }
    }

    fn post(&mut self, to: usize, stream: u32, post: Post) {
        let at_ms = self.now_ms + self.delay_ms;
        self.letters.push_back(Letter { at_ms, to, stream, post });
    }

    fn open(&mut self, first: Message) {
        self.let_go(A);
        self.opens += 1;
        self.streams += 1;
        let stream = self.streams;
        self.ends[A] = Some(stream);
        if self.reach {
            self.post(B, stream, Post::First(first.bytes().unwrap()));
            self.post(A, stream, Post::Opened);
        } else {
            self.post(A, stream, Post::NotOpened);
        }
    }

    fn let_go(&mut self, site: usize) {
        if let Some(stream) = self.ends[site].take() {
            self.post(1 - site, stream, Post::Lost);
        }
    }

    /// The stream breaks; what is on its way never comes.
    pub(super) fn breaks(&mut self) {
        self.letters.clear();
        for site in [A, B] {
            if self.ends[site].take().is_some() {
                self.far(site, Input::Lost);
            }
        }
    }

    fn arrives(&mut self, bytes: &[u8], stream: u32) {
        let first = Message::read(bytes).unwrap();
        if self.ends[B].is_some() {
            // An older stream: a newer takes its place.
            self.ends[B] = None;
        }
        let known = self.sites[B].far.is_some();
        match (&first.word, known) {
            (Word::Setup(_) | Word::Resume { .. }, true) => {
                self.ends[B] = Some(stream);
                self.far(B, Input::Resumed { expects: first.expects });
            }
            (Word::Setup(setup), false) if !self.closed => {
                self.ends[B] = Some(stream);
                let end = End::new(4, at("203.0.113.2:40000"), self.sites[B].path);
                let (far, offer) = Far::called(self.now_ms, setup, 22, end).unwrap();
                self.sites[B].far = Some(far);
                self.far(B, Input::Begin);
                self.sites[B].bridge = Some(bridge(B, &offer, self.now_ms));
                (self.sites[B].over, self.sites[B].records) = (false, Vec::new());
                self.input(B, call::Input::Begin);
            }
            _ => {
                let answer = match first.word {
                    Word::Setup(_) => Far::refusal(503, "满 / full"),
                    _ => Far::unknown_call(),
                };
                self.post(A, stream, Post::Frame(answer.bytes().unwrap()));
            }
        }
    }

    fn delivers(&mut self, letter: Letter) {
        let Letter { to, stream, post, .. } = letter;
        let current = self.ends[to] == Some(stream);
        match post {
            Post::First(bytes) => self.arrives(&bytes, stream),
            Post::Opened if current => self.far(to, Input::Opened),
            Post::NotOpened if current => {
                self.ends[to] = None;
                self.far(to, Input::NotOpened);
            }
            Post::Lost if current => {
                self.ends[to] = None;
                self.far(to, Input::Lost);
            }
            Post::Frame(bytes) if current => {
                self.far(to, Input::Frame(Message::read(&bytes).unwrap()));
            }
            Post::Opened | Post::NotOpened | Post::Lost | Post::Frame(_) => {}
        }
    }

    fn next_ms(&self) -> Option<u64> {
        let letters = self.letters.iter().map(|letter| letter.at_ms);
        let sites = self.sites.iter().flat_map(|site| {
            let bridge = site.bridge.as_ref().filter(|_| !site.over).and_then(Bridge::next_ms);
            [bridge, site.far.as_ref().and_then(Far::next_ms)]
        });
        letters.chain(sites.flatten()).min()
    }

    pub(super) fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        let mut turns = 0;
        while let Some(next_ms) = self.next_ms().filter(|next_ms| *next_ms <= until_ms) {
            turns += 1;
            assert!(turns < 100_000, "it never rests: {self:?}");
            self.now_ms = self.now_ms.max(next_ms);
            if let Some(at) = self.letters.iter().position(|letter| letter.at_ms <= self.now_ms) {
                let letter = self.letters.remove(at).unwrap();
                self.delivers(letter);
                continue;
            }
            for site in [A, B] {
                self.far(site, Input::Tick);
                self.input(site, call::Input::Tick);
            }
        }
        self.now_ms = until_ms;
    }

    /// Nobody is left in the line, and nothing is left of the call.
    pub(super) fn is_over(&self) -> bool {
        self.sites.iter().all(|site| {
            site.phone.is_out() && site.far.is_none() && (site.over || site.bridge.is_none())
        })
    }
}
