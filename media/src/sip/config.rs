//! What a SIP node is told at start, and its bounds. Refuses defaults without a
//! limit: a telephone network is full of strangers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use sha2::{Digest, Sha256};
use weir_signaling::digest::{Algorithm, RealmError};

/// What a site's SIP node is told.
#[derive(Debug, Clone)]
pub struct SipConfig {
    /// UDP and TCP, the same port. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the numbers and their passwords are good, such as `weir`.
    pub realm: String,
    /// What telephones are challenged with; some give up at anything but MD5.
    pub algorithms: Vec<Algorithm>,
    /// Numbers for which somebody in need is never told that there are too many.
    pub emergency: Vec<String>,
    pub limits: SipLimits,
}

/// Bounds, each with what happens beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipLimits {
    /// Legs under way at once; one more is refused with [`super::CallError::TooMany`],
    /// or 503 to whoever calls.
    pub calls: usize,
    /// Calls that one number makes at once; one more is answered 486.
    pub calls_per_number: usize,
    /// The session interval that is offered and at most agreed to (RFC 4028).
    pub session_s: u32,
    /// Messages a second from one source (an IPv4 address, an IPv6 /64), over all
    /// its connections together; more are dropped unread over UDP and read later
    /// over TCP.
    pub messages_per_s: u32,
    /// How many of them may come at once.
    pub messages_burst: u32,
    /// Wrong passwords from one source before it is told to wait.
    pub guesses: u32,
    /// One more guess is allowed each such time.
    pub guess_every_s: u32,
    /// TCP connections, and those of one source (as above); one more is closed
    /// at once.
    pub connections: usize,
    pub connections_per_source: usize,
    /// How long a connection may say nothing on which no REGISTER was accepted
    /// yet; then it is closed.
    pub stranger_silence_s: u32,
    /// Shortest and longest registration.
    pub min_expires_s: u32,
    pub max_expires_s: u32,
    /// Numbers with registrations.
    pub numbers: usize,
}

impl Default for SipLimits {
    fn default() -> Self {
        Self {
            calls: 2_000,
            calls_per_number: 8,
            session_s: 1_800,
            messages_per_s: 500,
            messages_burst: 1_000,
            guesses: 20,
            guess_every_s: 3,
            connections: 1_024,
            connections_per_source: 256,
            stranger_silence_s: 30,
            min_expires_s: 60,
            max_expires_s: 3_600,
            numbers: 4_096,
        }
    }
}

/// What is kept of a number's password: `H(number:realm:password)` by each
/// algorithm. Opens the door as well as the password does.
#[derive(Clone)]
pub struct Account {
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
}

impl Account {
    /// Tells this password from another one and is far too short to stand for it.
    pub(super) fn mark(&self) -> [u8; 4] {
        let sum: [u8; 32] = Sha256::digest(self.sha256).into();
        let [a, b, c, d, ..] = sum;
        [a, b, c, d]
    }

    /// Whether both stand for one password.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        (self.md5, self.sha256) == (other.md5, other.sha256)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(..)")
    }
}

/// The numbers of this site.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    pub by_number: BTreeMap<String, Account>,
}

/// Why a SIP node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "无法监听 SIP {transport} 地址 {address}（{source}）；请检查地址与端口是否被占用 / \
         cannot listen for SIP over {transport} on {address} ({source}); check the address and \
         whether another program has the port"
    )]
    Bind { transport: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("SIP 域（realm）无效：{0}；请修改配置 / the SIP realm cannot be used: {0}; change it")]
    Realm(#[from] RealmError),
    #[error("系统未能给出随机数：{0} / the system gave no random bytes: {0}")]
    Dice(String),
}
