//! Pages on their way to loudspeakers: which speakers, what they play, and what
//! the site is told when it is over. It refuses to claim anything about a page
//! that ended with the node.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use weir_consensus::site::Report;
use weir_consensus::store::AppliedView;
use weir_media::page::{PageOrder, Pager};
use weir_model::directory::{Codec, Sound, Speaker};
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::home::{EffectAction, EffectOrder};

use crate::sounds::Sounds;

/// See the module.
#[derive(Clone)]
pub(crate) struct Speakers {
    pager: Pager,
    sounds: Arc<Sounds>,
    agreed: watch::Receiver<Arc<AppliedView>>,
    tasks: TaskTracker,
    /// Ordered, but its sound is still being read; stopped in this time, it must
    /// not begin.
    opening: Arc<Mutex<BTreeSet<EffectKey>>>,
}

impl Speakers {
    pub(crate) fn new(
        pager: Pager,
        sounds: Arc<Sounds>,
        agreed: watch::Receiver<Arc<AppliedView>>,
        tasks: TaskTracker,
    ) -> Self {
        Self { pager, sounds, agreed, tasks, opening: Arc::default() }
    }

    /// `ends_in`: what is left of the order's window.
    pub(crate) fn begin(&self, order: EffectOrder, ends_in: Duration, report: Report) {
        self.opening().insert(order.key.clone());
        let speakers = self.clone();
        let window_ends = Instant::now() + ends_in;
        self.tasks.spawn(async move {
            // A node that stops reports nothing: the restarted one asks.
            if let Some((result, proof)) = speakers.page(order, window_ends).await {
                report.ended(result, proof).await;
            }
        });
    }

    async fn page(
        &self,
        order: EffectOrder,
        window_ends: Instant,
    ) -> Option<(EffectResult, Proof)> {
        let EffectAction::Page { zone, sound, repeat, evidence } = order.action.clone() else {
            // Loudspeakers call nobody; see `SiteEffects`.
            return Some((EffectResult::NotBegun, Proof::default()));
        };
        let agreed = self.agreed.borrow().state.clone();
        let playable = self.sounds.playable(&agreed, &sound).await;
        let zone = crate::planted::zone(&agreed.directory, zone);
        let known = agreed.directory.zones.get(&zone);
        let mut listed: Vec<Speaker> = known.map(|zone| zone.speakers.clone()).unwrap_or_default();
        if playable.is_siren {
            // Offered whatever the profile says: better refused than not tried.
            for speaker in &mut listed {
                speaker.profile.codecs.extend([Codec::Pcma, Codec::Pcmu]);
            }
        }
        let from_name = known.map(|zone| zone.name_zh.clone()).unwrap_or_default();
        let page = PageOrder {
            key: order.key.clone(),
            zone: zone.clone(),
            speakers: listed,
            priority: order.priority,
            repeat,
            evidence,
            window_ends,
            from: zone.to_string(),
            from_name,
            clips: playable.clips,
        };
        let (done, ended) = oneshot::channel();
        {
            let mut opening = self.opening();
            if !opening.remove(&order.key) {
                return Some((EffectResult::Ceased, Proof::default()));
            }
            self.pager.page(page.clone(), done);
        }
        let (result, proof) = ended.await.ok()?;
        if crate::planted::pages_twice() {
            let (again, over) = oneshot::channel();
            let attempt = page.key.attempt.saturating_add(100);
            let key = EffectKey { attempt, ..page.key.clone() };
            self.pager.page(PageOrder { key, ..page }, again);
            let _ = over.await;
        }
        Some((result, Proof { siren: playable.is_siren, ..proof }))
    }

    fn opening(&self) -> MutexGuard<'_, BTreeSet<EffectKey>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cease(&self, key: &EffectKey) {
        if !self.opening().remove(key) {
            self.pager.cease(key);
        }
    }

    pub(crate) fn ask(&self, key: EffectKey, within: Duration, report: Report) {
        let pager = self.pager.clone();
        self.tasks.spawn(async move {
            // Without an answer the site goes on by itself.
            if let Ok((result, proof)) = timeout(within, pager.ask(key)).await {
                report.ended(result, proof).await;
            }
        });
    }

    /// How long a page would sound, and whether it would be the siren.
    pub(crate) async fn rehearse(&self, sound: &Sound, repeat: u32) -> (Duration, bool) {
        let agreed = self.agreed.borrow().state.clone();
        let playable = self.sounds.playable(&agreed, sound).await;
        let ms = playable.clips.values().map(|clip| u64::from(clip.ms)).max().unwrap_or(0);
        (Duration::from_millis(ms.saturating_mul(u64::from(repeat))), playable.is_siren)
    }
}
