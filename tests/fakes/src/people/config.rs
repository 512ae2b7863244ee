//! The file that says which people and trunks there are. It refuses fields it
//! does not know, accounts given twice and more of them than one process bears.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde::Deserialize;
use weir_fakes::ledger::Ledger;
use weir_fakes::sip::digest::Hash;
use weir_fakes::sip::sdp::Codec;

use crate::script::{Dials, Does};

/// More than any basin has, few enough for one process.
const ACCOUNTS_MAX: usize = 1_000;
const LINES_MAX: usize = 1_000;
const DIALS_MAX: usize = 16;
/// What a telephone's band and the ear's filters bear.
const TONE_HZ: RangeInclusive<u32> = 200..=3_400;
const TONES_MAX: usize = 32;
/// Both laws, as most telephones have them.
const CODECS: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) seed: u64,
    /// Listened for beside those that somebody here speaks.
    #[serde(default)]
    tones_hz: Vec<u32>,
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
    #[serde(default)]
    tone_hz: Option<u32>,
    /// Its only codec.
    #[serde(default)]
    codec: Option<Codec>,
    #[serde(default)]
    dials: Vec<Dials>,
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
    /// What it speaks, and what it listens for.
    pub(crate) tone_hz: Option<u32>,
    pub(crate) tones: Arc<[u32]>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) dials: Vec<Dials>,
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
        config.speaks_well()?;
        Ok(config)
    }

    fn speaks_well(&self) -> anyhow::Result<()> {
        let tones = self.tones();
        ensure!(tones.len() <= TONES_MAX, "音调过多 / more than {TONES_MAX} tones");
        for hz in tones.iter() {
            ensure!(TONE_HZ.contains(hz), "不是可听的音调 / no tone that can be heard: {hz} Hz");
        }
        for Person { number, codec, dials, .. } in &self.people {
            ensure!(*codec != Some(Codec::G722), "{number}: 不会编码 / it cannot speak G.722");
            ensure!(dials.len() <= DIALS_MAX, "{number}: 拨号过多 / more than {DIALS_MAX} dials");
        }
        Ok(())
    }

    /// In order, each once.
    fn tones(&self) -> Arc<[u32]> {
        let spoken = self.people.iter().filter_map(|person| person.tone_hz);
        let tones: BTreeSet<u32> = spoken.chain(self.tones_hz.iter().copied()).collect();
        tones.into_iter().collect()
    }

    /// `ledger` is for those that have none of their own.
    pub(crate) fn accounts(&self, ledger: &Ledger) -> anyhow::Result<Vec<Account>> {
        let tones = self.tones();
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
                tone_hz: person.tone_hz,
                // Who speaks listens.
                tones: person.tone_hz.map_or(Arc::default(), |_| tones.clone()),
                codecs: person.codec.map_or(CODECS.to_vec(), |codec| vec![codec]),
                dials: person.dials.clone(),
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
                tone_hz: None,
                tones: Arc::default(),
                codecs: CODECS.to_vec(),
                dials: Vec::new(),
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
