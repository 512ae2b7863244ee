//! The basin's orange plan whole, as the flood-night directory has it: page, calls,
//! conference, messages.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::cluster::Cluster;
use weir_tests::people::{Does, People, Way};
use weir_tests::program::demo_directory;
use weir_tests::sms::{Gateway, Sms};
use weir_tests::speakers::{Speaker as Horn, Speakers};

use super::basin::{Speaker, all_hear, each_other};
use super::sites::{HQ, PATIENCE, R3, RC, Sites};

const TOKEN: &str = "a-token-of-the-gateway";
/// R3's two duty officers, whom the plan also calls one by one, and the dispatchers.
const DUTY: [Speaker; 2] = [("li.qingsong", "5001", 1_000), ("gao.yanfei", "5101", 1_130)];
const DISPATCHERS: [Speaker; 2] = [("tang.yue", "2011", 470), ("qiu.haitao", "2012", 610)];
/// Rows of loudspeakers at R3: the first number and how many.
const HORNS: [(u32, u32); 3] = [(5_411, 4), (5_431, 4), (5_451, 9)];
/// County, towns and villages.
const TOLD: usize = 11;
const TOGETHER: Duration = Duration::from_secs(40);

fn directory() -> Result<String> {
    let text = std::fs::read_to_string(demo_directory()?)?;
    let plan = text.split("id = \"P-37-core\"").nth(1).context("no P-37-core")?;
    let plan = plan.split("[[plan]]").next().unwrap_or_default();
    ensure!(plan.contains("conference.open"), "the demo file's P-37-core opens no conference");
    Ok(text.replace("repeat = 5", "repeat = 1").replace("repeat = 2", "repeat = 1"))
}

async fn loudspeakers(sites: &mut Sites) -> Result<Speakers> {
    let mut horns = Vec::new();
    for number in HORNS.into_iter().flat_map(|(first, count)| first..first + count) {
        let account = sites.account(&number.to_string())?;
        let (number, password) = (account.number, account.password);
        horns.push(Horn::new(&number, &password, account.registrar, "horn-rtcp"));
    }
    let mut horns = Speakers::start(&sites.folder("speakers"), &horns, 7)?;
    horns.all_registered(PATIENCE).await?;
    Ok(horns)
}

/// Two calls at once fit on a duty officer's telephone: the plan's and the
/// conference's.
async fn telephones(sites: &mut Sites) -> Result<People> {
    let mut people = Vec::new();
    for (_, number, hz) in DUTY.into_iter().chain(DISPATCHERS) {
        let person = sites.person(number, &[Does::presses("1", Way::Rfc4733)])?;
        people.push(person.with_lines(2).speaking(hz));
    }
    sites.gather("people", &people, &[]).await
}

fn targets(step: &Value) -> Result<&Vec<Value>> {
    step["targets"].as_array().with_context(|| format!("no targets: {step}"))
}

/// Everybody on duty acknowledged in person.
fn acknowledged(step: &Value) -> Result<()> {
    ensure!(step["state"] == "done", "{step}");
    for (person, _, _) in DUTY {
        let one = targets(step)?.iter().find(|one| one["target"]["Person"] == person);
        let one = one.with_context(|| format!("no {person} in {step}"))?;
        ensure!(one["state"] == "done" && one["by"] == person, "{one}");
    }
    Ok(())
}

/// One message each, whoever they are.
fn told_once(sms: &Sms, step: &Value) -> Result<()> {
    ensure!(step["state"] == "done" && targets(step)?.len() == TOLD, "{step}");
    let delivered = sms.deliveries()?;
    let to: BTreeSet<&str> = delivered.iter().map(|message| message.to.as_str()).collect();
    ensure!(to.len() == TOLD && delivered.len() == TOLD, "delivered: {delivered:?}");
    Ok(())
}

/// Qingfeng reservoir at orange: every loudspeaker sounds, the duty officers
/// acknowledge, they and the dispatchers are in one conference, and eleven people have one
/// message each.
#[tokio::test(flavor = "multi_thread")]
async fn the_orange_plan_runs_whole() -> Result<()> {
    let empty = Cluster::empty()?;
    let sms = Sms::start(&empty.folder().join("gateway"), &Gateway::new(TOKEN)).await?;
    let token = empty.folder().join("sms.token");
    std::fs::write(&token, format!("{TOKEN}\n"))?;
    let gateway = format!("[sms]\nurl = \"{}/messages\"\ntoken = {token:?}", sms.url());
    let more = |site: &super::sites::Site| match site.id == R3.id {
        true => gateway.clone(),
        false => String::new(),
    };
    let mut sites = Sites::open_in(empty, &[HQ, RC, R3], &directory()?, more).await?;
    let horns = loudspeakers(&mut sites).await?;
    let people = telephones(&mut sites).await?;

    let run = sites.start("P-37-core", &R3).await?;
    let all: Vec<Speaker> = DUTY.into_iter().chain(DISPATCHERS).collect();
    all_hear(&people, "the conference is complete", TOGETHER, &each_other(&all)).await?;
    let page = sites.over(&R3, &run, "s1").await?;
    ensure!(page["state"] == "done", "{page}");
    for number in HORNS.into_iter().flat_map(|(first, count)| first..first + count) {
        let calls = horns.calls_of(&number.to_string())?;
        ensure!(calls.len() == 1, "{number} was not paged once: {calls:?}");
    }
    acknowledged(&sites.over(&R3, &run, "s2").await?)?;
    let conference = sites.over(&R3, &run, "s3").await?;
    ensure!(conference["state"] == "done", "{conference}");
    told_once(&sms, &sites.over(&R3, &run, "s4").await?)?;
    for (_, number, _) in DISPATCHERS {
        let calls = people.calls_to(number)?;
        ensure!(calls.len() == 1, "{number} was rung {} times: {calls:?}", calls.len());
    }
    for (_, number, _) in DUTY {
        let calls = people.calls_to(number)?;
        ensure!(calls.len() == 2, "{number} was rung {} times: {calls:?}", calls.len());
    }
    sites.end()
}
