//! SIP of a site's node: registrations and calls come in, calls and texts go out.
//! Refuses strangers, queues without an end, and to tell an unknown number from
//! a wrong password.
//!
//! Sockets → [`listen`] cuts, bounds and reads → the hub's queue → the hub
//! decides with pure parts (desk, leg) → bytes go out through [`wire`]. Nothing
//! here waits for a slow peer.

mod answer;
mod answered;
mod answering;
mod arriving;
mod call;
mod config;
mod counters;
mod desk;
mod dialog;
mod dice;
mod frame;
mod grammar;
mod head;
mod hub;
mod inbound;
mod kept;
mod leg;
mod legs;
mod line;
mod listen;
mod message;
mod placing;
mod renewal;
mod repeats;
mod script;
mod served;
mod session;
mod stale;
mod texting;
mod throttle;
#[doc(hidden)]
pub mod trial;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use call::{
    Call, CallError, CallEvent, Changes, DialogNote, Ended, Incoming, MessageError, Outgoing,
};
pub use weir_signaling::digest::Algorithm;

pub use config::{Account, Accounts, SipConfig, SipLimits, StartError};
pub use counters::SipCounters;
pub use kept::{KeptBinding, Transport};

use counters::Tally;
use desk::Desk;
use dice::Dice;
use hub::{Clock, Hub, Order, Parts};
use listen::Door;
use placing::Text;
use wire::Wire;

/// Messages read and not yet looked at; further datagrams are dropped, further
/// connections wait.
const INPUTS: usize = 1_024;
/// Most of them that came over connections, so that whoever fills those keeps no
/// loudspeaker's datagram out.
const INPUTS_TCP: usize = INPUTS / 2;
/// Orders not yet taken; whoever has one more waits.
const ORDERS: usize = 256;
/// How often a free port is looked for that is free over UDP and TCP.
const PORT_TRIES: usize = 16;

/// A site's SIP node; clones share it.
#[derive(Debug, Clone)]
pub struct Sip {
    local: SocketAddr,
    orders: mpsc::Sender<Order>,
    bindings: watch::Receiver<Arc<Vec<KeptBinding>>>,
    tally: Arc<Tally>,
    clock: Clock,
}

impl Sip {
    /// Opens the sockets and serves until `stop`; then calls under way are hung
    /// up, which takes a second at most. Calls that telephones make are put into
    /// `arrivals`; when it is full they are answered 503.
    ///
    /// # Errors
    /// When an address is taken, or the realm cannot be used.
    pub async fn start(
        config: SipConfig,
        accounts: watch::Receiver<Arc<Accounts>>,
        kept: Vec<KeptBinding>,
        arrivals: mpsc::Sender<Incoming>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let desk = Desk::new(&config)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| StartError::Dice(error.to_string()))?;
        let (udp, tcp, local) = open(config.listen).await?;
        // From here on the hub sends without waiting, which needs to be known.
        udp.writable().await.map_err(|source| StartError::Bind {
            transport: "UDP",
            address: local,
            source,
        })?;
        let (udp, tally, clock) = (Arc::new(udp), Arc::new(Tally::default()), Clock::new());
        let (inputs, taken) = mpsc::channel(INPUTS);
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (publish, bindings) = watch::channel(Arc::default());
        let limits = config.limits.clone();
        let flows = BTreeMap::new();
        let parts = Parts {
            config,
            clock,
            desk,
            dice: Dice::new(seed),
            wire: Wire { udp: udp.clone(), local, flows, tally: tally.clone() },
            accounts,
            bindings: publish,
            orders: orders.downgrade(),
            arrivals,
        };
        // The doors close after the last BYE was answered.
        let shut = CancellationToken::new();
        let hub = Hub::new(parts, kept);
        tasks.spawn({
            let shut = shut.clone().drop_guard();
            async move {
                hub.run(taken, ordered, stop).await;
                drop(shut);
            }
        });
        let places = Arc::new(Semaphore::new(INPUTS_TCP));
        let tally_too = tally.clone();
        let door = Door { hub: inputs, places, tally: tally_too, limits, clock, stop: shut };
        tasks.spawn(listen::datagrams(door.clone(), udp));
        tasks.spawn(listen::connections(door, tcp, tasks.clone()));
        tracing::info!(%local, "SIP is open");
        Ok(Self { local, orders, bindings, tally, clock })
    }

    /// Where it listens, with the port that was really taken.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// All live registrations, as they change (at most ten times a second).
    pub fn bindings(&self) -> watch::Receiver<Arc<Vec<KeptBinding>>> {
        self.bindings.clone()
    }

    /// Whether a call to `number` could be sent now, as far as
    /// [`bindings`](Self::bindings) tells.
    pub fn registered(&self, number: &str) -> bool {
        let now_ms = self.clock.now_ms();
        self.bindings.borrow().iter().any(|binding| {
            binding.number == number && binding.reachable && binding.expires_unix_ms > now_ms
        })
    }

    /// Calls a registered number.
    ///
    /// # Errors
    /// When nothing was sent; see [`CallError`].
    pub async fn call(&self, call: Outgoing) -> Result<Call, CallError> {
        let (told, made) = oneshot::channel();
        let order = Order::Call { call: Box::new(call), told };
        self.orders.send(order).await.map_err(|_| CallError::Stopped)?;
        made.await.unwrap_or(Err(CallError::Stopped))
    }

    /// Calls every reachable contact of a registered number, four at most, each
    /// as a call of its own.
    ///
    /// # Errors
    /// When nothing was sent; see [`CallError`].
    pub async fn call_all(&self, call: Outgoing) -> Result<Vec<Call>, CallError> {
        let (told, made) = oneshot::channel();
        let order = Order::CallAll { call: Box::new(call), told };
        self.orders.send(order).await.map_err(|_| CallError::Stopped)?;
        made.await.unwrap_or(Err(CallError::Stopped))
    }

    /// Sends a text to the number's best contact. Returns the final status code,
    /// whatever it is, after 32 seconds at most.
    ///
    /// # Errors
    /// When it was not sent, or no answer came; see [`MessageError`].
    pub async fn message(
        &self,
        to: &str,
        from: &str,
        from_name: &str,
        text: &str,
    ) -> Result<u16, MessageError> {
        let (told, answered) = oneshot::channel();
        let message = Text {
            to: to.into(),
            from: from.into(),
            from_name: from_name.into(),
            body: text.into(),
        };
        let order = Order::Message { message: Box::new(message), told };
        self.orders.send(order).await.map_err(|_| MessageError::Stopped)?;
        answered.await.unwrap_or(Err(MessageError::Stopped))
    }

    /// Ends a dialog that an earlier life of this node left behind. Waits two
    /// seconds at most.
    pub async fn end_stale(&self, note: &DialogNote) -> Ended {
        let (told, ended) = oneshot::channel();
        let order = Order::EndStale { note: Box::new(note.clone()), told };
        if self.orders.send(order).await.is_err() {
            return Ended::Unreachable;
        }
        ended.await.unwrap_or(Ended::Unreachable)
    }

    pub fn counters(&self) -> SipCounters {
        self.tally.read()
    }
}

/// One port over UDP and TCP.
async fn open(listen: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), StartError> {
    let refused = |transport: &'static str, address: SocketAddr| {
        move |source| StartError::Bind { transport, address, source }
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = UdpSocket::bind(listen).await.map_err(refused("UDP", listen))?;
        let local = udp.local_addr().map_err(refused("UDP", listen))?;
        match TcpListener::bind(local).await {
            Ok(tcp) => {
                // A page of many zones answers all at once.
                let room = socket2::SockRef::from(&udp).set_recv_buffer_size(1 << 20);
                if let Err(error) = room {
                    tracing::debug!(%error, "the SIP socket keeps its small buffer");
                }
                return Ok((udp, tcp, local));
            }
            // The port was free over UDP only: another one, if any would do.
            Err(_) if listen.port() == 0 && tries < PORT_TRIES => {}
            Err(source) => return Err(refused("TCP", local)(source)),
        }
    }
}
