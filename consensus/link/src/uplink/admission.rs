//! Who may take how much of a path. Pure: the book of what was promised. There is
//! always room for control and for one more page or emergency call; the more urgent
//! never asks what the less urgent holds, who then is over the budget and is told.
//! It refuses to end anything by itself.

use std::collections::BTreeMap;

/// Of the rate, always left for control.
const CONTROL_PERCENT: u64 = 15;
/// Of it, what a path that became slower may lack before anyone is over: the
/// measured rate wavers.
const WAVERS_PERCENT: u64 = 10;
/// One page or emergency call: Opus at 8 kbit/s, each frame sent twice.
const SLOT_BPS: u64 = 20_000;
/// Promises on one path.
const ENTRIES_MAX: usize = 1_024;

/// What wants to travel; the most urgent is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Control,
    /// Pages, pushing to talk, emergency numbers.
    EmergencyVoice,
    OrangeVoice,
    Voice,
    Video,
    Bulk,
}

impl Kind {
    /// Never refused, never over.
    const fn always_fits(self) -> bool {
        matches!(self, Self::Control | Self::EmergencyVoice)
    }

    const fn is_voice(self) -> bool {
        matches!(self, Self::EmergencyVoice | Self::OrangeVoice | Self::Voice)
    }
}

/// The uplink has no room for it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "卫星上行链路只剩 {room_bps} bit/s,需要 {asked_bps};请结束其他通话或降低画面质量后重试 / \
     the satellite uplink has {room_bps} bit/s left of the {asked_bps} needed; \
     end another call or lower a picture and try again"
)]
pub struct NotAdmitted {
    pub asked_bps: u64,
    pub room_bps: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<(Kind, u64), u64>,
    last: u64,
}

impl Book {
    /// A number to give it back by.
    pub(super) fn admit(
        &mut self,
        rate_bps: u64,
        kind: Kind,
        asked_bps: u64,
    ) -> Result<u64, NotAdmitted> {
        let room_bps = self.room(rate_bps, kind, None);
        let full = self.entries.len() >= ENTRIES_MAX;
        if !kind.always_fits() && (asked_bps > room_bps || full) {
            return Err(NotAdmitted { asked_bps, room_bps });
        }
        self.last += 1;
        self.entries.insert((kind, self.last), asked_bps);
        Ok(self.last)
    }

    /// Less is always granted.
    pub(super) fn resize(
        &mut self,
        rate_bps: u64,
        kind: Kind,
        number: u64,
        asked_bps: u64,
    ) -> Result<(), NotAdmitted> {
        let room_bps = self.room(rate_bps, kind, Some(number));
        let Some(held_bps) = self.entries.get_mut(&(kind, number)) else { return Ok(()) };
        if asked_bps > *held_bps && asked_bps > room_bps && !kind.always_fits() {
            return Err(NotAdmitted { asked_bps, room_bps });
        }
        *held_bps = asked_bps;
        Ok(())
    }

    pub(super) fn give_back(&mut self, kind: Kind, number: u64) {
        self.entries.remove(&(kind, number));
    }

    /// For one more of the kind, or for the one named.
    pub(super) fn room(&self, rate_bps: u64, kind: Kind, number: Option<u64>) -> u64 {
        let budget = rate_bps - rate_bps * CONTROL_PERCENT / 100;
        let others = self.entries.iter().filter(|((of, at), _)| {
            *of <= kind && *of != Kind::Control && (*of, Some(*at)) != (kind, number)
        });
        let held = others.map(|(_, bps)| *bps).fold(0, u64::saturating_add);
        budget.saturating_sub(SLOT_BPS).saturating_sub(held)
    }

    /// Whether the path no longer carries what was promised to this one, the least
    /// urgent and the newest first.
    pub(super) fn is_over(&self, rate_bps: u64, kind: Kind, number: u64) -> bool {
        let upto = self.entries.range(..=(kind, number));
        let held = upto
            .filter(|((of, _), _)| *of != Kind::Control)
            .map(|(_, bps)| *bps)
            .fold(0, u64::saturating_add);
        let left = 100 - (CONTROL_PERCENT - WAVERS_PERCENT);
        !kind.always_fits() && held > rate_bps / 100 * left
    }

    /// What speech may send whatever else goes on, a page not yet begun included.
    pub(super) fn voice_bps(&self) -> u64 {
        let voices = self.entries.iter().filter(|((kind, _), _)| kind.is_voice());
        let held = voices.map(|(_, bps)| *bps).fold(0, u64::saturating_add);
        held.saturating_add(held / 4).saturating_add(SLOT_BPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 256_000;

    #[test]
    fn ordinary_calls_leave_room_for_control_and_one_page() {
        let mut book = Book::default();
        let mut calls = 0;
        while book.admit(RATE, Kind::Voice, 10_000).is_ok() {
            calls += 1;
        }
        // 256 − 15 % − 20 = 197.6 kbit/s.
        assert_eq!(calls, 19);
        assert!(book.admit(RATE, Kind::EmergencyVoice, 20_000).is_ok());
        assert!(book.admit(RATE, Kind::EmergencyVoice, 200_000).is_ok());
        assert!(book.admit(RATE, Kind::Control, RATE).is_ok());
    }

    #[test]
    fn what_ends_makes_room() {
        let mut book = Book::default();
        let first = book.admit(RATE, Kind::Video, 190_000).unwrap();
        let refused = book.admit(RATE, Kind::Video, 10_000).unwrap_err();
        assert_eq!(refused, NotAdmitted { asked_bps: 10_000, room_bps: 7_600 });
        book.give_back(Kind::Video, first);
        assert!(book.admit(RATE, Kind::Video, 190_000).is_ok());
    }

    #[test]
    fn a_call_comes_before_a_picture_which_is_told_to_step_down() {
        let mut book = Book::default();
        let picture = book.admit(RATE, Kind::Video, 190_000).unwrap();
        let call = book.admit(RATE, Kind::Voice, 60_000).unwrap();
        assert!(book.is_over(RATE, Kind::Video, picture));
        assert!(!book.is_over(RATE, Kind::Voice, call));
        let room = book.room(RATE, Kind::Video, Some(picture));
        book.resize(RATE, Kind::Video, picture, room).unwrap();
        assert!(!book.is_over(RATE, Kind::Video, picture));
    }

    #[test]
    fn when_the_path_becomes_slow_the_newest_of_the_least_urgent_is_over_first() {
        let mut book = Book::default();
        let picture = book.admit(RATE, Kind::Video, 50_000).unwrap();
        let first = book.admit(RATE, Kind::Voice, 40_000).unwrap();
        let second = book.admit(RATE, Kind::Voice, 40_000).unwrap();
        let page = book.admit(RATE, Kind::EmergencyVoice, 20_000).unwrap();
        let over = |rate_bps| {
            [
                book.is_over(rate_bps, Kind::Video, picture),
                book.is_over(rate_bps, Kind::Voice, second),
                book.is_over(rate_bps, Kind::Voice, first),
                book.is_over(rate_bps, Kind::EmergencyVoice, page),
            ]
        };
        assert_eq!(over(RATE), [false; 4]);
        assert_eq!(over(128_000), [true, false, false, false]);
        assert_eq!(over(96_000), [true, true, false, false]);
        assert_eq!(over(32_000), [true, true, true, false]);
    }

    /// Any order of asking and ending: ordinary kinds never hold more than the
    /// budget, emergencies are never refused, and what ended is forgotten.
    #[test]
    fn no_order_of_asking_breaks_the_budget() {
        for seed in 0..200_u64 {
            let mut dice = seed;
            let mut roll = |sides: u64| {
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963);
                (dice >> 33) % sides
            };
            let (mut book, mut held) = (Book::default(), Vec::new());
            for _ in 0..100 {
                let kinds = [Kind::EmergencyVoice, Kind::OrangeVoice, Kind::Voice, Kind::Video];
                let kind = kinds[roll(4) as usize];
                match book.admit(RATE, kind, 1 + roll(60_000)) {
                    Ok(number) => held.push((kind, number)),
                    Err(_) => assert_ne!(kind, Kind::EmergencyVoice, "seed {seed}"),
                }
                let orange =
                    book.entries.iter().filter(|((kind, _), _)| *kind == Kind::OrangeVoice);
                let orange: u64 = orange.map(|(_, bps)| *bps).sum();
                assert!(orange <= RATE * 85 / 100 - SLOT_BPS, "seed {seed}");
                if roll(3) == 0 && !held.is_empty() {
                    let (kind, number) = held.swap_remove(roll(held.len() as u64) as usize);
                    book.give_back(kind, number);
                }
            }
            for (kind, number) in held {
                book.give_back(kind, number);
            }
            assert!(book.entries.is_empty());
            assert_eq!(book.voice_bps(), SLOT_BPS);
        }
    }
}
