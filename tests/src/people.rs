//! People with telephones, and a trunk with people behind it, as a process of its
//! own, and what their ledgers say, line by line and call by call. It reports what
//! they saw and refuses to add to it.

mod cast;
mod seen;
mod talked;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::program::{run, weir_binary};
use crate::wait::eventually;

pub use cast::{Dials, Does, Person, Trunk, Way};
pub use seen::{Call, Entry, Event, Invite, Over, Pressed, Sound, Text, Turned};
pub use talked::{Hole, Made, Talk, Tones};

/// For a signal to take effect.
const END: Duration = Duration::from_secs(8);

/// See the module. They end with their story.
pub struct People {
    numbers: BTreeSet<String>,
    ledgers: Vec<PathBuf>,
    audio: PathBuf,
    log: PathBuf,
    process: Child,
}

#[derive(Serialize)]
struct Config<'a> {
    seed: u64,
    tones_hz: &'a [u32],
    people: &'a [Person],
    trunks: Vec<OfTrunk<'a>>,
}

#[derive(Serialize)]
struct OfTrunk<'a> {
    #[serde(flatten)]
    trunk: &'a Trunk,
    ledger: &'a Path,
}

impl People {
    /// Writes config, ledgers (the people's, and one a trunk), log and audio into
    /// `folder`, which must be theirs alone.
    ///
    /// # Errors
    /// When the binary was not built or the folder cannot be written.
    pub fn start(folder: &Path, people: &[Person], trunks: &[Trunk], seed: u64) -> Result<Self> {
        Self::start_listening(folder, people, trunks, seed, &[])
    }

    /// As [`Self::start`]; whoever speaks a tone also listens for these, which others
    /// speak.
    ///
    /// # Errors
    /// When the binary was not built or the folder cannot be written.
    pub fn start_listening(
        folder: &Path,
        people: &[Person],
        trunks: &[Trunk],
        seed: u64,
        tones_hz: &[u32],
    ) -> Result<Self> {
        let program = weir_binary()?.with_file_name("fake-people");
        ensure!(
            program.is_file(),
            "没有 fake-people 程序，请执行 make test / no fake-people binary; run make test"
        );
        std::fs::create_dir_all(folder)?;
        let in_folder = |name: &str| folder.join(name);
        let (config, ledger) = (in_folder("people.json"), in_folder("people.ledger"));
        let (audio, log) = (in_folder("audio"), in_folder("people.log"));
        let mut ledgers = vec![ledger.clone()];
        ledgers.extend(trunks.iter().map(|trunk| in_folder(&format!("{}.ledger", trunk.number))));
        let of_trunk = |(trunk, ledger)| OfTrunk { trunk, ledger };
        let pairs = trunks.iter().zip(ledgers[1..].iter().map(PathBuf::as_path));
        let of_trunks = pairs.map(of_trunk).collect();
        let written = Config { seed, tones_hz, people, trunks: of_trunks };
        std::fs::write(&config, serde_json::to_vec(&written)?)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&config).arg("--ledger").arg(&ledger);
        command.arg("--audio").arg(&audio).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.stderr(File::create(&log)?).spawn()?;
        let people = people.iter().map(|person| &person.number);
        let numbers = people.chain(trunks.iter().map(|trunk| &trunk.number)).cloned().collect();
        Ok(Self { numbers, ledgers, audio, log, process })
    }

    /// Everything they saw so far: of the people, then of each trunk, each in its
    /// order.
    ///
    /// # Errors
    /// When a ledger cannot be read or holds what nobody writes.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for ledger in &self.ledgers {
            let text = match std::fs::read_to_string(ledger) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(error).context("the ledger cannot be read"),
            };
            // A line in the making has no end yet.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines() {
                let entry = serde_json::from_str(line);
                entries.push(entry.with_context(|| format!("ledger: {line}"))?);
            }
        }
        Ok(entries)
    }

    /// Every call that reached any of them, in order of arrival.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let mut calls: Vec<Call> = Vec::new();
        for entry in self.entries()? {
            if let (Event::Invite(invite), Some(call_id)) = (&entry.event, &entry.call_id) {
                calls.push(Call::new(entry.number, call_id, invite, entry.t_ms));
                continue;
            }
            let of_entry = |call: &&mut Call| {
                let same = entry.call_id.as_ref() == Some(&call.call_id);
                let stopped = entry.event == Event::Stopped && call.over.is_none();
                call.number == entry.number && (same || stopped)
            };
            for call in calls.iter_mut().filter(of_entry) {
                call.goes_on(&entry, &self.audio);
            }
        }
        calls.sort_by_key(|call| call.invited_ms);
        Ok(calls)
    }

    /// The calls to a number: an account's own, or one outside.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    pub fn calls_to(&self, number: &str) -> Result<Vec<Call>> {
        Ok(self.calls()?.into_iter().filter(|call| call.invite.to == number).collect())
    }

    /// The calls that went through an account: a trunk's, above all.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    pub fn calls_through(&self, number: &str) -> Result<Vec<Call>> {
        Ok(self.calls()?.into_iter().filter(|call| call.number == number).collect())
    }

    /// What came as SIP MESSAGE to a number, in order, copies left out.
    ///
    /// # Errors
    /// When a ledger cannot be read.
    pub fn texts_to(&self, number: &str) -> Result<Vec<Text>> {
        let text = |entry: Entry| match entry.event {
            Event::Message(text) if entry.number == number => Some(text),
            _ => None,
        };
        Ok(self.entries()?.into_iter().filter_map(text).collect())
    }

    /// Waits until every one of them, trunks included, was registered once.
    ///
    /// # Errors
    /// When one was not in time; says which, and what the process said.
    pub async fn all_registered(&mut self, patience: Duration) -> Result<()> {
        self.still_run()?;
        let registered = eventually("everybody is registered", patience, async || {
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

    /// Waits for the newest call to `number`, own or outside, that `fits`.
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
            let mut calls = self.calls_to(number)?;
            match calls.iter().rposition(&fits) {
                Some(at) => Ok(calls.swap_remove(at)),
                None => bail!("{number} saw {calls:?}"),
            }
        })
        .await
    }

    /// Waits until `number` rings or is past that.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn rings(&self, number: &str, patience: Duration) -> Result<Call> {
        self.call(number, "rings", patience, |call| call.rang_ms.is_some()).await
    }

    /// Waits until `number` has picked up.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn answered(&self, number: &str, patience: Duration) -> Result<Call> {
        self.call(number, "picks up", patience, |call| call.answered_ms.is_some()).await
    }

    /// Waits until `number` has pressed as many keys.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn pressed(&self, number: &str, count: usize, patience: Duration) -> Result<Call> {
        self.call(number, "presses", patience, |call| call.keys.len() >= count).await
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
            bail!("fake-people did not stay: {ended}: {}", self.said());
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
        eventually("the people end", END, async || process.try_wait()?.context("they still run"))
            .await
    }
}

impl Drop for People {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
