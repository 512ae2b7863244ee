//! One camera's picture at this node: where it comes from, who watches it here,
//! and to whom it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::id::{CameraId, NodeId, SiteId};
use weir_signaling::picture::Unit;

use super::around::Around;
use super::home::{Home, WARM_MS, view};
use super::intake::{Intake, Way};
use super::message::{Sends, Show};
use super::out::{CameraSource, Out};
use super::outlet::Outlet;
use super::stage::Stage;
use super::state::Standing;

/// From another node it costs the link, and is given up sooner than a camera.
const IDLE_MS: u64 = 2_000;

#[derive(Debug)]
pub(super) enum Source {
    NoCamera,
    NoWay,
    Home(Home),
    Away(Intake),
}

/// Where a camera's picture is to be had.
enum Place {
    NoCamera,
    NoWay,
    Home(CameraSource),
    Away(NodeId),
}

fn place(around: &Around, camera: &CameraId) -> Place {
    match (around.cameras)(camera) {
        None => Place::NoCamera,
        Some(source) if source.site == around.site => Place::Home(source),
        Some(source) => (around.peer_of)(&source.site).map_or(Place::NoWay, Place::Away),
    }
}

pub(super) struct Feed {
    pub(super) camera: CameraId,
    pub(super) stage: Arc<Stage>,
    pub(super) source: Source,
    pub(super) outlets: Vec<Outlet>,
    wanted_ms: u64,
}

impl Feed {
    pub(super) fn new(now_ms: u64, camera: CameraId, stage: Arc<Stage>) -> Self {
        let (source, outlets) = (Source::NoCamera, Vec::new());
        Self { camera, stage, source, outlets, wanted_ms: now_ms }
    }

    /// The directory may have changed since: cameras move, and are given others'
    /// addresses.
    pub(super) fn align(&mut self, now_ms: u64, around: &Around, out: &mut Out) {
        let next = match (place(around, &self.camera), &self.source) {
            (Place::NoCamera, Source::NoCamera) | (Place::NoWay, Source::NoWay) => return,
            (Place::Home(source), Source::Home(home)) if home.source == source => return,
            (Place::Away(node), Source::Away(intake)) if intake.home == node => return,
            (Place::NoCamera, _) => Source::NoCamera,
            (Place::NoWay, _) => Source::NoWay,
            (Place::Home(source), _) => Source::Home(Home::new(source)),
            (Place::Away(node), _) => Source::Away(Intake::new(now_ms, self.camera.clone(), node)),
        };
        self.stage.cut();
        match std::mem::replace(&mut self.source, next) {
            Source::Home(home) => home.close(out),
            Source::Away(intake) => intake.close(out),
            Source::NoCamera | Source::NoWay => {}
        }
    }

    /// What is said to who gets it from here.
    pub(super) fn show(&self, outlet: &Outlet) -> Show {
        match &self.source {
            Source::Home(home) => home.show(outlet.sends()),
            Source::Away(intake) => intake.show(),
            Source::NoCamera | Source::NoWay => Show { sends: Sends::Coming, trouble: None },
        }
    }

    fn standing(&self) -> Standing {
        match &self.source {
            Source::NoCamera => Standing::NoCamera,
            Source::NoWay => Standing::NoWay,
            Source::Home(home) => Standing::Fed(home.show(Sends::Moving)),
            Source::Away(intake) => intake.standing(),
        }
    }

    /// `watched`: somebody here does. Whether anybody wants it still.
    pub(super) fn survey(
        &mut self,
        now_ms: u64,
        watched: bool,
        around: &Around,
        out: &mut Out,
    ) -> bool {
        self.outlets.retain(|outlet| !outlet.is_over(now_ms));
        let idle_ms = if let Source::Home(_) = self.source { WARM_MS } else { IDLE_MS };
        if watched || !self.outlets.is_empty() {
            self.wanted_ms = now_ms;
        }
        match &mut self.source {
            Source::Home(home) => {
                home.arrange(now_ms, watched, &self.outlets, &self.stage, out);
            }
            Source::Away(intake) => {
                let way = |node: NodeId| {
                    let dish: Option<SiteId> = (around.dish)(node);
                    Way { far: dish.is_some(), dished: dish.as_ref() == Some(&around.site) }
                };
                intake.survey(now_ms, way, out);
            }
            Source::NoCamera | Source::NoWay => {}
        }
        self.stage.set(self.standing());
        now_ms < self.wanted_ms + idle_ms
    }

    /// Every second: how good the ways are. `share`: of the way to a node.
    pub(super) fn review(&mut self, now_ms: u64, rates: &BTreeMap<NodeId, u64>) {
        for at in 0..self.outlets.len() {
            let peer = self.outlets[at].asker.peer;
            if let Some(rate_bps) = rates.get(&peer) {
                self.outlets[at].set_rate(*rate_bps);
            }
            self.choose(now_ms, at);
        }
    }

    fn choose(&mut self, now_ms: u64, at: usize) {
        let Source::Home(home) = &self.source else { return };
        let Some(outlet) = self.outlets.get_mut(at) else { return };
        let before = view(outlet.rung);
        let changed = outlet.choose(now_ms, home.camera_bps());
        let now = view(outlet.rung);
        if changed && now != before && now == Some(super::home::View::Own) {
            outlet.catch_up(now_ms, &self.stage.past());
        }
    }

    pub(super) fn add(&mut self, now_ms: u64, mut outlet: Outlet) {
        if let Source::Away(_) = self.source {
            outlet.catch_up(now_ms, &self.stage.past());
        }
        self.outlets.push(outlet);
        self.choose(now_ms, self.outlets.len() - 1);
    }

    /// A picture of a camera here.
    pub(super) fn unit(&mut self, now_ms: u64, lens: u64, unit: Unit) {
        if let Source::Home(home) = &self.source {
            home.unit(now_ms, lens, &Arc::new(unit), &self.stage, &mut self.outlets);
        }
    }

    /// Every few milliseconds: what is due goes on.
    pub(super) fn flow(&mut self, now_ms: u64, out: &mut Out) {
        match &mut self.source {
            Source::Home(home) => home.keys(now_ms, &self.outlets, out),
            Source::Away(intake) => {
                for unit in intake.flow(now_ms, out).into_iter().map(Arc::new) {
                    out.stats.units += 1;
                    self.outlets.iter_mut().for_each(|outlet| outlet.unit(now_ms, &unit));
                    self.stage.publish(now_ms, unit);
                }
                if self.outlets.iter().any(Outlet::needs_key) {
                    intake.ask_for_key(now_ms);
                }
            }
            Source::NoCamera | Source::NoWay => {}
        }
        self.outlets.iter_mut().for_each(|outlet| outlet.flow(now_ms, out));
    }

    pub(super) fn close(self, out: &mut Out) {
        match self.source {
            Source::Home(home) => home.close(out),
            Source::Away(intake) => intake.close(out),
            Source::NoCamera | Source::NoWay => {}
        }
    }
}
