//! What one participant alone is told, again and again, while it does not hear
//! the room: an announcement that asks for a key. It holds samples and a place in
//! them; when to play it is not its to say.

use std::sync::Arc;

use super::jitter::FRAME;

/// Between two repetitions: a second.
const PAUSE_FRAMES: usize = 50;

/// Clones share the sound.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// 8 kHz.
    samples: Arc<[i16]>,
    at: usize,
}

impl Prompt {
    /// `samples` at 8 kHz; none are silence.
    pub fn new(samples: impl Into<Arc<[i16]>>) -> Self {
        Self { samples: samples.into(), at: 0 }
    }

    /// What is due at this tick.
    pub(super) fn next(&mut self) -> [i16; FRAME] {
        let mut frame = [0; FRAME];
        let rest = self.samples.get(self.at..).unwrap_or_default();
        frame.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.at += FRAME;
        if self.at >= self.samples.len() + PAUSE_FRAMES * FRAME {
            self.at = 0;
        }
        frame
    }
}
