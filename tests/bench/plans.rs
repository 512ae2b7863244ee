//! One click pages a site, again and again: how long until every loudspeaker
//! sounds, on a LAN and behind a satellite, and what the satellite carries for
//! it. The loudspeakers' ledger is the judge. It refuses an activation in which
//! one of them was not called exactly once, or did not sound.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use weir_tests::node::Place;
use weir_tests::speakers::Call;

use crate::plans_bytes;
use crate::plans_site::{Scene, Site};
use crate::report::{Figure, Report};
use crate::settings::Settings;

/// The satellite of the stories.
const SATELLITE: &str = "[satellite]\nup_kbps = 384\n[emulate]\nrtt_ms = 640\nup_kbps = 384\n\
                         down_kbps = 128\nloss_ppm = 10000";
const RC1: Place<'_> = Place { name: "rc1", site: "RC" };
const R3: Place<'_> = Place { name: "r3", site: "R3" };
const R5: Place<'_> = Place { name: "r5", site: "R5" };

/// Voters hq1, rc1 and r3; R3's seventeen loudspeakers.
const LAN: Scene = Scene {
    voters: &[RC1],
    place: R3,
    role: "voter",
    speakers: &[(5411, 4), (5431, 4), (5451, 9)],
    tables: "",
    links: IpAddr::V4(Ipv4Addr::LOCALHOST),
};

/// The same voters, without loudspeakers; R5's seven behind the satellite.
const FAR: Scene = Scene {
    voters: &[RC1, R3],
    place: R5,
    role: "learner",
    speakers: &[(7411, 2), (7451, 5)],
    tables: SATELLITE,
    links: IpAddr::V4(Ipv4Addr::LOCALHOST),
};

/// R5 and one voter: all that IPv6 carries there is the satellite's.
pub(crate) const PAIR: Scene = Scene { voters: &[], links: IpAddr::V6(Ipv6Addr::LOCALHOST), ..FAR };

const NOTES: &str = "\
plans: P-38-page in mode real, clicked at hq1's Unix socket; a click is the moment its POST is
  sent, on a connection already open. First audio is the first RTP packet at each loudspeaker,
  by its own ledger; both by this machine's wall clock, to 1 ms. Every loudspeaker of every
  activation is a sample, the first activation's too. Each activation is aborted once all
  sound, and the next click waits until every call is over and the run has ended.
  The loudspeakers (profile horn-rtcp) pick up 150 to 600 ms after the INVITE, by dice: that
  is in click_to_audio and is not Weir's. click_to_invite ends when the device has the INVITE,
  answer_to_audio begins when it says 200: these two are Weir's.
  lan: voters hq1, rc1, r3 in profile lan, R3's 17 loudspeakers. Aim: p95 500 ms at most.
  satellite: the same voters and learner r5 behind 640 ms, 384/128 kbit/s, 1 % loss, its 7
  loudspeakers beside it. One way is 320 ms. Aim: p95 620 ms at most (one way + 300).";

/// Activations of each kind.
#[derive(Debug, Clone, Copy)]
struct Clicks {
    lan: u32,
    satellite: u32,
    bytes: u32,
}

impl Clicks {
    /// `BENCH_CLICKS` stands for all three.
    fn read() -> Result<Self> {
        let Ok(text) = std::env::var("BENCH_CLICKS") else {
            return Ok(Self { lan: 15, satellite: 10, bytes: 3 });
        };
        let clicks = text.parse().context("BENCH_CLICKS is not a number")?;
        ensure!((1..=99).contains(&clicks), "BENCH_CLICKS must be 1 to 99");
        Ok(Self { lan: clicks, satellite: clicks, bytes: clicks })
    }
}

/// Milliseconds from one moment to another, one of each call.
struct Spans {
    name: &'static str,
    ms: Vec<f64>,
}

pub(crate) fn float(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn between(from: u64, to: u64) -> Result<f64> {
    Ok(float(to.checked_sub(from).context("the wall clock went back; measure again")?))
}

/// The smallest value that `percent` of them do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> Result<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().context("nothing was measured")
}

/// What was measured so far in one scene.
struct Samples([Spans; 3]);

impl Samples {
    fn new() -> Self {
        let named = |name| Spans { name, ms: Vec::new() };
        Self(["click_to_audio", "click_to_invite", "answer_to_audio"].map(named))
    }

    fn add(&mut self, clicked_ms: u64, call: &Call) -> Result<()> {
        let answered = call.answered_ms.context("it sounds and never picked up")?;
        let sounded = call.sounded_ms.context("it does not sound")?;
        let [audio, invite, answer] = &mut self.0;
        audio.ms.push(between(clicked_ms, sounded)?);
        invite.ms.push(between(clicked_ms, call.invited_ms)?);
        answer.ms.push(between(answered, sounded)?);
        Ok(())
    }

    async fn told(mut self, scene: &str, report: &Report) -> Result<()> {
        for Spans { name, ms } in &mut self.0 {
            ms.sort_by(f64::total_cmp);
            let (p50, p95) = (percentile(ms, 50)?, percentile(ms, 95)?);
            let (most, count) = (percentile(ms, 100)?, ms.len());
            eprintln!("  {name}.{scene}: p50 {p50} ms, p95 {p95} ms, max {most} ms of {count}");
            let name = format!("plans.{name}.{scene}.p95");
            report.figure(&Figure::alone(&name, p95, "ms")).await?;
        }
        Ok(())
    }
}

async fn measure(name: &str, scene: &Scene, clicks: u32, report: &Report) -> Result<()> {
    let mut site = Site::begin(scene).await?;
    let mut samples = Samples::new();
    for number in 1..=clicks {
        let run = site.launch().await?;
        let calls = site.all_sound(&run).await?;
        for call in &calls {
            samples.add(run.clicked_ms, call)?;
        }
        let last = calls.iter().filter_map(|call| call.sounded_ms).max().unwrap_or_default();
        let last = between(run.clicked_ms, last)?;
        eprintln!("  {name} {number} of {clicks}: all {} sound after {last} ms", calls.len());
        site.abort(&run).await?;
    }
    samples.told(name, report).await?;
    site.end()
}

pub(crate) async fn run(settings: &Settings, report: &Report) -> Result<()> {
    plans_bytes::nobody_else_sends()?;
    let clicks = Clicks::read()?;
    eprintln!("{NOTES}\n  {clicks:?}");
    measure("lan", &LAN, clicks.lan, report).await?;
    measure("satellite", &FAR, clicks.satellite, report).await?;
    plans_bytes::run(settings, clicks.bytes, report).await
}
