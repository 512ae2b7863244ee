//! The way to the node: pictures and the worker's state as frames on standard
//! output, through a thread of its own. It never waits: what the node does not
//! take is lost, and after a lost picture everything up to the next key frame.
//!
//! A frame is a head of 32 bytes, numbers big-endian, and a body:
//! `Wc`, version 1, kind (1 key, 2 delta, 3 JPEG, 9 state as JSON), then u32 each
//! the body's length and the order that it follows, u64 each when it was taken on
//! the machine's monotonic clock (ns) and on the wall clock (ms), and u32 of zeros.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::Serialize;

/// Frames and bytes that wait for the node.
const WAITING: usize = 512;
const WAITING_BYTES: usize = 10 << 20;
const HEAD: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key = 1,
    Delta = 2,
    Still = 3,
    State = 9,
}

/// When something was seen.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) at_ns: u64,
    pub(super) wall_ms: u64,
}

/// What the node is told every second and at every change.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) state: &'static str,
    /// GStreamer's own words, where it said something.
    pub(super) why: &'a str,
    /// What the camera sends, whatever is made of it.
    pub(super) source_bps: u64,
    /// Pictures that never reached the node.
    pub(super) lost: u64,
}

pub(super) struct Outlet {
    frames: SyncSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    /// The number of the order whose next delta frame would be understood.
    follows: Option<u32>,
    pub(super) lost: u64,
}

impl Outlet {
    pub(super) fn open() -> io::Result<Self> {
        let (frames, queue) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = waiting.clone();
        thread::Builder::new().name("outlet".into()).spawn(move || write(&queue, &counted))?;
        Ok(Self { frames, waiting, follows: None, lost: 0 })
    }

    /// False: it was lost, and a key frame is wanted.
    pub(super) fn picture(&mut self, kind: Kind, order: u32, taken: Moment, body: &[u8]) -> bool {
        if kind == Kind::Delta && self.follows != Some(order) {
            self.lost += 1;
            return false;
        }
        let sent = self.send(kind, order, taken, body);
        self.follows = (sent && kind != Kind::Still).then_some(order);
        self.lost += u64::from(!sent);
        sent
    }

    pub(super) fn report(&self, now: Moment, report: &Report<'_>) {
        // One that does not fit is followed by another in a second.
        if let Ok(body) = serde_json::to_vec(report) {
            self.send(Kind::State, 0, now, &body);
        }
    }

    /// A picture never came this far.
    pub(super) fn gap(&mut self) {
        self.follows = None;
        self.lost += 1;
    }

    /// A bit rate that changes goes on where it was.
    pub(super) fn renumber(&mut self, before: u32, after: u32) {
        if self.follows == Some(before) {
            self.follows = Some(after);
        }
    }

    fn send(&self, kind: Kind, order: u32, taken: Moment, body: &[u8]) -> bool {
        let len = HEAD + body.len();
        if self.waiting.load(Ordering::Relaxed) + len > WAITING_BYTES {
            return false;
        }
        let mut frame = Vec::with_capacity(len);
        frame.extend_from_slice(&[b'W', b'c', 1, kind as u8]);
        frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
        frame.extend_from_slice(&order.to_be_bytes());
        frame.extend_from_slice(&taken.at_ns.to_be_bytes());
        frame.extend_from_slice(&taken.wall_ms.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(body);
        self.waiting.fetch_add(len, Ordering::Relaxed);
        let sent = self.frames.try_send(frame).is_ok();
        if !sent {
            self.waiting.fetch_sub(len, Ordering::Relaxed);
        }
        sent
    }
}

fn write(queue: &Receiver<Vec<u8>>, waiting: &AtomicUsize) {
    let mut output = io::stdout().lock();
    while let Ok(frame) = queue.recv() {
        if output.write_all(&frame).and_then(|()| output.flush()).is_err() {
            // Nobody reads any more; standard input ends as well.
            return;
        }
        waiting.fetch_sub(frame.len(), Ordering::Relaxed);
    }
}
