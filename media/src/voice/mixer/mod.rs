//! Brings the sound of many together: everybody in a room hears all others and
//! not himself. Threads of its own, each with whole rooms. It decides nothing:
//! who is in a room, and who is mute, is told to it. It mixes G.711 at 8 kHz,
//! conceals no loss and has no gain.

mod beat;
mod chair;
mod jitter;
mod law;
mod line;
mod mix;
mod post;
mod prompt;
mod room;
mod stats;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_signaling::digits::Way;

pub use line::{Frame, Line};
pub use prompt::Prompt;
pub use room::{Room, Seat};
pub use stats::{MixerStats, SeatStats};

pub use super::relay::Aim;

use super::ports::{Ports, PortsError};
use post::Post;
use worker::Worker;

/// Threads beyond this are not had.
const WORKERS_MAX: usize = 64;

/// What a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Heard when it speaks; its keys are told.
    Person,
    /// Carries what another site's people say, and hears all but that. Trunks
    /// must form a tree: two ways between two sites would be an echo.
    Trunk,
}

/// What is learned of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A key was pressed; each way tells it once.
    Digit { room: u64, who: u64, digit: char, way: Way },
    /// It has sent something, and does not any more: told once a silence.
    Quiet { room: u64, who: u64 },
}

#[derive(Debug, Clone, Copy)]
pub struct MixerConfig {
    /// Threads: one a core that is for this.
    pub workers: usize,
    /// Most rooms, and most participants of all rooms, of one thread.
    pub rooms: u32,
    pub seats: u32,
    /// Most participants of one room.
    pub room_seats: u32,
    /// After so long without a packet a participant is [`Heard::Quiet`].
    pub quiet: Duration,
}

impl Default for MixerConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            rooms: 1_000,
            seats: 5_000,
            room_seats: 300,
            quiet: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MixerError {
    #[error(
        "会议数已达上限（{0}），请先结束一个会议 / \
         as many conferences as this node mixes ({0}) are under way; end one first"
    )]
    Rooms(u32),
    #[error(
        "会议总人数已达上限（{0}），请稍后再加入 / \
         as many people as this node mixes ({0}) are in conferences; try again later"
    )]
    Seats(u32),
    #[error(
        "会议已满（{0} 人），请先移除一人 / \
         the conference is full ({0} people); remove somebody first"
    )]
    RoomFull(u32),
    #[error(transparent)]
    Ports(#[from] PortsError),
    #[error(
        "混音已停止，请检查节点是否正在关闭 / \
         the mixer has stopped; see whether the node is shutting down"
    )]
    Stopped,
    #[error(
        "系统资源不足，无法混音，请检查线程与文件句柄上限 / \
         the host gives no more for mixing; look at its limits of threads and open files: {0}"
    )]
    Host(#[from] std::io::Error),
}

#[derive(Debug)]
struct Shared {
    ports: Ports,
    posts: Vec<Arc<Post>>,
    began: Instant,
    room_seats: u32,
}

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Mixer {
    shared: Arc<Shared>,
}

impl Mixer {
    /// What is learned goes to `heard`; where that is full it is dropped and
    /// counted. The threads end with `stop`, and `tasks` waits for them.
    ///
    /// # Errors
    /// When the host has no threads left.
    pub fn start(
        ports: Ports,
        config: MixerConfig,
        heard: mpsc::Sender<Heard>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, MixerError> {
        let began = Instant::now();
        let mut posts: Vec<Arc<Post>> = Vec::new();
        for number in 0..config.workers.clamp(1, WORKERS_MAX) {
            let post = Arc::new(Post::new(config.rooms, config.seats));
            let worker = Worker::new(post.clone(), config, began, heard.clone());
            let thread = std::thread::Builder::new()
                .name(format!("weir-mixer-{number}"))
                .spawn(move || worker.run());
            // Those that run already have nobody to end them.
            let thread = thread.inspect_err(|_| posts.iter().for_each(|post| post.stop()))?;
            post.belongs_to(thread.thread().clone());
            posts.push(post.clone());
            let stop = stop.clone();
            tasks.spawn(async move {
                stop.cancelled().await;
                post.stop();
                let joined = tokio::task::spawn_blocking(move || thread.join());
                if !matches!(joined.await, Ok(Ok(()))) {
                    tracing::error!("a mixer thread has failed");
                }
            });
        }
        let shared = Shared { ports, posts, began, room_seats: config.room_seats };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A room of the thread that has the fewest people. What is heard is told
    /// under `id`, which need not be unlike others.
    ///
    /// # Errors
    /// When there are too many rooms, or the mixer has stopped.
    pub fn room(&self, id: u64) -> Result<Room, MixerError> {
        let shared = &self.shared;
        let load = |post: &&Arc<Post>| {
            let of = |count: &std::sync::atomic::AtomicU32| count.load(Ordering::Relaxed);
            (of(&post.seats), of(&post.rooms))
        };
        let post = shared.posts.iter().min_by_key(load).ok_or(MixerError::Stopped)?;
        Room::open(id, post, shared.ports.clone(), shared.began, shared.room_seats)
    }

    pub fn stats(&self) -> MixerStats {
        let mut sum = MixerStats::default();
        for post in &self.shared.posts {
            sum.rooms += u64::from(post.rooms.load(Ordering::Relaxed));
            sum.seats += u64::from(post.seats.load(Ordering::Relaxed));
            post.counters.add_to(&mut sum);
        }
        sum
    }
}
