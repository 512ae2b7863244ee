//! Frames of a pipe on their way: in order, several under way at once, held up
//! while the path is cut and broken when that lasts, as a QUIC stream is. A
//! crash of either node breaks it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use weir_consensus::net::message::StreamAnswer;
use weir_consensus::net::{PIPE_FRAMES, Pipe};
use weir_model::codec;
use weir_model::id::NodeId;

use crate::dice::digest;
use crate::invariants::Seen;
use crate::world::World;

/// How long a path may be dead before a connection over it is.
const IDLE: Duration = Duration::from_secs(3);
/// How often a held-up frame looks whether the path is back.
const LOOK: Duration = Duration::from_millis(50);
/// Frames that the path itself holds.
const UNDER_WAY: usize = 4 * PIPE_FRAMES;

/// Who opened a pipe, in which life, and to whom.
#[derive(Clone, Copy)]
pub struct Ends {
    pub from: (NodeId, u64),
    pub to: NodeId,
}

/// One direction of a pipe.
struct Way {
    world: Arc<World>,
    from: NodeId,
    to: NodeId,
    /// The lives of both ends; the pipe breaks when either is over.
    lives: [(NodeId, u64); 2],
    broken: CancellationToken,
}

impl Way {
    /// Waits until the path is open; false when it was shut too long, or when
    /// an end is gone.
    async fn is_open(&self) -> bool {
        let give_up = Instant::now() + IDLE;
        loop {
            let alive = |(node, life)| self.world.life(node) == Some(life);
            if !self.lives.into_iter().all(alive) {
                return false;
            }
            if self.world.links.with(|links| links.is_open(self.from, self.to)) {
                return true;
            }
            if Instant::now() >= give_up {
                return false;
            }
            sleep(LOOK).await;
        }
    }

    fn due(&self, after: Instant) -> Instant {
        let delay = self.world.links.with(|links| links.delay(self.from, self.to));
        after.max(Instant::now() + delay)
    }

    /// Carries frames until either end lets go or the path breaks. Frames that
    /// were handed over before the end still arrive.
    async fn carry(
        self,
        mut frames: mpsc::Receiver<Bytes>,
        out: mpsc::Sender<Bytes>,
        show: impl Fn(&World, &Bytes),
    ) {
        let mut under_way: VecDeque<(Instant, Bytes)> = VecDeque::new();
        let (mut last, mut ended) = (Instant::now(), false);
        while !(ended && under_way.is_empty()) {
            let next = under_way.front().map(|(due, _)| *due);
            tokio::select! {
                biased;
                () = self.broken.cancelled() => return,
                () = out.closed() => return,
                () = sleep_until(next.unwrap_or(last)), if next.is_some() => {
                    if !self.is_open().await {
                        return self.broken.cancel();
                    }
                    let Some((_, frame)) = under_way.pop_front() else { continue };
                    self.world.note("frame", [self.from.0, self.to.0, digest(&frame)]);
                    if out.send(frame).await.is_err() {
                        return;
                    }
                }
                frame = frames.recv(), if !ended && under_way.len() < UNDER_WAY => match frame {
                    Some(frame) => {
                        show(&self.world, &frame);
                        last = self.due(last);
                        under_way.push_back((last, frame));
                    }
                    None => ended = true,
                },
            }
        }
        // The end of a stream takes as long to arrive as a frame, and no end
        // arrives over a cut or from the dead.
        sleep_until(self.due(last)).await;
        if !self.is_open().await {
            self.broken.cancel();
        }
    }
}

/// Carries a pipe that was just opened, until it ends.
pub async fn carry(world: Arc<World>, ends: Ends, first: Bytes, opener: Pipe) {
    let Ends { from: (from, life), to } = ends;
    sleep(world.links.with(|links| links.delay(from, to))).await;
    let Some((target, group)) = world.running(to) else { return };
    let Some(target_life) = world.life(to) else { return };
    if !world.links.with(|links| links.is_open(from, to)) {
        return;
    }
    let (server, far) = Pipe::pair();
    world.note("pipe", [from.0, to.0, digest(&first)]);
    drop(group.spawn(world.next_seed(), async move {
        target.serve_pipe(from, &first, server).await;
    }));
    let lives = [(from, life), (to, target_life)];
    let broken = CancellationToken::new();
    let way = |from, to| Way { world: world.clone(), from, to, lives, broken: broken.clone() };
    let there = way(from, to).carry(opener.incoming, far.outgoing, |_, _| {});
    let back = way(to, from).carry(far.incoming, opener.outgoing, move |world, frame| {
        saw_frame(world, to, frame);
    });
    tokio::join!(biased; there, back);
}

/// Shows an acknowledgement to the invariants, as it leaves the node.
fn saw_frame(world: &World, node: NodeId, frame: &[u8]) {
    let Ok(answer) = codec::decode::<StreamAnswer>(frame) else { return };
    world.saw_durable(node, |durable| {
        world.saw(&Seen::StreamAnswers { node, answer: &answer, durable });
    });
}
