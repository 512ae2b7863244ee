//! What the gateway says to a request, and what it does because of it. It refuses
//! what its interface (see `main.rs`) does not know.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_fakes::ledger::Ledger;

use crate::config::{Config, Does};
use crate::http::Request;
use crate::outbox::{Message, Outbox, Status};

const TEXT_MAX: usize = 1_000;
const KEY_MAX: usize = 128;
const NUMBER_MAX: usize = 20;

/// One answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) retry_after_s: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    to: String,
    text: String,
    key: String,
}

impl Post {
    fn wrong(&self) -> Option<&'static str> {
        let digits = self.to.strip_prefix('+').unwrap_or(&self.to);
        let number = !digits.is_empty()
            && self.to.len() <= NUMBER_MAX
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        let text = (1..=TEXT_MAX).contains(&self.text.chars().count());
        let key = (1..=KEY_MAX).contains(&self.key.len())
            && self.key.bytes().all(|byte| byte.is_ascii_graphic());
        [(number, "to"), (text, "text"), (key, "key")]
            .into_iter()
            .find_map(|(fits, name)| (!fits).then_some(name))
    }
}

#[derive(Debug, Default)]
struct Memory {
    outbox: Outbox,
    /// POSTs by recipient that has a list; "" counts the others.
    counts: BTreeMap<String, usize>,
}

pub(crate) struct Gateway {
    config: Config,
    ledger: Ledger,
    memory: Arc<Mutex<Memory>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Never held across an await; what a panicking holder left is whole.
fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Said {
    fn status(message: Option<Message>) -> Self {
        let Some(message) = message else {
            return Self::error(404, "not-found", "no such message");
        };
        let Message { id, key, to, .. } = &message;
        let mut body = json!({ "id": id, "to": to, "key": key, "status": message.status.name() });
        if let Some(reason) = &message.reason {
            body["reason"] = reason.as_str().into();
        }
        Self { code: 200, body, retry_after_s: None }
    }
}

/// What stands in a query (RFC 3986 §2.1); None when it is no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

impl Gateway {
    pub(crate) fn new(
        config: Config,
        ledger: Ledger,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { config, ledger, memory: Arc::default(), tasks, stop }
    }

    /// Takes over an earlier life's ledger.
    pub(crate) fn remember(&self, ledger: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(ledger)
            .with_context(|| format!("无法读取 / cannot read {}", ledger.display()))?;
        let mut memory = lock(&self.memory);
        text.lines().for_each(|line| memory.outbox.recall(line));
        let waiting = memory.outbox.waiting();
        drop(memory);
        for message in waiting {
            self.deliver(&message, self.config.delivery_ms, None);
        }
        Ok(())
    }

    /// None when the connection ends without an answer.
    pub(crate) async fn asked(&self, request: Request) -> Option<Said> {
        if request.token.as_deref() != Some(&self.config.token) {
            self.plainly(&request, "refused");
            return Some(self.say(Said::error(401, "unauthorized", "Bearer token")));
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/messages") => self.posted(&request).await,
            ("GET", path) => Some(self.looked_up(&request, path)),
            _ => {
                self.plainly(&request, "refused");
                let known = request.path == "/messages";
                Some(self.say(if known {
                    Said::error(405, "method-not-allowed", "POST only")
                } else {
                    Said::error(404, "not-found", "no such path")
                }))
            }
        }
    }

    fn plainly(&self, request: &Request, met: &str) {
        let Request { method, path, .. } = request;
        let more = json!({ "method": method, "path": path, "does": met });
        self.ledger.note("", "request", None, more);
    }

    fn say(&self, said: Said) -> Said {
        let Said { code, body, .. } = &said;
        let more = json!({ "code": code, "id": body.get("id"), "error": body.get("error") });
        self.ledger.note("", "answer", None, more);
        said
    }

    /// A message by its id or by its key.
    fn looked_up(&self, request: &Request, path: &str) -> Said {
        let Some(key) = path.strip_prefix("/messages?key=") else {
            self.plainly(request, "status");
            let id = path.strip_prefix("/messages/").unwrap_or_default();
            let found = lock(&self.memory).outbox.of_id(id).cloned();
            return self.say(Said::status(found));
        };
        let Some(key) = unescaped(key) else {
            self.plainly(request, "refused");
            return self.say(Said::error(400, "malformed", "key"));
        };
        let more = json!({ "method": "GET", "path": "/messages", "key": key, "does": "status" });
        self.ledger.note("", "request", None, more);
        let found = lock(&self.memory).outbox.of_key(&key).cloned();
        self.say(Said::status(found))
    }

    async fn posted(&self, request: &Request) -> Option<Said> {
        let post = match serde_json::from_slice::<Post>(&request.body) {
            Ok(post) => post,
            Err(error) => {
                self.plainly(request, "refused");
                return Some(self.say(Said::error(400, "malformed", &error.to_string())));
            }
        };
        if let Some(field) = post.wrong() {
            self.plainly(request, "refused");
            return Some(self.say(Said::error(400, "malformed", field)));
        }
        let met = self.meets(&post);
        let (name, attempt) = match &met {
            Ok((does, attempt)) => (does.name(), *attempt),
            Err(_) => ("duplicate", 0),
        };
        let Post { to, text, key } = &post;
        let more = json!({
            "method": "POST", "path": "/messages", "key": key, "to": to, "text": text,
            "attempt": attempt, "does": name,
        });
        self.ledger.note(to, "request", None, more);
        let said = match met {
            Ok((does, _)) => self.carry_out(&post, does).await?,
            Err(said) => said,
        };
        let (code, id) = (said.code, said.body.get("id"));
        self.ledger.note(to, "answer", None, json!({ "code": code, "id": id, "key": key }));
        Some(said)
    }

    /// What the post meets, and its count; or what is said to a key
    /// that is known.
    fn meets(&self, post: &Post) -> Result<(Does, usize), Said> {
        let mut memory = lock(&self.memory);
        if let Some(message) = memory.outbox.of_key(&post.key) {
            if message.to != post.to || message.text != post.text {
                return Err(Said::error(409, "key-conflict", "another message had this key"));
            }
            let body = json!({ "id": message.id, "status": message.status.name() });
            return Err(Said { code: 200, body, retry_after_s: None });
        }
        let own = self.config.recipients.get(&post.to);
        let name = own.map_or(String::new(), |_| post.to.clone());
        let list = own.unwrap_or(&self.config.messages);
        let count = memory.counts.entry(name).or_default();
        let does = list.get(*count).or(list.last()).cloned();
        *count += 1;
        Ok((does.unwrap_or(Does::Accept { delivery_ms: None }), *count))
    }

    async fn carry_out(&self, post: &Post, does: Does) -> Option<Said> {
        let usual = self.config.delivery_ms;
        match does {
            Does::Accept { delivery_ms } => {
                Some(self.accept(post, delivery_ms.unwrap_or(usual), None))
            }
            Does::Slow { ms } => {
                let said = self.accept(post, usual, None);
                sleep(Duration::from_millis(ms)).await;
                Some(said)
            }
            Does::Refuse { code, error, reason } => Some(Said::error(code, &error, &reason)),
            Does::Unavailable { retry_after_s } => {
                Some(Said { retry_after_s, ..Said::error(503, "unavailable", "try again later") })
            }
            Does::LoseAnswer {} => {
                self.accept(post, usual, None);
                None
            }
            Does::Hang { accepts } => {
                if accepts {
                    self.accept(post, usual, None);
                }
                pending().await
            }
            Does::Fail { reason } => Some(self.accept(post, usual, Some(reason))),
        }
    }

    /// `fails`: it will not be delivered, for this reason.
    fn accept(&self, post: &Post, delivery_ms: u64, fails: Option<String>) -> Said {
        let taken = lock(&self.memory).outbox.take(&post.to, &post.text, &post.key);
        let Some(message) = taken else {
            return Said::error(503, "unavailable", "full");
        };
        self.ledger.note(&message.to, "accepted", None, message.ledger_line());
        self.deliver(&message, delivery_ms, fails);
        let body = json!({ "id": message.id, "status": message.status.name() });
        Said { code: 202, body, retry_after_s: None }
    }

    fn deliver(&self, message: &Message, delivery_ms: u64, fails: Option<String>) {
        let (id, stop) = (message.id.clone(), self.stop.clone());
        let (memory, ledger) = (self.memory.clone(), self.ledger.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(Duration::from_millis(delivery_ms)) => {}
            }
            let status = if fails.is_some() { Status::Failed } else { Status::Delivered };
            let settled = lock(&memory).outbox.settle(&id, status, fails);
            if let Some(message) = settled {
                ledger.note(&message.to, status.name(), None, message.ledger_line());
            }
        });
    }
}
