//! The file that says how the gateway behaves. It refuses fields it does not
//! know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

fn soon() -> u64 {
    200
}

fn slow() -> u64 {
    3_000
}

fn refused() -> u16 {
    422
}

fn unknown() -> String {
    "unknown-recipient".to_owned()
}

fn undeliverable() -> String {
    "undeliverable".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) token: String,
    #[serde(default = "soon")]
    pub(crate) delivery_ms: u64,
    #[serde(default)]
    pub(crate) recipients: BTreeMap<String, Vec<Does>>,
    #[serde(default)]
    pub(crate) messages: Vec<Does>,
}

/// See the table in `main.rs`.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    tag = "does",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub(crate) enum Does {
    Accept {
        #[serde(default)]
        delivery_ms: Option<u64>,
    },
    Slow {
        #[serde(default = "slow")]
        ms: u64,
    },
    Refuse {
        #[serde(default = "refused")]
        code: u16,
        #[serde(default = "unknown")]
        error: String,
        #[serde(default)]
        reason: String,
    },
    Unavailable {
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    LoseAnswer {},
    Hang {
        #[serde(default)]
        accepts: bool,
    },
    Fail {
        #[serde(default = "undeliverable")]
        reason: String,
    },
}

impl Does {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Slow { .. } => "slow",
            Self::Refuse { .. } => "refuse",
            Self::Unavailable { .. } => "unavailable",
            Self::LoseAnswer {} => "lose-answer",
            Self::Hang { .. } => "hang",
            Self::Fail { .. } => "fail",
        }
    }
}

impl Config {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("无法读取 / cannot read {shown}"))?;
        let config: Self = serde_json::from_str(&text)
            .with_context(|| format!("格式有误 / not as expected: {shown}"))?;
        let all = config.recipients.values().flatten().chain(&config.messages);
        for does in all {
            if let Does::Refuse { code, .. } = does {
                ensure!((400..500).contains(code), "不是拒绝 / not a refusal: {code}");
            }
        }
        Ok(config)
    }
}
