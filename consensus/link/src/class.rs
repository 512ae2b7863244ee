//! Kinds of traffic: a class has a socket of its own, an urgency only an order
//! within its connection. It refuses to promise an order between connections:
//! that is the uplink scheduler's work.

/// Traffic that shares a UDP port, a DSCP mark and a congestion controller.
/// Classes to come are added at the end, because the port follows the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Raft, intents, signalling, status: small and never to wait.
    Control,
    /// Snapshots, fact bodies, staged audio: large and patient.
    Bulk,
    /// Sound of calls and conferences, as datagrams: worthless when late.
    Voice,
    /// Pictures, as datagrams.
    Video,
}

/// How much of one connection's datagrams may wait on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffers {
    pub(crate) send_bytes: usize,
    pub(crate) receive_bytes: usize,
    pub(crate) when_full: WhenFull,
}

/// What a sender meets when nothing more may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The oldest goes unsent.
    DropOldest,
    /// The newest is refused, so that its sender makes smaller pictures.
    RefuseNewest,
}

impl Class {
    /// Every class, in the order of their ports.
    pub const ALL: [Self; 4] = [Self::Control, Self::Bulk, Self::Voice, Self::Video];

    /// How far its UDP port lies above the node's base port.
    pub const fn port_offset(self) -> u16 {
        match self {
            Self::Control => 0,
            Self::Bulk => 1,
            Self::Voice => 2,
            Self::Video => 3,
        }
    }

    /// Whether it carries datagrams, and then no streams; `None`: streams alone.
    pub(crate) const fn datagrams(self) -> Option<Buffers> {
        let kib = 1024;
        match self {
            Self::Control | Self::Bulk => None,
            // Sending: some hundred frames, a third of a second of eight calls.
            Self::Voice => Some(Buffers {
                send_bytes: 16 * kib,
                receive_bytes: 64 * kib,
                when_full: WhenFull::DropOldest,
            }),
            Self::Video => Some(Buffers {
                send_bytes: 256 * kib,
                receive_bytes: 256 * kib,
                when_full: WhenFull::RefuseNewest,
            }),
        }
    }

    pub(crate) const fn index(self) -> usize {
        self.port_offset() as usize
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Bulk => 1,
            Self::Voice => 2,
            Self::Video => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }
}

/// What goes first where messages share a connection. The most urgent is the
/// greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    Bulk,
    Ordinary,
    Orange,
    EmergencyPage,
    Control,
}

impl Urgency {
    const ALL: [Self; 5] =
        [Self::Bulk, Self::Ordinary, Self::Orange, Self::EmergencyPage, Self::Control];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Bulk => 0,
            Self::Ordinary => 1,
            Self::Orange => 2,
            Self::EmergencyPage => 3,
            Self::Control => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.code() == code)
    }

    /// As quinn orders streams: greater goes first.
    pub(crate) fn stream_priority(self) -> i32 {
        i32::from(self.code())
    }
}
