//! Pages carried out: the rules of [`weir_signaling::paging`] over SIP calls and
//! RTP. It decides nothing itself, waits for no device before it calls the
//! next, and claims nothing of a page that an earlier life of the node began.

mod call;
mod config;
mod counters;
mod driver;
mod notes;
mod phones;
mod stale;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_signaling::paging::ZonePicture;

pub use config::{Dice, PageOrder, PagerConfig, PagerError};
pub use counters::PagerCounters;
pub use phones::{PhoneCall, Phones};

use counters::Tally;
use driver::{Driver, Letter};
use notes::Notes;

/// Orders that may wait for the task, which never waits itself.
const LETTERS: usize = 1_024;
/// How long a question waits for dialogs left behind to be ended.
const STALE_WITHIN: Duration = Duration::from_millis(2_500);

/// How a page ended, for the site that ordered it.
pub type Ended = (EffectResult, Proof);

/// A handle on the task that pages; clones share it.
#[derive(Debug, Clone)]
pub struct Pager {
    letters: mpsc::Sender<Letter>,
    pictures: watch::Receiver<Arc<Vec<ZonePicture>>>,
    /// The dialogs of an earlier life were asked to end once.
    cleared: watch::Receiver<bool>,
    tally: Arc<Tally>,
    tasks: TaskTracker,
}

impl Pager {
    /// Ends, in the background, the dialogs that an earlier life of this node
    /// left behind, and takes orders until `stop`. Stop it before the phones.
    ///
    /// # Errors
    /// When the RTP address or its range of ports cannot be used.
    pub async fn start<P: Phones>(
        phones: P,
        config: PagerConfig,
        dice: Dice,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, PagerError> {
        let (letters, inbox) = mpsc::channel(LETTERS);
        let tally = Arc::new(Tally::default());
        let (notes, left) = Notes::open(config.notes.clone(), tally.clone(), tasks).await;
        let (clear, cleared) = watch::channel(left.is_empty());
        let parts = stale::Stale { phones: phones.clone(), notes: notes.clone(), left, clear };
        tasks.spawn(parts.run(tally.clone(), stop.clone()));
        let (driver, pictures) = Driver::new(phones, config, dice, notes, tally.clone(), tasks)?;
        tasks.spawn(driver.run(inbox, stop));
        Ok(Self { letters, pictures, cleared, tally, tasks: tasks.clone() })
    }

    /// Begins a page, or lets it wait its turn. `done` hears once how it ended;
    /// it is dropped unheard only when the node stops, and the page then is
    /// *unknown*.
    pub fn page(&self, order: PageOrder, done: oneshot::Sender<Ended>) {
        let letter = Letter::Page { order: Box::new(order), done };
        let refused =
            self.letters.try_send(letter).err().map(mpsc::error::TrySendError::into_inner);
        if let Some(Letter::Page { order, done }) = refused {
            let of = u16::try_from(order.speakers.len()).unwrap_or(u16::MAX);
            let why = "广播指令过多或本机正在停止，未开始；请稍后重试 / \
                       too many pages at once, or this node is stopping; try again later";
            let result = EffectResult::Failed { why: why.into() };
            let _nobody_waits =
                done.send((result, Proof { grade: None, reached: 0, of, siren: false }));
        }
    }

    /// Stops a page, wherever it stands; its report says what was reached.
    pub fn cease(&self, key: &EffectKey) {
        let letter = Letter::Cease { key: key.clone() };
        if let Err(mpsc::error::TrySendError::Full(letter)) = self.letters.try_send(letter) {
            // What was told to stop must stop, however much was ordered.
            let letters = self.letters.clone();
            self.tasks.spawn(async move {
                let _stopped = letters.send(letter).await;
            });
        }
    }

    /// Did it take effect? Known is what this life of the node carried out.
    /// First the dialogs that an earlier life left are ended, so that a device
    /// with one line is free for the repeat.
    pub async fn ask(&self, key: EffectKey) -> Ended {
        let mut cleared = self.cleared.clone();
        // The guard that this gives must not be held while others wait.
        drop(timeout(STALE_WITHIN, cleared.wait_for(|cleared| *cleared)).await);
        let (told, said) = oneshot::channel();
        let sent = self.letters.send(Letter::Ask { key, told }).await;
        let known = if sent.is_ok() { said.await.ok().flatten() } else { None };
        known.unwrap_or_else(|| {
            let why = "本机重启前的广播，是否播出无从得知 / \
                       begun before this node restarted; whether it sounded is not known";
            (EffectResult::Unknown { why: why.into() }, Proof::default())
        })
    }

    /// All zones, as they change.
    pub fn picture(&self) -> watch::Receiver<Arc<Vec<ZonePicture>>> {
        self.pictures.clone()
    }

    pub fn counters(&self) -> PagerCounters {
        self.tally.read()
    }
}
