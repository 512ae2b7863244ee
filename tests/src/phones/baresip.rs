//! A telephone on baresip, without a sound card: told what to do over its control
//! port, where it also says what it sees. It plays a tone to whoever it talks to
//! and writes what it decodes into a WAV file a stretch of talk. Packets that
//! never came are left out of that file, not silent in it: see `breaks` of
//! [`crate::hearing::Tone`]. One call at a time; it refuses to guess more.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::said::Said;
use super::sound::{Wave, sine};
use super::{Account, Process, RUN, sound_ports, text};
use crate::capability::tool;
use crate::ports;
use crate::wait::{eventually, eventually_every};

const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
/// Longer than any story; baresip hangs up where the file ends.
const TONE_S: u32 = 120;
/// Longest message on the control port.
const MESSAGE: usize = 65_536;
const MODULES: &str = "/usr/lib/baresip/modules";

/// Who picks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    ByHand,
    AtOnce,
}

/// The one codec that it offers and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    Pcma,
    G722,
    Opus,
}

impl Codec {
    fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA/8000/1",
            Self::G722 => "G722/16000/1",
            Self::Opus => "opus/48000/2",
        }
    }

    fn rate(self) -> u32 {
        match self {
            Self::Pcma => 8_000,
            Self::G722 => 16_000,
            Self::Opus => 48_000,
        }
    }

    fn channels(self) -> u16 {
        if self == Self::Opus { 2 } else { 1 }
    }
}

/// See the module. It ends with its story.
pub struct Baresip {
    pub number: String,
    /// Where its SIP is.
    pub sip: SocketAddr,
    registrar: SocketAddr,
    recordings: PathBuf,
    log: PathBuf,
    orders: TcpStream,
    said: Said,
    /// Events before this one belong to an earlier call.
    mark: usize,
    process: Process,
}

impl Baresip {
    /// Starts it with everything in `folder`, which is its own; it registers at once.
    ///
    /// # Errors
    /// When it is not installed or its control port does not open.
    pub async fn start(
        folder: &Path,
        account: &Account,
        answers: Answers,
        codec: Codec,
    ) -> Result<Self> {
        let program = tool("baresip", "baresip-core")?;
        let recordings = folder.join("recordings");
        std::fs::create_dir_all(&recordings)?;
        let ports = ports::free()?;
        write_settings(folder, account, answers, codec, ports)?;
        let log = folder.join("baresip.log");
        let mut command = Command::new(program);
        command.args(["-4", "-s", "-f"]).arg(folder).current_dir(folder).stdin(Stdio::null());
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        let mut process = Process(command.spawn().context("baresip could not be started")?);
        let orders = eventually("baresip's control port opens", START, async || {
            let ended = process.0.try_wait()?;
            if let Some(ended) = ended {
                return Ok(Err(ended));
            }
            Ok(Ok(TcpStream::connect(ports.metrics)?))
        });
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let orders = match orders.await.with_context(said)? {
            Ok(orders) => orders,
            Err(ended) => bail!("baresip did not stay: {ended}: {}", said()),
        };
        let said = Said::read(BufReader::new(orders.try_clone()?), netstring);
        let (number, registrar) = (account.number.clone(), account.registrar);
        let sip = ports.sip;
        Ok(Self { number, sip, registrar, recordings, log, orders, said, mark: 0, process })
    }

    fn order(&mut self, command: &str, params: &str) -> Result<()> {
        let order = json!({ "command": command, "params": params }).to_string();
        let framed = format!("{}:{order},", order.len());
        self.orders.write_all(framed.as_bytes()).context("baresip's control port is gone")
    }

    /// # Errors
    /// When its registration is not accepted in time.
    pub async fn registered(&mut self, patience: Duration) -> Result<()> {
        let what = format!("{} is registered", self.number);
        eventually_every(LOOK, &what, patience, async || {
            let answer = self.registration().await?;
            ensure!(answer.contains("OK "), "{answer}");
            Ok(())
        })
        .await
    }

    /// # Errors
    /// When its registration is not refused in time.
    pub async fn refused(&mut self, patience: Duration) -> Result<()> {
        let what = format!("{} is turned away", self.number);
        eventually_every(LOOK, &what, patience, async || {
            let answer = self.registration().await?;
            ensure!(answer.contains("ERR"), "{answer}");
            Ok(())
        })
        .await
    }

    async fn registration(&mut self) -> Result<String> {
        let from = self.said.count();
        self.order("reginfo", "")?;
        let fits = |event: &Value| field(event, "data").contains("User Agents");
        let said = self.said.first(from, "it says where it is registered", START, fits).await?;
        Ok(field(&said, "data").to_owned())
    }

    /// Calls a number of its registrar. What it said of earlier calls is forgotten.
    ///
    /// # Errors
    /// When its control port is gone.
    pub fn dial(&mut self, number: &str) -> Result<()> {
        let to = format!("sip:{number}@{}", self.registrar);
        self.dial_address(&to)
    }

    /// As [`Self::dial`], to any address.
    ///
    /// # Errors
    /// When its control port is gone.
    pub fn dial_address(&mut self, to: &str) -> Result<()> {
        self.forget();
        self.order("dial", to)
    }

    /// Only what comes from now on is waited for.
    pub fn forget(&mut self) {
        self.mark = self.said.count();
    }

    /// # Errors
    /// When its control port is gone.
    pub fn answer(&mut self) -> Result<()> {
        self.order("accept", "")
    }

    /// Ends the call, stops calling, or refuses as busy, whichever there is to do.
    ///
    /// # Errors
    /// When its control port is gone.
    pub fn hang_up(&mut self) -> Result<()> {
        self.order("hangup", "")
    }

    /// # Errors
    /// When its control port is gone.
    pub fn hold(&mut self) -> Result<()> {
        self.order("hold", "")
    }

    /// # Errors
    /// When its control port is gone.
    pub fn resume(&mut self) -> Result<()> {
        self.order("resume", "")
    }

    /// Presses a key (RFC 4733).
    ///
    /// # Errors
    /// When its control port is gone.
    pub fn press(&mut self, key: char) -> Result<()> {
        self.order("sndcode", &key.to_string())
    }

    async fn event(&self, kind: &str, patience: Duration) -> Result<Value> {
        let what = format!("{}: {kind}", self.number);
        let event = self.said.first(self.mark, &what, patience, |event| is(event, kind));
        event.await.with_context(|| self.tail())
    }

    /// Waits until it is called; who calls, as it would show it.
    ///
    /// # Errors
    /// When nobody calls in time.
    pub async fn called(&self, patience: Duration) -> Result<String> {
        let event = self.event("CALL_INCOMING", patience).await?;
        let name = field(&event, "peerdisplayname");
        Ok(format!("{name} {}", field(&event, "peeruri")).trim().to_owned())
    }

    /// Whether it has been called since it last forgot.
    pub fn was_called(&self) -> bool {
        self.said.since(self.mark).iter().any(|event| is(event, "CALL_INCOMING"))
    }

    /// Waits until the far side rings.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn rings(&self, patience: Duration) -> Result<()> {
        self.event("CALL_RINGING", patience).await.map(|_| ())
    }

    /// # Errors
    /// When nobody picks up in time.
    pub async fn talks(&self, patience: Duration) -> Result<()> {
        self.event("CALL_ESTABLISHED", patience).await.map(|_| ())
    }

    /// Whether it talks, as far as it knows.
    pub fn in_call(&self) -> bool {
        let said = self.said.since(self.mark);
        let last = |kind| said.iter().rposition(|event| is(event, kind));
        last("CALL_ESTABLISHED").is_some_and(|up| last("CALL_CLOSED").is_none_or(|over| over < up))
    }

    /// Waits until its call is over; why, in its own words (`486 Busy Here`).
    ///
    /// # Errors
    /// When it is not over in time.
    pub async fn over(&self, patience: Duration) -> Result<String> {
        let event = self.event("CALL_CLOSED", patience).await?;
        Ok(field(&event, "param").to_owned())
    }

    /// The keys that were pressed at the far side, in order.
    pub fn keys(&self) -> String {
        let said = self.said.since(self.mark);
        said.iter().filter(|e| is(e, "CALL_DTMF_START")).map(|e| field(e, "param")).collect()
    }

    /// What it heard so far, stretch after stretch, a new one after each change
    /// of the call. Whole once the call is over.
    ///
    /// # Errors
    /// When a recording cannot be read.
    pub fn heard(&self) -> Result<Vec<Wave>> {
        let mut files = Vec::new();
        for file in std::fs::read_dir(&self.recordings)? {
            let path = file?.path();
            if path.to_string_lossy().ends_with("-dec.wav") {
                files.push(path);
            }
        }
        files.sort();
        files.iter().map(|file| Wave::load(file)).collect()
    }

    /// Its process, for signals: a telephone that is stopped answers nothing.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    fn tail(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.process.0.kill();
        self.said.close();
    }
}

fn write_settings(
    folder: &Path,
    account: &Account,
    answers: Answers,
    codec: Codec,
    ports: ports::Ports,
) -> Result<()> {
    let Account { number, password, registrar } = account;
    let plays = folder.join("plays.wav");
    sine(codec.rate(), 440, TONE_S).save(&plays, codec.channels())?;
    let (plays, folder_name) = (text(&plays), text(&folder.join("recordings")));
    let (sip, control, rtp) = (ports.sip, ports.metrics, sound_ports()?);
    let settings = format!(
        "sip_listen {sip}\nnet_interface 127.0.0.1\naudio_source aufile,{plays}\n\
         audio_player aufile,{plays}\naudio_alert aufile,{plays}\nsnd_path {folder_name}\n\
         rtp_ports {rtp}-{}\nrtp_timeout 0\ncall_max_calls 2\nmodule_path {MODULES}\n\
         module g711.so\nmodule g722.so\nmodule opus.so\nmodule sndfile.so\nmodule aufile.so\n\
         module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n\
         module_app ctrl_tcp.so\nctrl_tcp_listen {control}\n",
        rtp + RUN - 2
    );
    std::fs::write(folder.join("config"), settings)?;
    let mode = match answers {
        Answers::ByHand => "manual",
        Answers::AtOnce => "auto",
    };
    let line = format!(
        "<sip:{number}@{registrar}>;auth_user={number};auth_pass={password};regint=600;\
         answermode={mode};audio_codecs={}\n",
        codec.name()
    );
    std::fs::write(folder.join("accounts"), line)?;
    // Without one it writes examples.
    std::fs::write(folder.join("contacts"), "")?;
    Ok(())
}

fn is(event: &Value, kind: &str) -> bool {
    event["type"] == kind
}

fn field<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

/// One message of the control port: its length, a colon, itself, a comma.
fn netstring(source: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0_usize;
    loop {
        let mut byte = [0];
        source.read_exact(&mut byte).ok()?;
        match byte[0] {
            b':' => break,
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            _ => return None,
        }
        if length > MESSAGE {
            return None;
        }
    }
    let mut message = vec![0; length + 1];
    source.read_exact(&mut message).ok()?;
    message.pop();
    Some(serde_json::from_slice(&message).unwrap_or(Value::Null))
}
