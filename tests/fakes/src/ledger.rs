//! What the devices write down: JSON lines, each written whole and at once, so
//! that a reader sees it while the device runs and after it was killed. It
//! refuses to hold anything a device did not see itself.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::{Map, Value};

#[derive(Debug, Clone)]
pub struct Ledger {
    file: Arc<File>,
    start: Instant,
}

impl Ledger {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("无法写入记录 / cannot write ledger {shown}"))?;
        Ok(Self { file: Arc::new(file), start: Instant::now() })
    }

    /// `more` is an object; its fields follow the common ones.
    pub fn note(&self, number: &str, event: &str, call_id: Option<&str>, more: Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut line = Map::new();
        line.insert("t_ms".into(), whole_ms(now.as_millis()));
        line.insert("mono_ms".into(), whole_ms(self.start.elapsed().as_millis()));
        line.insert("number".into(), number.into());
        line.insert("event".into(), event.into());
        if let Some(call_id) = call_id {
            line.insert("call_id".into(), call_id.into());
        }
        if let Value::Object(more) = more {
            line.extend(more);
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // One write to a file opened for appending: lines of devices do not mix.
        if let Err(error) = (&*self.file).write_all(text.as_bytes()) {
            eprintln!("记录写入失败 / the ledger could not be written: {error}");
        }
    }
}

fn whole_ms(ms: u128) -> Value {
    u64::try_from(ms).unwrap_or(u64::MAX).into()
}
