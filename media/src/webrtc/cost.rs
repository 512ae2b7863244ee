//! What a viewer costs: 50 of them watch one picture of 1 Mbit/s over loopback, and
//! the processor time of the viewers' thread alone is read. Prints two lines.
//! `cargo run --profile weir -p weir-media --example viewer_cost [VIEWERS]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_media::webrtc::{Limits, Picture, Viewers};
use weir_signaling::picture::{Unit, UnitKind};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECONDS: u32 = 10;
/// 25 units a second of 5,000 bytes are 1 Mbit/s.
const EVERY_MS: u32 = 40;
const UNIT_BYTES: usize = 5_000;

struct Browser {
    rtc: Rtc,
    socket: UdpSocket,
    here: SocketAddr,
    connected: bool,
    due: std::time::Instant,
    seen: u64,
}

impl Browser {
    async fn new(viewers: &Viewers) -> Result<Self> {
        let socket = UdpSocket::bind((HERE, 0))?;
        socket.set_nonblocking(true)?;
        let here = socket.local_addr()?;
        let due = std::time::Instant::now();
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(due);
        rtc.add_local_candidate(Candidate::host(here, "udp")?);
        let mut api = rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().context("no offer")?;
        let answer = viewers.offer("dam", offer.to_sdp_string()).await?;
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer.sdp)?)?;
        let mut browser = Self { rtc, socket, here, connected: false, due, seen: 0 };
        browser.drain()?;
        Ok(browser)
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    let _ = self.socket.send_to(&datagram.contents, datagram.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => self.seen += 1,
                Output::Event(_) => {}
            }
        }
    }

    fn tick(&mut self) -> Result<()> {
        let mut datagram = [0; 2_000];
        while let Ok((length, source)) = self.socket.recv_from(&mut datagram) {
            let contents = datagram[..length].try_into()?;
            let destination = self.here;
            let receive = Receive { proto: Protocol::Udp, source, destination, contents };
            self.rtc.handle_input(Input::Receive(std::time::Instant::now(), receive))?;
            self.drain()?;
        }
        let now = std::time::Instant::now();
        if self.due <= now {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.drain()?;
        }
        Ok(())
    }
}

/// Nanoseconds that the viewers' thread has run.
fn worked() -> Result<u64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.starts_with("weir-viewers") {
            let stat = std::fs::read_to_string(task.join("schedstat"))?;
            return Ok(stat.split(' ').next().context("an empty schedstat")?.parse()?);
        }
    }
    anyhow::bail!("no thread of viewers")
}

fn unit(at_ms: u32) -> Unit {
    let key = at_ms == 0;
    let sets: &[u8] = if key { &[0, 0, 1, 0x67, 66, 1, 0, 0, 1, 0x68, 1] } else { &[] };
    let mut bytes = [sets, &[0, 0, 1, if key { 0x65 } else { 0x41 }]].concat();
    bytes.resize(UNIT_BYTES, 0x55);
    Unit { kind: if key { UnitKind::Key } else { UnitKind::Delta }, at_ms, bytes }
}

async fn watch(picture: &Picture, browsers: &mut [Browser]) -> Result<Duration> {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut at_ms = EVERY_MS;
    while at_ms <= SECONDS * 1_000 {
        ticks.tick().await;
        if began.elapsed() >= Duration::from_millis(u64::from(at_ms)) {
            picture.push(&unit(at_ms));
            at_ms += EVERY_MS;
        }
        browsers.iter_mut().try_for_each(Browser::tick)?;
    }
    Ok(began.elapsed())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let number = std::env::args().nth(1).map_or(Ok(50), |text| text.parse::<u64>())?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let listen = SocketAddr::new(HERE, 0);
    let viewers = Viewers::start(listen, &[], Limits::default(), &tasks, stop.clone())?;
    let picture = viewers.picture("dam")?;
    picture.push(&unit(0));
    let began = Instant::now();
    // A thread gives itself its name a moment after it was started.
    while worked().is_err() && began.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = worked()?;
    let mut browsers = Vec::new();
    for _ in 0..number {
        let mut browser = Browser::new(&viewers).await?;
        while !browser.connected || browser.seen == 0 {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(60), "it does not connect");
            browser.tick()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        browsers.push(browser);
        browsers.iter_mut().try_for_each(Browser::tick)?;
    }
    let joining = (worked()? - before) / number.max(1) / 1_000;
    let (before, packets) = (worked()?, viewers.stats().packets);
    let took = watch(&picture, &mut browsers).await?;
    let (work, packets) = (worked()? - before, viewers.stats().packets - packets);
    let core = work as f64 / took.as_nanos() as f64;
    let (each, whole) = (work / packets.max(1), number as f64 / core);
    println!(
        "{number} viewers of 1 Mbit/s: {packets} packets, {each} ns a packet, {whole:.0} viewers \
         a core, {joining} us of this thread to join"
    );
    println!("{:?}, seen {}", viewers.stats(), browsers.iter().map(|one| one.seen).sum::<u64>());
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}
