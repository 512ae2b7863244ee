//! Somebody in a call who says, five times a second, which tones they hear and what
//! holes those had. It refuses to listen before the first packet or the answer.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use weir_fakes::sip::media::Piece;
use weir_fakes::tones::{Ear, Look};

const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Listener {
    ear: Ear,
    since: Instant,
    next: Instant,
}

impl Listener {
    /// None when there is no tone to listen for.
    pub(crate) fn new(now: Instant, tones: &[u32]) -> Option<Self> {
        let ear = Ear::new(tones);
        (!tones.is_empty()).then_some(Self { ear, since: now, next: now + EVERY })
    }

    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    pub(crate) fn takes(&mut self, now: Instant, pieces: &[Piece]) {
        for Piece { timestamp, samples } in pieces {
            self.ear.takes(now - self.since, *timestamp, samples);
        }
    }

    /// What to write down, when it is time.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Value> {
        if now < self.next {
            return None;
        }
        while self.next <= now {
            self.next += EVERY;
        }
        let at = now - self.since;
        let Look { heard, levels_db, holes, gap_ms } = self.ear.look(at);
        let levels = levels_db.into_iter().map(|(hz, db)| (hz.to_string(), rounded(db).into()));
        let holes =
            holes.iter().map(|hole| json!({ "hz": hole.hz, "at_ms": hole.at_ms, "ms": hole.ms }));
        Some(json!({
            "at_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            "hz": heard,
            "levels_db": levels.collect::<serde_json::Map<_, Value>>(),
            "holes": holes.collect::<Vec<_>>(),
            "gap_ms": gap_ms,
        }))
    }
}

fn rounded(db: f64) -> f64 {
    (db * 10.0).round() / 10.0
}
