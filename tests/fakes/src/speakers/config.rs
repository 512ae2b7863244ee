//! The file that says which loudspeakers there are. It refuses fields it does
//! not know, profiles that do not exist and a number given twice.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::profile::{Fault, Profile};

/// More than any one site has, few enough for one process.
const SPEAKERS_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) speakers: Vec<Speaker>,
    #[serde(default)]
    pub(crate) seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Speaker {
    pub(crate) number: String,
    pub(crate) password: String,
    pub(crate) registrar: SocketAddr,
    pub(crate) profile: String,
    /// Where it sits; without it, any port of the address that faces the
    /// registrar.
    #[serde(default)]
    pub(crate) listen: Option<SocketAddr>,
    #[serde(default)]
    pub(crate) fault: Option<Fault>,
    /// From picking up to a reboot or a hang-up.
    #[serde(default)]
    pub(crate) fault_after_ms: Option<u64>,
    /// How many calls the fault strikes; then the device is well.
    #[serde(default)]
    pub(crate) fault_times: Option<u32>,
    /// How long it is away when it reboots.
    #[serde(default)]
    pub(crate) reboot_ms: Option<u64>,
    /// Instead of its profile's.
    #[serde(default)]
    pub(crate) expires_s: Option<u32>,
}

impl Config {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("无法读取 / cannot read {shown}"))?;
        let config: Self = serde_json::from_str(&text)
            .with_context(|| format!("格式有误 / not as expected: {shown}"))?;
        ensure!(
            config.speakers.len() <= SPEAKERS_MAX,
            "最多 {SPEAKERS_MAX} 个喇叭 / at most {SPEAKERS_MAX} speakers in one process"
        );
        let mut numbers = BTreeSet::new();
        for Speaker { number, .. } in &config.speakers {
            ensure!(
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "号码无效 / not a number: {number:?}"
            );
            ensure!(numbers.insert(number), "号码重复 / given twice: {number}");
        }
        Ok(config)
    }
}

impl Speaker {
    pub(crate) fn known_profile(&self) -> anyhow::Result<&'static Profile> {
        let Some(profile) = Profile::named(&self.profile) else {
            let (number, name, known) = (&self.number, &self.profile, Profile::names());
            bail!("{number}: 没有型号 {name} / no profile {name}; there are {known}");
        };
        Ok(profile)
    }

    /// Where its SIP socket is to be bound. Asks the routing table; sends
    /// nothing.
    pub(crate) fn seat(&self) -> anyhow::Result<SocketAddr> {
        let listen = self.listen.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
        if !listen.ip().is_unspecified() {
            return Ok(listen);
        }
        let probe = UdpSocket::bind((listen.ip(), 0))?;
        probe.connect(self.registrar).with_context(|| {
            format!("{}: 没有到注册服务器的路由 / no route to {}", self.number, self.registrar)
        })?;
        Ok((probe.local_addr()?.ip(), listen.port()).into())
    }
}
