//! The five formats that are relayed, and how a telephone names them. Refuses
//! all others, so that nothing is offered on that nobody here can count or time.

/// Longest `a=rtpmap` that is kept, in bytes.
const MAP_MAX_BYTES: usize = 64;
/// Longest `a=fmtp` that is kept, in bytes.
const FMTP_MAX_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Pcmu,
    Pcma,
    G722,
    Opus,
    /// Keys pressed (RFC 4733), at 8,000 or 48,000 Hz.
    Event,
}

impl Kind {
    /// Whether it carries a voice, not keys.
    pub fn is_voice(self) -> bool {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::Opus => true,
            Self::Event => false,
        }
    }

    /// `PCMA/8000`: name, clock and, where there are several, channels. G.722
    /// runs at 16,000 Hz and has always been written 8000 (RFC 3551 §4.5.2).
    fn read(map: &str) -> Option<(Self, u32)> {
        let mut parts = map.split('/');
        let name = parts.next()?.to_ascii_lowercase();
        let clock_hz = number(parts.next()?)?;
        let channels = match parts.next() {
            Some(said) => number(said)?,
            None if name == "opus" => 2,
            None => 1,
        };
        let kind = match (name.as_str(), clock_hz, channels) {
            ("pcmu", 8_000, 1) => Self::Pcmu,
            ("pcma", 8_000, 1) => Self::Pcma,
            ("g722", 8_000, 1) => Self::G722,
            ("opus", 48_000, 2) => Self::Opus,
            ("telephone-event", 8_000 | 48_000, 1) => Self::Event,
            _ => return None,
        };
        parts.next().is_none().then_some((kind, clock_hz))
    }
}

/// Digits and nothing else: `parse` would take a sign.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A format with the number that its receiver gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pub payload_type: u8,
    pub kind: Kind,
    /// Of RTP timestamps.
    pub clock_hz: u32,
    /// As it was said, or as RFC 3551 has it.
    pub rtpmap: String,
    /// As it was said.
    pub fmtp: Option<String>,
}

impl Format {
    /// `None` for what is not relayed. What others would have to read as more
    /// than one line is never kept.
    pub(super) fn new(payload_type: u8, map: Option<&str>, fmtp: Option<&str>) -> Option<Self> {
        let rtpmap = match (map, payload_type) {
            (Some(map), _) => map,
            (None, 0) => "PCMU/8000",
            (None, 8) => "PCMA/8000",
            (None, 9) => "G722/8000",
            (None, _) => return None,
        };
        let (kind, clock_hz) = Kind::read(rtpmap)?;
        let short = rtpmap.len() <= MAP_MAX_BYTES;
        let fmtp = fmtp.filter(|said| said.len() <= FMTP_MAX_BYTES && is_plain(said));
        short.then(|| Self {
            payload_type,
            kind,
            clock_hz,
            rtpmap: rtpmap.into(),
            fmtp: fmtp.map(Into::into),
        })
    }

    /// Whether both mean the same sound, whatever number they give it.
    pub fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.clock_hz == other.clock_hz
    }
}

/// Printable ASCII: no lone CR that another reader takes for the end of a line.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}
