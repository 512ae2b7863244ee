//! Numbers of a node's pictures, as plain numbers: what is now, and what was
//! counted since the start.

use weir_signaling::picture::ReceiverCounters;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoStats {
    /// Cameras that are watched here or sent on, now.
    pub pictures: u64,
    /// Views of cameras that are open at this node's site, now.
    pub cameras: u64,
    pub streams_in: u64,
    pub streams_out: u64,
    /// Since the start, from here on.
    pub units: u64,
    pub datagrams_out: u64,
    pub datagrams_unsent: u64,
    pub bytes_out: u64,
    pub datagrams_in: u64,
    pub bytes_in: u64,
    pub datagrams_lost: u64,
    /// Not ours, or of no stream that there is.
    pub datagrams_strange: u64,
    pub blocks_repaired: u64,
    pub blocks_lost: u64,
    pub keys_asked: u64,
    pub rung_changes: u64,
    pub asked: u64,
    pub followed: u64,
    pub refused: u64,
    /// More came at once than was read.
    pub mail_lost: u64,
}

impl VideoStats {
    pub(super) fn add(&mut self, received: &ReceiverCounters) {
        self.datagrams_lost += received.lost;
        self.datagrams_strange += received.broken;
        self.blocks_repaired += received.blocks_repaired;
        self.blocks_lost += received.blocks_lost;
    }
}
