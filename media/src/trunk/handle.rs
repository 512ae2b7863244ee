//! The handle on one trunk. It tells the thread what to do by letters and never
//! waits for an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_model::id::NodeId;

use super::post::{Join, Post};
use super::stats::{CallCounters, TrunkCallStats};
use crate::wan::Telephone;

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Dropping it closes its ports, or its end of the line.
#[derive(Debug)]
pub struct Trunk {
    channel: u16,
    address: Option<SocketAddr>,
    peer: NodeId,
    shared: Arc<CallCounters>,
    post: Arc<Post>,
}

impl Trunk {
    pub(super) fn new(
        channel: u16,
        address: Option<SocketAddr>,
        peer: NodeId,
        shared: &Arc<CallCounters>,
        post: &Arc<Post>,
    ) -> Self {
        Self { channel, address, peer, shared: shared.clone(), post: post.clone() }
    }

    /// Frames to us carry it: the other end is to be told.
    pub fn channel(&self) -> u16 {
        self.channel
    }

    /// Our RTP address, RTCP on the next port; `None` for a line.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// From now on what comes at our port, or line, goes to their channel, and
    /// back. `telephone`: how RTP at our port looks, both ways. `towards`: who is
    /// there, and alone believed; `None`: the call is on hold, and nothing is sent
    /// either way. For a line `telephone` is PCMA and `towards` `None`. May be said
    /// again whenever something changes; streams go on. What cannot be carried
    /// over the path (G.722 over a thin one) is counted as refused, and silent.
    pub fn join(&self, theirs: u16, telephone: Telephone, towards: Option<SocketAddr>) {
        let link = self.post.path_of(self.peer);
        self.post.join(self.channel, Join { theirs, telephone, towards, link });
    }

    pub fn stats(&self) -> TrunkCallStats {
        self.shared.read(self.post.now_ms())
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.post.close(self.channel);
    }
}
