//! R5's dish dies. R5 acts alone, headquarters clicks in vain, and then the dish
//! is back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::{Scene, recorded_ms, whole_ms};
use crate::api::{Api, Click, Fact, Sent, Verified};
use crate::browser::Browser;
use crate::checks::{CutOff, LateClick, Rejoined, local_mode, merged_once, not_delivered};
use crate::place::{COMMANDER, DUTY_R5, HQ1, PLACES, R5, RC1, numbers_of, zones_of};
use crate::wait::until;

/// Longer than certainty may take, so that a late one is measured.
const CERTAIN: Duration = Duration::from_secs(20);
const NOT_AFTER_S: u64 = 10;
const TOLD: Duration = Duration::from_secs(NOT_AFTER_S + 6);
const BACK: Duration = Duration::from_secs(20);
const MERGED: Duration = Duration::from_secs(25);
/// How long R5's loudspeakers are watched for a second start after the link is
/// back.
const WATCH: Duration = Duration::from_secs(3);
/// Enough words to know the sentence by.
const LISTEN: Duration = Duration::from_millis(2_500);

impl Scene<'_> {
    pub(super) async fn site_is_cut_off(&mut self) -> Result<()> {
        let [hq1, r5] = [HQ1, R5].map(|at| self.stage.nodes[at].api());
        let own_intent = self.cut(&r5).await?;
        let late = self.click_in_vain(&hq1).await?;
        self.heal(&hq1, &r5, own_intent, late).await
    }

    /// The id of the click at R5.
    async fn cut(&mut self, r5: &Api) -> Result<String> {
        let password = self.stage.password.clone();
        let look = async |at: usize| self.stage.nodes[at].sign_in(COMMANDER, &password).await;
        let (centre, dam) = tokio::try_join!(look(RC1), look(R5))?;
        let at = self.now();
        r5.cut(true).await.context("the emulated link of r5 cannot be cut")?;
        let cut = Instant::now();
        let site = PLACES[R5].site;
        let sent = r5.click_red(Click { who: DUTY_R5, site, not_after_s: None }).await;
        let answered_ms = whole_ms(cut.elapsed());
        let (here_ms, there_ms) = tokio::join!(
            certain(cut, async || r5_knows(&dam).await),
            certain(cut, async || { centre_knows(&centre, site).await })
        );
        let wanted = numbers_of(R5);
        let calls = self.calls_of(&wanted)?;
        let heard = self.heard(&calls, LISTEN).await?;
        let heard = heard.into_iter().filter(|(_, heard)| heard.share >= 0.9);
        let heard = heard.map(|(number, _)| number).collect();
        let own = sent.as_ref().map(|sent| sent.intent.clone()).unwrap_or_default();
        let seen = CutOff { sent, answered_ms, wanted, heard, here_ms, there_ms };
        self.judge(at, &format!("{site} cut off; red plan run there"), local_mode(&seen));
        Ok(own)
    }

    async fn click_in_vain(&mut self, hq1: &Api) -> Result<Sent> {
        // It was started again a while ago.
        until("hq1 is back", BACK, async || {
            let status = hq1.status().await?;
            ensure!(status.leader.is_some(), "hq1 knows no leader");
            Ok(())
        })
        .await?;
        let at = self.now();
        let clicked = Instant::now();
        let site = PLACES[R5].site;
        let click = Click { who: COMMANDER, site, not_after_s: Some(NOT_AFTER_S) };
        let sent = hq1.click_red(click).await;
        let told = match sent {
            Ok(sent) => {
                until("the click's end is known", TOLD, async || {
                    let how = hq1.delivery(&sent.intent).await?;
                    ensure!(how.delivery != "trying", "still trying: {}", how.said);
                    let intent = sent.intent.clone();
                    Ok((Sent { intent, ..how }, whole_ms(clicked.elapsed())))
                })
                .await
            }
            Err(error) => Err(error),
        };
        let late = told.as_ref().map(|(sent, _)| sent.clone()).unwrap_or_default();
        let seen = LateClick { window_ms: NOT_AFTER_S * 1000, told };
        let left = format!("HQ clicks red for {site}, --not-after {NOT_AFTER_S}s");
        self.judge(at, &left, not_delivered(&seen));
        Ok(late)
    }

    async fn heal(&mut self, hq1: &Api, r5: &Api, own_intent: String, late: Sent) -> Result<()> {
        let number = r5.status().await?.id;
        let before = hq1.verify(number).await?;
        let wanted = numbers_of(R5);
        let calls = self.calls_of(&wanted)?.into_iter();
        let recorded: BTreeMap<_, _> =
            calls.map(|call| (call.number.clone(), recorded_ms(&call))).collect();
        let at = self.now();
        r5.cut(false).await.context("the emulated link of r5 cannot be healed")?;
        // How far it came by then is judged below.
        let _ = until("R5's record is merged", MERGED, async || {
            for call in self.calls_of(&wanted)?.iter().filter(|call| call.over.is_none()) {
                let then = recorded.get(&call.number).copied().unwrap_or_default();
                let now = recorded_ms(call);
                ensure!(now >= then + whole_ms(WATCH), "{}: {now} ms", call.number);
            }
            let journals = journals(hq1, r5, number).await?;
            ensure!(journals.here.head == journals.there.head, "heads differ");
            ensure!(journals.here.head.is_some(), "no head yet");
            Ok(())
        })
        .await;
        let Journals { own, there, here } = settled(hq1, r5, number).await?;
        let late = match late.intent.is_empty() {
            true => Err(anyhow::anyhow!("the click was not taken")),
            false => hq1.delivery(&late.intent).await,
        };
        let (runs, calls) = (r5.runs().await?, self.calls_of(&wanted)?);
        let zones = zones_of(R5).count();
        let seen =
            Rejoined { own, before, there, here, calls, wanted, zones, runs, own_intent, late };
        self.judge(at, "", merged_once(&seen));
        Ok(())
    }
}

struct Journals {
    own: Vec<Fact>,
    there: Verified,
    here: Verified,
}

fn of_node(mut facts: Vec<Fact>, number: u64) -> Vec<Fact> {
    facts.retain(|fact| fact.node == number);
    facts
}

async fn journals(hq1: &Api, r5: &Api, number: u64) -> Result<Journals> {
    Ok(Journals {
        own: of_node(r5.facts().await?, number),
        there: r5.verify(number).await?,
        here: hq1.verify(number).await?,
    })
}

/// Two journals that are written on while they are read differ by a moment: they
/// are read again until they agree, or for so long that it is no moment.
async fn settled(hq1: &Api, r5: &Api, number: u64) -> Result<Journals> {
    let mut last = None;
    let _ = until("both read the same", Duration::from_secs(6), async || {
        let read = last.insert(journals(hq1, r5, number).await?);
        ensure!(read.own.len() == read.there.records, "one has more facts");
        ensure!(read.there.head == read.here.head, "heads differ");
        ensure!(read.there.records == read.here.records, "one has more records");
        Ok(())
    })
    .await;
    last.context("a journal could not be read")
}

async fn certain(cut: Instant, knows: impl AsyncFnMut() -> Result<()>) -> Result<u64> {
    until("certainty", CERTAIN, knows).await?;
    Ok(whole_ms(cut.elapsed()))
}

async fn r5_knows(r5: &Browser) -> Result<()> {
    ensure!(r5.overview().await?.local_mode.on, "it says that it is not cut off");
    Ok(())
}

async fn centre_knows(rc1: &Browser, site: &str) -> Result<()> {
    let sites = rc1.overview().await?.sites;
    let health = sites.iter().find(|one| one.id == site).map(|one| one.health.as_str());
    ensure!(health == Some("cut"), "it says {health:?}");
    Ok(())
}
