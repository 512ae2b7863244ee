//! Sounds on their way to every node: what was rendered anywhere is fetched from
//! whoever has it, in small chunks that resume, long before a plan needs it. The
//! node writes down how many of the directory's sounds lie with it. It refuses
//! to keep a file whose hash is not the one agreed on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use weir_link::{Class, Urgency};
use weir_media::audio::{Library, PartialError};
use weir_model::codec;
use weir_model::id::{Hash, NodeId};
use weir_model::state::Rendering;

use crate::node::Node;

/// Sent at a time: a second of a slow satellite.
const CHUNK_BYTES: usize = 16 << 10;
/// For one chunk, over a satellite that is busy with other things.
const CHUNK_PATIENCE: Duration = Duration::from_secs(20);
/// Before those who did not have it, or could not be reached, are asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// Before what lies here is checked again, nothing having changed.
const CHECK_AGAIN: Duration = Duration::from_secs(600);

/// To any node: a piece of a staged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SoundRequest {
    file: Hash,
    offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SoundPiece {
    /// `None`: it is not here.
    bytes: Option<Vec<u8>>,
}

weir_model::stored! {
    SoundRequest, 62, 128, "sound request";
    SoundPiece, 63, 128 << 10, "sound piece";
}

/// Answers another node.
pub(crate) async fn answer(library: &Library, body: &[u8]) -> Bytes {
    let piece = match codec::decode::<SoundRequest>(body) {
        Ok(SoundRequest { file, offset }) => library.chunk(file, offset).await.ok(),
        Err(_) => None,
    };
    let cut = |(_, bytes): (u64, Bytes)| bytes.get(..CHUNK_BYTES).unwrap_or(&bytes).to_vec();
    let piece = SoundPiece { bytes: piece.map(cut) };
    codec::encode(&piece).map(Bytes::from).unwrap_or_default()
}

/// Follows what is agreed on until the node stops.
pub(crate) async fn follow(node: Arc<Node>, stop: CancellationToken) {
    let mut view = node.consensus.view();
    let mut told = None;
    loop {
        let state = view.borrow_and_update().state.clone();
        let (mut have, mut missing) = (0, Vec::new());
        let sources = state.directory.sources();
        let here: BTreeSet<Hash> =
            node.sounds.library.list().into_iter().map(|(hash, _)| hash).collect();
        for of in sources.keys() {
            match state.renderings.get(of) {
                Some(rendering) if here.contains(&rendering.file) => have += 1,
                Some(rendering) => missing.push(rendering.clone()),
                // Named, but nobody has rendered it yet.
                None => {}
            }
        }
        let now = (state.directory.version, have, u32::try_from(sources.len()).unwrap_or(u32::MAX));
        if now.2 > 0 && told != Some(now) && node.site.sounds(now.0, now.1, now.2).is_ok() {
            told = Some(now);
        }
        let fetched = tokio::select! {
            () = stop.cancelled() => return,
            fetched = fetch_all(&node, &missing) => fetched,
        };
        if fetched > 0 {
            continue;
        }
        let pause = if missing.is_empty() { CHECK_AGAIN } else { AGAIN };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = view.changed() => if changed.is_err() { return },
            () = sleep(pause) => {
                // What rotted since is set aside now, and not on the night.
                if missing.is_empty() {
                    for file in &here {
                        let _ = node.sounds.library.get(*file).await;
                    }
                }
            }
        }
    }
}

/// How many arrived whole.
async fn fetch_all(node: &Node, missing: &[Rendering]) -> usize {
    let mut arrived = 0;
    for rendering in missing {
        for from in holders(node, rendering.by) {
            match fetch(node, from, rendering).await {
                Ok(()) => {
                    arrived += 1;
                    break;
                }
                Err(why) => {
                    tracing::debug!(%from, file = %rendering.file.short(), why, "no sound yet");
                }
            }
        }
    }
    arrived
}

/// Who may have it: first whoever rendered it, then those in reach.
fn holders(node: &Node, by: NodeId) -> Vec<NodeId> {
    let mut peers = node.link.peers();
    peers.retain(|peer| peer.connected);
    peers.sort_by_key(|peer| (peer.node != by, peer.rtt));
    peers.into_iter().map(|peer| peer.node).collect()
}

async fn fetch(node: &Node, from: NodeId, rendering: &Rendering) -> Result<(), String> {
    let library = &node.sounds.library;
    let len = u64::from(rendering.bytes);
    let partial = library.receive(rendering.file, len).await;
    let mut partial = match partial {
        Ok(partial) => partial,
        Err(PartialError::Here(_)) => return Err("here already, or so it seems".into()),
        Err(error) => return Err(error.to_string()),
    };
    while partial.have() < len {
        let request = SoundRequest { file: rendering.file, offset: partial.have() };
        let request = codec::encode(&request).map_err(|error| error.to_string())?;
        let asked =
            node.link.call(from, Class::Bulk, Urgency::Bulk, request.into(), CHUNK_PATIENCE);
        let answer = asked.await.map_err(|error| error.to_string())?;
        let piece: SoundPiece = codec::decode(&answer).map_err(|error| error.to_string())?;
        let bytes = piece.bytes.filter(|bytes| !bytes.is_empty()).ok_or("not there")?;
        let at = partial.have();
        partial.write(at, bytes.into()).await.map_err(|error| error.to_string())?;
    }
    partial.finish().await.map_err(|error| error.to_string())?;
    Ok(())
}
