//! A participant inside the process: frames go in and come out by channels. For
//! trunks to other sites, announcements and recordings. Whoever is slow loses
//! frames; the room waits for nobody.

use tokio::sync::mpsc;
use weir_signaling::sdp::Kind;

use super::jitter::{FRAME, Jitter};
use super::law::Law;

/// Frames that may wait in each direction: 200 ms.
const WAITING: usize = 10;

/// 20 ms of sound at 8 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Linear([i16; FRAME]),
    /// G.711: PCMA or PCMU, nothing else is heard.
    Coded(Kind, [u8; FRAME]),
}

/// The outer end. Dropping it leaves the seat silent.
#[derive(Debug)]
pub struct Line {
    /// Into the room. Full: the frame is dropped.
    pub says: mpsc::Sender<Frame>,
    /// Out of the room, one every 20 ms. Not read in time: frames are lost.
    pub hears: mpsc::Receiver<Frame>,
}

/// The inner end.
#[derive(Debug)]
pub(super) struct Inner {
    says: mpsc::Receiver<Frame>,
    hears: mpsc::Sender<Frame>,
    law: Option<Law>,
}

/// `wants`: what comes out; samples if it is none of G.711's two.
pub(super) fn pair(wants: Option<Kind>) -> (Line, Inner) {
    let (says, said) = mpsc::channel(WAITING);
    let (heard, hears) = mpsc::channel(WAITING);
    let law = wants.and_then(Law::of);
    (Line { says, hears }, Inner { says: said, hears: heard, law })
}

impl Inner {
    pub(super) fn law(&self) -> Option<Law> {
        self.law
    }

    /// How many frames came since the last tick, and how many found no room.
    pub(super) fn receive(&mut self, jitter: &mut Jitter) -> (u64, u64) {
        let (mut came, mut lost) = (0, 0);
        for _ in 0..WAITING {
            let Ok(frame) = self.says.try_recv() else { break };
            let samples = match frame {
                Frame::Linear(samples) => samples,
                Frame::Coded(kind, bytes) => {
                    let Some(law) = Law::of(kind) else { continue };
                    let mut samples = [0; FRAME];
                    samples.iter_mut().zip(law.decode(&bytes)).for_each(|(to, from)| *to = from);
                    samples
                }
            };
            came += 1;
            lost += u64::from(!jitter.append(&samples));
        }
        (came, lost)
    }

    /// `false`: its owner is not reading.
    pub(super) fn send(&self, frame: Frame) -> bool {
        self.hears.try_send(frame).is_ok()
    }
}
