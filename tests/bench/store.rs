//! The two stores that are compared, and how each is told to keep 256 bytes under
//! a client's own key. It refuses to know whether they did.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::api::Api;

use crate::client::{Connection, Door, PATIENCE};

/// Of every value, as the store keeps it.
pub(crate) const VALUE_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Store {
    Weir,
    Etcd,
}

/// A write as HTTP.
pub(crate) struct Put {
    pub(crate) path: &'static str,
    pub(crate) body: String,
}

impl Store {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Etcd => "etcd",
        }
    }

    /// The key of a client. Of etcd's, this is the base64 that its gateway speaks;
    /// eight characters of that alphabet are six bytes of key.
    pub(crate) fn key(self, client: usize) -> String {
        match self {
            Self::Weir => format!("client-{client}"),
            Self::Etcd => format!("c{client:0>7}"),
        }
    }

    /// Write `number` of a client. A leader of Weir makes up the idempotency key
    /// itself; etcd has none.
    pub(crate) fn put(self, client: usize, number: u64) -> Put {
        let key = self.key(client);
        match self {
            Self::Weir => Put {
                path: "/api/v1/board",
                body: format!("{{\"key\":\"{key}\",\"text\":\"{number:0>VALUE_BYTES$}\"}}"),
            },
            // Digits are base64 too: 340 of them are 255 bytes, the rest is one.
            Self::Etcd => Put {
                path: "/v3/kv/put",
                body: format!("{{\"key\":\"{key}\",\"value\":\"{number:0>340}AA==\"}}"),
            },
        }
    }

    /// How often each key was written, as the store says behind `door`.
    pub(crate) async fn written(self, door: &Door) -> Result<BTreeMap<String, u64>> {
        match (self, door) {
            (Self::Weir, Door::Unix(socket)) => {
                let board = Api::new(socket, PATIENCE).board().await?;
                let whole = |text: &str| text.len() == VALUE_BYTES;
                ensure!(board.iter().all(|line| whole(&line.text)), "a line of another length");
                Ok(board.into_iter().map(|line| (line.key, line.revision)).collect())
            }
            _ => {
                // From the least key to the end.
                let all = "{\"key\":\"AA==\",\"range_end\":\"AA==\"}".to_owned();
                let mut connection = Connection::open(door).await?;
                let (status, bytes) = connection.post("/v3/kv/range", all).await?;
                ensure!(status.is_success(), "etcd shows no keys: {status}");
                let found: Value = serde_json::from_slice(&bytes)?;
                found["kvs"].as_array().into_iter().flatten().map(version).collect()
            }
        }
    }
}

fn version(key_value: &Value) -> Result<(String, u64)> {
    let text = |name: &str| key_value[name].as_str().with_context(|| format!("no {name}"));
    // 256 bytes in base64.
    ensure!(text("value")?.len() == 344, "a value of another length");
    Ok((text("key")?.to_owned(), text("version")?.parse()?))
}
