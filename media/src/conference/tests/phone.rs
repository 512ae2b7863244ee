//! A telephone for tests: its own SIP text over a real socket, a tone into its
//! RTP, and an ear for the tones of others. Shares no code with what it tests.

use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use md5::{Digest, Md5};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use crate::voice::{g711, rtp};

pub(super) const LOUD: f64 = 6_000.0;
/// What is listened to: the last 300 ms.
const EAR: usize = 2_400;

/// What it does when it is rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Answers,
    Rings,
    Busy,
}

/// What a test has seen of it.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) registered: bool,
    /// INVITEs to it that began something.
    pub(super) rung: u32,
    pub(super) from: String,
    pub(super) talks: bool,
    /// What its last call was refused with.
    pub(super) refused: Option<String>,
    pub(super) moved: u32,
}

#[derive(Debug)]
enum Do {
    Call(String, String),
    HangUp,
    Offer(&'static str),
    Info(char),
}

struct Shared {
    mood: Mood,
    seen: Seen,
    to: Option<SocketAddr>,
    key: Option<(u8, u32, u32)>,
    heard: Vec<i16>,
}

type State = Arc<Mutex<Shared>>;

pub(super) struct Phone {
    state: State,
    orders: mpsc::Sender<Do>,
    pub(super) hz: f64,
}

struct Dialog {
    from: String,
    to: String,
    call_id: String,
    target: String,
    cseq: u32,
}

struct Line {
    socket: UdpSocket,
    local: SocketAddr,
    number: String,
    sound: SocketAddr,
    state: State,
    dialog: Option<Dialog>,
    /// An INVITE that rings, or ours that was not answered yet.
    open: Option<String>,
    count: u32,
    version: u32,
}

fn lock(state: &State) -> std::sync::MutexGuard<'_, Shared> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn field(message: &str, name: &str) -> String {
    let head = message.split("\r\n\r\n").next().unwrap();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
}

fn uri(address: &str) -> String {
    address.split('<').nth(1).unwrap().split('>').next().unwrap().to_owned()
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Phone {
    pub(super) async fn new(
        server: SocketAddr,
        number: &str,
        hz: f64,
        tasks: &TaskTracker,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server).await.unwrap();
        let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(Mutex::new(Shared {
            mood: Mood::Answers,
            seen: Seen::default(),
            to: None,
            key: None,
            heard: vec![0; EAR],
        }));
        let (orders, ordered) = mpsc::channel(8);
        let line = Line {
            local: socket.local_addr().unwrap(),
            socket,
            number: number.into(),
            sound: rtp.local_addr().unwrap(),
            state: state.clone(),
            dialog: None,
            open: None,
            count: 0,
            version: 1,
        };
        tasks.spawn(line.run(ordered));
        tasks.spawn(sound(rtp, state.clone(), hz));
        Self { state, orders, hz }
    }

    pub(super) fn mood(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }

    pub(super) async fn call(&self, number: &str) {
        self.orders.send(Do::Call(number.into(), "8 101".into())).await.unwrap();
    }

    pub(super) async fn call_with(&self, number: &str, formats: &str) {
        self.orders.send(Do::Call(number.into(), formats.into())).await.unwrap();
    }

    pub(super) async fn hang_up(&self) {
        self.orders.send(Do::HangUp).await.unwrap();
    }

    pub(super) async fn offer(&self, direction: &'static str) {
        self.orders.send(Do::Offer(direction)).await.unwrap();
    }

    pub(super) async fn info(&self, key: char) {
        self.orders.send(Do::Info(key)).await.unwrap();
    }

    /// As an event in RTP (RFC 4733).
    pub(super) fn press(&self, key: u8) {
        lock(&self.state).key = Some((key, 0, 0));
    }

    pub(super) fn level(&self, hz: f64) -> f64 {
        amplitude(&lock(&self.state).heard, hz)
    }

    pub(super) fn hears(&self, others: &[f64]) -> bool {
        others.iter().all(|hz| self.level(*hz) > LOUD / 2.0)
    }

    pub(super) fn misses(&self, others: &[f64]) -> bool {
        others.iter().all(|hz| self.level(*hz) < LOUD / 15.0)
    }
}

/// Of one tone among others (Goertzel).
fn amplitude(samples: &[i16], hz: f64) -> f64 {
    let step = 2.0 * (TAU * hz / 8_000.0).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) + step * last - before, last);
    }
    let power = last * last + before * before - step * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

async fn sound(socket: UdpSocket, state: State, hz: f64) {
    let mut every = interval(Duration::from_millis(20));
    every.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut seq, mut timestamp) = (1_u16, 8_000_u32);
    let mut buffer = [0; 2_000];
    loop {
        tokio::select! {
            _ = every.tick() => {
                for packet in hum(&state, hz, &mut seq, &mut timestamp) {
                    let to = lock(&state).to;
                    if let Some(to) = to {
                        let _ = socket.send_to(&packet, to).await;
                    }
                }
            }
            Ok((length, _)) = socket.recv_from(&mut buffer) => {
                let Some(packet) = rtp::parse(&buffer[..length]) else { continue };
                if packet.payload_type == 8 {
                    let heard = &mut lock(&state).heard;
                    heard.extend(packet.payload.iter().map(|byte| g711::a_decode(*byte)));
                    let old = heard.len().saturating_sub(EAR);
                    heard.drain(..old);
                }
            }
        }
    }
}

fn hum(state: &State, hz: f64, seq: &mut u16, timestamp: &mut u32) -> Vec<Vec<u8>> {
    let mut shared = lock(state);
    let sample = |n: u32| {
        let at = f64::from(timestamp.wrapping_add(n)) / 8_000.0;
        (LOUD * (TAU * hz * at).sin()) as i16
    };
    let payload: Vec<u8> = (0..160).map(|n| g711::a_encode(sample(n))).collect();
    let mut packets = Vec::new();
    let mut send = |payload_type, timestamp, payload: &[u8]| {
        let packet =
            rtp::Packet { marker: false, payload_type, seq: *seq, timestamp, ssrc: 7, payload };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        packets.push(bytes);
        *seq = seq.wrapping_add(1);
    };
    send(8, *timestamp, &payload);
    if let Some((key, began, count)) = shared.key {
        let began = if count == 0 { *timestamp } else { began };
        let held = u16::try_from((count + 1) * 160).unwrap().to_be_bytes();
        let end = if count >= 5 { 0x80 } else { 0 };
        send(101, began, &[key, end | 10, held[0], held[1]]);
        shared.key = (count < 7).then_some((key, began, count + 1));
    }
    *timestamp = timestamp.wrapping_add(160);
    packets
}

impl Line {
    async fn run(mut self, mut orders: mpsc::Receiver<Do>) {
        self.register().await;
        let mut buffer = vec![0; 65_536];
        loop {
            tokio::select! {
                Ok(length) = self.socket.recv(&mut buffer) => {
                    let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    self.hear(&message).await;
                }
                order = orders.recv() => match order {
                    Some(order) => self.carry_out(order).await,
                    None => return,
                },
            }
        }
    }

    async fn send(&self, text: &str) {
        let _ = self.socket.send(text.as_bytes()).await;
    }

    async fn next(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).await.unwrap_or(0);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn via(&mut self) -> String {
        self.count += 1;
        let (local, port, count) = (self.local, self.local.port(), self.count);
        format!("Via: SIP/2.0/UDP {local};branch=z9hG4bK-{port}-{count};rport")
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>", self.number, self.local)
    }

    fn authorized(&self, method: &str, challenge: &str) -> String {
        let number = &self.number;
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let ha1 = hex(&format!("{number}:weir:secret-{number}"));
        let ha2 = hex(&format!("{method}:sip:weir"));
        let response = hex(&format!("{ha1}:{nonce}:00000001:c0ffee:auth:{ha2}"));
        format!(
            "Authorization: Digest username=\"{number}\", realm=\"weir\", nonce=\"{nonce}\", \
             uri=\"sip:weir\", response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, \
             cnonce=\"c0ffee\"\r\n"
        )
    }

    fn challenge(answer: &str) -> String {
        let mut lines = answer.lines().filter(|line| line.contains("WWW-Authenticate"));
        lines.find(|line| line.contains("algorithm=MD5")).unwrap().to_owned()
    }

    async fn register(&mut self) {
        let mut auth = String::new();
        for cseq in 1..3 {
            let (via, contact, number) = (self.via(), self.contact(), self.number.clone());
            let local = self.local;
            self.send(&format!(
                "REGISTER sip:weir SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n\
                 From: <sip:{number}@weir>;tag=r{cseq}\r\nTo: <sip:{number}@weir>\r\n\
                 Call-ID: reg-{local}\r\nCSeq: {cseq} REGISTER\r\n{contact}\r\nExpires: 600\r\n\
                 {auth}Content-Length: 0\r\n\r\n"
            ))
            .await;
            let answer = self.next().await;
            if answer.starts_with("SIP/2.0 401") {
                auth = self.authorized("REGISTER", &Self::challenge(&answer));
            } else {
                assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
                lock(&self.state).seen.registered = true;
            }
        }
    }

    fn sdp(&mut self, formats: &str, direction: &str) -> String {
        let (version, port) = (self.version, self.sound.port());
        self.version += 1;
        format!(
            "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n\
             a={direction}\r\n"
        )
    }

    async fn answer(&self, request: &str, status: &str, body: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text += &format!("{name}: {}\r\n", field(request, name));
        }
        let to = field(request, "To");
        let tag =
            if to.contains(";tag=") { String::new() } else { format!(";tag={}", self.number) };
        let (contact, length) = (self.contact(), body.len());
        text += &format!("To: {to}{tag}\r\n{contact}\r\nContent-Type: application/sdp\r\n");
        self.send(&format!("{text}Content-Length: {length}\r\n\r\n{body}")).await;
    }

    /// Where they want our sound.
    fn aim(&self, sdp: &str) {
        let media = sdp.lines().find(|line| line.starts_with("m=audio ")).unwrap();
        let port: u16 = media.split(' ').nth(1).unwrap().parse().unwrap();
        lock(&self.state).to = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    }

    fn over(&mut self) {
        self.dialog = None;
        let mut shared = lock(&self.state);
        (shared.to, shared.seen.talks) = (None, false);
        shared.heard.fill(0);
    }

    async fn hear(&mut self, message: &str) {
        let method = message.split(' ').next().unwrap_or_default().to_owned();
        match method.as_str() {
            "INVITE" => self.invited(message).await,
            "ACK" => {}
            "BYE" => {
                self.answer(message, "200 OK", "").await;
                self.over();
            }
            "CANCEL" => {
                self.answer(message, "200 OK", "").await;
                if let Some(invite) = self.open.take() {
                    self.answer(&invite, "487 Request Terminated", "").await;
                }
            }
            "SIP/2.0" => self.told(message).await,
            _ => self.answer(message, "200 OK", "").await,
        }
    }

    async fn invited(&mut self, invite: &str) {
        let body = invite.split("\r\n\r\n").nth(1).unwrap_or_default();
        if field(invite, "To").contains(";tag=") {
            self.aim(body);
            let sdp = self.sdp("8 101", "sendrecv");
            self.answer(invite, "200 OK", &sdp).await;
            lock(&self.state).seen.moved += 1;
            return;
        }
        let repeated = self
            .open
            .as_ref()
            .or(None)
            .is_some_and(|open| field(open, "Call-ID") == field(invite, "Call-ID"));
        let mood = {
            let mut shared = lock(&self.state);
            shared.seen.rung += u32::from(!repeated);
            shared.seen.from = field(invite, "From");
            shared.mood
        };
        match mood {
            Mood::Busy => self.answer(invite, "486 Busy Here", "").await,
            Mood::Rings => {
                self.answer(invite, "180 Ringing", "").await;
                self.open = Some(invite.to_owned());
            }
            Mood::Answers => {
                self.aim(body);
                let sdp = self.sdp("8 101", "sendrecv");
                self.answer(invite, "200 OK", &sdp).await;
                self.dialog = Some(Dialog {
                    from: format!("{};tag={}", field(invite, "To"), self.number),
                    to: field(invite, "From"),
                    call_id: field(invite, "Call-ID"),
                    target: uri(&field(invite, "Contact")),
                    cseq: 100,
                });
                lock(&self.state).seen.talks = true;
            }
        }
    }

    /// An answer to something of ours.
    async fn told(&mut self, answer: &str) {
        let cseq = field(answer, "CSeq");
        let code = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        if !cseq.ends_with("INVITE") || code.starts_with('1') {
            return;
        }
        let number = cseq.split(' ').next().unwrap().to_owned();
        let to = field(answer, "To");
        let target = match field(answer, "Contact") {
            contact if contact.is_empty() => "sip:weir".to_owned(),
            contact => uri(&contact),
        };
        let (via, from, call_id) = (self.via(), field(answer, "From"), field(answer, "Call-ID"));
        let ack_via =
            if code.starts_with('2') { via } else { format!("Via: {}", field(answer, "Via")) };
        self.send(&format!(
            "ACK {target} SIP/2.0\r\n{ack_via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
        if code == "401" {
            let Some(invite) = self.open.take() else { return };
            let (via, auth) = (self.via(), self.authorized("INVITE", &Self::challenge(answer)));
            let old = format!("Via: {}", field(&invite, "Via"));
            let again = invite.replace(&old, &via).replace("CSeq: 1 ", "CSeq: 2 ");
            let again = again.replace("Content-Type:", &format!("{auth}Content-Type:"));
            return self.send(&again).await;
        }
        if code.starts_with('2') {
            self.aim(answer.split("\r\n\r\n").nth(1).unwrap());
            let cseq = number.parse().unwrap();
            self.dialog = Some(Dialog { from, to, call_id, target, cseq });
            lock(&self.state).seen.talks = true;
        } else {
            lock(&self.state).seen.refused = Some(answer.to_owned());
        }
    }

    async fn carry_out(&mut self, order: Do) {
        match order {
            Do::Call(to, formats) => {
                let (via, contact, sdp) =
                    (self.via(), self.contact(), self.sdp(&formats, "sendrecv"));
                let (number, local, count) = (self.number.clone(), self.local, self.count);
                let invite = format!(
                    "INVITE sip:{to}@weir SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n\
                     From: <sip:{number}@weir>;tag=c{count}\r\nTo: <sip:{to}@weir>\r\n\
                     Call-ID: call-{count}-{local}\r\nCSeq: 1 INVITE\r\n{contact}\r\n\
                     Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                    sdp.len()
                );
                self.send(&invite).await;
                self.open = Some(invite);
            }
            Do::HangUp => {
                self.within("BYE", "", "").await;
                self.over();
            }
            Do::Offer(direction) => {
                let sdp = self.sdp("8 101", direction);
                self.within("INVITE", "application/sdp", &sdp).await;
            }
            Do::Info(key) => {
                let body = format!("Signal={key}\r\nDuration=100\r\n");
                self.within("INFO", "application/dtmf-relay", &body).await;
            }
        }
    }

    async fn within(&mut self, method: &str, kind: &str, body: &str) {
        let (via, contact) = (self.via(), self.contact());
        let Some(dialog) = &mut self.dialog else { panic!("{} is in no call", self.number) };
        dialog.cseq += 1;
        let Dialog { from, to, call_id, target, cseq } = dialog;
        let kind =
            if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let text = format!(
            "{method} {target} SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(&text).await;
    }
}
