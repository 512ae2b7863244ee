//! Many calls at once, with sound, and none that fails.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_tests::phones::{Answers, Callers, Sipp, User};

use super::{PATIENCE, Site, decoded_s, hears, is_the_tone};

/// Who calls and who is called; nobody calls so often that a number's own limit of
/// calls at once is reached.
const CALLING: std::ops::RangeInclusive<u32> = 5103..=5162;
const CALLED: std::ops::RangeInclusive<u32> = 5163..=5199;
/// Facts beside those of the calls: the site's own, while it goes on.
const OTHER_FACTS: u64 = 20;
/// Packets that a pair of telephones on this busy machine may lose by itself.
const BREAKS: usize = 2;

struct Load {
    calls: u32,
    talk_ms: u32,
    /// Must have been under way at once.
    at_once: u32,
}

/// 20 a second for eight seconds, five seconds each.
const QUICK: Load = Load { calls: 160, talk_ms: 5_000, at_once: 90 };
/// 20 a second for a minute, fifteen seconds each: 300 at once.
const WHOLE: Load = Load { calls: 1_200, talk_ms: 15_500, at_once: 300 };
const RATE: u32 = 20;

fn users(site: &Site, numbers: impl Iterator<Item = u32>) -> Result<Vec<User>> {
    numbers.map(|number| site.user(&number.to_string())).collect()
}

/// How many records the site's journal has.
async fn records(site: &mut Site) -> Result<u64> {
    let file = site.folder("exported.journal").to_string_lossy().into_owned();
    site.cluster.ask("r3", &["journal", "export", &file]).await?.ended_with(0)?;
    let said = site.json(&["journal", "verify", &file]).await?;
    let one = said.as_array().and_then(|all| all.first()).unwrap_or(&said);
    one["records"].as_u64().with_context(|| format!("no records: {said}"))
}

async fn carry(load: &Load) -> Result<()> {
    let mut site = Site::open().await?;
    let node = site.sip()?;
    let called = users(&site, CALLED)?;
    let callees = Sipp::callees(&site.folder("callees"), node, &called).await?;
    let mut one = site.baresip("5101", Answers::ByHand).await?;
    let other = site.baresip("5102", Answers::AtOnce).await?;
    let before = records(&mut site).await?;

    let calling = users(&site, CALLING)?.into_iter();
    let dialled = called.into_iter().map(|user| user.number).cycle();
    let callers = Callers {
        pairs: calling.zip(dialled).collect(),
        claims: None,
        rate: RATE,
        calls: load.calls,
        talk_ms: load.talk_ms,
    };
    let mut crowd = Sipp::callers(&site.folder("callers"), node, &callers)?;
    let whole = Duration::from_secs(u64::from(load.calls / RATE))
        + Duration::from_millis(u64::from(load.talk_ms));
    crowd.at_once(load.at_once, whole + PATIENCE).await?;
    // Two people talk in the middle of it.
    one.dial("5102")?;
    one.talks(PATIENCE).await?;
    hears("5102", 2.0, || decoded_s(&other)).await?;
    one.hang_up()?;
    other.over(PATIENCE).await?;

    let tally = crowd.finish(whole + PATIENCE).await?;
    eprintln!("calls: {tally:?}");
    ensure!(tally.failed == 0 && tally.well == load.calls, "{tally:?}: {}", crowd.complaints());
    let at_callees = callees.empty(PATIENCE).await?;
    ensure!(at_callees.failed == 0, "{at_callees:?}: {}", callees.complaints());
    for stretch in other.heard()? {
        let heard = is_the_tone("5102", &stretch.samples, stretch.rate, 1.5)?;
        ensure!(heard.breaks <= BREAKS, "5102 heard {heard:?}");
    }
    site.is_quiet().await?;
    let written = records(&mut site).await? - before;
    let most = u64::from(load.calls + 1) * 3 + OTHER_FACTS;
    ensure!(written <= most, "{written} facts for {} calls", load.calls);
    site.cluster.end()
}

/// 20 calls a second, about a hundred at once, each with sound both ways: none
/// fails, and a conversation among them has no gap. `make accept-calls` plays the
/// whole form: 300 at once, for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_calls_a_second_and_none_fails() -> Result<()> {
    let long = std::env::var("WEIR_LONG_CALLS").is_ok_and(|text| !text.is_empty());
    carry(if long { &WHOLE } else { &QUICK }).await
}
