//! Viewers as their browsers would see it: another WebRTC session over real
//! sockets on loopback. The rules, packets and hostile input by themselves.

mod browser;
mod hostile;
mod packing;
mod showing;
mod staging;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use weir_signaling::picture::{Unit, UnitKind};

use super::*;
use browser::Browser;

pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A service of its own.
pub(super) struct Bench {
    pub(super) runtime: Runtime,
    pub(super) viewers: Viewers,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let viewers = {
            let _inside = runtime.enter();
            Viewers::start(SocketAddr::new(HERE, 0), &[], limits, &tasks, stop.clone()).unwrap()
        };
        Self { runtime, viewers, tasks, stop }
    }

    pub(super) fn offer(&self, picture: &str, sdp: &str) -> Result<Answer, OfferError> {
        self.runtime.block_on(self.viewers.offer(picture, sdp.to_owned()))
    }

    /// A browser that watches, connected.
    pub(super) fn browser(&self, picture: &str) -> Browser {
        let mut browser = Browser::new();
        let offer = browser.offer();
        let answer = self.offer(picture, &offer).unwrap();
        browser.accept(&answer);
        browser.until("it is connected", |browser| browser.connected);
        browser
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.close();
        let waited = Duration::from_secs(10);
        self.runtime.block_on(async { timeout(waited, self.tasks.wait()).await }).unwrap();
    }
}

/// Waits for what other threads do.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: it never came to that");
        std::thread::yield_now();
    }
}

/// A NAL unit that holds no start code and ends in no zero.
pub(super) fn nal(head: u8, length: usize, seed: u8) -> Vec<u8> {
    let body = (1..length).map(|at| u8::try_from(at % 251).unwrap().wrapping_add(seed) | 1);
    std::iter::once(head).chain(body).collect()
}

pub(super) fn sps(seed: u8) -> Vec<u8> {
    nal(0x67, 24, seed)
}

pub(super) fn pps(seed: u8) -> Vec<u8> {
    nal(0x68, 5, seed)
}

pub(super) fn unit(kind: UnitKind, at_ms: u32, nals: &[Vec<u8>]) -> Unit {
    let bytes = nals.iter().flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat()).collect();
    Unit { kind, at_ms, bytes }
}

/// A key frame with its parameter sets.
pub(super) fn key(at_ms: u32, length: usize, seed: u8) -> Unit {
    unit(UnitKind::Key, at_ms, &[sps(seed), pps(seed), nal(0x65, length, seed)])
}

pub(super) fn delta(at_ms: u32, length: usize, seed: u8) -> Unit {
    unit(UnitKind::Delta, at_ms, &[nal(0x41, length, seed)])
}

/// What a browser would hand its decoder for `unit`.
pub(super) fn seen(unit: &Unit) -> Vec<Vec<u8>> {
    pack::nals(&unit.bytes).into_iter().map(<[u8]>::to_vec).collect()
}
