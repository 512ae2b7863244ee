//! What a link is told before it starts. Nothing here is read from a file: the
//! node's configuration does that. It refuses to carry secrets other than the
//! node's own identity.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_model::id::NodeId;

use crate::class::Class;
use crate::identity::Identity;
use crate::shaper::ShaperControl;

/// Differentiated services code points (RFC 2474; RFC 4594 for their use).
pub const DSCP_CS6: u8 = 48;
pub const DSCP_CS1: u8 = 8;
pub const DSCP_EF: u8 = 46;
pub const DSCP_AF41: u8 = 34;

/// How the connections of one class behave on terrestrial paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSettings {
    /// Mark on each packet, 0 to 63.
    pub dscp: u8,
    /// Something is sent at least this often by the side that dialled; `None`
    /// lets an idle connection end.
    pub keep_alive: Option<Duration>,
    /// A connection that hears nothing for so long is over.
    pub idle_timeout: Duration,
    /// An address that has not completed the handshake by then is given up.
    pub connect_timeout: Duration,
}

/// A path over a satellite: slow, lossy, paid by the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Satellite {
    /// What this side may send, in bits a second.
    pub rate_bps: u64,
    /// Assumed round trip until one is measured.
    pub rtt: Duration,
    /// An exchange of some 150 bytes that keeps the connection and says that
    /// the peer lives; `None` lets an idle connection end. Not for
    /// [`Class::Voice`] and [`Class::Video`], which end when nothing is said.
    pub keep_alive: Option<Duration>,
    pub idle_timeout: Duration,
    pub connect_timeout: Duration,
}

impl Satellite {
    pub fn new(rate_bps: u64) -> Self {
        Self {
            rate_bps,
            rtt: Duration::from_millis(700),
            keep_alive: Some(Duration::from_secs(6)),
            idle_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// What holds for one connection, given its class and its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) idle_timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

/// Bounds on what one peer can make us hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Streams a peer may have open on one connection.
    pub streams_per_connection: u32,
    /// Longest frame, and so longest call and answer.
    pub frame_bytes: usize,
    /// Connections of one class, of all peers together.
    pub connections: usize,
    /// Join requests being answered at a time.
    pub joins: usize,
    /// Waits between dials to a peer that does not answer: doubled up to the
    /// second one.
    pub redial_min: Duration,
    pub redial_max: Duration,
    /// How long [`crate::Link::close`] waits for answers under way.
    pub drain: Duration,
}

/// Longest frame a peer may send, whatever the configuration says.
pub const FRAME_MAX_BYTES: usize = 8 * 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_per_connection: 256,
            frame_bytes: FRAME_MAX_BYTES,
            connections: 4096,
            joins: 8,
            redial_min: Duration::from_millis(100),
            redial_max: Duration::from_secs(2),
            drain: Duration::from_secs(2),
        }
    }
}

/// Everything a link needs.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    pub identity: Arc<Identity>,
    /// Address of [`Class::Control`]; each further class listens one port
    /// higher. Port 0: any run of free ports.
    pub listen: SocketAddr,
    pub control: ClassSettings,
    pub bulk: ClassSettings,
    pub voice: ClassSettings,
    pub video: ClassSettings,
    /// Set where every path of this node leads over a satellite.
    pub satellite: Option<Satellite>,
    /// Emulates a slow or broken uplink, for demonstrations and drills.
    pub shaper: Option<ShaperControl>,
    pub limits: Limits,
}

impl LinkConfig {
    pub fn new(identity: Arc<Identity>, listen: SocketAddr) -> Self {
        Self {
            identity,
            listen,
            control: ClassSettings {
                dscp: DSCP_CS6,
                keep_alive: Some(Duration::from_secs(1)),
                idle_timeout: Duration::from_secs(3),
                connect_timeout: Duration::from_secs(1),
            },
            bulk: ClassSettings {
                dscp: DSCP_CS1,
                keep_alive: None,
                idle_timeout: Duration::from_secs(30),
                connect_timeout: Duration::from_secs(2),
            },
            voice: ClassSettings {
                dscp: DSCP_EF,
                keep_alive: None,
                idle_timeout: Duration::from_secs(30),
                connect_timeout: Duration::from_secs(1),
            },
            video: ClassSettings {
                dscp: DSCP_AF41,
                keep_alive: None,
                idle_timeout: Duration::from_secs(30),
                connect_timeout: Duration::from_secs(2),
            },
            satellite: None,
            shaper: None,
            limits: Limits::default(),
        }
    }

    pub(crate) fn class(&self, class: Class) -> &ClassSettings {
        match class {
            Class::Control => &self.control,
            Class::Bulk => &self.bulk,
            Class::Voice => &self.voice,
            Class::Video => &self.video,
        }
    }

    pub(crate) fn times(&self, class: Class, satellite: Option<&Satellite>) -> Times {
        let ground = self.class(class);
        let Some(path) = satellite else {
            let ClassSettings { keep_alive, idle_timeout, connect_timeout, .. } = *ground;
            return Times { keep_alive, idle_timeout, connect_timeout };
        };
        let connect_timeout = path.connect_timeout;
        if class.datagrams().is_some() {
            // Dialling costs more than a pause in a talk, silence costs nothing.
            let idle_timeout = path.idle_timeout.max(ground.idle_timeout);
            return Times { keep_alive: ground.keep_alive, idle_timeout, connect_timeout };
        }
        let (keep_alive, idle_timeout) = (path.keep_alive, path.idle_timeout);
        Times { keep_alive, idle_timeout, connect_timeout }
    }
}

/// Where a peer can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    pub id: NodeId,
    /// Addresses of its [`Class::Control`], the best first.
    pub addrs: Vec<SocketAddr>,
    /// Set where the path to it leads over a satellite.
    pub satellite: Option<Satellite>,
}
