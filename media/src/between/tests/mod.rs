//! Two sites in one process, joined by streams that can be cut.

mod calls;
#[path = "../../sip/tests/device.rs"]
#[expect(dead_code, reason = "other stories use the rest")]
#[expect(clippy::duplicate_mod, reason = "one telephone, for the stories of SIP and for these")]
mod device;
mod exchanges;
mod floods;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_signaling::between::{Closing, Media, Said};
use weir_signaling::sdp::{self, Direction};

use super::*;
use crate::trunk::Trunks;
use crate::voice::Ports;

const HERE: NodeId = NodeId(1);
const THERE: NodeId = NodeId(2);
const WITHIN: Duration = Duration::from_secs(100);

/// What lies between the nodes.
#[derive(Default)]
struct Net {
    nodes: Mutex<BTreeMap<NodeId, Between>>,
    cut: AtomicBool,
    opened: AtomicUsize,
    streams: Mutex<Vec<CancellationToken>>,
    tasks: TaskTracker,
}

impl Net {
    fn open(&self, from: NodeId, to: NodeId, first: Bytes) -> Result<Wire, String> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        if self.cut.load(Ordering::Relaxed) {
            return Err("cut".into());
        }
        let other = self.nodes.lock().unwrap().get(&to).cloned().ok_or("nobody is there")?;
        let cut = CancellationToken::new();
        self.streams.lock().unwrap().push(cut.clone());
        let (near, far) = (self.pump(&cut), self.pump(&cut));
        let wire = Wire { outgoing: near.0, incoming: far.1 };
        other.arrived(from, first, Wire { outgoing: far.0, incoming: near.1 });
        Ok(wire)
    }

    fn pump(&self, cut: &CancellationToken) -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
        let (into, mut taken) = mpsc::channel::<Bytes>(4);
        let (give, out) = mpsc::channel(4);
        let cut = cut.clone();
        self.tasks.spawn(async move {
            loop {
                let frame = tokio::select! {
                    biased;
                    () = cut.cancelled() => return,
                    frame = taken.recv() => frame,
                };
                let Some(frame) = frame else { return };
                if give.send(frame).await.is_err() {
                    return;
                }
            }
        });
        (into, out)
    }

    /// Every stream breaks.
    fn breaks(&self) {
        self.streams.lock().unwrap().drain(..).for_each(|stream| stream.cancel());
    }

    fn reach(&self, so: bool) {
        self.cut.store(!so, Ordering::Relaxed);
    }
}

struct Town {
    between: Between,
    arrivals: Option<mpsc::Receiver<Incoming>>,
    admitted: Arc<AtomicUsize>,
}

/// Counts what is admitted.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Land {
    net: Arc<Net>,
    here: Town,
    there: Town,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn ports(range: std::ops::RangeInclusive<u16>) -> Ports {
    Ports::new(IpAddr::V4(Ipv4Addr::LOCALHOST), &range).unwrap()
}

fn town(
    net: &Arc<Net>,
    me: NodeId,
    range: std::ops::RangeInclusive<u16>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Town {
    let send: crate::trunk::SendDatagram = Arc::new(|_, _| true);
    let trunks = Trunks::start(ports(range), send, tasks, stop.clone()).unwrap();
    let roads = net.clone();
    let admitted = Arc::new(AtomicUsize::new(0));
    let counts = admitted.clone();
    let parts = BetweenParts {
        trunks,
        open: Arc::new(move |to, _, first| {
            let roads = roads.clone();
            Box::pin(async move { roads.open(me, to, first) })
        }),
        admit: Arc::new(move |_, emergency| {
            if counts.load(Ordering::Relaxed) >= 300 && !emergency {
                let words = "带宽不足 / no bandwidth".to_owned();
                return Err(Declined { code: 503, words });
            }
            counts.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(Counted(counts.clone())))
        }),
        peer_of: Arc::new(|site| match site.as_str() {
            "R1" => Some(HERE),
            "R2" => Some(THERE),
            _ => None,
        }),
    };
    let (arrive, arrivals) = mpsc::channel(300);
    let between = Between::start(parts, arrive, tasks, stop.clone());
    net.nodes.lock().unwrap().insert(me, between.clone());
    Town { between, arrivals: Some(arrivals), admitted }
}

impl Land {
    /// `first`: where the ports of both towns begin, so that tests at the same time
    /// do not take each other's.
    fn new(first: u16) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let net = Arc::new(Net::default());
        let here = town(&net, HERE, first..=first + 1_199, &tasks, &stop);
        let there = town(&net, THERE, first + 1_200..=first + 2_399, &tasks, &stop);
        Self { net, here, there, tasks, stop }
    }

    fn dials(&self) -> Call {
        self.here.between.call(outgoing("R2", &said(1, "8 0 101", "sendrecv"))).unwrap()
    }

    async fn arrival(&mut self) -> Incoming {
        let arrivals = self.there.arrivals.as_mut().unwrap();
        timeout(WITHIN, arrivals.recv()).await.expect("nobody called in time").unwrap()
    }

    /// Two who talk.
    async fn talk(&mut self) -> (Call, Call) {
        let mut near = self.dials();
        let mut incoming = self.arrival().await;
        assert_eq!(next(&mut near).await, Some(CallEvent::Trying));
        incoming.call.answer(said(2, "8 101", "sendrecv")).await;
        assert!(matches!(next(&mut near).await, Some(CallEvent::Answered { .. })));
        assert_eq!(next(&mut incoming.call).await, Some(CallEvent::Confirmed));
        (near, incoming.call)
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let mut every = tokio::time::interval(Duration::from_millis(5));
        let waiting = async {
            while !done() {
                every.tick().await;
            }
        };
        assert!(timeout(WITHIN, waiting).await.is_ok(), "not {what} in time");
    }

    /// Nothing is left of any call.
    async fn until_empty(&self) {
        let none =
            |town: &Town| town.between.calls() == 0 && town.admitted.load(Ordering::Relaxed) == 0;
        self.until("over", || none(&self.here) && none(&self.there)).await;
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        let ended = timeout(Duration::from_secs(5), self.tasks.wait()).await;
        assert!(ended.is_ok(), "a task outlived the node");
    }
}

fn said(host: u8, formats: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- {host} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

fn outgoing(site: &str, offer: &str) -> Outgoing {
    Outgoing {
        site: SiteId::new(site).unwrap(),
        to: "6001".into(),
        from: "5001".into(),
        from_name: "甲".into(),
        emergency: false,
        offer: offer.into(),
        answer_within: Duration::from_secs(60),
        max_forwards: 69,
    }
}

fn setup(key: u8, max_forwards: u8) -> Bytes {
    let said = Said { codecs: vec![Codec::Pcma], events: true, direction: Direction::Both };
    let setup = Setup {
        call: CallKey([key; 16]),
        from: "5001".into(),
        from_name: String::new(),
        dialled: "6001".into(),
        emergency: false,
        max_forwards,
        media: Media { said, channel: 3 },
    };
    let message = Message { number: 1, expects: 1, word: Word::Setup(setup) };
    message.bytes().unwrap().into()
}

async fn next(call: &mut Call) -> Option<CallEvent> {
    timeout(WITHIN, call.next()).await.expect("no event in time")
}

/// One stream of a stranger: what it says, and what it hears.
fn stranger() -> (Wire, mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
    let ((outgoing, hears), (says, incoming)) = (mpsc::channel(8), mpsc::channel(8));
    (Wire { outgoing, incoming }, says, hears)
}

async fn hears(heard: &mut mpsc::Receiver<Bytes>) -> Word {
    let frame = timeout(WITHIN, heard.recv()).await.expect("nothing came").unwrap();
    Message::read(&frame).unwrap().word
}
