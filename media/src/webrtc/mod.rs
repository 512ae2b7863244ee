//! Viewers in browsers: WHEP (draft-ietf-wish-whep) over WebRTC. One thread owns
//! every viewer's session and the one UDP port that all of them use; an access unit
//! is packetized once, however many watch. Sources come and go without a viewer
//! noticing more than a still picture. It decodes nothing, transcodes nothing and
//! takes nothing from browsers; the HTTP routes are not here, nor who may watch.

mod offer;
mod pack;
mod picture;
mod post;
mod stage;
mod stats;
#[cfg(test)]
mod tests;
mod viewer;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use picture::Picture;
pub use stats::ViewerStats;

use offer::Terms;
use picture::Shared;
use post::{Newcomer, Post};
use stats::add;
use viewer::Wire;
use worker::Worker;

/// More than this no node serves.
const VIEWERS_MAX: usize = 512;
const PICTURES_MAX: usize = 64;
const NAME_MAX: usize = 128;
/// Offers that are answered at once, and how long one waits for its turn.
const OFFERS: usize = 4;
const TURN: Duration = Duration::from_secs(5);
/// Assured forwarding 41 (RFC 4594 §4.3), as bits of the TOS byte.
const VIDEO: u32 = 0x88;
/// Key frames leave in bursts; the host may grant less.
const BUFFER_BYTES: usize = 4 << 20;

/// How viewers name their session afterwards: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewerId(u64);

impl fmt::Display for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not what an id looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("不是观看会话的编号 / this is no viewer's id")]
pub struct NoViewerId;

impl FromStr for ViewerId {
    type Err = NoViewerId;

    fn from_str(text: &str) -> Result<Self, NoViewerId> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoViewerId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NoViewerId)
    }
}

/// Larger numbers than the default's are taken for the default's.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub viewers: usize,
    pub pictures: usize,
    /// Who is not connected by then is removed.
    pub connect: Duration,
    /// Who says nothing for so long is removed.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            viewers: VIEWERS_MAX,
            pictures: PICTURES_MAX,
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(20),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "没有浏览器能连接的地址，请在节点文件中写明 / \
         there is no address that browsers could reach; name one in the node's file"
    )]
    NoAddress,
    #[error(
        "无法生成 WebRTC 证书，请检查系统的 OpenSSL / \
         no certificate could be made for WebRTC; look at the host's OpenSSL"
    )]
    Certificate,
    #[error(
        "无法使用视频端口 {0}，请检查是否被占用 / \
         the port for viewers, {0}, cannot be used; see whether another program has it: {1}"
    )]
    Host(SocketAddr, std::io::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error(
        "画面名称无效（1 至 {NAME_MAX} 字节）/ \
         a picture's name has 1 to {NAME_MAX} bytes; give it another"
    )]
    Name,
    #[error(
        "画面数已达上限（{0}），请先关闭一些 / \
         there are as many pictures as this node shows ({0}); close some first"
    )]
    Full(usize),
}

#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error("没有画面 {0}，请刷新页面 / there is no picture {0}; load the page again")]
    NoPicture(String),
    #[error("会话描述过长，请换用其他浏览器 / the offer is longer than 64 kB; use another browser")]
    TooLong,
    #[error(
        "无法读懂浏览器的会话描述，请刷新页面 / \
         the browser's offer cannot be read; load the page again: {0}"
    )]
    Broken(String),
    #[error(
        "会话描述不接收视频，请刷新页面 / \
         the offer does not ask for video (a=recvonly); load the page again"
    )]
    NoVideo,
    #[error(
        "浏览器不支持 H.264（42e01f，packetization-mode=1），请换用 Chrome、Edge、Firefox 或 Safari / \
         the browser offers no H.264 (42e01f, packetization-mode=1); \
         use Chrome, Edge, Firefox or Safari"
    )]
    NoH264,
    #[error(
        "观看人数已达上限（{0}），请稍后再试 / \
         as many viewers as this node serves ({0}) are watching; try again later"
    )]
    Full(usize),
    #[error("节点正忙，请稍后再试 / too many are beginning to watch; try again in a moment")]
    Busy,
    #[error(
        "视频服务已停止，请检查节点是否正在关闭 / \
         viewers are not served any more; see whether the node is shutting down"
    )]
    Stopped,
}

/// What a viewer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub id: ViewerId,
    pub sdp: String,
}

struct Inside {
    post: Arc<Post>,
    terms: Terms,
    pictures: Mutex<BTreeMap<String, Weak<Shared>>>,
    next_picture: AtomicU64,
    turns: Semaphore,
    limits: Limits,
}

/// Clones share it.
#[derive(Clone)]
pub struct Viewers {
    inside: Arc<Inside>,
    local: SocketAddr,
}

/// Unguessable, and never the same twice; a host without dice has no TLS either.
fn dice_u64() -> u64 {
    let mut dice = [0; 8];
    let _ = getrandom::fill(&mut dice);
    u64::from_be_bytes(dice)
}

fn dice() -> u32 {
    let [a, b, c, d, ..] = dice_u64().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn open(listen: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(listen)?;
    socket.set_nonblocking(true)?;
    let raw = SockRef::from(&socket);
    // These only help.
    let _ = raw.set_send_buffer_size(BUFFER_BYTES);
    let _ = raw.set_recv_buffer_size(BUFFER_BYTES);
    let _ = match listen {
        SocketAddr::V4(_) => raw.set_tos_v4(VIDEO),
        SocketAddr::V6(_) => raw.set_tclass_v6(VIDEO),
    };
    Ok(socket)
}

/// What browsers are told to reach: `advertise`, or where we listen.
fn candidates(local: SocketAddr, advertise: &[IpAddr]) -> Vec<SocketAddr> {
    let all = if advertise.is_empty() { vec![local.ip()] } else { advertise.to_vec() };
    let mut found: Vec<SocketAddr> = Vec::new();
    for ip in all.into_iter().map(|ip| ip.to_canonical()) {
        let address = SocketAddr::new(ip, local.port());
        let heard = ip.is_ipv4() || local.is_ipv6();
        let host = !ip.is_unspecified() && !ip.is_multicast();
        if heard && host && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

impl Viewers {
    /// Serves on the UDP port of `listen`, which browsers are told to reach at
    /// `advertise`; where that is empty, at the address of `listen`. The thread
    /// ends with `stop`, and `tasks` waits for it.
    ///
    /// # Errors
    /// When the port is not to be had, or nobody could reach it.
    pub fn start(
        listen: SocketAddr,
        advertise: &[IpAddr],
        limits: Limits,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let failed = |error| StartError::Host(listen, error);
        let limits = Limits {
            viewers: limits.viewers.min(VIEWERS_MAX),
            pictures: limits.pictures.min(PICTURES_MAX),
            ..limits
        };
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = crypto.dtls_provider.generate_certificate();
        let certificate = certificate.ok_or(StartError::Certificate)?;
        let socket = open(listen).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let candidates = candidates(local, advertise);
        let here = *candidates.first().ok_or(StartError::NoAddress)?;
        let post = Arc::new(Post::new(limits.viewers).map_err(failed)?);
        let wire = Wire { socket, six: local.is_ipv6(), here, post: post.clone() };
        let worker = Worker::new(wire, limits, Instant::now());
        let thread = std::thread::Builder::new()
            .name("weir-viewers".into())
            .spawn(move || worker.run())
            .map_err(failed)?;
        let stopping = post.clone();
        tasks.spawn(async move {
            stop.cancelled().await;
            stopping.stop();
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if !matches!(joined.await, Ok(Ok(()))) {
                tracing::error!("the viewers' thread has failed");
            }
        });
        let terms = Terms { crypto, certificate, candidates };
        let inside = Inside {
            post,
            terms,
            pictures: Mutex::default(),
            next_picture: AtomicU64::new(0),
            turns: Semaphore::new(OFFERS),
            limits,
        };
        Ok(Self { inside: Arc::new(inside), local })
    }

    /// Where the port is.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    fn pictures(&self) -> MutexGuard<'_, BTreeMap<String, Weak<Shared>>> {
        // Nothing in here is ever half done.
        self.inside.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture of that name; a new one, if there is none. It is there as long
    /// as somebody holds it or watches it.
    ///
    /// # Errors
    /// When the name is none, or there are too many.
    pub fn picture(&self, name: &str) -> Result<Picture, PictureError> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(PictureError::Name);
        }
        let mut pictures = self.pictures();
        if let Some(shared) = pictures.get(name).and_then(Weak::upgrade) {
            return Ok(Picture { shared });
        }
        pictures.retain(|_, shared| shared.strong_count() > 0);
        if pictures.len() >= self.inside.limits.pictures {
            return Err(PictureError::Full(self.inside.limits.pictures));
        }
        let id = self.inside.next_picture.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared::new(id, self.inside.post.clone()));
        pictures.insert(name.to_owned(), Arc::downgrade(&shared));
        Ok(Picture { shared })
    }

    /// Answers a browser that wants to watch `picture`.
    ///
    /// # Errors
    /// What is wrong with the offer, or why nobody else can watch now.
    pub async fn offer(&self, picture: &str, sdp: String) -> Result<Answer, OfferError> {
        let answer = self.answer(picture, sdp).await;
        let counters = &self.inside.post.counters;
        add(if answer.is_ok() { &counters.answered } else { &counters.refused }, 1);
        answer
    }

    async fn answer(&self, name: &str, sdp: String) -> Result<Answer, OfferError> {
        let inside = &self.inside;
        if sdp.len() > offer::OFFER_MAX {
            return Err(OfferError::TooLong);
        }
        let picture = self.pictures().get(name).and_then(Weak::upgrade);
        let picture = picture.ok_or_else(|| OfferError::NoPicture(name.to_owned()))?;
        inside.post.has_room()?;
        let turn = timeout(TURN, inside.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(OfferError::Busy) };
        let terms = inside.terms.clone();
        // A stranger's text is read where it holds nobody up and breaks nothing.
        let reading =
            tokio::task::spawn_blocking(move || offer::answer(&terms, &sdp, Instant::now()));
        let opened = reading.await.map_err(|error| OfferError::Broken(error.to_string()))??;
        let (id, sdp) = (ViewerId(dice_u64()), opened.answer.clone());
        inside.post.admit(Newcomer { id, picture, opened: Box::new(opened) })?;
        Ok(Answer { id, sdp })
    }

    /// `false`: there is no such viewer, or not any more.
    pub fn end(&self, id: ViewerId) -> bool {
        self.inside.post.end(id)
    }

    pub fn stats(&self) -> ViewerStats {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let pictures = self.pictures().values().filter(|shared| shared.strong_count() > 0).count();
        ViewerStats {
            viewers: count(self.inside.post.viewers()),
            pictures: count(pictures),
            ..self.inside.post.counters.read()
        }
    }
}
