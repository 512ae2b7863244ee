//! H.264 as it came from a camera (Annex B of the standard, one access unit at a
//! time), put in one form: parameter sets before every key frame, no delimiters.
//! It refuses units without a picture, and to keep more of the past than
//! [`GROUP_BYTES`].

/// Largest access unit; a key frame of 4K at a good bit rate is half of it.
pub(super) const UNIT_MAX: usize = 2 << 20;
/// Most that is kept since the last key frame: ten seconds at 6 Mbit/s.
const GROUP_BYTES: usize = 8 << 20;
const GROUP_UNITS: usize = 1_000;
/// Parameter sets of one kind; a stream has one, seldom three.
const SETS: usize = 8;

/// One picture.
#[derive(Clone)]
pub(super) struct Unit {
    pub(super) key: bool,
    /// When it was taken, on the machine's monotonic clock.
    pub(super) at_ns: u64,
    pub(super) bytes: Vec<u8>,
}

/// NAL unit types (ITU-T H.264 table 7-1).
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// The parameter sets seen last.
#[derive(Default)]
pub(super) struct Sets {
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

impl Sets {
    pub(super) fn unit(&mut self, at_ns: u64, raw: &[u8]) -> Option<Unit> {
        let (mut key, mut picture, mut fresh) = (false, false, true);
        let mut rest = Vec::with_capacity(raw.len());
        for nal in nals(raw) {
            let kind = nal.first().copied().unwrap_or_default() & 0x1f;
            match kind {
                SPS | PPS => {
                    // New ones stand together and replace the old.
                    if kind == SPS && std::mem::take(&mut fresh) {
                        self.sps.clear();
                        self.pps.clear();
                    }
                    let sets = if kind == SPS { &mut self.sps } else { &mut self.pps };
                    sets.retain(|set| set != nal);
                    if sets.len() < SETS {
                        sets.push(nal.to_vec());
                    }
                }
                DELIMITER => {}
                _ => {
                    key |= kind == IDR;
                    picture |= (1..=IDR).contains(&kind);
                    append(&mut rest, nal);
                }
            }
        }
        if !picture || (key && (self.sps.is_empty() || self.pps.is_empty())) {
            return None;
        }
        let mut bytes = Vec::with_capacity(rest.len() + 128);
        if key {
            self.sps.iter().chain(&self.pps).for_each(|set| append(&mut bytes, set));
        }
        bytes.append(&mut rest);
        (bytes.len() <= UNIT_MAX).then_some(Unit { key, at_ns, bytes })
    }
}

fn append(bytes: &mut Vec<u8>, nal: &[u8]) {
    bytes.extend_from_slice(&[0, 0, 0, 1]);
    bytes.extend_from_slice(nal);
}

/// What lies between start codes, without zeros at its end.
fn nals(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start(raw);
    std::iter::from_fn(move || {
        let body = rest?;
        let end = body.windows(3).position(|three| three == [0, 0, 1]).unwrap_or(body.len());
        rest = after_start(body.get(end..).unwrap_or_default());
        let nal = body.get(..end).unwrap_or_default();
        let zeros = nal.iter().rev().take_while(|&&byte| byte == 0).count();
        nal.get(..nal.len() - zeros)
    })
    .filter(|nal| !nal.is_empty())
}

fn after_start(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|three| three == [0, 0, 1])?;
    bytes.get(at + 3..)
}

/// The last key frame and what followed: whoever begins to decode begins here.
#[derive(Default)]
pub(super) struct Group {
    units: Vec<Unit>,
    bytes: usize,
    reach: Reach,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// No key frame yet, or something after it was lost.
    #[default]
    Broken,
    Whole,
    /// Too long to catch up with: who decodes goes on, who begins waits.
    TooLong,
}

impl Group {
    /// False when it leads to nothing: what it builds on is not there.
    pub(super) fn push(&mut self, unit: &Unit) -> bool {
        if unit.key {
            self.lose();
            self.reach = Reach::Whole;
        }
        if self.reach == Reach::Whole {
            self.bytes += unit.bytes.len();
            self.units.push(unit.clone());
            if self.bytes > GROUP_BYTES || self.units.len() > GROUP_UNITS {
                self.lose();
                self.reach = Reach::TooLong;
            }
        }
        self.reach != Reach::Broken
    }

    /// Something of it never came.
    pub(super) fn lose(&mut self) {
        self.units = Vec::new();
        self.bytes = 0;
        self.reach = Reach::Broken;
    }

    pub(super) fn units(&self) -> &[Unit] {
        &self.units
    }
}
