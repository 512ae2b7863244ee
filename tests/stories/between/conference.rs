//! Nine people at four sites in one conference, and what its chair does with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::people::{Dials, Does, Over, People, Way};
use weir_tests::wait::eventually_every;

use super::basin::{NINE, ROOM, SITES, Speaker, TENTH, all_hear, directory, each_other};
use super::sites::{COMMANDER, HQ, LOOK, PATIENCE, Sites};

/// From the launch until all hear all.
const TOGETHER: Duration = Duration::from_secs(40);
/// Until what the chair did is heard everywhere.
const OBEYED: Duration = Duration::from_secs(10);
/// Muted, and removed later.
const LOUD: Speaker = NINE[6];

/// An order of the chair's, given at headquarters.
pub(super) async fn order(sites: &mut Sites, words: &[&str]) -> Result<Value> {
    let words = [&["conference"][..], words, &["--as", COMMANDER]].concat();
    sites.json(HQ.node, &words).await
}

/// The conference as headquarters shows it.
pub(super) async fn shown(sites: &mut Sites) -> Result<Value> {
    sites.json(HQ.node, &["conference", "show", ROOM]).await
}

fn member<'a>(view: &'a Value, who: &str) -> Result<&'a Value> {
    let members = view["members"].as_array().context("no members")?;
    let found = members.iter().find(|one| one["who"] == who);
    found.with_context(|| format!("no {who} in {view}"))
}

/// Waits until headquarters shows these people as joined, and no others.
pub(super) async fn joined(sites: &mut Sites, speakers: &[Speaker]) -> Result<()> {
    let expected: BTreeSet<&str> = speakers.iter().map(|one| one.0).collect();
    eventually_every(LOOK, "the right people are in it", PATIENCE, async || {
        let view = shown(sites).await?;
        let members = view["members"].as_array().context("no members")?;
        let joined = members.iter().filter(|one| one["state"] == "joined");
        let joined: BTreeSet<&str> = joined.filter_map(|one| one["who"].as_str()).collect();
        ensure!(joined == expected, "joined: {joined:?}");
        Ok(())
    })
    .await
}

/// All but `left_out` hear each other; the one hears `hears`.
fn without(left_out: Speaker, hears: Option<BTreeSet<u32>>) -> BTreeMap<String, BTreeSet<u32>> {
    let others: Vec<Speaker> = NINE.into_iter().filter(|one| *one != left_out).collect();
    let mut expected = each_other(&others);
    expected.extend(hears.map(|tones| (left_out.1.to_owned(), tones)));
    expected
}

async fn muted_and_heard_again(sites: &mut Sites, people: &People) -> Result<()> {
    order(sites, &["mute", ROOM, LOUD.0]).await?;
    let all = each_other(&NINE);
    let still = all.get(LOUD.1).cloned();
    let expected = without(LOUD, still);
    all_hear(people, "nobody hears who is muted", OBEYED, &expected).await?;
    ensure!(member(&shown(sites).await?, LOUD.0)?["muted"] == true, "it does not show");
    order(sites, &["unmute", ROOM, LOUD.0]).await?;
    all_hear(people, "all hear all again", OBEYED, &all).await
}

async fn removed(sites: &mut Sites, people: &People) -> Result<()> {
    order(sites, &["remove", ROOM, LOUD.0]).await?;
    let call = people.over(LOUD.1, OBEYED).await?;
    ensure!(call.over.is_some_and(|(how, _)| how == Over::ByeIn), "{call:?}");
    let expected = without(LOUD, None);
    all_hear(people, "the others hear each other", OBEYED, &expected).await?;
    let talks = people.talks()?;
    let hears = talks.get(LOUD.1).and_then(|talk| talk.hears());
    ensure!(hears.is_none(), "who was removed hears {hears:?}");
    Ok(())
}

/// Somebody on the roster who was not in it dials the room.
async fn dials_in(sites: &mut Sites, name: &str) -> Result<People> {
    let person = sites.person(TENTH.1, &[Does::Declines {}])?;
    let person = person.speaking(TENTH.2).dialling(Dials::to(ROOM));
    let tones = NINE.map(|one| one.2);
    sites.gather(name, &[person], &tones).await
}

async fn a_locked_room_lets_nobody_in(sites: &mut Sites) -> Result<()> {
    order(sites, &["lock", ROOM]).await?;
    let late = dials_in(sites, "locked").await?;
    let refused = eventually_every(LOOK, "who dials is refused", PATIENCE, async || {
        let call = late.made_once_by(TENTH.1)?;
        ensure!(call.answered_ms.is_none(), "a locked room let them in: {call:?}");
        call.refused.clone().with_context(|| format!("{call:?}"))
    })
    .await?;
    ensure!(refused.code >= 400, "{refused:?}");
    let words = refused.words.clone().unwrap_or_default();
    ensure!(words.contains(" / "), "it does not say why: {refused:?}");
    drop(late);

    order(sites, &["unlock", ROOM]).await?;
    let late = dials_in(sites, "unlocked").await?;
    let others = NINE.into_iter().filter(|one| *one != LOUD).map(|one| one.2).collect();
    let expected = BTreeMap::from([(TENTH.1.to_owned(), others)]);
    all_hear(&late, "who dials is in it", PATIENCE, &expected).await
}

async fn over_for_all(sites: &mut Sites, people: &People) -> Result<()> {
    order(sites, &["end", ROOM]).await?;
    for (_, number, _) in NINE {
        let call = people.over(number, OBEYED).await?;
        ensure!(call.over.is_some_and(|(how, _)| how == Over::ByeIn), "{call:?}");
        let calls = people.calls_to(number)?;
        ensure!(calls.len() == 1, "{number} was rung {} times: {calls:?}", calls.len());
    }
    eventually_every(LOOK, "no conference is left", PATIENCE, async || {
        let left = sites.json(HQ.node, &["conference", "list"]).await?;
        ensure!(left.as_array().is_some_and(Vec::is_empty), "{left}");
        Ok(())
    })
    .await?;
    sites.writes(&HQ, "ConferenceOpened", 1).await?;
    sites.writes(&HQ, "ConferenceEnded", 1).await
}

/// The plan rings ten people at four sites, one of them behind the satellite. Nine
/// press the key; each hears the other eight and not themselves. The chair mutes one,
/// removes one, and locks the door.
#[tokio::test(flavor = "multi_thread")]
async fn nine_at_four_sites_hear_everybody_but_themselves() -> Result<()> {
    let mut sites = Sites::open(&SITES, &directory()?).await?;
    let mut people = Vec::new();
    for (_, number, hz) in NINE {
        people.push(sites.person(number, &[Does::presses("1", Way::Rfc4733)])?.speaking(hz));
    }
    let people = sites.gather("nine", &people, &[]).await?;
    let tenth = sites.person(TENTH.1, &[Does::Declines {}])?;
    let tenth = sites.gather("tenth", &[tenth], &[]).await?;
    let run = sites.start("P-talk", &HQ).await?;
    all_hear(&people, "all hear all", TOGETHER, &each_other(&NINE)).await?;
    joined(&mut sites, &NINE).await?;
    let step = sites.over(&HQ, &run, "s1").await?;
    ensure!(step["state"] == "done", "{step}");
    ensure!(tenth.over(TENTH.1, PATIENCE).await?.answered_ms.is_none(), "they turned it down");
    drop(tenth);

    muted_and_heard_again(&mut sites, &people).await?;
    removed(&mut sites, &people).await?;
    a_locked_room_lets_nobody_in(&mut sites).await?;
    over_for_all(&mut sites, &people).await?;
    sites.end()
}
