//! Intents on their way to another site: straight there, or through a node that
//! can reach it, again and again until the site has judged or the window has
//! passed. The same intent may arrive twice; the home site acts on it once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_model::decision::Role;
use weir_model::id::{IntentId, NodeId, SiteId};
use weir_model::intent::{Intent, IntentStatus, SignedIntent};

use super::gate::{Gate, Handed};
use super::inbox::Full;
use super::wire::SiteRequest;
use crate::cluster::WallClock;
use crate::disk::Disk;
use crate::net::Transport;
use crate::types::Runtime;

/// Intents remembered, those under way and those that have ended.
const REMEMBERED: usize = 1024;
/// How long one try may take: a satellite's round trip and a sync.
const TRY: Duration = Duration::from_secs(4);
/// Between tries.
const AGAIN: Duration = Duration::from_millis(500);
/// Between the two copies of an intent over a satellite: not in one packet, nor in
/// one burst of losses.
const APART: Duration = Duration::from_millis(60);
/// Nodes asked to hand an intent on.
const RELAYS: usize = 2;

/// How an intent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Not there yet; tries go on until its window has passed.
    Trying {
        why: Option<String>,
    },
    Judged(IntentStatus),
    /// The window has passed and the site surely never got it.
    NotDelivered {
        why: String,
    },
    /// The window has passed and nobody knows whether the site got it.
    Unknown,
}

impl Delivery {
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Trying { .. })
    }
}

/// See the module.
pub struct Outbox<D, T> {
    gate: Gate<D, T>,
    wall: WallClock,
    stop: CancellationToken,
    sent: Mutex<BTreeMap<IntentId, watch::Receiver<Delivery>>>,
}

impl<D: Disk, T: Transport> Outbox<D, T> {
    pub fn new(gate: Gate<D, T>, wall: WallClock, stop: CancellationToken) -> Self {
        Self { gate, wall, stop, sent: Mutex::default() }
    }

    /// How an intent that was sent from here is doing.
    pub fn delivery(&self, id: &IntentId) -> Option<Delivery> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(id).map(|delivery| delivery.borrow().clone())
    }

    /// Sends an intent and waits for at most `wait`; tries go on after that.
    ///
    /// # Errors
    /// When too many intents are under way already.
    pub async fn send<R: Runtime>(
        self: &Arc<Self>,
        intent: Intent,
        signed: SignedIntent,
        wait: Duration,
    ) -> Result<Delivery, Full> {
        let mut delivery = match self.known(&intent.id) {
            Some(delivery) => delivery,
            None => self.start::<R>(intent, signed)?,
        };
        // Whoever clicked waits a moment; the page follows the rest.
        let _ = timeout(wait, delivery.wait_for(Delivery::is_over)).await;
        let now = delivery.borrow().clone();
        Ok(now)
    }

    fn known(&self, id: &IntentId) -> Option<watch::Receiver<Delivery>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn start<R: Runtime>(
        self: &Arc<Self>,
        intent: Intent,
        signed: SignedIntent,
    ) -> Result<watch::Receiver<Delivery>, Full> {
        let (tell, delivery) = watch::channel(Delivery::Trying { why: None });
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() >= REMEMBERED {
            let over = sent.iter().find(|(_, one)| one.borrow().is_over()).map(|(id, _)| *id);
            sent.remove(&over.ok_or(Full)?);
        }
        sent.insert(intent.id, delivery.clone());
        drop(sent);
        let outbox = self.clone();
        // Owned by the outbox's token; ends with the intent's window at latest.
        drop(R::spawn(async move {
            tokio::select! {
                biased;
                () = outbox.stop.cancelled() => {}
                () = outbox.deliver(&intent, signed, &tell) => {}
            }
        }));
        Ok(delivery)
    }

    async fn deliver(&self, intent: &Intent, signed: SignedIntent, tell: &watch::Sender<Delivery>) {
        let mut perhaps = false;
        loop {
            let handed = self.hand_over(&intent.home, &signed).await;
            let why = match handed {
                Handed::Judged(status) => {
                    tell.send_replace(Delivery::Judged(status));
                    return;
                }
                Handed::NotDelivered(why) => why,
                Handed::Unknown => {
                    perhaps = true;
                    "no answer yet".into()
                }
            };
            tell.send_replace(Delivery::Trying { why: Some(why.clone()) });
            tokio::time::sleep(AGAIN).await;
            // Not one more try after its window: the site's clock may be slow.
            if (self.wall)() > intent.not_after {
                tell.send_replace(match perhaps {
                    true => Delivery::Unknown,
                    false => Delivery::NotDelivered { why },
                });
                return;
            }
        }
    }

    async fn hand_over(&self, home: &SiteId, signed: &SignedIntent) -> Handed {
        let gate = &self.gate;
        let Some(to) = gate.driver_of(home) else {
            return Handed::NotDelivered(format!("site {home} has no node"));
        };
        if to == gate.me() {
            return gate.judge(signed.clone()).await;
        }
        let direct = self.ask_directly(to, SiteRequest::Intent(signed.clone())).await;
        let Handed::NotDelivered(why) = direct else { return direct };
        for relay in self.relays(to) {
            let request = SiteRequest::Relay { to, signed: signed.clone() };
            match gate.ask(relay, &request, TRY).await {
                Handed::NotDelivered(_) => {}
                handed => return handed,
            }
        }
        Handed::NotDelivered(why)
    }

    /// Over a satellite it goes twice, a little apart: a lost packet is missed
    /// only after a round trip, and a page must not wait for that. The site acts
    /// once on what comes twice.
    async fn ask_directly(&self, to: NodeId, request: SiteRequest) -> Handed {
        let gate = &self.gate;
        if !gate.transport().is_satellite(to) {
            return gate.ask(to, &request, TRY).await;
        }
        let first = pin!(gate.ask(to, &request, TRY));
        let second = pin!(async {
            tokio::time::sleep(APART).await;
            gate.ask(to, &request, TRY).await
        });
        let (one, other) = match select(first, second).await {
            Either::Left((handed, second)) if !matches!(handed, Handed::Judged(_)) => {
                (handed, second.await)
            }
            Either::Right((handed, first)) if !matches!(handed, Handed::Judged(_)) => {
                (handed, first.await)
            }
            Either::Left((handed, _)) | Either::Right((handed, _)) => return handed,
        };
        match (one, other) {
            (_, judged @ Handed::Judged(_)) => judged,
            // Only what came neither way surely did not come.
            (Handed::NotDelivered(_), not_delivered @ Handed::NotDelivered(_)) => not_delivered,
            _ => Handed::Unknown,
        }
    }

    fn relays(&self, to: NodeId) -> Vec<NodeId> {
        let view = self.gate.agreed();
        let voters = view.state.members.values().filter(|member| member.role == Role::Voter);
        let others = voters.map(|m| m.id).filter(|id| *id != to && *id != self.gate.me());
        let near = others.filter(|id| !self.gate.transport().is_satellite(*id));
        near.take(RELAYS).collect()
    }
}
