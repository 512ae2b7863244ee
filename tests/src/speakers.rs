//! The fake loudspeakers as a process of their own, and what their ledger says,
//! line by line and call by call. It reports what devices saw and refuses to
//! add to it.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::program::{run, weir_binary};
use crate::wait::eventually;

/// For a signal to take effect.
const END: Duration = Duration::from_secs(8);

/// What is wrong with a device; `fake-speakers` says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    Ringing,
    NoAutoAnswer,
    Mute,
    Busy,
    Deaf,
    Reboot,
    DropsMidPage,
}

/// One loudspeaker. What is None is as its profile has it.
#[derive(Debug, Clone, Serialize)]
pub struct Speaker {
    pub number: String,
    pub password: String,
    pub registrar: SocketAddr,
    pub profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_times: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<u32>,
}

impl Speaker {
    /// A well one.
    pub fn new(number: &str, password: &str, registrar: SocketAddr, profile: &str) -> Self {
        Self {
            number: number.to_owned(),
            password: password.to_owned(),
            registrar,
            profile: profile.to_owned(),
            listen: None,
            fault: None,
            fault_after_ms: None,
            fault_times: None,
            reboot_ms: None,
            expires_s: None,
        }
    }

    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Wall clock.
    pub t_ms: u64,
    /// Since the process began.
    pub mono_ms: u64,
    pub number: String,
    pub call_id: Option<String>,
    #[serde(flatten)]
    pub event: Event,
}

/// What a device saw.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Registered {
        expires_s: u32,
    },
    RegisterRefused {
        code: u16,
    },
    RegistrarSilent {
        why: String,
    },
    /// `auto`: asked, in its dialect, to answer by itself.
    Invite {
        auto: bool,
    },
    Reinvite,
    Answered {
        codec: String,
        audio: String,
        after_ms: u64,
    },
    Refused {
        code: u16,
    },
    RtpFirst {
        ssrc: String,
    },
    /// The sender began anew.
    RtpRestarted {
        ssrc: String,
        at_ms: u64,
    },
    /// Once a second and at the end; of the whole call so far.
    Rtp(Tally),
    Gap(Gap),
    /// RTP from another address than the caller named.
    Stranger {
        from: String,
    },
    ByeIn,
    ByeOut {
        why: String,
    },
    Cancel,
    Timeout {
        waited_for: String,
    },
    Reboot {
        away_ms: u64,
    },
    Unreadable {
        bytes: u64,
    },
    Stopped,
}

/// RTP of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Tally {
    pub packets: u64,
    pub lost: u64,
    /// Came after its place had been played.
    pub late: u64,
    pub strangers: u64,
    /// Between one packet and the next.
    pub max_gap_ms: u64,
    pub audio_ms: u64,
}

/// Audio that never came: where in the recording, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Gap {
    pub start_ms: u64,
    pub ms: u64,
}

/// How a call was over, as the device saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    ByeIn,
    ByeOut,
    Cancelled,
    Refused(u16),
    /// It lost power, or its process ended.
    PowerLost,
}

/// One call, put together from the ledger. Times are the wall clock's.
#[derive(Debug, Clone)]
pub struct Call {
    pub number: String,
    pub call_id: String,
    pub invited_ms: u64,
    pub auto: bool,
    pub answered_ms: Option<u64>,
    pub codec: Option<String>,
    pub audio: Option<PathBuf>,
    /// When sample 0 of the audio came.
    pub sounded_ms: Option<u64>,
    pub rtp: Tally,
    pub gaps: Vec<Gap>,
    pub over: Option<(Over, u64)>,
}

impl Call {
    pub fn longest_gap_ms(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.ms).max().unwrap_or_default()
    }

    /// What the device played; empty when it never picked up.
    ///
    /// # Errors
    /// When the file cannot be read, or is not of samples.
    pub fn heard(&self) -> Result<Vec<i16>> {
        let Some(audio) = &self.audio else { return Ok(Vec::new()) };
        ensure!(audio.extension().is_some_and(|ending| ending == "pcm"), "not decoded: {audio:?}");
        crate::hearing::load(audio)
    }
}

/// See the module. They end with their story.
pub struct Speakers {
    numbers: BTreeSet<String>,
    ledger: PathBuf,
    audio: PathBuf,
    log: PathBuf,
    process: Child,
}

#[derive(Serialize)]
struct Config<'a> {
    speakers: &'a [Speaker],
    seed: u64,
}

impl Speakers {
    /// Writes config, ledger, log and audio into `folder`, which must be theirs
    /// alone.
    ///
    /// # Errors
    /// When the binary was not built or the folder cannot be written.
    pub fn start(folder: &Path, speakers: &[Speaker], seed: u64) -> Result<Self> {
        let program = weir_binary()?.with_file_name("fake-speakers");
        ensure!(
            program.is_file(),
            "没有 fake-speakers 程序，请执行 make test / no fake-speakers binary; run make test"
        );
        std::fs::create_dir_all(folder)?;
        let in_folder = |name: &str| folder.join(name);
        let (config, ledger) = (in_folder("speakers.json"), in_folder("speakers.ledger"));
        let (audio, log) = (in_folder("audio"), in_folder("speakers.log"));
        std::fs::write(&config, serde_json::to_vec(&Config { speakers, seed })?)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).arg("--ledger").arg(&ledger);
        command.arg("--audio").arg(&audio).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.stderr(File::create(&log)?).spawn()?;
        let numbers = speakers.iter().map(|speaker| speaker.number.clone()).collect();
        Ok(Self { numbers, ledger, audio, log, process })
    }

    /// Everything they saw so far, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read or holds what no device writes.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let text = match std::fs::read_to_string(&self.ledger) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("the ledger cannot be read"),
        };
        // A line in the making has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let entry = |line| serde_json::from_str(line).with_context(|| format!("ledger: {line}"));
        whole.lines().map(entry).collect()
    }

    /// Every call that reached any of them, in order of arrival.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let mut calls: Vec<Call> = Vec::new();
        for entry in self.entries()? {
            if let (Event::Invite { auto }, Some(call_id)) = (&entry.event, &entry.call_id) {
                calls.push(Call {
                    number: entry.number,
                    call_id: call_id.clone(),
                    invited_ms: entry.t_ms,
                    auto: *auto,
                    answered_ms: None,
                    codec: None,
                    audio: None,
                    sounded_ms: None,
                    rtp: Tally::default(),
                    gaps: Vec::new(),
                    over: None,
                });
                continue;
            }
            self.goes_on(&mut calls, &entry);
        }
        Ok(calls)
    }

    fn goes_on(&self, calls: &mut [Call], entry: &Entry) {
        // A device without power says nothing about its calls.
        let power_lost = matches!(entry.event, Event::Reboot { .. } | Event::Stopped);
        let of_entry = |call: &&mut Call| {
            call.number == entry.number
                && call.over.is_none()
                && (power_lost || entry.call_id.as_ref() == Some(&call.call_id))
        };
        for call in calls.iter_mut().filter(of_entry) {
            let mut over = |how| call.over = Some((how, entry.t_ms));
            match &entry.event {
                Event::Answered { codec, audio, .. } => {
                    call.answered_ms = Some(entry.t_ms);
                    (call.codec, call.audio) = (Some(codec.clone()), Some(self.audio.join(audio)));
                }
                Event::RtpFirst { .. } => call.sounded_ms = Some(entry.t_ms),
                Event::Rtp(tally) => call.rtp = tally.clone(),
                Event::Gap(gap) => call.gaps.push(*gap),
                Event::ByeIn => over(Over::ByeIn),
                Event::ByeOut { .. } => over(Over::ByeOut),
                Event::Cancel => over(Over::Cancelled),
                Event::Refused { code } => over(Over::Refused(*code)),
                Event::Reboot { .. } | Event::Stopped => over(Over::PowerLost),
                Event::Registered { .. }
                | Event::RegisterRefused { .. }
                | Event::RegistrarSilent { .. }
                | Event::Invite { .. }
                | Event::Reinvite
                | Event::RtpRestarted { .. }
                | Event::Stranger { .. }
                | Event::Timeout { .. }
                | Event::Unreadable { .. } => {}
            }
        }
    }

    /// The calls that reached one of them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn calls_of(&self, number: &str) -> Result<Vec<Call>> {
        Ok(self.calls()?.into_iter().filter(|call| call.number == number).collect())
    }

    /// Waits until every one of them was registered at least once.
    ///
    /// # Errors
    /// When one was not in time; says which, and what the process said.
    pub async fn all_registered(&mut self, patience: Duration) -> Result<()> {
        self.still_run()?;
        let registered = eventually("every loudspeaker is registered", patience, async || {
            let entries = self.entries()?;
            let there =
                entries.iter().filter(|entry| matches!(entry.event, Event::Registered { .. }));
            let there: BTreeSet<&String> = there.map(|entry| &entry.number).collect();
            let lacking: Vec<_> =
                self.numbers.iter().filter(|number| !there.contains(number)).collect();
            ensure!(lacking.is_empty(), "not registered: {lacking:?}");
            Ok(())
        });
        registered.await.with_context(|| self.said())
    }

    /// Waits for the newest call of `number` that `fits`.
    ///
    /// # Errors
    /// When there is none in time; shows the calls there are.
    pub async fn call(
        &self,
        number: &str,
        what: &str,
        patience: Duration,
        fits: impl Fn(&Call) -> bool,
    ) -> Result<Call> {
        eventually(&format!("{number}: {what}"), patience, async || {
            let mut calls = self.calls_of(number)?;
            match calls.iter().rposition(&fits) {
                Some(at) => Ok(calls.swap_remove(at)),
                None => bail!("{number} saw {calls:?}"),
            }
        })
        .await
    }

    /// Waits until `number` has picked up.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn answered(&self, number: &str, patience: Duration) -> Result<Call> {
        self.call(number, "picks up", patience, |call| call.answered_ms.is_some()).await
    }

    /// Waits until a call of `number` is over, however it ended.
    ///
    /// # Errors
    /// When none is in time.
    pub async fn over(&self, number: &str, patience: Duration) -> Result<Call> {
        self.call(number, "is through", patience, |call| call.over.is_some()).await
    }

    /// What the process complained of.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn still_run(&mut self) -> Result<()> {
        if let Some(ended) = self.process.try_wait()? {
            bail!("fake-speakers did not stay: {ended}: {}", self.said());
        }
        Ok(())
    }

    /// SIGTERM: all lose power at once, and the last lines are written.
    ///
    /// # Errors
    /// When the process does not end in time.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        let pid = self.process.id().to_string();
        run("sh", ["-c", "kill -s TERM \"$0\"", &pid]).await?.ended_with(0)?;
        let process = &mut self.process;
        eventually("the loudspeakers end", END, async || {
            process.try_wait()?.context("they still run")
        })
        .await
    }
}

impl Drop for Speakers {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
