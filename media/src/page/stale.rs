//! Hangs up what an earlier life of the node left open. A device that does not
//! answer is asked again for a while: it may be rebooting, or its connection be
//! down. Nothing that this life began is touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::counters::{Tally, one};
use super::notes::Notes;
use super::phones::Phones;
use crate::sip::DialogNote;

/// After 2 s, 4 s … 64 s: two minutes, longer than any device reboots.
const ROUNDS: u32 = 7;
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The stack gives up after two seconds by itself.
const ASKED_WITHIN: Duration = Duration::from_secs(3);

pub(super) struct Stale<P> {
    pub(super) phones: P,
    pub(super) notes: Notes,
    pub(super) left: BTreeMap<u64, DialogNote>,
    /// Says when all were asked once.
    pub(super) clear: watch::Sender<bool>,
}

impl<P: Phones> Stale<P> {
    pub(super) async fn run(mut self, tally: Arc<Tally>, stop: CancellationToken) {
        for round in 0..ROUNDS {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.ask_all(&tally) => {}
            }
            self.clear.send_replace(true);
            if self.left.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(FIRST_WAIT * (1 << round)) => {}
            }
        }
        for (id, note) in self.left {
            one(&tally.stale_given_up);
            self.notes.remove(id);
            tracing::warn!(
                number = note.number,
                "a call left open could not be ended; restart the loudspeaker if it stays busy"
            );
        }
    }

    async fn ask_all(&mut self, tally: &Tally) {
        let mut asked = JoinSet::new();
        for (id, note) in self.left.clone() {
            let phones = self.phones.clone();
            asked.spawn(async move {
                let ended = timeout(ASKED_WITHIN, phones.end_stale(&note)).await;
                (id, ended.is_ok_and(crate::sip::Ended::surely))
            });
        }
        while let Some(answer) = asked.join_next().await {
            if let Ok((id, true)) = answer {
                one(&tally.stale_ended);
                self.left.remove(&id);
                self.notes.remove(id);
            }
        }
    }
}
