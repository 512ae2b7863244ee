//! Two people at two sites talk: over the satellite, and between the centres.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use weir_tests::people::{Call, Dials, Does, Made, Over, People, Talk, Turned};
use weir_tests::phones::{Answers, Baresip, Codec, Conduct, Pjsua};
use weir_tests::wait::eventually_every;

use super::basin::{ABSENT, SITES, people as directory};
use super::sites::{HQ, LOOK, PATIENCE, R5, RC, Sites};
use crate::calls::{decoded_s, hears, is_the_tone};
use crate::metrics::scrape;

/// At R5, who calls, and at HQ, who is called.
const CALLER: (&str, u32) = ("7101", 440);
const CALLED: (&str, u32) = ("1101", 1_000);
/// Share of a tone that the satellite may lose.
const MISSING: f64 = 0.02;
/// In either direction, all of the link to the other site together.
const BITS_A_SECOND: f64 = 30_000.0;
const HOLDS_AT_MS: u64 = 8_000;
const TALKS_MS: u64 = 17_000;
/// Until a change of the call is heard at the far side.
const SETTLES_MS: u64 = 1_500;
const PCMA: &str = "PCMA/8000/1";
/// Seconds of talk between the centres.
const TALK_S: f64 = 3.0;

/// UDP payload to and from a peer so far: sent, received.
async fn bytes(sites: &mut Sites, node: &str, peer: &str) -> Result<(f64, f64)> {
    let text = scrape(sites.cluster.node(node)?.metrics(), "/metrics").await?;
    let one = |direction: &str| -> Result<f64> {
        let of = |line: &&str| {
            line.starts_with("weir_link_bytes_total{")
                && line.contains(&format!("peer={peer:?}"))
                && line.contains(&format!("direction={direction:?}"))
        };
        let line = text.lines().find(of).context("no bytes of that peer")?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    };
    Ok((one("sent")?, one("received")?))
}

async fn listened(people: &People, number: &str, ms: u64) -> Result<()> {
    eventually_every(LOOK, &format!("{number} listens for {ms} ms"), PATIENCE, async || {
        let talks = people.talks()?;
        let last = talks.get(number).and_then(|talk| talk.looks.last());
        let at = last.context("no sound yet")?.1.at_ms;
        ensure!(at >= ms, "{at} ms");
        Ok(())
    })
    .await
}

/// What one call costs the satellite while they talk, both ways.
async fn is_cheap(sites: &mut Sites, people: &People) -> Result<()> {
    listened(people, CALLER.0, 2_000).await?;
    let (before, since) = (bytes(sites, R5.node, HQ.node).await?, Instant::now());
    listened(people, CALLER.0, HOLDS_AT_MS - 1_000).await?;
    let (after, seconds) = (bytes(sites, R5.node, HQ.node).await?, since.elapsed().as_secs_f64());
    let rate = |before: f64, after: f64| (after - before) * 8.0 / seconds;
    let rates = (rate(before.0, after.0), rate(before.1, after.1));
    eprintln!("a call over the satellite, bit/s up and down: {rates:?}");
    ensure!(rates.0 <= BITS_A_SECOND && rates.1 <= BITS_A_SECOND, "bit/s: {rates:?}");
    ensure!(rates.0 > 0.0 && rates.1 > 0.0, "nothing went over the link: {rates:?}");
    Ok(())
}

async fn made(
    people: &People,
    number: &str,
    what: &str,
    fits: impl Fn(&Made) -> bool,
) -> Result<Made> {
    eventually_every(LOOK, &format!("{number}: {what}"), PATIENCE, async || {
        let call = people.made_once_by(number)?;
        ensure!(fits(&call), "{call:?}");
        Ok(call)
    })
    .await
}

/// Whole before the hold and after it, nothing in between.
fn heard_well(who: &str, talk: &Talk, hz: u32, call: &Made) -> Result<()> {
    let answered = call.answered_ms.context("nobody answered")?;
    let held = call.held_ms.context("never held")?;
    let resumed = call.resumed_ms.context("never resumed")?;
    let over = call.over.context("it is not over")?.1;
    // The hold began before it was answered: a round trip and more.
    let before = talk.missing(hz, answered + 2_000, held - SETTLES_MS)?;
    let after = talk.missing(hz, resumed + SETTLES_MS, over - 200)?;
    ensure!(before <= MISSING, "{who} missed {before} of {hz} Hz before the hold");
    ensure!(after <= MISSING, "{who} missed {after} of {hz} Hz after the hold");
    let during = talk.looks.iter().filter(|(t_ms, _)| {
        (held + SETTLES_MS..resumed.saturating_sub(SETTLES_MS / 2)).contains(t_ms)
    });
    let during: Vec<_> = during.map(|(_, look)| look.hz.clone()).collect();
    ensure!(!during.is_empty(), "{who} did not listen while held");
    ensure!(during.iter().all(|heard| !heard.contains(&hz)), "{who} heard on: {during:?}");
    Ok(())
}

/// Within one site nothing is lost: what the other stories trust the listeners for.
#[tokio::test(flavor = "multi_thread")]
async fn people_of_one_site_hear_each_others_tones() -> Result<()> {
    let mut sites = Sites::open(&[HQ], &directory()?).await?;
    let dials = Dials { talks_ms: Some(14_000), holds_at_ms: Some(6_000), ..Dials::to(CALLED.0) };
    let answers = Does::Answers { after_ms: 500, stays_ms: None };
    let people = [
        sites.person("1102", &[])?.speaking(CALLER.1).dialling(dials),
        sites.person(CALLED.0, &[answers])?.speaking(CALLED.1),
        sites.person("1103", &[])?.dialling(Dials::to("1999")),
    ];
    let people = sites.gather("talk", &people, &[]).await?;
    let call = made(&people, "1102", "hangs up", |call| call.over.is_some()).await?;
    let talks = people.talks()?;
    let talk = |number: &str| talks.get(number).with_context(|| format!("{number} heard nothing"));
    heard_well("1102", talk("1102")?, CALLED.1, &call)?;
    heard_well(CALLED.0, talk(CALLED.0)?, CALLER.1, &call)?;
    let over = people.over(CALLED.0, PATIENCE).await?;
    ensure!(over.over.is_some_and(|(how, _)| how == Over::ByeIn), "{over:?}");
    let refused = turned(&people, "1103").await?;
    ensure!(refused.code == 404, "{refused:?}");
    ensure!(refused.words.is_some_and(|words| words.contains(" / ")), "no words");
    sites.end()
}

async fn two_talk(sites: &mut Sites) -> Result<()> {
    let dials =
        Dials { talks_ms: Some(TALKS_MS), holds_at_ms: Some(HOLDS_AT_MS), ..Dials::to(CALLED.0) };
    let answers = Does::Answers { after_ms: 500, stays_ms: None };
    let people = [
        sites.person(CALLER.0, &[])?.speaking(CALLER.1).dialling(dials),
        sites.person(CALLED.0, &[answers])?.speaking(CALLED.1),
    ];
    let people = sites.gather("talk", &people, &[]).await?;
    made(&people, CALLER.0, "hears it ring", |call| call.rang_ms.is_some()).await?;
    made(&people, CALLER.0, "talks", |call| call.answered_ms.is_some()).await?;
    let shown = people.answered(CALLED.0, PATIENCE).await?;
    ensure!(shown.invite.from == CALLER.0, "it shows {:?}", shown.invite);
    is_cheap(sites, &people).await?;
    made(&people, CALLER.0, "holds and resumes", |call| call.resumed_ms.is_some()).await?;
    let call = made(&people, CALLER.0, "hangs up", |call| call.over.is_some()).await?;
    let callee = people.over(CALLED.0, PATIENCE).await?;
    let ended = call.over.context("it is not over")?;
    ensure!(ended.0 == Over::ByeOut, "{call:?}");
    ensure!(callee.over.is_some_and(|(how, _)| how == Over::ByeIn), "{callee:?}");
    let later = callee.over.map_or(u64::MAX, |(_, at)| at.saturating_sub(ended.1));
    ensure!(later <= 3_000, "{} saw the end {later} ms later", CALLED.0);
    let talks = people.talks()?;
    let talk = |number: &str| talks.get(number).with_context(|| format!("{number} heard nothing"));
    heard_well(CALLER.0, talk(CALLER.0)?, CALLED.1, &call)?;
    heard_well(CALLED.0, talk(CALLED.0)?, CALLER.1, &call)?;
    for site in [HQ, R5] {
        sites.is_quiet(&site).await?;
        sites.writes(&site, "CallEnded", 1).await?;
        let facts = sites.facts(&site, "Call").await?;
        ensure!(facts.first().is_some_and(|kind| kind == "CallAnswered"), "{facts:?}");
        ensure!(facts.len() <= 3, "{} wrote {facts:?}", site.id);
    }
    Ok(())
}

async fn turned(people: &People, number: &str) -> Result<Turned> {
    let call = made(people, number, "is turned down", |call| call.refused.is_some()).await?;
    let refused = call.refused.context("not refused")?;
    ensure!(!refused.why.is_empty(), "{number} was told nothing: {refused:?}");
    Ok(refused)
}

/// One is busy, one number nobody has, one telephone is not plugged in, and one is
/// let ring until the caller gives up.
async fn some_cannot_talk(sites: &mut Sites) -> Result<()> {
    let mut people = Vec::new();
    for (number, to) in [("7102", "1102"), ("5101", ABSENT)] {
        people.push(sites.person(number, &[])?.dialling(Dials::to(to)));
    }
    people.push(sites.person("5102", &[])?.dialling(Dials::to("1999")));
    let gives_up = Dials { gives_up_ms: Some(4_000), ..Dials::to("1103") };
    people.push(sites.person("7101", &[])?.dialling(gives_up));
    people.push(sites.person("1102", &[Does::Busy {}])?);
    people.push(sites.person("1103", &[Does::NeverAnswers {}])?);
    let people = sites.gather("turned", &people, &[]).await?;
    let busy = turned(&people, "7102").await?;
    ensure!(busy.code == 486, "{busy:?}");
    for (number, code) in [("5102", 404), ("5101", 480)] {
        let refused = turned(&people, number).await?;
        ensure!(refused.code == code, "{number}: {refused:?}");
        // What a person reads, in both languages.
        let words = refused.words.unwrap_or_default();
        ensure!(words.contains(" / "), "{number} was told {words:?}");
    }
    let given_up = turned(&people, "7101").await?;
    ensure!(given_up.code == 487, "{given_up:?}");
    let rung: Call = people.over("1103", PATIENCE).await?;
    ensure!(rung.over.is_some_and(|(how, _)| how == Over::Cancelled), "{rung:?}");
    for site in SITES {
        sites.is_quiet(&site).await?;
    }
    Ok(())
}

/// R5's duty officer calls headquarters over 300 ms one way with losses. Both hear
/// the other's tone all but whole, hold it and go on; nobody pays for more than the
/// talk. Whoever cannot be reached is said to be so in words.
#[tokio::test(flavor = "multi_thread")]
async fn a_tone_crosses_the_satellite() -> Result<()> {
    let mut sites = Sites::open(&SITES, &directory()?).await?;
    two_talk(&mut sites).await?;
    some_cannot_talk(&mut sites).await?;
    sites.end()
}

async fn baresip(
    sites: &mut Sites,
    number: &str,
    answers: Answers,
    codec: Codec,
) -> Result<Baresip> {
    let account = sites.account(number)?;
    let folder = sites.folder(number);
    let mut phone = Baresip::start(&folder, &account, answers, codec).await?;
    phone.registered(PATIENCE).await?;
    Ok(phone)
}

/// A baresip at HQ and a PJSIP at RC, A-law: no packet is lost on the way.
async fn in_a_law(sites: &mut Sites) -> Result<()> {
    let mut caller = baresip(sites, "1101", Answers::ByHand, Codec::Pcma).await?;
    let account = sites.account("2101")?;
    let conduct = Conduct::answers(&[PCMA], Some(200));
    let callee = Pjsua::start(&sites.folder("2101"), &account, &conduct).await?;
    callee.registered(PATIENCE).await?;
    caller.dial("2101")?;
    let shown = callee.called(PATIENCE).await?;
    ensure!(shown.contains("1101"), "it shows {shown}");
    caller.talks(PATIENCE).await?;
    let codec = callee.sound_is("active", 1, PATIENCE).await?;
    ensure!(codec.contains("PCMA"), "they talk in {codec}");
    hears("1101", TALK_S, || decoded_s(&caller)).await?;
    hears("2101", TALK_S, || Ok(callee.heard_so_far()?.seconds())).await?;
    caller.hang_up()?;
    callee.over(PATIENCE).await?;
    let own = caller.heard()?;
    let own = own.first().context("nothing was recorded")?;
    // The first packets of a call come before both ends have settled.
    let part = own.part(0.6, TALK_S - 0.2);
    let tone = is_the_tone("1101", part, own.rate, TALK_S - 1.2)?;
    // The listener's delay may be corrected once.
    ensure!(tone.breaks <= 1, "1101: packets are missing: {tone:?}");
    let heard = callee.heard().await?;
    is_the_tone("2101", heard.part(0.6, TALK_S - 0.2), heard.rate, TALK_S - 1.2)?;
    Ok(())
}

/// Two that speak nothing but Opus.
async fn in_opus(sites: &mut Sites) -> Result<()> {
    let mut caller = baresip(sites, "1102", Answers::ByHand, Codec::Opus).await?;
    let callee = baresip(sites, "2102", Answers::AtOnce, Codec::Opus).await?;
    caller.dial("2102")?;
    caller.talks(PATIENCE).await?;
    hears("2102", TALK_S, || decoded_s(&callee)).await?;
    hears("1102", TALK_S, || decoded_s(&caller)).await?;
    caller.hang_up()?;
    callee.over(PATIENCE).await?;
    for phone in [&caller, &callee] {
        let heard = phone.heard()?;
        let one = heard.first().context("nothing was recorded")?;
        is_the_tone(&phone.number, one.part(0.5, TALK_S), one.rate, TALK_S - 1.0)?;
    }
    Ok(())
}

/// Between headquarters and the regional centre there is room: A-law stays A-law,
/// Opus stays Opus, and nothing is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_between_centres_keeps_its_codec() -> Result<()> {
    let mut sites = Sites::open(&[HQ, RC], &directory()?).await?;
    in_a_law(&mut sites).await?;
    in_opus(&mut sites).await?;
    for site in [HQ, RC] {
        sites.is_quiet(&site).await?;
        sites.writes(&site, "CallEnded", 2).await?;
    }
    sites.end()
}
