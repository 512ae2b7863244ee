//! A call as its owner holds it: what to dial, what happens, how it ends.
//! Refuses to leave a loudspeaker open: a call that is dropped is hung up.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use weir_model::directory::AutoAnswer;

use super::kept::Transport;

/// A call to one number.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The number called; it must be registered here.
    pub to: String,
    /// The number shown.
    pub from: String,
    pub from_name: String,
    pub auto_answer: AutoAnswer,
    /// SDP.
    pub offer: String,
    /// Without a final answer by then the call is given up and cancelled.
    pub answer_within: Duration,
}

/// Why a call was not even begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error(
        "号码 {0} 未注册；请检查设备是否通电联网 / {0} is not registered; check its power and network"
    )]
    NotRegistered(String),
    #[error(
        "号码 {0} 的连接已断开，须等设备重新连接 / the connection to {0} is lost; it must come back \
         by itself"
    )]
    Unreachable(String),
    #[error(
        "同时通话已达上限 {0}；请稍后再试 / {0} calls are under way, the most; try again later"
    )]
    TooMany(usize),
    #[error("呼叫内容过大 / the call's offer or name is too large")]
    TooLarge,
    #[error("SIP 正在停止 / SIP is stopping")]
    Stopped,
}

/// What happens to a call, in order. `Refused`, `Silent` and `Ended` are last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// 100: the far side has the call.
    Trying,
    /// Any other provisional answer, when it is another one than before.
    Ringing {
        code: u16,
    },
    Answered {
        /// What came with the answer; empty if nothing did.
        sdp: String,
        note: DialogNote,
    },
    Refused {
        code: u16,
        reason: String,
    },
    /// No final answer in time.
    Silent,
    /// BYE from the far side, or its connection was lost.
    Ended {
        why: String,
    },
}

/// What must be known to end an answered call after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogNote {
    pub number: String,
    pub transport: Transport,
    /// Where the device's packets came from.
    pub address: SocketAddr,
    pub call_id: String,
    /// From and To as they stand in our requests, with their tags.
    pub from: String,
    pub to: String,
    /// The Request-URI of requests within the dialog.
    pub target: String,
    /// Route headers, first hop first.
    pub route: Vec<String>,
    /// The last CSeq used.
    pub cseq: u32,
}

/// What became of a dialog left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The device said it is over.
    Done,
    /// It knew nothing of the call (481, 408), so that it is over too.
    WasOver,
    /// It refused; perhaps the call goes on.
    Refused { code: u16 },
    /// No answer: unknown.
    Silent,
    /// There is no way to it: its connection is lost.
    Unreachable,
}

impl Ended {
    /// Whether the device is surely not in that call any more.
    pub fn surely(self) -> bool {
        matches!(self, Self::Done | Self::WasOver)
    }
}

/// An outgoing call. Dropping it hangs up.
pub struct Call {
    pub(super) id: u64,
    pub(super) events: mpsc::Receiver<CallEvent>,
    pub(super) orders: mpsc::Sender<super::hub::Order>,
    pub(super) note: Option<DialogNote>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How long [`Call::hang_up`] waits for the far side to agree.
const HANG_UP: Duration = Duration::from_secs(4);

impl Call {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<CallEvent> {
        let event = self.events.recv().await?;
        if let CallEvent::Answered { note, .. } = &event {
            self.note = Some(note.clone());
        }
        Some(event)
    }

    /// Ends the call: CANCEL before an answer (one that crosses it is
    /// acknowledged and ended), BYE after. Returns when the far side agreed, or
    /// after four seconds; the rest is done without the caller.
    pub async fn hang_up(self) {
        let (told, done) = oneshot::channel();
        let order = super::hub::Order::HangUp { call: self.id, told: Some(told) };
        let ended = async {
            if self.orders.send(order).await.is_ok() {
                let _gone_is_done = done.await;
            }
        };
        let _late_is_done_without_us = tokio::time::timeout(HANG_UP, ended).await;
    }

    /// What is needed to end this call after a restart; there from
    /// [`CallEvent::Answered`] on.
    pub fn note(&self) -> Option<DialogNote> {
        self.note.clone()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // When this queue is full, the closed event channel tells the same a
        // little later.
        let _swept_otherwise =
            self.orders.try_send(super::hub::Order::HangUp { call: self.id, told: None });
    }
}
