//! What the director wants done, in order, and the numbers it gives out.

use std::fmt;

use weir_model::id::{NodeId, SiteId};
use weir_signaling::picture::Rung;

use super::message::{Request, Trouble};
use super::stats::VideoStats;

/// Where a camera of the directory is, and how it lets us in.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraSource {
    pub site: SiteId,
    /// `rtsp://host[:port]/path`, without a name and a password.
    pub url: String,
    pub user: Option<String>,
    pub password: Option<String>,
}

impl fmt::Debug for CameraSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CameraSource({} {})", self.site, self.url)
    }
}

/// What a camera says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CameraNews {
    pub(super) trouble: Option<Trouble>,
    /// What the camera sends, where that is known.
    pub(super) source_bps: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Output {
    Send { to: NodeId, datagram: Vec<u8> },
    Ask { id: u64, to: NodeId, request: Request },
    Open { lens: u64, source: CameraSource, rung: Rung },
    Rung { lens: u64, rung: Rung },
    Key { lens: u64 },
    Close { lens: u64 },
}

#[derive(Debug)]
pub(super) struct Out {
    pub(super) outputs: Vec<Output>,
    pub(super) stats: VideoStats,
    lens: u64,
    ask: u64,
    stream: u16,
}

impl Out {
    /// `stream`: where the numbers of streams begin. After a restart others are
    /// likely, so that what was on its way to the old ones misleads nobody.
    pub(super) fn new(stream: u16) -> Self {
        Self { outputs: Vec::new(), stats: VideoStats::default(), lens: 0, ask: 0, stream }
    }

    pub(super) fn say(&mut self, output: Output) {
        self.outputs.push(output);
    }

    pub(super) fn send(&mut self, to: NodeId, datagram: Vec<u8>) {
        self.stats.datagrams_out += 1;
        self.stats.bytes_out += u64::try_from(datagram.len()).unwrap_or(0);
        self.say(Output::Send { to, datagram });
    }

    pub(super) fn ask(&mut self, to: NodeId, request: Request) -> u64 {
        self.ask += 1;
        let id = self.ask;
        self.say(Output::Ask { id, to, request });
        id
    }

    pub(super) fn open(&mut self, source: &CameraSource, rung: Rung) -> u64 {
        self.lens += 1;
        self.say(Output::Open { lens: self.lens, source: source.clone(), rung });
        self.lens
    }

    pub(super) fn stream(&mut self) -> u16 {
        self.stream = self.stream.wrapping_add(1);
        self.stream
    }
}
