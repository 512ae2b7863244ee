//! A call to or from another site, as its owner holds it. Refuses to leave anyone
//! in the line: a call that is dropped is hung up, or refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use weir_model::id::{NodeId, SiteId};
use weir_signaling::between::Deed;

use super::CallEvent;
use crate::trunk::TrunkError;

/// How long [`Call::hang_up`] waits for the other site to have heard it.
const HANG_UP: Duration = Duration::from_secs(4);

/// A call to another site's number.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub site: SiteId,
    pub to: String,
    /// The number that digest accepted.
    pub from: String,
    pub from_name: String,
    pub emergency: bool,
    /// SDP.
    pub offer: String,
    /// Without a final answer by then the call is given up.
    pub answer_within: Duration,
    /// One less than it came with.
    pub max_forwards: u8,
}

/// A call that another site makes.
#[derive(Debug)]
pub struct Incoming {
    /// The node that brings it.
    pub node: NodeId,
    /// As that node says.
    pub from: String,
    pub from_name: String,
    pub to: String,
    pub emergency: bool,
    /// SDP of our own end.
    pub offer: String,
    /// As it came, minus one.
    pub max_forwards: u8,
    pub call: Call,
}

/// Why a call to another site was not even begun.
#[derive(Debug, thiserror::Error)]
pub enum FarError {
    #[error(
        "站点 {0} 没有可用的节点，请检查其节点是否已加入 / site {0} has no node; see whether one has \
         joined"
    )]
    NoPeer(SiteId),
    #[error(
        "跨站通话已达上限，请稍后再拨 / as many calls between sites as there may be; try again later"
    )]
    TooMany,
    #[error(transparent)]
    Trunk(#[from] TrunkError),
    #[error(
        "中继没有媒体地址，请检查 [sip] rtp / the trunk has no address for sound; see [sip] rtp"
    )]
    Silent,
    #[error("没有随机数来源，请检查系统 / the host gives no random bytes: {0}")]
    Dice(String),
    #[error("正在停止 / the node stops")]
    Stopped,
}

/// See the module.
pub struct Call {
    id: u64,
    peer: IpAddr,
    events: mpsc::Receiver<CallEvent>,
    deeds: mpsc::Sender<Deed>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Call {
    pub(super) fn new(
        id: u64,
        peer: IpAddr,
        events: mpsc::Receiver<CallEvent>,
        deeds: mpsc::Sender<Deed>,
    ) -> Self {
        Self { id, peer, events, deeds }
    }

    /// One that was refused before it left this site.
    pub(super) fn refused(code: u16, reason: String) -> Self {
        let (told, events) = mpsc::channel(1);
        // Just made, it has room.
        let _ = told.try_send(CallEvent::Refused { code, reason });
        let (deeds, _) = mpsc::channel(1);
        Self { id: u64::MAX, peer: Ipv4Addr::UNSPECIFIED.into(), events, deeds }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<CallEvent> {
        self.events.recv().await
    }

    /// Unique in the node's life, among calls between sites.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where its sound comes from: our own trunk.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    async fn deed(&self, deed: Deed) {
        let _over = self.deeds.send(deed).await;
    }

    /// Incoming calls only.
    pub async fn ring(&self, code: u16, sdp: Option<String>) {
        self.deed(Deed::Ring { code, sdp }).await;
    }

    /// Incoming calls only.
    pub async fn answer(&self, sdp: String) {
        self.deed(Deed::Answer { sdp }).await;
    }

    /// Refuses an incoming call for good, or what [`CallEvent::Changed`] asked.
    pub async fn refuse(&self, code: u16, words: &str) {
        self.deed(Deed::Refuse { code, words: words.into() }).await;
    }

    /// Asks the other side for another session; [`CallEvent::Agreed`] or
    /// [`CallEvent::Declined`] follows.
    pub async fn change(&self, sdp: String) {
        self.deed(Deed::Change { sdp }).await;
    }

    pub async fn agree(&self, sdp: String) {
        self.deed(Deed::Agree { sdp }).await;
    }

    pub async fn info(&self, kind: String, body: Vec<u8>) {
        self.deed(Deed::Info { kind, body }).await;
    }

    /// Ends the call. Returns when the other site has heard it, or after four
    /// seconds; the rest is done without the caller.
    pub async fn hang_up(mut self) {
        let ended = async {
            if self.deeds.send(Deed::HangUp).await.is_ok() {
                while self.events.recv().await.is_some() {}
            }
        };
        let _late_is_done_without_us = timeout(HANG_UP, ended).await;
    }
}
