//! The sum of a room at one tick. Everybody hears it without himself; those who
//! are not in it hear the same, which is encoded once for each codec.

use super::jitter::FRAME;
use super::law::Law;

#[derive(Debug)]
pub(super) struct Mix {
    sum: [i32; FRAME],
    common: [i16; FRAME],
    a: Option<[u8; FRAME]>,
    mu: Option<[u8; FRAME]>,
}

fn saturate(sample: i32) -> i16 {
    let bounds = (i32::from(i16::MIN), i32::from(i16::MAX));
    i16::try_from(sample.clamp(bounds.0, bounds.1)).unwrap_or(0)
}

impl Mix {
    pub(super) fn of<'a>(speakers: impl Iterator<Item = &'a [i16; FRAME]>) -> Self {
        let mut sum = [0_i32; FRAME];
        for frame in speakers {
            for (sum, sample) in sum.iter_mut().zip(frame) {
                // Rooms are bounded: thousands of the loudest would fit.
                *sum = sum.saturating_add(i32::from(*sample));
            }
        }
        let mut common = [0; FRAME];
        common.iter_mut().zip(&sum).for_each(|(common, sum)| *common = saturate(*sum));
        Self { sum, common, a: None, mu: None }
    }

    pub(super) fn common(&self) -> &[i16; FRAME] {
        &self.common
    }

    pub(super) fn without(&self, own: &[i16; FRAME]) -> [i16; FRAME] {
        let mut mix = [0; FRAME];
        for ((mix, sum), own) in mix.iter_mut().zip(&self.sum).zip(own) {
            *mix = saturate(sum.saturating_sub(i32::from(*own)));
        }
        mix
    }

    pub(super) fn encoded(&mut self, law: Law) -> &[u8; FRAME] {
        let Self { common, a, mu, .. } = self;
        let slot = match law {
            Law::A => a,
            Law::Mu => mu,
        };
        slot.get_or_insert_with(|| {
            let mut bytes = [0; FRAME];
            law.encode(common, &mut bytes);
            bytes
        })
    }
}
