//! A call as its owner holds it: what to dial or who calls, what happens, how it
//! ends. Refuses to leave anyone in the line: a call that is dropped is hung up,
//! or refused.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use weir_model::directory::AutoAnswer;

use super::hub::Order;
use super::kept::Transport;
use super::line::Deed;

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
    /// Through a gateway or trunk: this user part in Request-URI and To instead
    /// of `to`.
    pub dial: Option<String>,
    /// 70 for calls of our own; one less than it came with for those passed on.
    pub max_forwards: u8,
    pub changes: Changes,
}

/// What becomes of the far side's wish to change an answered call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// A refresh is agreed to, a change is answered 488.
    Refuse,
    /// A refresh is agreed to; the owner answers [`CallEvent::Changed`].
    Ask,
}

/// A call that a telephone makes.
#[derive(Debug)]
pub struct Incoming {
    /// The number that digest accepted; never what From says.
    pub from: String,
    /// The number dialled.
    pub to: String,
    /// SDP; empty: none came, and the answer has to offer.
    pub offer: String,
    /// Where its signalling came from.
    pub source: SocketAddr,
    /// As it came, minus one.
    pub max_forwards: u8,
    pub call: Call,
}

/// Why a message was not sent, or nobody knows whether it came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("号码未注册；请检查设备是否通电联网 / not registered; check its power and network")]
    NotRegistered,
    #[error("连接已断开，须等设备重新连接 / the connection is lost; it must come back by itself")]
    Unreachable,
    #[error("短信发送过多；请稍后再试 / too many messages under way; try again later")]
    TooMany,
    #[error("短信过长；请分条发送 / the message is too long; send it in parts")]
    TooLarge,
    #[error("设备未应答，是否收到无从得知 / no answer; whether it came is not known")]
    Silent,
    #[error("SIP 正在停止 / SIP is stopping")]
    Stopped,
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
    /// Any other provisional answer, when its code or its SDP is another one than
    /// before.
    Ringing {
        code: u16,
        /// Empty if none came.
        sdp: String,
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
    /// The ACK to our 200 came, to the first or to one that agreed to a change.
    Confirmed {
        /// The answer, when our 200 had to offer; else empty.
        sdp: String,
    },
    /// The far side wants another session; [`Call::agree`] or [`Call::refuse`]
    /// within 20 seconds, or it is refused.
    Changed {
        /// Empty: we are asked to offer.
        sdp: String,
    },
    /// The far side agreed to [`Call::change`].
    Agreed {
        sdp: String,
    },
    /// It did not; all is as before.
    Declined {
        code: u16,
    },
    /// INFO, answered already.
    Info {
        /// Content-Type in lower case, without parameters.
        kind: String,
        body: Vec<u8>,
    },
    /// BYE from the far side, CANCEL before the answer, its session timer ran
    /// out, or its connection was lost.
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

/// A call, whoever made it. Dropping it hangs up; one that came and was not
/// answered is refused with 503.
pub struct Call {
    pub(super) id: u64,
    pub(super) events: mpsc::Receiver<CallEvent>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) note: Option<DialogNote>,
    pub(super) peer: IpAddr,
    /// Whether the note stands for a dialog that a BYE may end.
    pub(super) answered: AtomicBool,
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
            self.answered.store(true, Ordering::Relaxed);
        }
        Some(event)
    }

    /// Unique in the node's life.
    pub fn id(&self) -> u64 {
        self.id
    }

    async fn deed(&self, deed: Deed) {
        let _stopped = self.orders.send(Order::Deed { call: self.id, deed }).await;
    }

    /// A provisional answer, 180 to 183. Incoming calls only.
    pub async fn ring(&self, code: u16, sdp: Option<String>) {
        self.deed(Deed::Ring { code, sdp: sdp.unwrap_or_default() }).await;
    }

    /// 200 to the INVITE. Incoming calls only.
    pub async fn answer(&self, sdp: String) {
        self.answered.store(true, Ordering::Relaxed);
        self.deed(Deed::Answer { sdp }).await;
    }

    /// Refuses an incoming call for good, or what [`CallEvent::Changed`] asked.
    pub async fn refuse(&self, code: u16, words: &str) {
        self.deed(Deed::Refuse { code, words: words.into() }).await;
    }

    /// Asks the far side for another session; [`CallEvent::Agreed`] or
    /// [`CallEvent::Declined`] follows. A later one takes the place of one that
    /// still waits.
    pub async fn change(&self, sdp: String) {
        self.deed(Deed::Change { sdp }).await;
    }

    /// 200 to what [`CallEvent::Changed`] asked.
    pub async fn agree(&self, sdp: String) {
        self.deed(Deed::Agree { sdp }).await;
    }

    /// INFO to the far side; its answer is not waited for.
    pub async fn info(&self, kind: String, body: Vec<u8>) {
        self.deed(Deed::Info { kind, body }).await;
    }

    /// Ends the call: CANCEL before an answer (one that crosses it is
    /// acknowledged and ended), BYE after. Returns when the far side agreed, or
    /// after four seconds; the rest is done without the caller.
    pub async fn hang_up(self) {
        let (told, done) = oneshot::channel();
        let order = Order::HangUp { call: self.id, told: Some(told) };
        let ended = async {
            if self.orders.send(order).await.is_ok() {
                let _gone_is_done = done.await;
            }
        };
        let _late_is_done_without_us = tokio::time::timeout(HANG_UP, ended).await;
    }

    /// Where its signalling goes to.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// What is needed to end this call after a restart; there from
    /// [`CallEvent::Answered`] or [`answer`](Self::answer) on.
    pub fn note(&self) -> Option<DialogNote> {
        self.note.clone().filter(|_| self.answered.load(Ordering::Relaxed))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // When this queue is full, the closed event channel tells the same a
        // little later.
        let _swept_otherwise = self.orders.try_send(Order::HangUp { call: self.id, told: None });
    }
}
