//! The scene: a red page, a leader's fall, a site cut off and back. It does what
//! people and accidents do, hands what was seen to the checks, and prints one
//! line for each. It refuses to judge.

mod cut;
mod fall;
mod red_page;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use weir_tests::hearing::{self, Heard};
use weir_tests::speakers::Call;

use crate::checks::{Sounded, Verdict, unbroken};
use crate::place::{HQ1, PLACES, R3, RED_SENTENCES, numbers_of};
use crate::say::say;
use crate::stage::Stage;
use crate::wait::until;

/// Width of a line's first half.
const LEFT: usize = 40;

/// Longer than a page of five sentences.
const PAGE: Duration = Duration::from_secs(30);
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// One line of the scene.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) at_s: u64,
    pub(crate) text: String,
}

/// What the scene came to.
pub(crate) struct Played {
    pub(crate) lines: Vec<Line>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) took: Duration,
}

/// See the module.
pub(crate) struct Scene<'a> {
    stage: &'a mut Stage,
    /// The red warning as it should sound.
    reference: Vec<i16>,
    started: Instant,
    lines: Vec<Line>,
    verdicts: Vec<Verdict>,
}

pub(crate) fn wall_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    whole_ms(now)
}

pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> Scene<'a> {
    pub(crate) fn new(stage: &'a mut Stage, reference: Vec<i16>) -> Self {
        let (lines, verdicts) = (Vec::new(), Vec::new());
        Self { stage, reference, started: Instant::now(), lines, verdicts }
    }

    /// # Errors
    /// When the stage itself gives way, not when a check fails.
    pub(crate) async fn play(mut self) -> Result<Played> {
        self.ready().await;
        self.red_page().await?;
        self.leader_falls().await?;
        self.site_is_cut_off().await?;
        self.page_once_more().await?;
        Ok(Played { lines: self.lines, verdicts: self.verdicts, took: self.started.elapsed() })
    }

    async fn ready(&mut self) {
        let leader = self.stage.nodes[HQ1].api().status().await;
        let leader = leader.ok().and_then(|status| status.leader).unwrap_or("nobody".into());
        let dishes = PLACES.iter().filter_map(|place| {
            let dish = place.dish?;
            let (rtt, up, down) = (dish.rtt_ms, dish.up_kbps, dish.down_kbps);
            Some(format!("{} {rtt} ms {up}/{down}", place.name))
        });
        let dishes = dishes.collect::<Vec<_>>().join(", ");
        let nodes = self.stage.nodes.len();
        self.say(self.now(), &format!("{nodes} nodes ready, leader {leader} ({dishes})"), "");
    }

    /// Time of the scene.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// One line, with the time at which what it tells of began.
    fn say(&mut self, at: Duration, left: &str, right: &str) {
        let at_s = at.as_secs();
        let text = format!("{left:<LEFT$}{right}").trim_end().to_owned();
        say(&format!("{:02}:{:02} {text}", at_s / 60, at_s % 60));
        self.lines.push(Line { at_s, text });
    }

    /// Takes a verdict in; a failure is told at once.
    fn judge(&mut self, at: Duration, left: &str, verdict: Verdict) {
        let line = verdict.line.clone();
        match left {
            "" => self.say(at, &line, ""),
            left => self.say(at, left, &line),
        }
        for why in &verdict.failures {
            self.say(at, &format!("  FAIL {}: {why}", verdict.name), "");
        }
        self.verdicts.push(verdict);
    }

    /// The same check of the whole page at R3, and of a while after its end, in
    /// which nothing may begin again.
    async fn page_once_more(&mut self) -> Result<()> {
        let wanted = numbers_of(R3);
        // A page that does not end is judged as it is.
        let _ = until("the page at R3 is over", PAGE, async || {
            let calls = self.calls_of(&wanted)?;
            let ends = calls.iter().map(|call| call.over.map(|(_, at_ms)| at_ms));
            let last = ends.collect::<Option<Vec<u64>>>().context("it sounds")?.into_iter().max();
            let last = last.context("nobody was called")?;
            ensure!(wall_ms() >= last + whole_ms(AFTERWARDS), "it is only just over");
            Ok(())
        })
        .await;
        let calls = self.calls_of(&wanted)?;
        let sounded = self.sounded(&calls).await?;
        let whole = unbroken(&wanted, &calls, &sounded, RED_SENTENCES);
        let before = self.verdicts.iter().position(|verdict| verdict.name == whole.name);
        let before = before.map(|at| (at, self.verdicts.remove(at)));
        self.judge(self.now(), "R3's page is over", whole);
        // Both verdicts are of one promise: what was wrong before stays wrong.
        if let Some((at, earlier)) = before
            && let Some(mut last) = self.verdicts.pop()
        {
            last.failures.splice(0..0, earlier.failures);
            self.verdicts.insert(at, last);
        }
        Ok(())
    }

    fn calls_of(&self, wanted: &[String]) -> Result<Vec<Call>> {
        let mut calls = self.stage.fakes.calls()?;
        calls.retain(|call| wanted.contains(&call.number));
        Ok(calls)
    }

    /// The warning in each recording's first `within`.
    async fn heard(&self, calls: &[Call], within: Duration) -> Result<BTreeMap<String, Heard>> {
        let most = samples(within);
        // Shorter than what is looked at, for those who picked up last.
        let reference = &self.reference[..self.reference.len().min(most * 4 / 5)];
        let reference = reference.to_vec();
        let recordings = recordings(calls);
        let listening = spawn_blocking(move || {
            let mut heard = BTreeMap::new();
            for (number, path) in recordings {
                let pcm = hearing::load(&path)?;
                let pcm = &pcm[..pcm.len().min(most)];
                if let Some(first) = hearing::heard(pcm, &reference).into_iter().next() {
                    heard.insert(number, first);
                }
            }
            Ok(heard)
        });
        listening.await?
    }

    /// What each recording holds. While a call goes on, a sentence that has just
    /// begun is nobody's yet and is left out.
    async fn sounded(&self, calls: &[Call]) -> Result<Vec<Sounded>> {
        let reference = self.reference.clone();
        let recordings: Vec<_> = calls
            .iter()
            .filter_map(|call| {
                Some((call.number.clone(), call.audio.clone()?, call.over.is_some()))
            })
            .collect();
        let listening = spawn_blocking(move || {
            let sounded = recordings.into_iter().map(|(number, path, over)| {
                Ok(sounded(number, &hearing::load(&path)?, over, &reference))
            });
            sounded.collect()
        });
        listening.await?
    }
}

fn sounded(number: String, pcm: &[i16], over: bool, reference: &[i16]) -> Sounded {
    let ends = hearing::heard(pcm, reference).into_iter().filter_map(|heard| {
        let begin = usize::try_from(heard.at_ms).unwrap_or(0) * hearing::RATE / 1000;
        // To a tenth of a second.
        Some(begin + reference.len()).filter(|end| *end <= pcm.len() + hearing::RATE / 10)
    });
    let ends: Vec<usize> = ends.collect();
    let told = ends.last().copied().unwrap_or_default();
    let judged = if over { pcm.len() } else { told.min(pcm.len()) };
    let strange = hearing::strange(&pcm[..judged], &[reference]);
    Sounded { number, sentences: ends.len(), strange }
}

fn samples(of: Duration) -> usize {
    hearing::RATE * usize::try_from(of.as_millis()).unwrap_or(usize::MAX / hearing::RATE) / 1000
}

fn recordings(calls: &[Call]) -> Vec<(String, PathBuf)> {
    let recordings =
        calls.iter().filter_map(|call| Some((call.number.clone(), call.audio.clone()?)));
    recordings.collect()
}

/// What a call has recorded so far.
fn recorded_ms(call: &Call) -> u64 {
    let length = call.audio.as_ref().and_then(|path| std::fs::metadata(path).ok());
    // 16 bit at 8,000 a second.
    length.map_or(0, |file| file.len() / 16)
}
