//! Sounds: recordings that come in, texts that are spoken, and how far they are
//! staged. A directory edit is only proposed once everything that it would play
//! was rendered; it refuses an edit whose sounds cannot be made.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use weir_media::audio;
use weir_model::decision::Decision;
use weir_model::directory::{Codec, Directory, Lang, Sound, Source, Word};
use weir_model::id::{Hash, NodeId};
use weir_model::state::Rendering;

use super::{Problem, Shared, decide};
use crate::node::Node;
use crate::sounds::staged_codecs;

/// Renderings in one decision.
const AT_ONCE: usize = 64;

/// A recording's bytes, named by their hash; sent before the directory that
/// names it.
pub(super) async fn upload(
    State(node): Shared,
    Path(sha256): Path<String>,
    body: Bytes,
) -> Result<Json<Uploaded>, Problem> {
    let hash = node
        .sounds
        .library
        .put(body)
        .await
        .map_err(|error| Problem::sound("recording-refused", error.to_string()))?;
    if hash.to_string() != sha256 {
        return Err(Problem::bad_request(format!(
            "内容的哈希是 {hash}，不是 {sha256}；请重新上传 / the content's hash is {hash}, not \
             {sha256}; upload it again"
        )));
    }
    Ok(Json(Uploaded { sha256 }))
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Uploaded {
    pub(crate) sha256: String,
}

/// One sound, and where it lies.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SoundAnswer {
    /// `aud-red`, or a plan and its step.
    pub(crate) name: String,
    pub(crate) text: String,
    /// SHA-256 of the staged file; `None` until it was rendered.
    pub(crate) file: Option<String>,
    pub(crate) ms: Option<u32>,
    pub(crate) bytes: Option<u32>,
    pub(crate) here: bool,
}

/// Every sound, and how many of them each node has said to hold.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SoundsAnswer {
    pub(crate) sounds: Vec<SoundAnswer>,
    pub(crate) nodes: BTreeMap<String, NodeSounds>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeSounds {
    /// The directory's version that it speaks of.
    pub(crate) directory: u64,
    pub(crate) have: u32,
    pub(crate) of: u32,
}

pub(super) async fn list(State(node): Shared) -> Json<SoundsAnswer> {
    let state = node.consensus.view().borrow().state.clone();
    let here: BTreeSet<Hash> =
        node.sounds.library.list().into_iter().map(|(hash, _)| hash).collect();
    let mut sounds = Vec::new();
    for (name, text, sound) in named(&state.directory) {
        let Some(source) = state.directory.source(&sound) else { continue };
        let rendering = state.renderings.get(&source.hash());
        sounds.push(SoundAnswer {
            name,
            text,
            file: rendering.map(|one| one.file.to_string()),
            ms: rendering.map(|one| one.ms),
            bytes: rendering.map(|one| one.bytes),
            here: rendering.is_some_and(|one| here.contains(&one.file)),
        });
    }
    let name = |id: &NodeId| {
        state.members.get(id).map_or_else(|| id.to_string(), |member| member.name.to_string())
    };
    let nodes = staged(&node).iter().map(|(id, one)| (name(id), *one)).collect();
    Json(SoundsAnswer { sounds, nodes })
}

/// What every node last said of its sounds, as far as it was shipped here.
pub(crate) fn staged(node: &Node) -> BTreeMap<NodeId, NodeSounds> {
    let said = node.site.view().borrow().sounds.clone();
    let said = said.into_iter();
    said.map(|(node, (directory, have, of))| (node, NodeSounds { directory, have, of })).collect()
}

fn named(directory: &Directory) -> Vec<(String, String, Sound)> {
    let files = directory
        .audio
        .values()
        .map(|audio| (audio.id.to_string(), audio.text.clone(), Sound::Audio(audio.id.clone())));
    let mut all: Vec<_> = files.collect();
    for plan in directory.plans.values() {
        for step in &plan.steps {
            if let Some(sound @ Sound::Text(text)) = step.kind.sound() {
                all.push((format!("{} {}", plan.id, step.id), text.clone(), sound.clone()));
            }
        }
    }
    all
}

/// Renders what the directory would play and nobody has rendered yet, and has
/// it agreed on. Changes nothing when one of the sounds cannot be made.
pub(super) async fn prepare(
    node: &Node,
    headers: &HeaderMap,
    wanted: &Directory,
) -> Result<(), Problem> {
    let known = node.consensus.view().borrow().state.renderings.clone();
    let codecs = staged_codecs(wanted);
    let stale = |of: &Hash| {
        known.get(of).is_none_or(|one| !codecs.iter().all(|codec| one.codecs.contains(codec)))
    };
    let mut renderings = Vec::new();
    for (of, source) in wanted.sources() {
        if stale(&of) {
            let rendering = render(node, &source, &codecs).await?;
            renderings.push((of, rendering));
        }
    }
    for some in renderings.chunks(AT_ONCE) {
        // Not under the request's own key, which is the edit's.
        let mut headers = headers.clone();
        headers.remove("idempotency-key");
        decide(node, &headers, Decision::Stage { renderings: some.to_vec() }).await?;
    }
    Ok(())
}

async fn render(
    node: &Node,
    source: &Source,
    codecs: &BTreeSet<Codec>,
) -> Result<Rendering, Problem> {
    let refused = |what: String, why: String| {
        Problem::sound("sound-refused", format!("“{what}”：{why} / \"{what}\": {why}"))
    };
    let (what, source) = match source {
        Source::Spoken { lang, text } => (
            text.clone(),
            audio::Source::Text { text: text.clone(), lang: lang.unwrap_or(Lang::ZhCn) },
        ),
        Source::Recording { sha256 } => {
            // Read once, so that a worker never meets a file with another hash.
            let kept = node.sounds.library.get(*sha256).await;
            kept.map_err(|error| refused(sha256.to_string(), error.to_string()))?;
            let path = node.config.sounds().join(sha256.to_string());
            (sha256.to_string(), audio::Source::Recording { path })
        }
    };
    let codecs: Vec<Codec> = codecs.iter().copied().collect();
    let made = node.sounds.renderer.render(source, &codecs).await;
    let made = made.map_err(|error| refused(what.clone(), error.to_string()))?;
    let bytes = u32::try_from(made.file.len()).unwrap_or(u32::MAX);
    let file = node.sounds.library.put(made.file).await;
    let file = file.map_err(|error| refused(what, error.to_string()))?;
    let words: Vec<&str> = codecs.iter().map(|codec| codec.word()).collect();
    tracing::info!(file = %file.short(), ms = made.ms, ?words, "a sound was rendered");
    Ok(Rendering { file, bytes, ms: made.ms, codecs, by: node.belonging.node() })
}
