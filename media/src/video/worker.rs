//! The thread that carries out what the director decides: it reads the clock,
//! sends, asks and holds the cameras' views. Repair of lossy links is arithmetic
//! that no async task should wait for. What comes is read from bounded boxes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use weir_model::codec;
use weir_model::id::NodeId;

use super::director::Director;
use super::lens::{FromLens, Lens, OpenLens, Parcel, Sink};
use super::message::{Answer, Request};
use super::out::Output;
use super::stats::VideoStats;
use super::{AskNode, SendDatagram};

const TICK: Duration = Duration::from_millis(10);
/// While nothing is watched.
const IDLE_TICK: Duration = Duration::from_millis(100);
/// How long another node may think.
const ANSWER: Duration = Duration::from_secs(4);
/// Letters read before the next tick is due.
const LETTERS_AT_ONCE: usize = 1_024;

#[derive(Debug)]
pub(super) enum Letter {
    Datagram {
        from: NodeId,
        datagram: Bytes,
    },
    Asked {
        from: NodeId,
        request: Request,
        reply: oneshot::Sender<Answer>,
    },
    Answered {
        id: u64,
        answer: Option<Answer>,
    },
    /// Somebody came to watch.
    Look,
}

/// What handles and the thread share.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) began: Instant,
    pub(super) letters: SyncSender<Letter>,
    pub(super) lost: Arc<AtomicU64>,
    pub(super) stopping: AtomicBool,
    shown: Mutex<(VideoStats, Vec<NodeId>)>,
}

impl Post {
    pub(super) fn new(began: Instant, letters: SyncSender<Letter>) -> Self {
        let (lost, stopping) = (Arc::default(), AtomicBool::new(false));
        Self { began, letters, lost, stopping, shown: Mutex::default() }
    }

    /// Never waits. `false`: the box is full, or nobody reads it any more.
    pub(super) fn drop_in(&self, letter: Letter) -> bool {
        let sent = self.letters.try_send(letter);
        if let Err(TrySendError::Full(_)) = sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        sent.is_ok()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn shown(&self) -> (VideoStats, Vec<NodeId>) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mail_lost = self.lost.load(Ordering::Relaxed);
        (VideoStats { mail_lost, ..shown.0 }, shown.1)
    }

    fn show(&self, stats: VideoStats, peers: Vec<NodeId>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = (stats, peers);
    }
}

pub(super) struct Worker {
    pub(super) director: Director,
    pub(super) post: Arc<Post>,
    pub(super) letters: Receiver<Letter>,
    pub(super) pictures: (SyncSender<Parcel>, Receiver<Parcel>),
    pub(super) send: SendDatagram,
    pub(super) ask: AskNode,
    pub(super) open: OpenLens,
    pub(super) lenses: BTreeMap<u64, Box<dyn Lens>>,
    pub(super) tasks: TaskTracker,
    pub(super) runtime: Handle,
    pub(super) unsent: u64,
}

impl Worker {
    pub(super) fn run(mut self) {
        let mut due = Instant::now();
        while !self.post.stopping.load(Ordering::Relaxed) {
            match self.letters.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(letter) => self.letter(letter),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            for _ in 0..LETTERS_AT_ONCE {
                let Ok(letter) = self.letters.try_recv() else { break };
                self.letter(letter);
            }
            let now = Instant::now();
            if now >= due {
                self.tick();
                due = now + if self.director.is_idle() { IDLE_TICK } else { TICK };
            }
            self.carry_out();
        }
    }

    fn letter(&mut self, letter: Letter) {
        let now_ms = self.post.now_ms();
        match letter {
            Letter::Datagram { from, datagram } => self.director.datagram(now_ms, from, &datagram),
            Letter::Asked { from, request, reply } => {
                let answer = self.director.asked(now_ms, from, request);
                // Whoever asked has given up.
                let _ = reply.send(answer);
            }
            Letter::Answered { id, answer } => self.director.answered(now_ms, id, answer),
            Letter::Look => self.director.tick(now_ms),
        }
    }

    fn tick(&mut self) {
        let now_ms = self.post.now_ms();
        while let Ok((lens, from)) = self.pictures.1.try_recv() {
            match from {
                FromLens::Unit(unit) => self.director.unit(now_ms, lens, unit),
                FromLens::News(news) => self.director.camera(lens, news),
            }
        }
        self.director.tick(now_ms);
        let stats = VideoStats { datagrams_unsent: self.unsent, ..self.director.stats() };
        self.post.show(stats, self.director.peers());
    }

    fn carry_out(&mut self) {
        for output in self.director.outputs() {
            match output {
                Output::Send { to, datagram } => {
                    self.unsent += u64::from(!(self.send)(to, datagram.into()));
                }
                Output::Ask { id, to, request } => self.put(id, to, &request),
                Output::Open { lens, source, rung } => {
                    let sink = Sink::new(lens, self.pictures.0.clone(), self.post.lost.clone());
                    self.lenses.insert(lens, (self.open)(source, rung, sink));
                }
                Output::Rung { lens, rung } => {
                    if let Some(open) = self.lenses.get(&lens) {
                        open.rung(rung);
                    }
                }
                Output::Key { lens } => {
                    if let Some(open) = self.lenses.get(&lens) {
                        open.key();
                    }
                }
                Output::Close { lens } => drop(self.lenses.remove(&lens)),
            }
        }
    }

    /// Puts a question to another node; the answer comes as a letter.
    fn put(&self, id: u64, to: NodeId, request: &Request) {
        let Ok(question) = codec::encode(request) else { return };
        let asking = (self.ask)(to, question.into());
        let post = self.post.clone();
        let asked = async move {
            let answer = match timeout(ANSWER, asking).await {
                Ok(Ok(answer)) => codec::decode(&answer).ok(),
                Ok(Err(_)) | Err(_) => None,
            };
            // Without it the director waits in vain, and asks again.
            post.drop_in(Letter::Answered { id, answer });
        };
        self.tasks.spawn_on(asked, &self.runtime);
    }
}
