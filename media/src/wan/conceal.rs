//! What a telephone's G.711 may have been where a frame is missing (in the manner
//! of ITU-T G.711 Appendix I): the last pitch period goes on, and fades. Refuses to
//! go on beyond 60 ms: then it is silence.

/// 20 ms at 8 kHz.
pub const PIECE: usize = 160;
/// Pitch of voices, in samples of 8 kHz: 200 to 66 Hz.
const PITCH: core::ops::RangeInclusive<usize> = 40..=120;
/// Compared when the pitch is sought.
const MATCH: usize = 160;
const HISTORY: usize = MATCH + 120;
/// Made-up pieces one after the other.
const PIECES: u8 = 3;
/// What begins after a gap grows out of what was made up, over 5 ms.
const SEAM: usize = 40;

/// See the module.
#[derive(Debug, Clone)]
pub struct Conceal {
    /// The last that was heard, oldest first.
    history: [i16; HISTORY],
    made_up: u8,
    pitch: usize,
    /// How far into the pitch period it is.
    place: usize,
}

impl Default for Conceal {
    fn default() -> Self {
        Self { history: [0; HISTORY], made_up: 0, pitch: *PITCH.start(), place: 0 }
    }
}

impl Conceal {
    /// A piece that came. After made-up ones it is joined to them.
    pub fn heard(&mut self, piece: &mut [i16; PIECE]) {
        if self.made_up > 0 {
            let made_up = self.next_made_up();
            let seam = piece.iter_mut().zip(made_up).take(SEAM);
            for (i, (sample, other)) in seam.enumerate() {
                let (new, old) = (i32::from(*sample), i32::from(other));
                let i = i as i32;
                let mixed = (new * i + old * (SEAM as i32 - i)) / SEAM as i32;
                *sample = i16::try_from(mixed).unwrap_or(*sample);
            }
        }
        self.made_up = 0;
        self.remember(piece);
    }

    /// A piece that did not come.
    pub fn missing(&mut self) -> [i16; PIECE] {
        if self.made_up == 0 {
            self.pitch = self.find_pitch();
            self.place = 0;
        }
        let piece = self.next_made_up();
        self.made_up = self.made_up.saturating_add(1);
        piece
    }

    fn next_made_up(&mut self) -> [i16; PIECE] {
        let mut piece = [0; PIECE];
        if self.made_up >= PIECES {
            return piece;
        }
        let period = self.history.get(HISTORY - self.pitch..).unwrap_or_default();
        let total = i32::from(PIECES) * PIECE as i32;
        let begun = i32::from(self.made_up) * PIECE as i32;
        for (i, sample) in (0_i32..).zip(piece.iter_mut()) {
            let was = period.get(self.place % self.pitch).copied().unwrap_or(0);
            self.place += 1;
            let left = total - begun - i;
            *sample = i16::try_from(i32::from(was) * left / total).unwrap_or(0);
        }
        self.place %= self.pitch;
        piece
    }

    fn remember(&mut self, piece: &[i16; PIECE]) {
        self.history.copy_within(PIECE.., 0);
        if let Some(end) = self.history.last_chunk_mut::<PIECE>() {
            *end = *piece;
        }
    }

    /// The shift at which the end is most like what went before.
    fn find_pitch(&self) -> usize {
        let end = self.history.get(HISTORY - MATCH..).unwrap_or_default();
        let like = |shift: usize| {
            let before = self.history.get(HISTORY - MATCH - shift..HISTORY - shift);
            let (mut both, mut energy) = (0_i64, 1_i64);
            for (a, b) in end.iter().zip(before.unwrap_or_default()) {
                both += i64::from(*a) * i64::from(*b);
                energy += i64::from(*b) * i64::from(*b);
            }
            both as f64 / (energy as f64).sqrt()
        };
        PITCH.max_by(|a, b| like(*a).total_cmp(&like(*b))).unwrap_or(*PITCH.start())
    }
}
