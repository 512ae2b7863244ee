//! The sounds of this node: files by hash, the renderer that makes them, and the
//! way from what a plan names to what the players take. It refuses to be silent:
//! a sound that is missing or whose hash is wrong becomes the built-in siren, and
//! says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_media::audio::{Clip, EspeakNg, Library, Renderer, RendererConfig, RendererLimits, siren};
use weir_media::transcode::mu_law_of;
use weir_model::directory::{Codec, Directory, Sound, Speaker};
use weir_model::state::State;

/// Most bytes of staged files and recordings.
const LIBRARY_BYTES: u64 = 4 << 30;

/// A disk that takes longer has no say: the siren needs none.
const READ: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Sounds {
    pub(crate) library: Library,
    pub(crate) renderer: Renderer,
}

/// What the players take, and whether it is the siren.
pub(crate) struct Playable {
    pub(crate) clips: BTreeMap<Codec, Clip>,
    pub(crate) is_siren: bool,
}

impl Sounds {
    pub(crate) async fn open(
        folder: &Path,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let library = Library::open(folder.to_owned(), LIBRARY_BYTES).await?;
        let config = RendererConfig {
            program: std::env::current_exe().context("cannot find the weir program itself")?,
            args: vec!["media-worker".into()],
            scratch: folder.join("scratch"),
            limits: RendererLimits::default(),
            engine: Arc::new(EspeakNg::default()),
        };
        let renderer = Renderer::start(config, tasks, stop.clone()).await?;
        Ok(Arc::new(Self { library, renderer }))
    }

    /// Never fails: there is always the siren.
    pub(crate) async fn playable(&self, agreed: &State, sound: &Sound) -> Playable {
        let staged = timeout(READ, self.staged(agreed, sound)).await;
        let late = || Err("磁盘无响应 / the disk hangs".to_owned());
        match staged.unwrap_or_else(|_| late()) {
            Ok(clips) => Playable { clips, is_siren: false },
            Err(why) => {
                tracing::error!(?sound, why, "SIREN instead of the sound / 改放内置警报");
                let codecs = [Codec::Pcma, Codec::Pcmu];
                let clips = codecs.into_iter().filter_map(|codec| Some((codec, siren(codec)?)));
                Playable { clips: clips.collect(), is_siren: true }
            }
        }
    }

    async fn staged(&self, agreed: &State, sound: &Sound) -> Result<BTreeMap<Codec, Clip>, String> {
        let source = agreed.directory.source(sound).ok_or("目录中没有 / not in the directory")?;
        let rendering = agreed.renderings.get(&source.hash()).ok_or("尚未生成 / not rendered")?;
        let staged = self.library.staged(rendering.file).await.map_err(|e| e.to_string())?;
        let mut clips = staged.clips;
        // Staged once as A-law; a satellite need not carry it twice.
        if let Some(a_law) = clips.get(&Codec::Pcma)
            && !clips.contains_key(&Codec::Pcmu)
        {
            clips.insert(Codec::Pcmu, mu_law_of(a_law));
        }
        match clips.is_empty() {
            true => Err("没有可用的编码 / no codec in it".into()),
            false => Ok(clips),
        }
    }
}

/// What is staged: as little as serves every speaker, because every byte crosses
/// every satellite. μ-law is made of A-law where it is played.
pub(crate) fn staged_codecs(directory: &Directory) -> BTreeSet<Codec> {
    let mut staged = BTreeSet::from([Codec::Pcma]);
    let mut speakers = directory.zones.values().flat_map(|zone| &zone.speakers);
    let wide_only = |speaker: &Speaker| {
        let codecs = &speaker.profile.codecs;
        codecs.contains(&Codec::G722)
            && !codecs.iter().any(|codec| matches!(codec, Codec::Pcma | Codec::Pcmu))
    };
    if speakers.any(wide_only) {
        staged.insert(Codec::G722);
    }
    staged
}
