//! The loudspeakers: a process of their own that knows no Weir, and what it has
//! written down so far. Refuses to remember: the ledger is read anew each time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use weir_tests::speakers::{Call, Entry, Event, Over, Speaker, Tally};

use crate::process::{Order, Process, program};

/// Their dice: when each picks up, which port it takes.
const SEED: u64 = 20_260_719;

/// See the module.
pub(crate) struct Fakes {
    process: Process,
    folder: PathBuf,
}

impl Fakes {
    /// Ledger, log and recordings go into `folder` and stay there.
    pub(crate) fn start(folder: &Path, speakers: &[Speaker]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let config = folder.join("speakers.json");
        std::fs::write(&config, json!({ "speakers": speakers, "seed": SEED }).to_string())?;
        let mut args: Vec<std::ffi::OsString> = Vec::new();
        for (word, name) in
            [("--config", "speakers.json"), ("--ledger", "speakers.ledger"), ("--audio", "audio")]
        {
            args.extend([word.into(), folder.join(name).into()]);
        }
        let process = Process::start(Order {
            program: &program("fake-speakers")?,
            args,
            env: Vec::new(),
            log: &folder.join("speakers.log"),
        })?;
        Ok(Self { process, folder: folder.to_owned() })
    }

    pub(crate) fn still_run(&mut self) -> Result<()> {
        if let Some(ended) = self.process.ended()? {
            let said = std::fs::read_to_string(self.folder.join("speakers.log"));
            bail!("fake-speakers: {ended}: {}", said.unwrap_or_default().trim());
        }
        Ok(())
    }

    /// For the last lines to be written.
    pub(crate) fn ask_to_end(&self) {
        self.process.ask_to_end();
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let text = std::fs::read_to_string(self.folder.join("speakers.ledger"));
        let text = text.context("the loudspeakers' ledger cannot be read")?;
        // A line in the making has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let entry = |line| serde_json::from_str(line).with_context(|| format!("ledger: {line}"));
        whole.lines().map(entry).collect()
    }

    /// The numbers that were registered at least once.
    pub(crate) fn registered(&self) -> Result<BTreeSet<String>> {
        let entries = self.entries()?.into_iter();
        let there = entries.filter(|entry| matches!(entry.event, Event::Registered { .. }));
        Ok(there.map(|entry| entry.number).collect())
    }

    /// Every call that reached a loudspeaker, in order of arrival.
    pub(crate) fn calls(&self) -> Result<Vec<Call>> {
        let mut calls: Vec<Call> = Vec::new();
        for entry in self.entries()? {
            match (&entry.event, &entry.call_id) {
                (Event::Invite { auto }, Some(call_id)) => calls.push(Call {
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
                }),
                (_, Some(_)) => self.goes_on(&mut calls, &entry),
                (_, None) => {}
            }
        }
        Ok(calls)
    }

    fn goes_on(&self, calls: &mut [Call], entry: &Entry) {
        let of_entry = |call: &&mut Call| {
            call.number == entry.number && entry.call_id.as_ref() == Some(&call.call_id)
        };
        let Some(call) = calls.iter_mut().rfind(of_entry) else { return };
        let mut over = |how| call.over = Some((how, entry.t_ms));
        match &entry.event {
            Event::Answered { codec, audio, .. } => {
                call.answered_ms = Some(entry.t_ms);
                call.codec = Some(codec.clone());
                call.audio = Some(self.folder.join("audio").join(audio));
            }
            Event::RtpFirst { .. } => call.sounded_ms = Some(entry.t_ms),
            Event::Rtp(tally) => call.rtp = tally.clone(),
            Event::Gap(gap) => call.gaps.push(*gap),
            Event::ByeIn => over(Over::ByeIn),
            Event::ByeOut { .. } => over(Over::ByeOut),
            Event::Cancel => over(Over::Cancelled),
            Event::Refused { code } => over(Over::Refused(*code)),
            // Nothing that a verdict rests on.
            _ => {}
        }
    }
}
