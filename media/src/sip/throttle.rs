//! Who may go on: a bucket for each source, filled by time. Pure; refuses to
//! grow, and lets newcomers share one bucket when it is full of others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Whose bucket. An IPv6 customer has a /64 of addresses, so that is one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Source(IpAddr),
    /// One number as spoken for by one source.
    Number(IpAddr, String),
    /// All that found no room.
    Others,
}

impl Key {
    pub(super) fn source(ip: IpAddr) -> Self {
        Self::Source(network(ip))
    }

    pub(super) fn number(ip: IpAddr, number: &str) -> Self {
        Self::Number(network(ip), number.into())
    }
}

/// A source as bits, the same ones for all that share a bucket.
pub(super) fn origin(ip: IpAddr) -> u128 {
    match network(ip) {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a piece.
    level_milli: u64,
    at_ms: u64,
}

/// Buckets of one size.
#[derive(Debug)]
pub(super) struct Throttle {
    burst_milli: u64,
    per_s_milli: u64,
    most: usize,
    buckets: BTreeMap<Key, Bucket>,
}

impl Throttle {
    /// `burst` at once, then one every `1000 / per_s_milli` seconds.
    pub(super) fn new(burst: u32, per_s_milli: u64, most: usize) -> Self {
        let burst_milli = u64::from(burst.max(1)) * 1000;
        Self {
            burst_milli,
            per_s_milli: per_s_milli.max(1),
            most: most.max(1),
            buckets: BTreeMap::new(),
        }
    }

    fn level(&self, bucket: Bucket, now_ms: u64) -> u64 {
        let passed_ms = now_ms.saturating_sub(bucket.at_ms);
        let gained = passed_ms.saturating_mul(self.per_s_milli) / 1000;
        bucket.level_milli.saturating_add(gained).min(self.burst_milli)
    }

    /// The key under which this one is counted.
    fn place(&mut self, now_ms: u64, key: &Key) -> Key {
        if self.buckets.contains_key(key) || self.buckets.len() < self.most {
            return key.clone();
        }
        // Full buckets say nothing that a new one would not.
        let (burst, buckets) = (self.burst_milli, std::mem::take(&mut self.buckets));
        let kept = buckets.into_iter().filter(|(_, b)| self.level(*b, now_ms) < burst);
        self.buckets = kept.collect();
        if self.buckets.len() < self.most { key.clone() } else { Key::Others }
    }

    /// Whether there is a piece left, taking none.
    pub(super) fn has(&self, now_ms: u64, key: &Key) -> bool {
        self.buckets.get(key).is_none_or(|bucket| self.level(*bucket, now_ms) >= 1000)
    }

    /// Takes a piece if there is one.
    pub(super) fn take(&mut self, now_ms: u64, key: &Key) -> bool {
        let key = self.place(now_ms, key);
        let full = Bucket { level_milli: self.burst_milli, at_ms: now_ms };
        let bucket = self.buckets.get(&key).copied().unwrap_or(full);
        let level_milli = self.level(bucket, now_ms);
        let taken = level_milli >= 1000;
        // Below a piece the clock goes on from where it stood, so that many
        // refused ones do not round the gain away.
        if taken {
            self.buckets.insert(key, Bucket { level_milli: level_milli - 1000, at_ms: now_ms });
        }
        taken
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }
}

/// Buckets of several tasks, so that one who opens many connections is one.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Throttle>>);

impl Shared {
    pub(super) fn new(throttle: Throttle) -> Self {
        Self(Arc::new(Mutex::new(throttle)))
    }

    pub(super) fn take(&self, now_ms: u64, key: &Key) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(now_ms, key)
    }
}
