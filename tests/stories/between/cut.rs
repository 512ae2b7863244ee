//! The satellite is cut in the middle of a conference, and comes back.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use weir_tests::people::{Does, People};
use weir_tests::wait::eventually_every;

use super::basin::{NINE, ROOM, SITES, Speaker, all_hear, directory, each_other};
use super::conference::{joined, order, shown};
use super::sites::{HQ, LOOK, PATIENCE, R5, Sites};

const TOGETHER: Duration = Duration::from_secs(40);
/// Until both sides of the cut know it.
const APART: Duration = Duration::from_secs(15);
/// Until all are together again after it.
const AGAIN: Duration = Duration::from_secs(20);
/// Longest missing audio that nobody would call a gap.
const GAP_MS: u64 = 60;

fn now_ms() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("before 1970")?;
    Ok(u64::try_from(now.as_millis())?)
}

/// Those whom the cut does not touch heard each other all the time.
fn without_a_gap(people: &People, speakers: &[Speaker], from_ms: u64, to_ms: u64) -> Result<()> {
    let talks = people.talks()?;
    let expected = each_other(speakers);
    for (number, tones) in &expected {
        let talk = talks.get(number).with_context(|| format!("{number} hears nothing"))?;
        let holes = talk.holes(tones, from_ms, to_ms);
        let long: Vec<_> = holes.iter().filter(|hole| hole.ms > GAP_MS).collect();
        ensure!(long.is_empty(), "{number} missed {long:?}");
        let looks = talk.looks.iter().filter(|(t_ms, _)| (from_ms..to_ms).contains(t_ms));
        let deaf = looks.clone().find(|(_, look)| !look.hz.is_superset(tones));
        ensure!(deaf.is_none(), "{number} did not hear all of {tones:?}: {deaf:?}");
        ensure!(looks.count() > 10, "{number} was not listening");
    }
    Ok(())
}

async fn missing(sites: &mut Sites, expected: &[&str]) -> Result<()> {
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    eventually_every(LOOK, "headquarters shows who is missing", PATIENCE, async || {
        let view = shown(sites).await?;
        let missing = view["missing"].as_array().context("it does not say")?;
        let missing: BTreeSet<&str> = missing.iter().filter_map(|one| one.as_str()).collect();
        ensure!(missing == expected, "missing: {missing:?}");
        Ok(())
    })
    .await
}

/// R5's two people hear each other and nobody else, the other seven go on without a
/// gap; when the dish is back, all hear all, and no telephone rang a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_site_goes_on_and_joins_again() -> Result<()> {
    let mut sites = Sites::open(&SITES, &directory()?).await?;
    let mut people = Vec::new();
    for (_, number, hz) in NINE {
        let answers = Does::Answers { after_ms: 300, stays_ms: None };
        people.push(sites.person(number, &[answers])?.speaking(hz));
    }
    let people = sites.gather("nine", &people, &[]).await?;
    sites.start("P-at-once", &HQ).await?;
    let all = each_other(&NINE);
    all_hear(&people, "all hear all", TOGETHER, &all).await?;

    let (there, here): (Vec<_>, Vec<_>) =
        NINE.into_iter().partition(|one| one.1.starts_with(R5.prefix));
    sites.cluster.ask(R5.node, &["link", "cut"]).await?.ended_with(0)?;
    let cut_ms = now_ms()?;
    let mut apart = each_other(&here);
    apart.extend(each_other(&there));
    all_hear(&people, "both sides hear their own", APART, &apart).await?;
    missing(&mut sites, &[R5.id]).await?;

    sites.cluster.ask(R5.node, &["link", "heal"]).await?.ended_with(0)?;
    all_hear(&people, "all hear all again", AGAIN, &all).await?;
    let healed_ms = now_ms()?;
    missing(&mut sites, &[]).await?;
    joined(&mut sites, &NINE).await?;
    without_a_gap(&people, &here, cut_ms, healed_ms)?;
    for (_, number, _) in NINE {
        let calls = people.calls_to(number)?;
        ensure!(calls.len() == 1, "{number} was rung {} times: {calls:?}", calls.len());
        ensure!(calls[0].over.is_none(), "{number} was hung up on: {:?}", calls[0]);
    }
    order(&mut sites, &["end", ROOM]).await?;
    for (_, number, _) in NINE {
        people.over(number, PATIENCE).await?;
    }
    sites.end()
}
