//! The same over the real SIP stack: a horn of hand-written text, over loopback
//! and in real time.

use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::*;
use crate::sip::{Account, Accounts, KeptBinding, Sip, SipConfig, SipLimits, Transport};

/// Answers every INVITE at once; writes down the methods that came.
struct TextHorn {
    sip: UdpSocket,
    rtp: SocketAddr,
    methods: Arc<Mutex<Vec<String>>>,
}

impl TextHorn {
    async fn serve(self) {
        let mut buffer = vec![0; 65_536];
        let local = self.sip.local_addr().unwrap();
        while let Ok((len, node)) = self.sip.recv_from(&mut buffer).await {
            let request = String::from_utf8_lossy(&buffer[..len]).into_owned();
            let method = request.split(' ').next().unwrap_or_default().to_owned();
            self.methods.lock().unwrap().push(method.clone());
            let mut answer = "SIP/2.0 200 OK\r\n".to_owned();
            for line in request.lines().take_while(|line| !line.is_empty()) {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                let tag = if name == "to" && !line.contains("tag=") { ";tag=horn" } else { "" };
                if ["via", "from", "to", "call-id", "cseq"].contains(&name.as_str()) {
                    answer += &format!("{line}{tag}\r\n");
                }
            }
            let rtp = self.rtp.port();
            let body = match method.as_str() {
                "ACK" => continue,
                "INVITE" => {
                    format!("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {rtp} RTP/AVP 8\r\n")
                }
                _ => String::new(),
            };
            answer += &format!("Contact: <sip:11@{local}>\r\nContent-Type: application/sdp\r\n");
            answer += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
            self.sip.send_to(answer.as_bytes(), node).await.unwrap();
        }
    }
}

fn registered(address: SocketAddr) -> KeptBinding {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(since.as_millis()).unwrap();
    KeptBinding {
        number: "11".into(),
        contact: format!("sip:11@{address}"),
        transport: Transport::Udp,
        address,
        reachable: true,
        q_permille: 1_000,
        path: Vec::new(),
        call_id: "a".into(),
        cseq: 1,
        refreshed_unix_ms: now_ms,
        expires_unix_ms: now_ms + 3_600_000,
        mark: None,
    }
}

#[tokio::test]
async fn a_page_over_real_sip_calls_plays_and_hangs_up() {
    let rtp = StdSocket::bind("127.0.0.1:0").unwrap();
    rtp.set_nonblocking(true).unwrap();
    let sip = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, methods) = (sip.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let horn = TextHorn { sip, rtp: rtp.local_addr().unwrap(), methods: methods.clone() };
    let mut devices = JoinSet::new();
    devices.spawn(horn.serve());

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let account = Account { md5: [0; 16], sha256: [0; 32] };
    let accounts = Accounts { by_number: BTreeMap::from([("11".to_owned(), account)]) };
    let (_told, accounts) = watch::channel(Arc::new(accounts));
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = SipConfig {
        listen,
        realm: "weir".into(),
        algorithms: crate::sip::Algorithm::ALL.to_vec(),
        emergency: Vec::new(),
        limits: SipLimits::default(),
    };
    let kept = vec![registered(address)];
    let (arrivals, _nobody_calls) = mpsc::channel(1);
    let stack = Sip::start(config, accounts, kept, arrivals, &tasks, stop.clone()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("calls.json");
    let config = PagerConfig { rtp: [127, 0, 0, 1].into(), ports: 30_000..=31_999, notes };
    let dice = Dice::new(|bytes| bytes.fill(9));
    let pager = Pager::start(stack, config, dice, &tasks, stop.clone()).await.unwrap();

    let (done, page) = oneshot::channel();
    pager.page(order(1, &[11]), done);
    assert_eq!(ended(page).await, (EffectResult::Done, proof(Grade::Answered, 1, 1)));
    let over = async {
        while !methods.lock().unwrap().contains(&"BYE".to_owned()) {
            street::after(10).await;
        }
    };
    timeout(Duration::from_secs(5), over).await.expect("never hung up");
    let mut once = methods.lock().unwrap().clone();
    once.dedup();
    assert_eq!(once, ["INVITE", "ACK", "BYE"]);
    let (mut packets, mut buffer) = (0, [0; 1_500]);
    while rtp.recv(&mut buffer).is_ok() {
        packets += 1;
    }
    let late = pager.counters().frames_late;
    assert_eq!(packets + late, 75);
    stop.cancel();
    tasks.close();
    timeout(Duration::from_secs(5), tasks.wait()).await.expect("a task goes on");
}
