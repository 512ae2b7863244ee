//! Rings people and speaks to them until they press the key. Each call-out is a
//! task of its own that carries out what `weir_signaling::callout` says. It
//! refuses to ring more people at once than the site has lines for: the others
//! wait, and who has waited too long is not rung at all.

mod offer;
mod person;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::directory::Codec;
use weir_model::fact::EffectKey;
pub use weir_signaling::callout::Outcome;

use crate::audio::Clip;
use crate::sip::Sip;
use crate::voice::{Ports, PortsError};

/// People rung or spoken to at once.
const LINES: usize = 64;

/// One person to be rung.
#[derive(Debug, Clone)]
pub struct CalloutOrder {
    pub key: EffectKey,
    /// A registered number: the person's telephone, or a trunk.
    pub to: String,
    /// Through a trunk: the number outside.
    pub dial: Option<String>,
    /// The number shown, and its name.
    pub from: String,
    pub from_name: String,
    /// The key that acknowledges.
    pub ack: char,
    pub ring: Duration,
    /// It must begin to ring by then, or not at all.
    pub window_ends: Instant,
    /// The same announcement in each codec that is held.
    pub clips: BTreeMap<Codec, Clip>,
}

/// How a call-out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    Ended(Outcome),
    /// No line was free before its window closed: nobody was rung.
    NotBegun,
}

/// Clones share the lines.
#[derive(Debug, Clone)]
pub struct Callouts {
    sip: Sip,
    ports: Ports,
    lines: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Callouts {
    /// # Errors
    /// When the RTP address or its range of ports cannot be used.
    pub fn start(
        sip: Sip,
        rtp: IpAddr,
        ports: &RangeInclusive<u16>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, PortsError> {
        let ports = Ports::new(rtp, ports)?;
        let lines = Arc::new(Semaphore::new(LINES));
        Ok(Self { sip, ports, lines, tasks: tasks.clone(), stop })
    }

    /// Rings. `done` hears once how it ended; it is dropped unheard only when the
    /// node stops, and the call is *unknown* then.
    /// `cease` stops it, wherever it stands; the report says that it was told to.
    pub fn ring(&self, order: CalloutOrder, cease: CancellationToken, done: oneshot::Sender<Rung>) {
        let callouts = self.clone();
        self.tasks.spawn(async move {
            let ended = tokio::select! {
                biased;
                () = callouts.stop.cancelled() => return,
                ended = callouts.carry(order, cease) => ended,
            };
            let _nobody_waits = done.send(ended);
        });
    }

    async fn carry(&self, order: CalloutOrder, cease: CancellationToken) -> Rung {
        if Instant::now() > order.window_ends {
            return Rung::NotBegun;
        }
        let line = tokio::select! {
            biased;
            () = cease.cancelled() => return Rung::Ended(Outcome::Ceased),
            line = timeout_at(order.window_ends, self.lines.acquire()) => line,
        };
        let Ok(Ok(_line)) = line else { return Rung::NotBegun };
        Rung::Ended(person::call(&self.sip, &self.ports, &self.tasks, order, cease).await)
    }
}
