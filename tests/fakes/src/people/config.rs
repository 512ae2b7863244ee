//! The file that says which people and trunks there are. It refuses fields it
//! does not know, accounts given twice and more of them than one process bears.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;
use weir_fakes::ledger::Ledger;
use weir_fakes::sip::digest::Hash;

use crate::script::Does;

/// More than any basin has, few enough for one process.
const ACCOUNTS_MAX: usize = 1_000;
const LINES_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(default)]
    people: Vec<Person>,
    #[serde(default)]
    trunks: Vec<Trunk>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    number: String,
    password: String,
    registrar: SocketAddr,
    #[serde(default)]
    listen: Option<SocketAddr>,
    #[serde(default = "an_hour")]
    expires_s: u32,
    #[serde(default = "md5")]
    hash: Hash,
    #[serde(default = "one")]
    lines: usize,
    #[serde(default)]
    calls: Vec<Does>,
    #[serde(default = "ok")]
    message_code: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trunk {
    number: String,
    password: String,
    registrar: SocketAddr,
    #[serde(default)]
    listen: Option<SocketAddr>,
    #[serde(default = "an_hour")]
    expires_s: u32,
    #[serde(default = "md5")]
    hash: Hash,
    lines: usize,
    /// Of its own, instead of the process's.
    #[serde(default)]
    ledger: Option<PathBuf>,
    #[serde(default)]
    outside: BTreeMap<String, Vec<Does>>,
    #[serde(default)]
    calls: Vec<Does>,
}

fn an_hour() -> u32 {
    3_600
}

fn md5() -> Hash {
    Hash::Md5
}

fn one() -> usize {
    1
}

fn ok() -> u16 {
    200
}

/// One telephone, or one trunk: what registers.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) number: String,
    pub(crate) password: String,
    pub(crate) registrar: SocketAddr,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) expires_s: u32,
    pub(crate) hash: Hash,
    pub(crate) lines: usize,
    /// Who else is reached through it; None for a telephone.
    pub(crate) outside: Option<BTreeMap<String, Vec<Does>>>,
    pub(crate) calls: Vec<Does>,
    pub(crate) message_code: u16,
    pub(crate) ledger: Ledger,
}

impl Config {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("无法读取 / cannot read {shown}"))?;
        let config: Self = serde_json::from_str(&text)
            .with_context(|| format!("格式有误 / not as expected: {shown}"))?;
        let people = config.people.iter().map(|person| (&person.number, person.lines));
        let trunks = config.trunks.iter().map(|trunk| (&trunk.number, trunk.lines));
        let mut numbers = BTreeSet::new();
        for (number, lines) in people.chain(trunks) {
            ensure!(
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "号码无效 / not a number: {number:?}"
            );
            ensure!(numbers.insert(number), "号码重复 / given twice: {number}");
            ensure!(lines <= LINES_MAX, "{number}: 线路过多 / more than {LINES_MAX} lines");
        }
        ensure!(
            numbers.len() <= ACCOUNTS_MAX,
            "最多 {ACCOUNTS_MAX} 个帐号 / at most {ACCOUNTS_MAX} accounts in one process"
        );
        Ok(config)
    }

    /// `ledger` is for those that have none of their own.
    pub(crate) fn accounts(&self, ledger: &Ledger) -> anyhow::Result<Vec<Account>> {
        let people = self.people.iter().map(|person| {
            Ok(Account {
                number: person.number.clone(),
                password: person.password.clone(),
                registrar: person.registrar,
                listen: person.listen,
                expires_s: person.expires_s,
                hash: person.hash,
                lines: person.lines,
                outside: None,
                calls: person.calls.clone(),
                message_code: person.message_code,
                ledger: ledger.clone(),
            })
        });
        let trunks = self.trunks.iter().map(|trunk| {
            Ok(Account {
                number: trunk.number.clone(),
                password: trunk.password.clone(),
                registrar: trunk.registrar,
                listen: trunk.listen,
                expires_s: trunk.expires_s,
                hash: trunk.hash,
                lines: trunk.lines,
                outside: Some(trunk.outside.clone()),
                calls: trunk.calls.clone(),
                // A trunk of voice takes no texts.
                message_code: 405,
                ledger: trunk.ledger.as_deref().map_or(Ok(ledger.clone()), Ledger::open)?,
            })
        });
        people.chain(trunks).collect()
    }
}

impl Account {
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
