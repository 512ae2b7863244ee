//! What a call leaves in the journal: at most three facts.

use weir_model::fact::{CallEnd, FactBody};
use weir_model::id::{CallId, PersonId};
use weir_signaling::call::{Record, Why};

/// Longest number in a fact, in bytes.
const NUMBER_MAX_BYTES: usize = 32;

/// One thing that happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub call: CallId,
    pub from: String,
    pub dialled: String,
    pub emergency: bool,
    pub record: Record,
    /// Who ended it from outside, if anybody did and is known.
    pub ended_by: Option<PersonId>,
}

impl News {
    pub fn fact(self) -> FactBody {
        let Self { call, from, dialled, emergency, record, ended_by } = self;
        let (from, dialled) = (short(from), short(dialled));
        match record {
            Record::Answered { by, .. } => {
                FactBody::CallAnswered { call, from, dialled, by: short(by), emergency }
            }
            Record::Changed { held, .. } => FactBody::CallChanged { call, held },
            Record::Ended { why, by, talked_ms, missed } => FactBody::CallEnded {
                call,
                from,
                dialled,
                by: by.map(short),
                why: end(why, ended_by),
                talked_ms,
                emergency,
                missed,
            },
        }
    }
}

fn end(why: Why, who: Option<PersonId>) -> CallEnd {
    match why {
        Why::CallerHungUp => CallEnd::CallerHungUp,
        Why::CalleeHungUp => CallEnd::CalleeHungUp,
        Why::Cancelled => CallEnd::Cancelled,
        Why::Busy => CallEnd::Busy,
        Why::NoAnswer => CallEnd::NoAnswer,
        Why::Refused { code } => CallEnd::Refused { code },
        Why::NotRegistered => CallEnd::NotRegistered,
        Why::UnknownNumber => CallEnd::UnknownNumber,
        Why::MediaLost => CallEnd::MediaLost,
        Why::Operator => CallEnd::Operator { who },
        Why::NodeStopped => CallEnd::NodeStopped,
        // A day on the line: nobody hung up.
        Why::TimedOut => CallEnd::Unknown,
    }
}

fn short(mut text: String) -> String {
    let mut end = text.len().min(NUMBER_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
