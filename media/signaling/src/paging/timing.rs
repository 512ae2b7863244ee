//! How long everything may take.

/// The silence between two repetitions.
pub const PAUSE_MS: u64 = 500;
/// A device that says nothing for so long is silent.
pub const ANSWER_MS: u64 = 3_000;
/// One that said 100 may take so long to pick up.
pub const PICK_UP_MS: u64 = 5_000;
/// One that rings for so long will not answer by itself.
pub const RING_MS: u64 = 2_000;
/// What the device has in its buffer is heard out before the call ends.
pub const TAIL_MS: u64 = 300;
/// Who answers this soon after the beginning is played everything.
pub const GRACE_MS: u64 = 5_000;
/// Longest wait between two tries: short enough that a loudspeaker which
/// reboots joins soon after.
pub const BACKOFF_MAX_MS: u64 = 4_000;
/// A call that was hung up and of which nothing is heard is over after this.
pub const ENDING_MS: u64 = 2_500;
/// A plan that gives its loudspeakers longer than this to answer does not keep
/// the zone for so long.
const EVIDENCE_MAX_MS: u64 = 120_000;

/// 0.5 s, 1 s, 2 s, 4 s, 4 s …
pub(super) fn backoff_ms(tries: u32) -> u64 {
    (500 << tries.min(8)).min(BACKOFF_MAX_MS)
}

/// The times of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) clip_ms: u64,
    repeat: u64,
    pub(super) begun_ms: u64,
    /// Everything has been played to who answered within the grace.
    played_ms: u64,
    /// Nobody is called any more from then on.
    pub(super) lasts_until_ms: u64,
}

impl Timing {
    pub(super) fn new(now_ms: u64, clip_ms: u32, repeat: u32, within_s: Option<u32>) -> Self {
        let (clip_ms, repeat) = (u64::from(clip_ms), u64::from(repeat.max(1)));
        let length_ms = length_ms(clip_ms, repeat);
        let played_ms = now_ms.saturating_add(GRACE_MS).saturating_add(length_ms);
        let proof_ms = u64::from(within_s.unwrap_or(0)).saturating_mul(1_000);
        let proof_ms = now_ms.saturating_add(proof_ms.min(EVIDENCE_MAX_MS));
        let lasts_until_ms = played_ms.max(proof_ms);
        Self { clip_ms, repeat, begun_ms: now_ms, played_ms, lasts_until_ms }
    }

    /// How often it is played to who answers now: the repetitions that fit, and
    /// at least a whole one.
    pub(super) fn times(&self, now_ms: u64) -> u32 {
        let left_ms = self.played_ms.saturating_sub(now_ms).saturating_add(PAUSE_MS);
        let fit = left_ms / (self.clip_ms + PAUSE_MS);
        u32::try_from(fit.clamp(1, self.repeat)).unwrap_or(u32::MAX)
    }

    pub(super) fn length_ms(&self, times: u32) -> u64 {
        length_ms(self.clip_ms, u64::from(times.max(1)))
    }
}

fn length_ms(clip_ms: u64, times: u64) -> u64 {
    times.saturating_mul(clip_ms.saturating_add(PAUSE_MS)).saturating_sub(PAUSE_MS)
}
