//! One page that is under way: its loudspeakers, and what it was worth.

use std::collections::BTreeSet;

use weir_model::directory::Grade;
use weir_model::fact::{EffectResult, Proof};

use super::failure::{self, Failure};
use super::order::{CallId, Loudspeaker, Page};
use super::picture::{PagePicture, SpeakerPicture, SpeakerState};
use super::speaker::{Phase, SpeakerRun};
use super::timing::Timing;

/// The grades that can be seen here, best first.
const GRADES: [Grade; 3] = [Grade::Receiving, Grade::Answered, Grade::Sent];

#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) page: Page,
    pub(super) timing: Timing,
    pub(super) speakers: Vec<SpeakerRun>,
    ordered_ms: u64,
}

/// A page without those loudspeakers that share a number with an earlier one:
/// no device is called twice.
pub(super) fn without_doubles(mut page: Page) -> Page {
    let mut numbers = BTreeSet::new();
    page.speakers.retain(|speaker| numbers.insert(speaker.number.clone()));
    page
}

/// Nothing was seen of it.
pub(super) fn nothing(page: &Page) -> Proof {
    Proof { grade: None, reached: 0, of: count(page.speakers.len()), siren: false }
}

fn count(speakers: usize) -> u16 {
    u16::try_from(speakers).unwrap_or(u16::MAX)
}

impl Run {
    pub(super) fn begin(page: Page, ordered_ms: u64, now_ms: u64) -> Self {
        let within_s = page.evidence.map(|evidence| evidence.within_s);
        let timing = Timing::new(now_ms, page.clip_ms, page.repeat, within_s);
        let speakers = page.speakers.iter().cloned();
        let speakers = speakers.map(|who| SpeakerRun::new(who, now_ms)).collect();
        Self { page, timing, speakers, ordered_ms }
    }

    pub(super) fn is_over(&self) -> bool {
        self.speakers.iter().all(SpeakerRun::is_over)
    }

    pub(super) fn speaker(&mut self, call: CallId) -> Option<(&mut SpeakerRun, Timing)> {
        let timing = self.timing;
        let one = self.speakers.iter_mut().find(|speaker| speaker.call() == Some(call))?;
        Some((one, timing))
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = CallId> {
        self.speakers.iter().filter_map(SpeakerRun::call)
    }

    pub(super) fn deadline_ms(&self, now_ms: u64) -> Option<u64> {
        self.speakers.iter().filter_map(|one| one.deadline_ms(now_ms, &self.timing)).min()
    }

    /// The page ends now; what plays counts as far as it came.
    pub(super) fn stop(&mut self, now_ms: u64) {
        let timing = self.timing;
        self.speakers.iter_mut().for_each(|speaker| speaker.stop(now_ms, &timing));
    }

    /// The grade that counts, and until when it had to be seen.
    fn wanted(&self) -> (Grade, u64) {
        match self.page.evidence {
            None => (Grade::Answered, u64::MAX),
            Some(wanted) => {
                let within_ms = u64::from(wanted.within_s) * 1_000;
                (wanted.grade, self.timing.begun_ms.saturating_add(within_ms))
            }
        }
    }

    fn reached(&self, speaker: &SpeakerRun) -> bool {
        let (grade, until_ms) = self.wanted();
        speaker.reached_ms(grade).is_some_and(|at_ms| at_ms <= until_ms)
    }

    /// Never rounded up: a grade that was reached too late counts as the one
    /// below it.
    pub(super) fn proof(&self) -> Proof {
        let of = count(self.speakers.len());
        let (wanted, _) = self.wanted();
        let reached = self.speakers.iter().filter(|speaker| self.reached(speaker)).count();
        if reached > 0 {
            return Proof { grade: Some(wanted), reached: count(reached), of, siren: false };
        }
        let below = GRADES.into_iter().filter(|grade| *grade < wanted);
        let seen = below.map(|grade| {
            let all = self.speakers.iter();
            (grade, all.filter(|speaker| speaker.reached_ms(grade).is_some()).count())
        });
        match seen.into_iter().find(|(_, speakers)| *speakers > 0) {
            Some((grade, speakers)) => {
                Proof { grade: Some(grade), reached: count(speakers), of, siren: false }
            }
            None => Proof { grade: None, reached: 0, of, siren: false },
        }
    }

    /// What became of it, once it is over.
    pub(super) fn result(&self) -> EffectResult {
        let missing = self.speakers.iter().filter(|speaker| !self.reached(speaker));
        let failed: Vec<(&Loudspeaker, Failure)> = missing
            .map(|speaker| (&speaker.who, speaker.failure.unwrap_or(Failure::Unproven)))
            .collect();
        let reached = self.speakers.len() - failed.len();
        let done = match self.page.evidence {
            Some(_) => failed.is_empty(),
            None => reached > 0,
        };
        if done {
            return EffectResult::Done;
        }
        let why = failure::failed(&failed, self.speakers.len());
        match self.speakers.iter().any(|speaker| speaker.responded) {
            true => EffectResult::Failed { why },
            false => EffectResult::Unreachable { why },
        }
    }

    pub(super) fn picture(&self, ended: Option<EffectResult>) -> PagePicture {
        let since = |at_ms: u64| at_ms.saturating_sub(self.ordered_ms);
        let speakers = self.speakers.iter().map(|speaker| SpeakerPicture {
            id: speaker.who.id.clone(),
            number: speaker.who.number.clone(),
            state: state(speaker),
            first_sound_ms: speaker.sounding_ms.map(since),
        });
        PagePicture {
            key: self.page.key.clone(),
            priority: self.page.priority,
            begun_ms: self.timing.begun_ms,
            proof: self.proof(),
            speakers: speakers.collect(),
            ended,
        }
    }
}

fn state(speaker: &SpeakerRun) -> SpeakerState {
    match (speaker.phase, speaker.failure) {
        (Phase::Due { .. }, None) => SpeakerState::Idle,
        (Phase::Calling { .. }, _) => SpeakerState::Calling,
        (Phase::Ringing { .. }, _) => SpeakerState::Ringing,
        (Phase::Playing { .. }, _) if speaker.is_receiving() => SpeakerState::Receiving,
        (Phase::Playing { .. }, _) if speaker.sounding_ms.is_some() => SpeakerState::Playing,
        (Phase::Playing { .. }, _) => SpeakerState::Answered,
        (Phase::Played, _) => SpeakerState::Played,
        (Phase::Due { .. }, Some(why)) => SpeakerState::Failed { why, again: true },
        (Phase::Failed, why) => {
            SpeakerState::Failed { why: why.unwrap_or(Failure::Unproven), again: false }
        }
    }
}
