//! The edge at which something happens: whoever drives loudspeakers, relays or
//! their drill sinks.

use std::time::Duration;

use tokio::sync::mpsc;
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::home::EffectOrder;
use weir_model::intent::Mode;

use super::inbox::Mail;

/// Takes one report of how an effect ended.
#[derive(Debug)]
pub struct Report {
    pub(super) mail: mpsc::Sender<Mail>,
    pub(super) key: EffectKey,
    pub(super) epoch: u64,
}

impl Report {
    pub fn key(&self) -> &EffectKey {
        &self.key
    }

    /// Says how it ended. Without a report the effect stays unknown.
    pub async fn ended(self, result: EffectResult, proof: Proof) {
        let Self { mail, key, epoch } = self;
        // A site that has stopped finds the effect without an outcome when it
        // comes back, and treats it as unknown.
        let _ = mail.send(Mail::Outcome { key, epoch, result, proof }).await;
    }
}

/// Called by the site's task, which must never wait: each call only starts
/// something, and the report comes when it has ended.
pub trait Effects: Send + Sync + 'static {
    /// The begun fact is synced and the fence was passed. `ends_in` is what is left
    /// of the order's window.
    fn begin(&self, order: EffectOrder, ends_in: Duration, report: Report);

    /// Stop it, wherever it stands; its report then says what was reached.
    fn cease(&self, key: &EffectKey, mode: Mode);

    /// Did it take effect? Silence within `within` leaves it unknown.
    fn ask(&self, key: EffectKey, mode: Mode, within: Duration, report: Report);

    /// The mistakes that a simulation wants its machine to make.
    #[cfg(feature = "planted")]
    fn planted(&self) -> weir_model::home::Planted {
        weir_model::home::Planted::default()
    }
}
