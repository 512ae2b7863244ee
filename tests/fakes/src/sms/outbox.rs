//! What the gateway has accepted: each key once, with what became of it. It
//! refuses to forget a key while it runs, and reads its ledger to know the keys of
//! an earlier life.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// More messages than any night has.
const MESSAGES_MAX: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Accepted,
    Delivered,
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
}

impl Message {
    pub(crate) fn ledger_line(&self) -> Value {
        let Self { id, key, to, text, .. } = self;
        json!({ "id": id, "key": key, "to": to, "text": text, "reason": self.reason })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    messages: Vec<Message>,
    by_key: BTreeMap<String, usize>,
}

impl Outbox {
    pub(crate) fn of_key(&self, key: &str) -> Option<&Message> {
        self.by_key.get(key).and_then(|at| self.messages.get(*at))
    }

    pub(crate) fn of_id(&self, id: &str) -> Option<&Message> {
        self.messages.get(place(id)?)
    }

    /// None when it is full.
    pub(crate) fn take(&mut self, to: &str, text: &str, key: &str) -> Option<Message> {
        let at = self.messages.len();
        if at >= MESSAGES_MAX {
            return None;
        }
        let message = Message {
            id: format!("m-{}", at + 1),
            key: key.to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
            status: Status::Accepted,
            reason: None,
        };
        self.by_key.insert(key.to_owned(), at);
        self.messages.push(message.clone());
        Some(message)
    }

    /// The message as it is then; None when this was told before.
    pub(crate) fn settle(
        &mut self,
        id: &str,
        status: Status,
        reason: Option<String>,
    ) -> Option<Message> {
        let message = self.messages.get_mut(place(id)?)?;
        if message.status != Status::Accepted {
            return None;
        }
        (message.status, message.reason) = (status, reason);
        Some(message.clone())
    }

    /// Takes over what an earlier life wrote down, line by line.
    pub(crate) fn recall(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Line {
            event: String,
            id: Option<String>,
            key: Option<String>,
            to: Option<String>,
            text: Option<String>,
            reason: Option<String>,
        }
        // A line that was cut off in the middle tells nothing.
        let Ok(line) = serde_json::from_str::<Line>(line) else { return };
        match (line.event.as_str(), line.id, line.key, line.to, line.text) {
            ("accepted", _, Some(key), Some(to), Some(text)) => {
                self.take(&to, &text, &key);
            }
            ("delivered", Some(id), ..) => {
                self.settle(&id, Status::Delivered, None);
            }
            ("failed", Some(id), ..) => {
                self.settle(&id, Status::Failed, line.reason);
            }
            _ => {}
        }
    }

    pub(crate) fn waiting(&self) -> Vec<Message> {
        let waits = |message: &&Message| message.status == Status::Accepted;
        self.messages.iter().filter(waits).cloned().collect()
    }
}

fn place(id: &str) -> Option<usize> {
    id.strip_prefix("m-")?.parse::<usize>().ok()?.checked_sub(1)
}
