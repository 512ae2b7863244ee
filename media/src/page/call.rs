//! One call from the INVITE to its end, as a task of its own: tells the driver
//! what happens and does what the driver says, so that no device keeps another
//! waiting.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_model::directory::Codec;
use weir_signaling::paging::{CallId, Event};

use super::notes::Notes;
use super::phones::{PhoneCall, Phones};
use crate::sip::{CallError, CallEvent, Outgoing};
use crate::voice::PortPair;
use crate::voice::sdp::{self, Answer};

/// Longer than any rule waits: the rules hang up first.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The stack itself gives up earlier.
const PLACED_WITHIN: Duration = Duration::from_secs(5);

/// What the driver hears.
#[derive(Debug)]
pub(super) enum Heard {
    Event {
        call: CallId,
        event: Event,
    },
    /// An answer that can be played to.
    Answered {
        call: CallId,
        answer: Answer,
        ports: PortPair,
    },
}

/// A call to be made.
pub(super) struct Carrier<P: Phones> {
    pub(super) phones: P,
    pub(super) call: CallId,
    pub(super) outgoing: Outgoing,
    pub(super) offered: Vec<Codec>,
    pub(super) ports: PortPair,
    pub(super) hang_up: CancellationToken,
    pub(super) driver: mpsc::Sender<Heard>,
    pub(super) notes: Notes,
}

impl<P: Phones> Carrier<P> {
    pub(super) async fn run(self) {
        let (call, driver, notes) = (self.call, self.driver.clone(), self.notes.clone());
        let last = self.carry().await;
        notes.remove(call.0);
        // Without a driver, nobody needs to know.
        let _stopped = driver.send(Heard::Event { call, event: last }).await;
    }

    /// Says what ended it.
    async fn carry(self) -> Event {
        let Self { phones, call, outgoing, offered, ports, hang_up, driver, notes } = self;
        let to = outgoing.to.clone();
        let placed = timeout(PLACED_WITHIN, phones.call(outgoing)).await;
        let mut line = match placed {
            Ok(Ok(line)) => line,
            Ok(Err(CallError::NotRegistered(_) | CallError::Unreachable(_))) => {
                return Event::Unregistered;
            }
            Ok(Err(error)) => {
                tracing::warn!(%call, %to, %error, "a loudspeaker could not be called");
                return Event::Unsent;
            }
            Err(_) => return Event::Unsent,
        };
        let mut ports = Some(ports);
        let tell = async |event| {
            let _stopped = driver.send(Heard::Event { call, event }).await;
        };
        tell(Event::Sent).await;
        loop {
            let event = tokio::select! {
                biased;
                () = hang_up.cancelled() => {
                    line.hang_up().await;
                    return Event::Ended;
                }
                event = line.next() => event,
            };
            match event {
                Some(CallEvent::Trying) => tell(Event::Trying).await,
                Some(CallEvent::Ringing { .. }) => tell(Event::Ringing).await,
                Some(CallEvent::Answered { sdp, note }) => {
                    notes.add(call.0, note);
                    match sdp::answer(&sdp, &offered) {
                        Ok(answer) => {
                            // A second answer to one call changes nothing.
                            let Some(ports) = ports.take() else { continue };
                            let heard = Heard::Answered { call, answer, ports };
                            let _stopped = driver.send(heard).await;
                        }
                        Err(error) => {
                            tracing::warn!(%call, %to, %error, "an answer cannot be played to");
                            line.hang_up().await;
                            return Event::Refused { code: 488 };
                        }
                    }
                }
                Some(CallEvent::Refused { code, reason }) => {
                    tracing::debug!(%call, %to, code, reason, "a loudspeaker refused");
                    return Event::Refused { code };
                }
                Some(CallEvent::Silent) => return Event::Silent,
                Some(CallEvent::Ended { why }) => {
                    tracing::debug!(%call, %to, why, "a loudspeaker ended the call");
                    return Event::Ended;
                }
                // A loudspeaker's changes are refused for us, and its keys unheard.
                Some(
                    CallEvent::Confirmed { .. }
                    | CallEvent::Changed { .. }
                    | CallEvent::Agreed { .. }
                    | CallEvent::Declined { .. }
                    | CallEvent::Info { .. },
                ) => {}
                None => return Event::Ended,
            }
        }
    }
}
