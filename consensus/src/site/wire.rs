//! What sites say to each other beside Raft: intents, and facts shipped for
//! safe keeping.

use serde::{Deserialize, Serialize};
use weir_model::fact::Head;
use weir_model::id::NodeId;
use weir_model::intent::{IntentStatus, SignedIntent};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SiteRequest {
    /// To a node of the intent's home site.
    Intent(SignedIntent),
    /// To any node: hand it on to `to`, which you may reach and I may not.
    Relay { to: NodeId, signed: SignedIntent },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SiteResponse {
    Judged(IntentStatus),
    /// Surely not handed to the home site's machine.
    NotDelivered(String),
    /// Handed on; whether it was judged is unknown.
    Unknown,
}

/// The first frame of a shipping pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipOpening {
    /// Newest head of the sender's journal.
    pub head: Head,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShipFrame {
    /// Receiver: this is how far I keep your journal.
    Kept { head: Option<Head>, refused: Option<String> },
    /// Sender: raw facts, oldest first.
    Facts(Vec<Vec<u8>>),
}

weir_model::stored! {
    SiteRequest, 50, 4 << 10, "site request";
    SiteResponse, 51, 4 << 10, "site response";
    ShipOpening, 52, 256, "shipping opening";
    ShipFrame, 53, 128 << 10, "shipping frame";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_model::codec::{self, Stored};

    fn framed<T: Stored>(body: &[u8]) -> Option<T> {
        codec::decode(&[&[T::KIND, T::VERSION], body].concat()).ok()
    }

    proptest! {
        #[test]
        fn no_message_of_another_site_makes_this_one_panic(body: Vec<u8>) {
            let _ = framed::<SiteResponse>(&body);
            let _ = framed::<ShipOpening>(&body);
            let _ = framed::<ShipFrame>(&body);
            if let Some(SiteRequest::Intent(signed)) = framed::<SiteRequest>(&body) {
                let _ = signed.open();
            }
        }
    }
}
