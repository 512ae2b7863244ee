//! What devices and strangers see of a node's SIP, over real sockets.

mod answering;
mod any;
mod arriving;
mod calls;
mod device;
mod machine;
mod property;
mod registering;
mod renewing;
mod stale;
mod strangers;
mod torture;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::AutoAnswer;

use super::*;
use device::{Device, ha1};

const REALM: &str = "weir";

/// A node with some numbers, each with the password `secret-NUMBER`.
struct House {
    sip: Sip,
    accounts: watch::Sender<Arc<Accounts>>,
    /// Calls that telephones make.
    arrivals: mpsc::Receiver<Incoming>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn accounts(numbers: &[&str]) -> Arc<Accounts> {
    let account = |number: &&str| {
        let password = format!("secret-{number}");
        let sums = ha1(number, REALM, &password);
        ((*number).to_owned(), Account { md5: sums.0, sha256: sums.1 })
    };
    Arc::new(Accounts { by_number: numbers.iter().map(account).collect::<BTreeMap<_, _>>() })
}

impl House {
    async fn with(numbers: &[&str], limits: SipLimits, kept: Vec<KeptBinding>) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        Self::at(listen, numbers, limits, kept).await
    }

    async fn at(
        listen: SocketAddr,
        numbers: &[&str],
        limits: SipLimits,
        kept: Vec<KeptBinding>,
    ) -> Self {
        let (told, accounts) = watch::channel(accounts(numbers));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let config = SipConfig {
            listen,
            realm: REALM.into(),
            algorithms: Algorithm::ALL.to_vec(),
            emergency: Vec::new(),
            limits,
        };
        let (arriving, arrivals) = mpsc::channel(512);
        let sip = Sip::start(config, accounts, kept, arriving, &tasks, stop.clone()).await.unwrap();
        Self { sip, accounts: told, arrivals, tasks, stop }
    }

    async fn open(numbers: &[&str]) -> Self {
        Self::with(numbers, SipLimits::default(), Vec::new()).await
    }

    async fn udp(&self, number: &str) -> Device {
        Device::udp(self.sip.local(), number).await
    }

    async fn tcp(&self, number: &str) -> Device {
        Device::tcp(self.sip.local(), number).await
    }

    /// A registered loudspeaker over UDP.
    async fn speaker(&self, number: &str) -> Device {
        let mut device = self.udp(number).await;
        device.register_well().await;
        self.until_registered(number).await;
        device
    }

    async fn until_registered(&self, number: &str) {
        self.until("registered", || self.sip.registered(number)).await;
    }

    /// Waits for a condition that some task brings about.
    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let mut every = tokio::time::interval(Duration::from_millis(5));
        let waiting = async {
            while !done() {
                every.tick().await;
            }
        };
        let limit = tokio::time::timeout(Duration::from_secs(5), waiting).await;
        assert!(limit.is_ok(), "not {what} in time: {:?}", self.sip.counters());
    }

    /// The next call that a telephone makes.
    async fn arrival(&mut self) -> Incoming {
        let came = tokio::time::timeout(Duration::from_secs(5), self.arrivals.recv()).await;
        came.expect("nobody called in time").unwrap()
    }

    /// Still serves: a stranger's OPTIONS is answered.
    async fn still_serves(&self) {
        let mut stranger = self.udp("nobody").await;
        let answer = stranger.ask("OPTIONS", &[]).await;
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(3), self.tasks.wait()).await;
        assert!(ended.is_ok(), "a task outlived the node");
    }
}

fn page(to: &str) -> Outgoing {
    Outgoing {
        to: to.into(),
        from: "5400".into(),
        from_name: "调度台".into(),
        auto_answer: AutoAnswer::CallInfo,
        offer: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 4000 RTP/AVP 8\r\n".into(),
        answer_within: Duration::from_secs(5),
        dial: None,
        max_forwards: 70,
        changes: Changes::Refuse,
    }
}

async fn next(call: &mut Call) -> Option<CallEvent> {
    tokio::time::timeout(Duration::from_secs(8), call.next()).await.expect("no event in time")
}
