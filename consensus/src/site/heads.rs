//! How far this node's journal has come is agreed on in Raft, so that everybody
//! knows what must exist. Whether that works now or an hour later changes
//! nothing at the site.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use weir_model::decision::{Author, Decision};
use weir_model::id::{NodeId, RequestKey};

use super::driver::Site;
use crate::cluster::{Consensus, Wish};
use crate::disk::Disk;
use crate::net::Transport;
use crate::types::Runtime;

/// A head is proposed at most this often.
const EVERY: Duration = Duration::from_secs(2);
/// How long a proposal may take.
const WAIT: Duration = Duration::from_secs(10);

/// Runs until stopped.
pub async fn announce<R: Runtime, D: Disk, T: Transport>(
    me: NodeId,
    site: Site<D>,
    consensus: Consensus<R, D, T>,
    stop: CancellationToken,
) {
    let mut view = site.view();
    loop {
        let head = view.borrow_and_update().head.clone();
        let agreed = consensus.view().borrow().state.heads.get(&me).cloned();
        let founded = consensus.view().borrow().state.cluster.is_some();
        if founded && agreed.as_ref() != Some(&head) {
            // The same head always has the same key: sent twice, it counts once.
            let mut key = [0; 16];
            key.copy_from_slice(&head.hash.0[..16]);
            let wish = Wish {
                key: RequestKey(key),
                author: Author { node: me, person: None },
                decision: Decision::Heads { heads: vec![head] },
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                outcome = consensus.propose(wish, WAIT) => if let Err(error) = outcome {
                    tracing::debug!(%error, "a head was not agreed on yet");
                }
            }
        }
        let next = async {
            sleep(EVERY).await;
            let head = view.borrow().head.clone();
            let behind = consensus.view().borrow().state.heads.get(&me) != Some(&head);
            if !behind {
                // Only a new fact, or the end, is worth waking for.
                let _ = view.changed().await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = next => {}
        }
    }
}
