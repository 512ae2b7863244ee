//! What a packet costs: 500 lanes of G.711 on loopback, 50 packets a second each
//! way, and the processor time of the relay's thread alone. Prints one line.
//! `cargo run --profile weir -p weir-media --example relay_cost [LANES]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_media::voice::Ports;
use weir_media::voice::relay::{Aim, Lane, Relay, RelayConfig, Side};
use weir_signaling::sdp::Kind;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECONDS: u64 = 10;
/// Telephones do not speak in step: a twentieth of them each millisecond.
const SLICES: usize = 20;

struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    seq: u16,
    heard: u64,
}

impl Phone {
    fn new(lane: &Lane, side: Side) -> Result<Self> {
        let socket = UdpSocket::bind((HERE, 0))?;
        socket.set_nonblocking(true)?;
        let rtp = socket.local_addr()?;
        let formats = vec![(8, Kind::Pcma), (101, Kind::Event)];
        lane.aim(side, Some(Aim { rtp, rtcp: rtp, also_from: None, hears: true, formats }));
        Ok(Self { socket, to: lane.address(side), seq: 0, heard: 0 })
    }

    fn tick(&mut self) {
        let mut packet = [0xd5; 172];
        while self.socket.recv(&mut packet).is_ok() {
            self.heard += 1;
        }
        packet[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.seq) * 160).to_be_bytes());
        self.seq = self.seq.wrapping_add(1);
        let _ = self.socket.send_to(&packet, self.to);
    }
}

/// Nanoseconds that the relay's thread has run.
fn worked() -> Result<u64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.starts_with("weir-relay") {
            let stat = std::fs::read_to_string(task.join("schedstat"))?;
            return Ok(stat.split(' ').next().context("an empty schedstat")?.parse()?);
        }
    }
    anyhow::bail!("no relay thread")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let lanes = std::env::args().nth(1).map_or(Ok(500), |text| text.parse())?;
    let (heard_by, _heard) = mpsc::channel(64);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ports = Ports::new(HERE, &(24_000..=31_999))?;
    let relay = Relay::start(ports, RelayConfig::default(), heard_by, &tasks, stop.clone())?;
    let open: Vec<Lane> = (0..lanes).map(|call| relay.open(call)).collect::<Result<_, _>>()?;
    let mut phones = Vec::new();
    for lane in &open {
        phones.push(Phone::new(lane, Side::A)?);
        phones.push(Phone::new(lane, Side::B)?);
    }
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut before = (Instant::now(), 0, 0);
    for tick in 0..(SECONDS + 1) * 1_000 {
        // The first second settles.
        if tick == 1_000 {
            before = (Instant::now(), worked()?, relay.stats().passed);
        }
        ticks.tick().await;
        let slice = usize::try_from(tick)? % SLICES;
        phones.iter_mut().skip(slice).step_by(SLICES).for_each(Phone::tick);
    }
    let (took, work) = (before.0.elapsed(), worked()? - before.1);
    let passed = relay.stats().passed - before.2;
    let core = work as f64 / took.as_nanos() as f64;
    let (each, call) = (work / passed.max(1), core * 100.0 / lanes as f64);
    println!("{lanes} lanes: {passed} packets, {each} ns a packet, {call:.4} % of a core a call");
    println!("{:?}, heard {}", relay.stats(), phones.iter().map(|p| p.heard).sum::<u64>());
    drop(open);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}
