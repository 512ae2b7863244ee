//! What paging is told: once at start, and with every page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;
use weir_model::directory::{Codec, Evidence, Speaker};
use weir_model::fact::EffectKey;
use weir_model::id::ZoneId;
use weir_model::intent::Priority;

use crate::audio::Clip;
use crate::voice::PortsError;

#[derive(Debug, Clone)]
pub struct PagerConfig {
    /// Where RTP comes from; told to the loudspeakers, which accept no other.
    pub rtp: IpAddr,
    /// Two for each call.
    pub ports: RangeInclusive<u16>,
    /// Remembers calls under way, so that a restarted node can end them.
    pub notes: PathBuf,
}

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// Fills bytes at random: SSRCs and the like (RFC 3550 §5.1).
#[derive(Clone)]
pub struct Dice(Arc<Fill>);

impl Dice {
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    pub(super) fn roll<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice(..)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PagerError {
    #[error(transparent)]
    Ports(#[from] PortsError),
}

/// Something to be played in one zone.
#[derive(Debug, Clone)]
pub struct PageOrder {
    pub key: EffectKey,
    pub zone: ZoneId,
    pub speakers: Vec<Speaker>,
    pub priority: Priority,
    /// How many times it is played.
    pub repeat: u32,
    /// The grade wanted, and how soon after the page begins.
    pub evidence: Option<Evidence>,
    /// It must begin by then, or not at all.
    pub window_ends: Instant,
    /// The number shown, and its name.
    pub from: String,
    pub from_name: String,
    /// The same sound in each codec that is held, by the codec's own order.
    pub clips: BTreeMap<Codec, Clip>,
}

impl PageOrder {
    /// What a loudspeaker is offered: what is held of what it knows, its best
    /// first.
    pub(super) fn codecs(&self, speaker: &Speaker) -> Vec<Codec> {
        let mut seen = BTreeSet::new();
        let known = speaker.profile.codecs.iter().copied();
        known.filter(|codec| self.clips.contains_key(codec) && seen.insert(*codec)).collect()
    }

    /// The longest: nobody is cut off.
    pub(super) fn clip_ms(&self) -> u32 {
        self.clips.values().map(|clip| clip.ms).max().unwrap_or(0)
    }
}
