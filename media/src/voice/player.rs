//! Sends the clips of many calls: one task, one timer at absolute deadlines,
//! every 20 ms one packet a stream. After a long stall it never bursts: what is
//! too late is left out and counted. A stream ends at the moment its handle is
//! dropped.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_signaling::digits::Way;
use weir_signaling::sdp::Kind;

use super::ear::{Ear, kind_of};
use super::format::FRAME_MS;
use super::ports::PortPair;
use super::track::{First, Track};
use super::{rtcp, rtp};
use crate::audio::Clip;

const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// A stall up to so many frames is made up for at once: loudspeakers buffer some
/// 200 ms, and words that come late are better than words left out.
const BURST_MAX: u32 = 8;
/// Reports are looked for this often, in frames.
const LISTEN_FRAMES: u64 = 5;
/// A sender's report goes out every second, in frames.
const REPORT_FRAMES: u64 = 50;
/// Most datagrams taken from one socket at a time: twice what comes from a
/// device in between.
const DATAGRAMS_MAX: usize = 8;
const SOUNDS_MAX: usize = 16;
/// Streams that may wait to be taken up.
const WAITING: usize = 1_024;

/// Something to be played to one device.
#[derive(Debug)]
pub struct Stream {
    /// Comes back in what is [`Heard`] of it.
    pub call: u64,
    pub ports: PortPair,
    pub rtp_to: SocketAddr,
    pub rtcp_to: SocketAddr,
    pub payload_type: u8,
    pub clip: Clip,
    pub times: u32,
    pub first: First,
    /// What the device may send back, by payload type; its keys are heard.
    /// `None`: whatever it sends is left to drop.
    pub ear: Option<Vec<(u8, Kind)>>,
}

/// What is learned of a stream while it plays. Each is said once, a key once for
/// every time that it is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The first packet has left.
    Began { call: u64 },
    /// A report of the receiver proves that sound arrives.
    Receiving { call: u64 },
    /// A key was pressed on the device.
    Digit { call: u64, digit: char, way: Way },
}

/// For metrics; shared by all players of a node.
#[derive(Debug, Default)]
pub struct PlayerCounters {
    sent: AtomicU64,
    late: AtomicU64,
    unsent: AtomicU64,
}

impl PlayerCounters {
    pub fn packets_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Frames left out because the node was held up.
    pub fn frames_late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Packets that the host did not take.
    pub fn packets_unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }
}

/// More streams are waiting than a node may have calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("播放任务已满或已停止 / the player is full or has stopped; this call is ended")]
pub struct PlayerFull;

/// As long as it is held, the stream plays.
#[derive(Debug)]
pub struct Sounding {
    live: Arc<AtomicBool>,
}

impl Drop for Sounding {
    fn drop(&mut self) {
        self.live.store(false, Ordering::Release);
    }
}

/// A handle on the task; when the last is dropped, every stream ends.
#[derive(Debug, Clone)]
pub struct Player {
    inbox: mpsc::Sender<Channel>,
}

impl Player {
    /// What is learned goes to `heard`; where that is full it is dropped, and
    /// the evidence is missing rather than invented.
    pub fn start(
        heard: mpsc::Sender<Heard>,
        counters: Arc<PlayerCounters>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (inbox, streams) = mpsc::channel(WAITING);
        let channels = Vec::new();
        let desk = Desk { channels, heard, counters, next: Instant::now(), step: 0 };
        tasks.spawn(desk.run(streams, stop));
        Self { inbox }
    }

    /// Begins at the next frame.
    ///
    /// # Errors
    /// When the task has stopped or cannot take more.
    pub fn play(&self, stream: Stream) -> Result<Sounding, PlayerFull> {
        let live = Arc::new(AtomicBool::new(true));
        let channel = Channel::new(stream, live.clone());
        self.inbox.try_send(channel).map_err(|_| PlayerFull)?;
        Ok(Sounding { live })
    }
}

/// One stream with its sockets.
#[derive(Debug)]
struct Channel {
    call: u64,
    ports: PortPair,
    rtp_to: SocketAddr,
    rtcp_to: SocketAddr,
    track: Track,
    live: Arc<AtomicBool>,
    began: Option<Instant>,
    said_goodbye: bool,
    ear: Option<Listening>,
}

/// What is heard on a channel.
#[derive(Debug)]
struct Listening {
    formats: Vec<(u8, Kind)>,
    ear: Ear,
}

impl Channel {
    fn new(stream: Stream, live: Arc<AtomicBool>) -> Self {
        let Stream { call, ports, rtp_to, rtcp_to, payload_type, clip, times, first, ear } = stream;
        let track = Track::new(clip, payload_type, times, first);
        let ear = ear.map(|formats| {
            ports.expect_sound();
            Listening { ear: Ear::keen(), formats }
        });
        Self { call, ports, rtp_to, rtcp_to, track, live, began: None, said_goodbye: false, ear }
    }

    fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Prompts the receiver's report, too.
    fn report(&self, now: Instant, buffer: &mut Vec<u8>) {
        let Some(began) = self.began else { return };
        let elapsed_ms = u64::try_from((now - began).as_millis()).unwrap_or(u64::MAX);
        let report = self.track.report(elapsed_ms);
        match self.said_goodbye {
            true => rtcp::write_goodbye(&report, buffer),
            false => rtcp::write_sender(&report, buffer),
        }
        // A lost report is followed by the next.
        let _ = self.ports.rtcp.send_to(buffer, self.rtcp_to);
    }

    /// Whether a report proves, for the first time, that sound arrives.
    fn listen(&mut self) -> bool {
        let mut buffer = [0; 1_500];
        let mut proven = false;
        for _ in 0..DATAGRAMS_MAX {
            let (len, from) = match self.ports.rtcp.recv_from(&mut buffer) {
                Ok(received) => received,
                // A device that closed its port before; there may be more.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => return proven,
            };
            // Anybody can send to an open port; only the device is believed.
            if from.ip() != self.rtp_to.ip() {
                continue;
            }
            let blocks = rtcp::blocks(buffer.get(..len).unwrap_or_default());
            for block in blocks {
                proven |= self.track.proves(&block);
            }
        }
        proven
    }
}

impl Channel {
    /// The keys in what the device has sent since the last time.
    fn keys(&mut self, mut told: impl FnMut(char, Way)) {
        let Some(Listening { formats, ear }) = &mut self.ear else { return };
        let mut buffer = [0; 1_500];
        for _ in 0..SOUNDS_MAX {
            let (len, from) = match self.ports.rtp.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            if from.ip() != self.rtp_to.ip() {
                continue;
            }
            let packet = buffer.get(..len).and_then(rtp::parse);
            let heard = packet.and_then(|p| Some((p, kind_of(formats, p.payload_type)?)));
            if let Some((packet, kind)) = heard {
                ear.hear(&packet, kind, &mut told);
            }
        }
    }
}

/// The task.
struct Desk {
    channels: Vec<Channel>,
    heard: mpsc::Sender<Heard>,
    counters: Arc<PlayerCounters>,
    next: Instant,
    step: u64,
}

impl Desk {
    async fn run(mut self, mut streams: mpsc::Receiver<Channel>, stop: CancellationToken) {
        loop {
            let playing = !self.channels.is_empty();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                stream = streams.recv() => match stream {
                    Some(channel) => {
                        if !playing {
                            self.next = Instant::now();
                        }
                        self.channels.push(channel);
                    }
                    None => break,
                },
                () = sleep_until(self.next), if playing => self.tick(),
            }
        }
        let now = Instant::now();
        self.channels.iter_mut().for_each(|channel| part(channel, now));
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.channels.retain_mut(|channel| {
            let live = channel.is_live();
            if !live {
                part(channel, now);
            }
            live
        });
        let behind = now.saturating_duration_since(self.next).as_millis() / FRAME.as_millis();
        let overdue = u32::try_from(behind).unwrap_or(u32::MAX - 1).saturating_add(1);
        // After a long stall the present is worth more than the past.
        let due = if overdue > BURST_MAX { 1 } else { overdue };
        self.skip(overdue - due);
        for left in (0..due).rev() {
            self.send(now, left);
        }
        self.next += FRAME * overdue;
    }

    fn skip(&mut self, frames: u32) {
        let began = self.channels.iter_mut().filter(|channel| channel.began.is_some());
        let late: u64 = began.map(|channel| u64::from(channel.track.skip(frames))).sum();
        self.counters.late.fetch_add(late, Ordering::Relaxed);
    }

    /// One frame of every stream; `left` more follow in this turn.
    fn send(&mut self, now: Instant, left: u32) {
        let mut buffer = Vec::with_capacity(256);
        let (mut sent, mut unsent) = (0, 0);
        for channel in &mut self.channels {
            // What begins in this turn has nothing to make up for.
            let first = channel.began.is_none();
            if !channel.is_live() || (first && left > 0) {
                continue;
            }
            let mut left_here = false;
            if channel.track.next(&mut buffer) {
                match channel.ports.rtp.send_to(&buffer, channel.rtp_to) {
                    Ok(_) => {
                        left_here = true;
                        sent += 1;
                    }
                    Err(_) => unsent += 1,
                }
            }
            // Nothing is said to sound before something has left.
            if first && left_here {
                channel.began = Some(now);
                let _ = self.heard.try_send(Heard::Began { call: channel.call });
            }
            // Spread over the second, so that reports do not come in a burst.
            let own = self.step.wrapping_add(channel.call);
            if first || own.is_multiple_of(REPORT_FRAMES) {
                channel.report(now, &mut buffer);
            }
            if !own.is_multiple_of(LISTEN_FRAMES) {
                continue;
            }
            let call = channel.call;
            if channel.listen() {
                let _ = self.heard.try_send(Heard::Receiving { call });
            }
            channel.keys(|digit, way| {
                let _ = self.heard.try_send(Heard::Digit { call, digit, way });
            });
        }
        self.step = self.step.wrapping_add(1);
        self.counters.sent.fetch_add(sent, Ordering::Relaxed);
        self.counters.unsent.fetch_add(unsent, Ordering::Relaxed);
    }
}

/// Tells the receiver that no more will come.
fn part(channel: &mut Channel, now: Instant) {
    channel.said_goodbye = true;
    channel.report(now, &mut Vec::with_capacity(64));
}
