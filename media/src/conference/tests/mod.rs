//! Conferences with real telephones: SIP and RTP over sockets, in real time. Two
//! sites are joined by a way in memory that can be cut.

mod hostile;
mod joining;
mod phone;
mod sites;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use md5::{Digest as _, Md5};
use sha2::Sha256;
use weir_signaling::focus::Dial;

use super::*;
use crate::sip::{Account, Accounts, Algorithm, SipConfig, SipLimits};
use crate::voice::Ports;
use crate::voice::mixer::MixerConfig;
use phone::{Mood, Phone};

const ROOM: &str = "6500";
const ASKING: f64 = 1_300.0;

fn site(name: &str) -> SiteId {
    SiteId::new(name).unwrap()
}

fn person(at: &str, who: &str, numbers: &[&str]) -> Invited {
    let dial = |number: &&str| Dial { number: (*number).to_owned(), dial: None, at: None };
    Invited { who: who.into(), dials: numbers.iter().map(dial).collect(), site: site(at) }
}

/// A second of a tone that nobody else hums.
fn announcement() -> BTreeMap<Codec, Clip> {
    let sample = |n: u32| {
        let at = f64::from(n) / 8_000.0;
        (phone::LOUD * (std::f64::consts::TAU * ASKING * at).sin()) as i16
    };
    let bytes: Vec<u8> = (0..16_000).map(|n| crate::voice::g711::a_encode(sample(n))).collect();
    [(Codec::Pcma, Clip::new(Codec::Pcma, bytes.into()).unwrap())].into()
}

fn order(members: Vec<Invited>) -> ConferenceOrder {
    ConferenceOrder {
        room: 7,
        number: ROOM.into(),
        title: "会商".into(),
        members,
        min_join: 0,
        min_by_ms: 0,
        chair: None,
        confirm: None,
        open: false,
        ring_within: Duration::from_secs(60),
        clips: announcement(),
        from: ROOM.into(),
        from_name: "会商 conference".into(),
    }
}

/// Waits for what some task brings about.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let waiting = async {
        while !done() {
            every.tick().await;
        }
    };
    let limit = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(limit.is_ok(), "not in time: {what}");
}

/// Sites, and the one way between them.
#[derive(Clone, Default)]
struct Net {
    sites: Arc<Mutex<BTreeMap<SiteId, (Conferences, Trunks)>>>,
    cut: Arc<AtomicBool>,
}

fn node(name: &SiteId) -> NodeId {
    NodeId(u64::from(name.as_str().as_bytes()[0]))
}

impl Net {
    fn of(&self, name: &SiteId) -> Option<(Conferences, Trunks)> {
        self.sites.lock().unwrap().get(name).cloned()
    }

    fn ask(&self, own: SiteId) -> Ask {
        let net = self.clone();
        Arc::new(move |to, body| {
            let (net, own) = (net.clone(), own.clone());
            Box::pin(async move {
                let there = net.of(&to).filter(|_| !net.cut.load(Ordering::Relaxed));
                let (there, _) = there.ok_or("cut")?;
                let answer = there.asked(node(&own), own, body).await;
                if net.cut.load(Ordering::Relaxed) { Err("cut".to_owned()) } else { Ok(answer) }
            })
        })
    }

    fn send(&self, own: SiteId) -> crate::trunk::SendDatagram {
        let net = self.clone();
        Arc::new(move |to, body| {
            let sites = net.sites.lock().unwrap();
            let there = sites.iter().find(|(site, _)| node(site) == to);
            let there = there.filter(|_| !net.cut.load(Ordering::Relaxed));
            there.map(|(_, (_, trunks))| trunks.received(node(&own), body)).is_some()
        })
    }

    fn link(&self, up: bool) {
        self.cut.store(!up, Ordering::Relaxed);
        let sites = self.sites.lock().unwrap();
        for (own, (here, _)) in &*sites {
            sites.keys().filter(|other| *other != own).for_each(|other| here.linked(other, up));
        }
    }
}

struct Site {
    sip: Sip,
    conferences: Conferences,
    news: mpsc::Receiver<ConferenceNews>,
    reports: mpsc::Sender<Report>,
    told: mpsc::Receiver<Report>,
    phones: TaskTracker,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Telephones hear the last word before SIP falls silent.
    quiet: CancellationToken,
    _accounts: watch::Sender<Arc<Accounts>>,
}

fn limits() -> Limits {
    Limits {
        ring_ms: 8_000,
        confirm_ms: 3_000,
        redials: 1,
        redial_ms: 1_000,
        busy_ms: 1_000,
        trunk_ms: 1_000,
        share_ms: 50,
        stray_ms: 1_000,
        orphan_ms: 1_500,
        ..Limits::default()
    }
}

fn accounts(numbers: &[&str]) -> Arc<Accounts> {
    let account = |number: &&str| {
        let text = format!("{number}:weir:secret-{number}");
        let (md5, sha256) = (Md5::digest(&text).into(), Sha256::digest(&text).into());
        ((*number).to_owned(), Account { md5, sha256 })
    };
    Arc::new(Accounts { by_number: numbers.iter().map(account).collect() })
}

impl Site {
    async fn open(name: &str, numbers: &[&str], net: &Net) -> Self {
        let name = site(name);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (told, accounts) = watch::channel(accounts(numbers));
        let config = SipConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            realm: "weir".into(),
            algorithms: Algorithm::ALL.to_vec(),
            emergency: Vec::new(),
            limits: SipLimits::default(),
        };
        let (arriving, mut arrivals) = mpsc::channel(64);
        let quiet = CancellationToken::new();
        let sip = Sip::start(config, accounts, Vec::new(), arriving, &tasks, quiet.clone());
        let sip = sip.await.unwrap();
        let ports = Ports::new("127.0.0.1".parse().unwrap(), &(20_000..=50_000)).unwrap();
        let (hears, heard) = mpsc::channel(256);
        let mixer =
            Mixer::start(ports.clone(), MixerConfig::default(), hears, &tasks, stop.clone());
        let trunks = Trunks::start(ports, net.send(name.clone()), &tasks, stop.clone()).unwrap();
        let (calls, rooms) = mpsc::channel(64);
        tasks.spawn(async move {
            while let Some(incoming) = arrivals.recv().await {
                let _ = calls.send(RoomCall { number: incoming.to.clone(), incoming }).await;
            }
        });
        let (news, newspaper) = mpsc::channel(256);
        let parts = ConferenceParts {
            site: name.clone(),
            sip: sip.clone(),
            mixer: mixer.unwrap(),
            heard,
            trunks: trunks.clone(),
            ask: net.ask(name.clone()),
            clips: Arc::new(|_, _| Box::pin(async { announcement() })),
            peer_of: Arc::new(|site| Some(node(site))),
            room_at: Arc::new(|number| {
                [("6", "HQ"), ("7", "R1")]
                    .iter()
                    .find_map(|(prefix, name)| number.starts_with(prefix).then(|| site(name)))
            }),
            reach: Arc::new(Some),
            rooms,
            news,
            limits: limits(),
        };
        let conferences = Conferences::start(parts, &tasks, stop.clone());
        net.sites.lock().unwrap().insert(name.clone(), (conferences.clone(), trunks));
        let (reports, told_reports) = mpsc::channel(64);
        Self {
            sip,
            conferences,
            news: newspaper,
            reports,
            told: told_reports,
            phones: TaskTracker::new(),
            tasks,
            stop,
            quiet,
            _accounts: told,
        }
    }

    async fn phone(&self, number: &str, hz: f64) -> Phone {
        let phone = Phone::new(self.sip.local(), number, hz, &self.phones).await;
        until("registered", || phone.seen().registered && self.sip.registered(number)).await;
        phone
    }

    async fn hold(&self, order: ConferenceOrder) {
        self.conferences.open(order, self.reports.clone()).unwrap();
        until("shown", || self.view().is_some()).await;
    }

    fn view(&self) -> Option<ConferenceView> {
        self.conferences.views().into_iter().next()
    }

    fn member(&self, who: &str) -> MemberView {
        let view = self.view().expect("no conference");
        let found = view.members.into_iter().find(|member| member.who == who);
        found.unwrap_or_else(|| panic!("{who} is no member"))
    }

    fn state(&self, who: &str) -> State {
        self.member(who).state
    }

    /// Everything ends in time when the node stops.
    async fn close(self) {
        self.stop.cancel();
        until("all conferences are over", || self.view().is_none()).await;
        self.quiet.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await;
        assert!(ended.is_ok(), "a task outlived the node");
    }
}
