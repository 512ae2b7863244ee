//! The node's own file: one TOML a node. What the cluster agrees on is not in
//! it. It refuses keys it does not know, because a misspelt key is a setting
//! that silently does nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use weir_link::{Satellite, ShaperParams};
use weir_model::id::{NodeName, SiteId};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("读不到配置文件 {path}：{source} / cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "配置文件 {path} 有误，请改正后重试 / {path} is wrong, mend it and try again:\n{source}"
    )]
    Parse { path: PathBuf, source: toml::de::Error },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) name: NodeName,
    pub(crate) site: SiteId,
    /// Everything the node keeps.
    pub(crate) data: PathBuf,
    /// UDP address of the control connections; bulk, voice and video take the
    /// next three ports.
    pub(crate) listen: SocketAddr,
    /// What other nodes dial; `listen` if absent.
    #[serde(default)]
    pub(crate) advertise: Vec<SocketAddr>,
    /// Plain HTTP with `/metrics`, `/livez`, `/readyz` only; absent: none.
    pub(crate) metrics: Option<SocketAddr>,
    /// HTTPS for browsers; absent: none.
    pub(crate) https: Option<SocketAddr>,
    /// The certificate for it; absent: one of this node's own.
    pub(crate) tls: Option<TlsConfig>,
    /// A relay box on the site's LAN that makes its sirens sound.
    pub(crate) relay: Option<SocketAddr>,
    /// Telephones and loudspeakers of the site register here.
    pub(crate) sip: Option<SipConfig>,
    /// Messages leave through this gateway; absent: only to telephones.
    pub(crate) sms: Option<SmsConfig>,
    pub(crate) satellite: Option<SatelliteConfig>,
    pub(crate) emulate: Option<EmulateConfig>,
}

/// Where devices register, and from where they hear.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SipConfig {
    /// UDP and TCP; devices must be able to reach this very address.
    pub(crate) listen: SocketAddr,
    /// First and last UDP port of voice.
    #[serde(default = "rtp_ports")]
    pub(crate) rtp: (u16, u16),
    /// What telephones are challenged with, `SHA-256` and `MD5` by default. Old
    /// ones that give up at the first are served by a site with `["MD5"]` alone.
    #[serde(default)]
    pub(crate) digest: Vec<String>,
}

/// An SMS gateway that speaks HTTP: `POST url` with `to`, `text` and `key`,
/// `GET url?key=` to ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmsConfig {
    pub(crate) url: String,
    /// A file with the bearer token.
    pub(crate) token: Option<PathBuf>,
    /// A PEM file with the authority of an https gateway.
    pub(crate) ca: Option<PathBuf>,
}

fn rtp_ports() -> (u16, u16) {
    (16_384, 24_575)
}

/// PEM files, read when the node starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// The certificate, then those that signed it.
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// Every path of this node leads over a satellite.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SatelliteConfig {
    /// What this node may send.
    pub(crate) up_kbps: u32,
}

/// A link worse than the real one, for demonstrations and drills.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmulateConfig {
    pub(crate) rtt_ms: u32,
    pub(crate) up_kbps: u32,
    pub(crate) down_kbps: u32,
    #[serde(default)]
    pub(crate) loss_ppm: u32,
}

impl Config {
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source })
    }

    pub(crate) fn advertised(&self) -> Vec<SocketAddr> {
        if self.advertise.is_empty() { vec![self.listen] } else { self.advertise.clone() }
    }

    /// Where the command line talks to this node.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("weir.sock")
    }

    /// Sounds, by their hashes.
    pub(crate) fn sounds(&self) -> PathBuf {
        self.data.join("sounds")
    }

    /// Who is registered, over a restart.
    pub(crate) fn bindings(&self) -> PathBuf {
        self.data.join("bindings.json")
    }

    /// Calls under way, so that they can be ended after a crash.
    pub(crate) fn dialogs(&self) -> PathBuf {
        self.data.join("dialogs.json")
    }

    /// Where drills end instead of at devices.
    pub(crate) fn drill_sink(&self) -> PathBuf {
        self.data.join("drill.log")
    }

    pub(crate) fn satellite(&self) -> Option<Satellite> {
        self.satellite.as_ref().map(|s| Satellite::new(u64::from(s.up_kbps) * 1000))
    }

    pub(crate) fn shaper(&self) -> Option<ShaperParams> {
        self.emulate.as_ref().map(EmulateConfig::params)
    }
}

impl EmulateConfig {
    fn params(&self) -> ShaperParams {
        let rtt = Duration::from_millis(u64::from(self.rtt_ms));
        let bps = |kbps: u32| u64::from(kbps) * 1000;
        ShaperParams::satellite(rtt, bps(self.down_kbps), bps(self.up_kbps), self.loss_ppm)
    }
}
