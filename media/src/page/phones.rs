//! What paging needs of SIP, and no more: a call that tells what happens to it,
//! and a way to end what an earlier life left open.

use crate::sip::{Call, CallError, CallEvent, DialogNote, Ended, Outgoing, Sip};

/// Whoever can call a loudspeaker.
pub trait Phones: Clone + Send + Sync + 'static {
    type Call: PhoneCall;

    /// Comes back as soon as the INVITE is on its way.
    fn call(&self, call: Outgoing) -> impl Future<Output = Result<Self::Call, CallError>> + Send;

    /// Takes two seconds at most.
    fn end_stale(&self, note: &DialogNote) -> impl Future<Output = Ended> + Send;
}

/// One call. Dropped, it is hung up.
pub trait PhoneCall: Send + 'static {
    /// `None` after the last.
    fn next(&mut self) -> impl Future<Output = Option<CallEvent>> + Send;

    /// Comes back when nothing is left of it, or after a few seconds.
    fn hang_up(self) -> impl Future<Output = ()> + Send;
}

impl Phones for Sip {
    type Call = Call;

    async fn call(&self, call: Outgoing) -> Result<Call, CallError> {
        Self::call(self, call).await
    }

    async fn end_stale(&self, note: &DialogNote) -> Ended {
        Self::end_stale(self, note).await
    }
}

impl PhoneCall for Call {
    async fn next(&mut self) -> Option<CallEvent> {
        Self::next(self).await
    }

    async fn hang_up(self) {
        Self::hang_up(self).await;
    }
}
