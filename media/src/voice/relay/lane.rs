//! The handle on one lane. It tells its worker what to do by letters and never
//! waits for an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::join::Join;
use super::post::Post;
use super::stats::{LaneStats, SideCounters};
use super::{Aim, RelayError, Side};
use crate::voice::First;
use crate::voice::ports::PortPair;

/// Dropping it closes the sockets and ends the relaying.
#[derive(Debug)]
pub struct Lane {
    slot: u32,
    addresses: [SocketAddr; 2],
    counters: Arc<[SideCounters; 2]>,
    post: Arc<Post>,
    began: Instant,
}

/// Random beginnings, and two SSRCs that differ.
fn firsts() -> std::io::Result<[First; 2]> {
    let mut dice = [0; 20];
    getrandom::fill(&mut dice).map_err(|error| std::io::Error::other(error.to_string()))?;
    let [a, b] = [&dice[..10], &dice[10..]].map(|dice| First {
        ssrc: u32::from_be_bytes([dice[0], dice[1], dice[2], dice[3]]),
        seq: u16::from_be_bytes([dice[4], dice[5]]),
        timestamp: u32::from_be_bytes([dice[6], dice[7], dice[8], dice[9]]),
    });
    let ssrc = if a.ssrc == b.ssrc { !b.ssrc } else { b.ssrc };
    Ok([a, First { ssrc, ..b }])
}

impl Lane {
    pub(super) fn open(
        call: u64,
        pairs: [PortPair; 2],
        post: &Arc<Post>,
        began: Instant,
    ) -> Result<Self, RelayError> {
        pairs.iter().for_each(PortPair::expect_sound);
        let counters: Arc<[SideCounters; 2]> = Arc::default();
        let addresses = [pairs[0].address(), pairs[1].address()];
        let rtcp = |rtp: SocketAddr| SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let own = [addresses[0], rtcp(addresses[0]), addresses[1], rtcp(addresses[1])];
        let join = Join::new(call, firsts()?, counters.clone(), own);
        let slot = post.take_up(join, pairs)?;
        Ok(Self { slot, addresses, counters, post: post.clone(), began })
    }

    /// Our RTP address on that side; RTCP is on the next port.
    pub fn address(&self, side: Side) -> SocketAddr {
        let [a, b] = self.addresses;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// Who is at that side from now on; `None`: nothing is sent there and nobody
    /// believed. What was learned of its address stays when that is not new.
    pub fn aim(&self, side: Side, aim: Option<Aim>) {
        self.post.aim(self.slot, side, aim);
    }

    pub fn stats(&self) -> LaneStats {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let [a, b] = &*self.counters;
        LaneStats { a: a.read(now_ms), b: b.read(now_ms) }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.post.close(self.slot);
    }
}
