//! The part of a node that needs no quorum: several home sites with journals,
//! home machines, intents between them and facts shipped for safe keeping, all
//! of it the shipped code, under crashes, cuts and dying disks. What is agreed
//! stands still meanwhile: no decision is needed for anything here.

mod fixture;
mod people;
pub mod relay;
mod run;

use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use weir_consensus::site::{Gate, Outbox, Settings, Site, SiteView};
use weir_consensus::store::AppliedView;

pub use fixture::{Fixture, MIN_JOIN};
pub use run::run;

use crate::bus::SimTransport;
use crate::dice::Dice;
use crate::disk::SimDisk;
use crate::part::Ground;
use crate::runtime::SimRuntime;
use relay::Edge;

/// A site's part of a node, as the node's binary puts it together.
pub struct SimSite {
    pub gate: Gate<SimDisk, SimTransport>,
    pub outbox: Arc<Outbox<SimDisk, SimTransport>>,
}

impl SimSite {
    /// Takes up the journal where the disk left it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn start(fixture: &Fixture, ground: Ground) -> anyhow::Result<Self> {
        let Ground { world, node, disk, transport, wall } = ground;
        let site = fixture.homes.get(&node).cloned();
        let site = site.ok_or_else(|| anyhow::anyhow!("{node} has no site"))?;
        let seen = world.elapsed().as_secs() / 10;
        let (tell, agreed) = watch::channel(Arc::new(fixture.agreed(seen)));
        let dice = world.dice(500 + node.0);
        drop(SimRuntime::spawn(learn(dice, tell)));
        let settings = Settings { node, site, wall: wall.clone() };
        let edge = Arc::new(Edge::new(world, node, wall.clone()));
        let stop = CancellationToken::new();
        let (mine, now) = (stop.clone(), agreed.clone());
        let site = Site::start::<SimRuntime, Edge>(settings, disk, now, edge, mine).await?;
        let (shipper, now) = (site.clone(), agreed.clone());
        let shipping = shipper.ship::<SimRuntime, _>(node, transport.clone(), now, stop.clone());
        drop(SimRuntime::spawn(shipping));
        let gate = Gate::new(node, site, transport, agreed);
        let outbox = Arc::new(Outbox::new(gate.clone(), wall, stop));
        Ok(Self { gate, outbox })
    }

    pub fn view(&self) -> Arc<SiteView> {
        self.gate.site().view().borrow().clone()
    }
}

/// The node hears of committed entries now and then, at a pace of its own.
async fn learn(mut dice: Dice, tell: watch::Sender<Arc<AppliedView>>) {
    while !tell.is_closed() {
        sleep(Duration::from_millis(dice.between(2_000..20_000))).await;
        tell.send_modify(|view| Arc::make_mut(view).applied += 1);
    }
}
