//! Where intents come in: from this node's own people, or from other nodes. A
//! signature is checked against the member list before the machine sees it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use weir_link::PublicKey;
use weir_model::codec;
use weir_model::id::{NodeId, SiteId};
use weir_model::intent::{IntentStatus, Signature, SignedIntent};

use super::driver::Site;
use super::inbox::Mail;
use super::wire::{SiteRequest, SiteResponse};
use crate::disk::Disk;
use crate::net::{Lane, Pipe, SendError, Transport};
use crate::store::AppliedView;

/// How long the machine may take to judge: a sync or two.
const JUDGE: Duration = Duration::from_secs(5);
/// How long a hop on behalf of another node may take.
const RELAY: Duration = Duration::from_secs(3);

/// What became of an intent handed to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Handed {
    Judged(IntentStatus),
    NotDelivered(String),
    Unknown,
}

/// See the module.
#[derive(Clone)]
pub struct Gate<D, T> {
    me: NodeId,
    site: Site<D>,
    transport: T,
    agreed: watch::Receiver<Arc<AppliedView>>,
}

impl<D: Disk, T: Transport> Gate<D, T> {
    pub fn new(
        me: NodeId,
        site: Site<D>,
        transport: T,
        agreed: watch::Receiver<Arc<AppliedView>>,
    ) -> Self {
        Self { me, site, transport, agreed }
    }

    pub fn site(&self) -> &Site<D> {
        &self.site
    }

    pub(super) fn me(&self) -> NodeId {
        self.me
    }

    pub(super) fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) fn agreed(&self) -> Arc<AppliedView> {
        self.agreed.borrow().clone()
    }

    /// Who drives a site's devices: its first node. One executor a site, and
    /// fail-over between a site's nodes comes with pairs.
    pub fn driver_of(&self, site: &SiteId) -> Option<NodeId> {
        let view = self.agreed();
        view.state.members.values().find(|member| member.site == *site).map(|member| member.id)
    }

    fn check(&self, signed: &SignedIntent) -> Signature {
        let view = self.agreed();
        let Some(member) = view.state.members.get(&signed.signer) else {
            return Signature::Invalid { why: format!("{} is not a member", signed.signer) };
        };
        let verified = PublicKey::from_spki_der(&member.public_key)
            .map_err(|error| error.to_string())
            .and_then(|key| {
                key.verify(&signed.intent, &signed.signature).map_err(|error| error.to_string())
            });
        match verified {
            Ok(()) => Signature::Valid,
            Err(why) => Signature::Invalid { why },
        }
    }

    /// Gives an intent to this node's machine.
    pub(super) async fn judge(&self, signed: SignedIntent) -> Handed {
        let signature = self.check(&signed);
        let (answer, answered) = oneshot::channel();
        let mail = Mail::Intent { signed, signature, answer };
        if self.site.mail.try_send(mail).is_err() {
            return Handed::NotDelivered("the site has more to do than it can hold".into());
        }
        match timeout(JUDGE, answered).await {
            Ok(Ok(status)) => Handed::Judged(status),
            Ok(Err(_)) | Err(_) => Handed::Unknown,
        }
    }

    /// Asks another node.
    pub(super) async fn ask(&self, to: NodeId, request: &SiteRequest, wait: Duration) -> Handed {
        let body = match codec::encode(request) {
            Ok(body) => Bytes::from(body),
            Err(error) => return Handed::NotDelivered(error.to_string()),
        };
        match self.transport.call(to, Lane::Control, body, wait).await {
            Ok(bytes) => match codec::decode(&bytes) {
                Ok(SiteResponse::Judged(status)) => Handed::Judged(status),
                Ok(SiteResponse::NotDelivered(why)) => Handed::NotDelivered(why),
                Ok(SiteResponse::Unknown) | Err(_) => Handed::Unknown,
            },
            Err(SendError::NotSent { reason }) => Handed::NotDelivered(reason),
            Err(SendError::Unknown { .. }) => Handed::Unknown,
        }
    }

    /// Answers another node's request.
    pub async fn serve_call(&self, body: &[u8]) -> Bytes {
        let handed = match codec::decode::<SiteRequest>(body) {
            Ok(SiteRequest::Intent(signed)) => self.judge(signed).await,
            Ok(SiteRequest::Relay { to, signed }) if to == self.me => self.judge(signed).await,
            Ok(SiteRequest::Relay { to, signed }) => {
                self.ask(to, &SiteRequest::Intent(signed), RELAY).await
            }
            Err(error) => Handed::NotDelivered(error.to_string()),
        };
        let response = match handed {
            Handed::Judged(status) => SiteResponse::Judged(status),
            Handed::NotDelivered(why) => SiteResponse::NotDelivered(why),
            Handed::Unknown => SiteResponse::Unknown,
        };
        codec::encode(&response).map(Bytes::from).unwrap_or_default()
    }

    /// Serves a pipe that ships facts here.
    pub async fn serve_pipe(&self, from: NodeId, pipe: Pipe) {
        let site = self.agreed().state.members.get(&from).map(|member| member.site.clone());
        self.site.serve_shipping(from, site, pipe).await;
    }
}
