//! What happened, counted. Refuses to know who shows it: plain numbers, which
//! only grow, except those named `now`.

use super::call::CallEvent;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A reading of all counters.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct SipCounters { $($(#[$doc])* pub $name: u64,)* }

        /// The counters themselves.
        #[derive(Debug, Default)]
        pub(super) struct Tally { $(pub(super) $name: Count,)* }

        impl Tally {
            pub(super) fn read(&self) -> SipCounters {
                SipCounters { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    received_udp,
    received_tcp,
    /// CRLF and the like, which keep a NAT open.
    keepalives,
    /// By method; `requests_other` are those we do not speak.
    requests_register,
    requests_options,
    requests_invite,
    requests_ack,
    requests_bye,
    requests_cancel,
    requests_info,
    requests_other,
    /// The same request again, given the same answer again.
    retransmissions,
    /// Answers that came for our requests, by class.
    responses_1xx,
    responses_2xx,
    responses_3xx,
    responses_4xx,
    responses_5xx,
    responses_6xx,
    /// For no request of ours.
    responses_stray,
    /// Answers we gave, by class.
    answered_2xx,
    answered_4xx,
    answered_5xx,
    /// Answers 401 that challenge.
    challenged,
    /// Refused credentials: wrong, used before, unreadable.
    refused_credentials,
    refused_replayed,
    refused_malformed_digest,
    /// Told to wait after too many wrong passwords.
    refused_guessing,
    /// REGISTERs with a right password that the registrar refused.
    refused_register,
    /// Broken, but readable enough to answer 400 and its like.
    refused_malformed,
    /// Not readable enough for an answer.
    dropped_unreadable,
    /// Over a source's rate.
    dropped_rate,
    /// The queue was full.
    dropped_queue,
    /// The socket took no more, or the connection was gone.
    dropped_send,
    sent_udp,
    sent_tcp,
    tcp_accepted,
    /// Connections closed at once: too many.
    tcp_refused,
    /// Connections closed for what they sent or did not send.
    tcp_broken,
    registrations_added,
    registrations_removed,
    registrations_expired,
    /// Live registrations.
    registrations_now,
    /// Calls that telephones made, that we answered, and that we or they ended
    /// before.
    calls_in,
    calls_in_answered,
    calls_in_refused,
    calls_in_cancelled,
    /// Refused with 503 or 486 because too many were under way.
    calls_in_too_many,
    /// Requests with the tags of a call, from where that call does not come from.
    calls_strangers,
    /// INVITEs within a call that its far side sent and we answered with 200.
    calls_renewed,
    calls_started,
    calls_answered,
    calls_refused,
    calls_silent,
    /// Ended by the far side.
    calls_ended_far,
    /// Answers that crossed our CANCEL.
    calls_crossed,
    /// Second answers to one call, ended at once.
    calls_forked,
    /// Things told of a call that its owner was too slow to take.
    calls_untold,
    /// Legs under way.
    calls_now,
    messages_sent,
    /// Answered with 2xx.
    messages_taken,
    /// Dialogs of an earlier life that were ended, or tried to be.
    stale_ended,
    stale_failed,
}

impl Tally {
    /// A final answer we gave.
    pub(super) fn answered(&self, code: u16) {
        match code / 100 {
            2 => self.answered_2xx.one(),
            4 => self.answered_4xx.one(),
            _ => self.answered_5xx.one(),
        }
    }

    /// A final answer to an INVITE that its leg gave; `first`: to the one that
    /// began it.
    pub(super) fn invited(&self, code: u16, first: bool) {
        match code {
            200 if first => self.calls_in_answered.one(),
            200 => self.calls_renewed.one(),
            487 if first => self.calls_in_cancelled.one(),
            _ if first => self.calls_in_refused.one(),
            _ => {}
        }
    }

    /// What a call's owner is told.
    pub(super) fn told(&self, event: &CallEvent, incoming: bool) {
        match event {
            CallEvent::Answered { .. } => self.calls_answered.one(),
            CallEvent::Refused { .. } => self.calls_refused.one(),
            CallEvent::Silent => self.calls_silent.one(),
            CallEvent::Ended { .. } if !incoming => self.calls_ended_far.one(),
            _ => {}
        }
    }
}

/// One number that any task may raise.
#[derive(Debug, Default)]
pub(super) struct Count(std::sync::atomic::AtomicU64);

impl Count {
    pub(super) fn one(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn set(&self, to: usize) {
        let to = u64::try_from(to).unwrap_or(u64::MAX);
        self.0.store(to, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
