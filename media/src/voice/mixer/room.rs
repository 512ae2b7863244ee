//! The handles on a room and on a seat in it. They tell their thread what to do
//! by letters and shared flags, and never wait for an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use weir_signaling::sdp::Kind;

use super::chair::{Chair, Way};
use super::line::{self, Line};
use super::post::{Post, RoomPlace, SeatPlace};
use super::prompt::Prompt;
use super::stats::{SeatShared, SeatStats};
use super::wire::Wire;
use super::{Aim, MixerError, Part};
use crate::voice::First;
use crate::voice::ports::Ports;

/// What is called silence: nothing that 16 bits can hold is quieter.
const SILENCE_DBFS: f32 = -96.0;

/// Shared by the room's handle and its seats; the last gives the place back.
#[derive(Debug)]
struct Hold {
    id: u64,
    place: RoomPlace,
    seats: AtomicU32,
    post: Arc<Post>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.post.close_room(self.place);
    }
}

/// A room lasts as long as this handle or one of its seats.
#[derive(Debug)]
pub struct Room {
    hold: Arc<Hold>,
    ports: Ports,
    began: Instant,
    seats_max: u32,
}

/// One participant. Dropping it closes its sockets; the others hear on.
#[derive(Debug)]
pub struct Seat {
    place: SeatPlace,
    address: Option<SocketAddr>,
    shared: Arc<SeatShared>,
    hold: Arc<Hold>,
    began: Instant,
}

/// Random beginnings (RFC 3550 §5.1).
fn first() -> std::io::Result<First> {
    let mut dice = [0; 10];
    getrandom::fill(&mut dice).map_err(|error| std::io::Error::other(error.to_string()))?;
    let [s0, s1, s2, s3, q0, q1, t0, t1, t2, t3] = dice;
    Ok(First {
        ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        seq: u16::from_be_bytes([q0, q1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
    })
}

impl Room {
    pub(super) fn open(
        id: u64,
        post: &Arc<Post>,
        ports: Ports,
        began: Instant,
        seats_max: u32,
    ) -> Result<Self, MixerError> {
        let place = post.open_room()?;
        let hold = Hold { id, place, seats: AtomicU32::new(0), post: post.clone() };
        Ok(Self { hold: Arc::new(hold), ports, began, seats_max })
    }

    pub fn id(&self) -> u64 {
        self.hold.id
    }

    /// How many are in it.
    pub fn seats(&self) -> u32 {
        self.hold.seats.load(Ordering::Relaxed)
    }

    /// A participant on the network. Nothing is sent or believed before it is
    /// aimed. What is heard of it is told under `who`.
    ///
    /// # Errors
    /// When the room or the mixer is full, no port is free, or it has stopped.
    pub fn add(&self, who: u64, part: Part) -> Result<Seat, MixerError> {
        self.is_free()?;
        let pair = self.ports.pair()?;
        let address = pair.address();
        let wire = Box::new(Wire::new(pair, first()?));
        self.sit(who, part, Way::Wire(wire), Some(address))
    }

    /// A participant inside this process. It is sent frames as it `wants` them:
    /// PCMA, PCMU, or samples.
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub fn add_line(
        &self,
        who: u64,
        part: Part,
        wants: Option<Kind>,
    ) -> Result<(Seat, Line), MixerError> {
        self.is_free()?;
        let (line, inner) = line::pair(wants);
        Ok((self.sit(who, part, Way::Line(inner), None)?, line))
    }

    fn is_free(&self) -> Result<(), MixerError> {
        if self.seats() >= self.seats_max {
            return Err(MixerError::RoomFull(self.seats_max));
        }
        Ok(())
    }

    fn sit(
        &self,
        who: u64,
        part: Part,
        way: Way,
        address: Option<SocketAddr>,
    ) -> Result<Seat, MixerError> {
        let shared: Arc<SeatShared> = Arc::default();
        let chair = Box::new(Chair::new(who, part, way, shared.clone()));
        let hold = self.hold.clone();
        if hold.seats.fetch_add(1, Ordering::Relaxed) >= self.seats_max {
            hold.seats.fetch_sub(1, Ordering::Relaxed);
            return Err(MixerError::RoomFull(self.seats_max));
        }
        let place = hold.post.open_seat(hold.place, hold.id, chair).inspect_err(|_| {
            hold.seats.fetch_sub(1, Ordering::Relaxed);
        })?;
        Ok(Seat { place, address, shared, hold, began: self.began })
    }
}

impl Seat {
    /// Our RTP address, RTCP on the next port; `None` for a [`Line`].
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Who is there from now on; `None`: nothing is sent and nobody believed.
    /// The first of G.711's two in its formats is what it is sent. Whoever does
    /// not want to hear is on hold and not heard either. A [`Line`] has no aim.
    pub fn aim(&self, aim: Option<Aim>) {
        self.hold.post.aim(self.hold.place, self.place, aim);
    }

    /// The others do not hear it.
    pub fn mute(&self, mute: bool) {
        self.shared.mute.store(mute, Ordering::Relaxed);
    }

    /// It hears nobody.
    pub fn deaf(&self, deaf: bool) {
        self.shared.deaf.store(deaf, Ordering::Relaxed);
    }

    /// What it hears instead of silence while it is deaf, from the beginning. A key
    /// is heard as a tone, too, until there is none.
    pub fn prompt(&self, prompt: Option<Prompt>) {
        self.hold.post.prompt(self.hold.place, self.place, prompt);
    }

    /// How loud it is, in dB below the loudest there can be; falls slowly. Also
    /// of who is muted.
    pub fn level_dbfs(&self) -> f32 {
        let mean_square = f64::from(self.shared.mean_square.load(Ordering::Relaxed));
        let full = f64::from(i16::MAX).powi(2);
        #[expect(clippy::cast_possible_truncation, reason = "a level has few digits")]
        let level = (10.0 * (mean_square / full).log10()) as f32;
        level.clamp(SILENCE_DBFS, 0.0)
    }

    /// Whether it speaks, and is heard.
    pub fn speaks(&self) -> bool {
        self.shared.speaks.load(Ordering::Relaxed)
    }

    pub fn stats(&self) -> SeatStats {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.read(now_ms)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hold.post.close_seat(self.hold.place, self.place);
        self.hold.seats.fetch_sub(1, Ordering::Relaxed);
    }
}
