//! A camera of this site. At most two views of it are open: its own picture for
//! whoever has room, and one made smaller for all who have not. Each stays open a
//! while after the last who wanted it.

use std::sync::Arc;

use weir_signaling::picture::{Rung, Unit};

use super::message::{Sends, Show, Trouble};
use super::out::{CameraNews, CameraSource, Out, Output};
use super::outlet::Outlet;
use super::stage::Stage;

/// After the last who wanted it.
pub(super) const WARM_MS: u64 = 10_000;
/// Key frames are asked for this seldom.
const KEY_EVERY_MS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As the camera made it.
    Own,
    Smaller,
}

/// What a rung is seen through.
pub(super) fn view(rung: Rung) -> Option<View> {
    match rung {
        Rung::Passthrough => Some(View::Own),
        Rung::Medium { .. } | Rung::Small { .. } | Rung::Still { .. } => Some(View::Smaller),
        Rung::Nothing => None,
    }
}

#[derive(Debug)]
struct Lens {
    id: u64,
    rung: Rung,
    wanted_ms: u64,
    keyed_ms: u64,
    news: CameraNews,
}

#[derive(Debug)]
pub(super) struct Home {
    pub(super) source: CameraSource,
    own: Option<Lens>,
    smaller: Option<Lens>,
}

/// What both can show.
fn lower(one: Rung, other: Rung) -> Rung {
    match (one, other) {
        (Rung::Medium { bps: a }, Rung::Medium { bps: b }) => Rung::Medium { bps: a.min(b) },
        (Rung::Small { bps: a }, Rung::Small { bps: b }) => Rung::Small { bps: a.min(b) },
        (Rung::Still { every_ms: a }, Rung::Still { every_ms: b }) => {
            Rung::Still { every_ms: a.max(b) }
        }
        (one, other) if one.height() <= other.height() => one,
        (_, other) => other,
    }
}

impl Home {
    pub(super) fn new(source: CameraSource) -> Self {
        Self { source, own: None, smaller: None }
    }

    fn lenses(&self) -> impl Iterator<Item = &Lens> {
        self.own.iter().chain(&self.smaller)
    }

    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.lenses().count()).unwrap_or(0)
    }

    pub(super) fn camera_bps(&self) -> Option<u64> {
        self.lenses().find_map(|lens| lens.news.source_bps)
    }

    fn trouble(&self) -> Option<Trouble> {
        self.lenses().find_map(|lens| lens.news.trouble.clone())
    }

    /// What is said to who gets it so.
    pub(super) fn show(&self, sends: Sends) -> Show {
        Show { sends, trouble: self.trouble() }
    }

    /// Opens, turns and closes views as they are wanted.
    pub(super) fn arrange(
        &mut self,
        now_ms: u64,
        watched: bool,
        outlets: &[Outlet],
        stage: &Stage,
        out: &mut Out,
    ) {
        let through = |which| outlets.iter().filter(move |o| view(o.rung) == Some(which));
        let own = watched || through(View::Own).next().is_some();
        let had = self.own.is_some();
        let wanted = own.then_some(Rung::Passthrough);
        keep(&mut self.own, &self.source, now_ms, wanted, out);
        if had != self.own.is_some() {
            stage.cut();
        }
        let smaller = through(View::Smaller).map(|outlet| outlet.rung).reduce(lower);
        keep(&mut self.smaller, &self.source, now_ms, smaller, out);
    }

    /// Where a picture of that view belongs.
    pub(super) fn unit(
        &self,
        now_ms: u64,
        lens: u64,
        unit: &Arc<Unit>,
        stage: &Stage,
        outlets: &mut [Outlet],
    ) {
        let is = |open: &Option<Lens>| open.as_ref().is_some_and(|open| open.id == lens);
        let which = if is(&self.own) { View::Own } else { View::Smaller };
        if which == View::Own {
            stage.publish(now_ms, unit.clone());
        }
        let through = outlets.iter_mut().filter(|outlet| view(outlet.rung) == Some(which));
        through.for_each(|outlet| outlet.unit(now_ms, unit));
    }

    pub(super) fn has(&self, lens: u64) -> bool {
        self.lenses().any(|open| open.id == lens)
    }

    pub(super) fn news(&mut self, lens: u64, news: CameraNews) {
        let mut lenses = self.own.iter_mut().chain(&mut self.smaller);
        if let Some(open) = lenses.find(|open| open.id == lens) {
            open.news = news;
        }
    }

    /// Asks the camera for the key frames that are wanted, once for all.
    pub(super) fn keys(&mut self, now_ms: u64, outlets: &[Outlet], out: &mut Out) {
        for (open, which) in [(&mut self.own, View::Own), (&mut self.smaller, View::Smaller)] {
            let Some(lens) = open else { continue };
            let needs = |o: &Outlet| view(o.rung) == Some(which) && o.needs_key();
            if outlets.iter().any(needs) && now_ms >= lens.keyed_ms + KEY_EVERY_MS {
                lens.keyed_ms = now_ms;
                out.stats.keys_asked += 1;
                out.say(Output::Key { lens: lens.id });
            }
        }
    }

    pub(super) fn close(self, out: &mut Out) {
        for lens in self.own.into_iter().chain(self.smaller) {
            out.say(Output::Close { lens: lens.id });
        }
    }
}

fn keep(
    open: &mut Option<Lens>,
    source: &CameraSource,
    now_ms: u64,
    wanted: Option<Rung>,
    out: &mut Out,
) {
    match (open.as_mut(), wanted) {
        (None, Some(rung)) => {
            let id = out.open(source, rung);
            let news = CameraNews::default();
            // It begins with a key frame by itself.
            *open = Some(Lens { id, rung, wanted_ms: now_ms, keyed_ms: now_ms, news });
        }
        (Some(lens), Some(rung)) => {
            lens.wanted_ms = now_ms;
            if lens.rung != rung {
                // So does another rung.
                (lens.rung, lens.keyed_ms) = (rung, now_ms);
                out.stats.rung_changes += 1;
                out.say(Output::Rung { lens: lens.id, rung });
            }
        }
        (Some(lens), None) if now_ms >= lens.wanted_ms + WARM_MS => {
            out.say(Output::Close { lens: lens.id });
            *open = None;
        }
        (_, None) => {}
    }
}
