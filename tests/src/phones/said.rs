//! What a telephone said so far, event by event. A thread reads until the
//! telephone is gone. It refuses to keep more than a story can look at.

use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::wait::eventually;

/// More events than any story brings about; what comes after is dropped.
const MOST: usize = 20_000;

/// See the module.
pub(super) struct Said {
    events: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
}

impl Said {
    /// `next` takes one event from what was read; None at the end.
    pub(super) fn read<R: BufRead + Send + 'static>(
        mut source: R,
        next: impl Fn(&mut R) -> Option<Value> + Send + 'static,
    ) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let reader = std::thread::spawn(move || {
            while let Some(event) = next(&mut source) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < MOST {
                    kept.push(event);
                }
            }
        });
        Self { events, reader: Some(reader) }
    }

    pub(super) fn count(&self) -> usize {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The events from number `from` on.
    pub(super) fn since(&self, from: usize) -> Vec<Value> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.get(from..).unwrap_or_default().to_vec()
    }

    /// The first event from number `from` on that fits, now or later.
    pub(super) async fn first(
        &self,
        from: usize,
        what: &str,
        patience: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        eventually(what, patience, async || {
            let events = self.since(from);
            let found = events.iter().find(|event| fits(event)).cloned();
            found.with_context(|| format!("it said {}", Value::Array(events)))
        })
        .await
    }

    /// After the telephone is gone: its last words are read.
    pub(super) fn close(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
