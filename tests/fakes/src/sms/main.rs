//! A gateway for short messages as operators rent them: takes a message over
//! HTTP, delivers it a while later, and can be asked what became of it. How it
//! errs is listed for each recipient and each count. It keeps a ledger of every
//! request and every delivery, and refuses to know Weir.
//!
//! `fake-sms --config FILE.json --ledger FILE`
//!
//! # The gateway's interface
//!
//! HTTP/1.1 without TLS, JSON in UTF-8, connections are kept open unless
//! `Connection: close` is asked for; bodies need a Content-Length (no chunks) of at
//! most 16 KiB.
//!
//! `POST /messages` with `Authorization: Bearer TOKEN` and
//! `{"to": "13900000001", "text": "…", "key": "…"}`. `to` is digits, perhaps after
//! a `+`; `text` has 1 to 1,000 characters; `key` has 1 to 128 visible ASCII
//! characters and names the message for ever. Other fields are refused.
//!
//! - 202 `{"id", "status": "accepted"}`: it will be delivered.
//! - 200 `{"id", "status"}`: this `key` was accepted before, as `id`; nothing is
//!   delivered twice.
//! - 4xx `{"error", "message"}`: not accepted, and never will be as it is. 400
//!   `malformed`, 401 `unauthorized`, 404 `not-found`, 405 `method-not-allowed`, 409
//!   `key-conflict` (the key was accepted with another text or recipient), 411
//!   `length-required`, 413 and 431 `too-large`, 422 `unknown-recipient`.
//! - 503 `{"error": "unavailable", "message"}`, perhaps `Retry-After: SECONDS`:
//!   surely not accepted; to be tried again.
//! - No answer: unknown. Asking again with the same `key` finds out, without a
//!   second delivery.
//!
//! `GET /messages/ID` and `GET /messages?key=KEY` (escaped as RFC 3986 says), same
//! token: 200 `{"id", "to", "key", "status"}` with `status` `accepted`, `delivered`
//! or `failed` (and then `reason`), or 404: no such message was accepted.
//!
//! # The config
//!
//! ```json
//! {"listen": "127.0.0.1:18080", "token": "…", "delivery_ms": 200,
//!  "recipients": {"13900000001": [{"does": "unavailable"}, {"does": "accept"}]},
//!  "messages": [{"does": "lose-answer"}, {"does": "accept"}]}
//! ```
//!
//! The n-th POST for a recipient meets the n-th of its list, and the last one
//! over and over; `messages` is for recipients that have no list and counts them
//! together. A well-formed POST whose key was accepted before is answered 200
//! and not counted. What the gateway may do:
//!
//! | `does` | and |
//! | --- | --- |
//! | `accept` | 202; `delivery_ms` instead of the config's |
//! | `slow` | as `accept`, but answers after `ms` 3000 |
//! | `refuse` | `code` 422, `error` "unknown-recipient", `reason` |
//! | `unavailable` | 503; `retry_after_s` |
//! | `lose-answer` | accepts, then closes the connection without an answer |
//! | `hang` | never answers; `accepts` false |
//! | `fail` | 202, and later `failed` with `reason` "undeliverable" |
//!
//! # The ledger
//!
//! One JSON object a line: `t_ms`, `mono_ms`, `number` (the recipient), `event`:
//! `listening` (`address`) · `request` (`method`, `path`, `key`, `to`, `text`,
//! `attempt`, `does`: what it met; "duplicate", "refused" or "status" if none of
//! the above) · `answer` (`code`, `id`, `key`; for each answer that was sent) · `accepted`,
//! `delivered`, `failed` (`id`, `key`, `to`, `text`). A delivery makes one line.
//! After a restart with the same ledger, accepted keys are known from it, and what
//! was not delivered yet is delivered.

mod api;
mod config;
mod http;
mod outbox;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_fakes::ledger::Ledger;

use crate::api::Gateway;
use crate::config::Config;

/// More clients at once than any test has.
const CONNECTIONS_MAX: usize = 256;

struct Args {
    config: PathBuf,
    ledger: PathBuf,
}

fn args() -> anyhow::Result<Args> {
    let (mut config, mut ledger) = (None, None);
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        let place = match word.to_str() {
            Some("--config") => &mut config,
            Some("--ledger") => &mut ledger,
            _ => bail!("无法识别的参数 / unknown argument {}", word.display()),
        };
        *place = words.next().map(PathBuf::from);
    }
    Ok(Args {
        config: config.context("缺少 / missing: --config FILE")?,
        ledger: ledger.context("缺少 / missing: --ledger FILE")?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Args { config, ledger: path } = args()?;
    let config = Config::read(&config)?;
    let ledger = Ledger::open(&path)?;
    let listen = config.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("无法监听 / cannot listen on {listen}"))?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let address = listener.local_addr()?.to_string();
    let gateway = Gateway::new(config, ledger.clone(), tasks.clone(), stop.clone());
    gateway.remember(&path)?;
    let gateway = Arc::new(gateway);
    ledger.note("", "listening", None, json!({ "address": address }));
    println!("listening on {address}");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            accepted = listener.accept() => accepted,
        };
        // Without room, the client finds its connection closed.
        let (Ok((stream, _)), Ok(permit)) = (accepted, room.clone().try_acquire_owned()) else {
            continue;
        };
        let (gateway, stop) = (gateway.clone(), stop.clone());
        tasks.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = stop.cancelled() => {}
                () = http::serve(stream, &gateway) => {}
            }
        });
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}
