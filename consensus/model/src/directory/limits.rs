//! How large a directory may grow. A cluster of 2,000 sites fits several times
//! over; what does not fit is refused whole, never cut short.

/// Longest directory file, in bytes.
pub const FILE_MAX_BYTES: usize = 4 << 20;
/// Longest encoded record, in bytes.
pub const RECORD_MAX_BYTES: usize = 16 << 10;
/// Longest encoded change set, in bytes: one entry of the log.
pub const CHANGE_SET_MAX_BYTES: usize = 1 << 20;

/// Most problems that a refused change set lists.
pub const PROBLEMS_MAX: usize = 256;
/// Most mistakes that a refused file lists.
pub const MISTAKES_MAX: usize = 1_000;

pub const SITES_MAX: usize = 4_096;
pub const PEOPLE_MAX: usize = 65_536;
pub const EXTENSIONS_MAX: usize = 65_536;
pub const ZONES_MAX: usize = 16_384;
pub const ROSTERS_MAX: usize = 16_384;
pub const CAMERAS_MAX: usize = 16_384;
pub const AUDIO_MAX: usize = 4_096;
pub const PLANS_MAX: usize = 1_024;

pub const LINKS_PER_SITE_MAX: usize = 16;
pub const NODES_PER_SITE_MAX: usize = 8;
pub const ROLES_PER_PERSON_MAX: usize = 8;
pub const SPEAKERS_PER_ZONE_MAX: usize = 256;
pub const CODECS_PER_SPEAKER_MAX: usize = 8;
pub const MEMBERS_PER_ROSTER_MAX: usize = 256;
pub const SUBSTITUTES_PER_MEMBER_MAX: usize = 8;
pub const AUTHORITIES_PER_PLAN_MAX: usize = 8;
pub const STEPS_PER_PLAN_MAX: usize = 64;
pub const ZONES_PER_STEP_MAX: usize = 64;

/// Longest label of a thing, in bytes.
pub const LABEL_MAX_BYTES: usize = 128;
/// Longest spoken text or question, in bytes: about a minute of Chinese.
pub const TEXT_MAX_BYTES: usize = 1_024;
/// Longest path or address, in bytes.
pub const ADDRESS_MAX_BYTES: usize = 255;
