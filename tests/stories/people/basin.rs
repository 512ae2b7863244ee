//! The basin's own plans, as they stand in the flood-night directory: the red one
//! and the orange one at Qingfeng reservoir.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::hearing;
use weir_tests::people::{Does, Over, Way};
use weir_tests::program::demo_directory;
use weir_tests::sms;
use weir_tests::speakers::{Speaker, Speakers};
use weir_tests::spoken;

use super::village::{
    Cast, NODE, PATIENCE, TRUNK, Village, acknowledged_at_once, attempts, member,
};

/// How the plan's call to village heads begins.
const CALL: &str = "洪水红色预警，请立即组织村民向安置点转移。";
/// Who is listened to: hears all of it before the key.
const PATIENT: &str = "+8619900000130";
/// R3's duty officers.
const DUTY: [(&str, &str); 2] = [("li.qingsong", "5001"), ("gao.yanfei", "5101")];
/// The gateway takes this one's message, and its answer is lost.
const LOST: (&str, &str) = ("baishi.town", "+8619900000134");
/// There is no such number.
const WRONG: (&str, &str) = ("longtan.head", "+8619900000123");

/// A village head, where they are rung, how they press.
fn heads() -> [(&'static str, &'static str, Does); 8] {
    let waits =
        Does::Presses { keys: "1".into(), way: Way::Info, after_ms: None, first_after_ms: 11_000 };
    [
        (WRONG.0, WRONG.1, Does::presses("1", Way::Rfc4733)),
        ("baishi.head", "+8619900000124", Does::presses("1", Way::Info)),
        ("shangwan.head", "5102", Does::presses("1", Way::All)),
        ("zhongwan.head", "5103", Does::presses("1", Way::Rfc4733)),
        ("xiawan.head", "+8619900000127", Does::presses("1", Way::Inband)),
        ("shimen.head", "+8619900000128", Does::presses("1", Way::All)),
        ("yunlinggou.head", "+8619900000129", Does::presses_late(3_000, "1", Way::Rfc4733)),
        ("shanxi.head", PATIENT, waits),
    ]
}

/// The flood-night directory with fewer repeats, and with telephones of the site
/// for two heads that have only mobiles.
fn cast() -> Result<Cast> {
    let mut text = std::fs::read_to_string(demo_directory()?)?;
    // Its conference is another story: there is one site here.
    let (before, conference) = text
        .split_once("[[plan.step]]\nid = \"s3\"\nkind = \"conference.open\"")
        .context("no conference in the file")?;
    let (_, after) = conference.split_once("[[plan.step]]").context("it is the last step")?;
    text = format!("{before}[[plan.step]]{after}");
    text = text.replace("repeat = 5", "repeat = 1").replace("repeat = 2", "repeat = 1");
    for (mobile, number) in [("+8619900000125", "5102"), ("+8619900000126", "5103")] {
        let contacts = format!("contacts = {{ mobile = {mobile:?}");
        ensure!(text.contains(&contacts), "the demo file no longer holds {contacts}");
        let both = format!("contacts = {{ extension = {number:?}, mobile = {mobile:?}");
        text = text.replacen(&contacts, &both, 1);
    }
    text += "\n[[extension]]\nnumber = \"5103\"\nsite = \"R3\"\nkind = \"desk_phone\"\n";
    let mut cast = Cast::of(text);
    for (_, number, does) in heads() {
        cast = match number.starts_with('+') {
            true => cast.behind(number, &[does]),
            false => cast.telephone(number, &[does]),
        };
    }
    for (_, number) in DUTY {
        cast = cast.telephone(number, &[Does::presses("1", Way::Rfc4733)]);
    }
    let refused =
        sms::Does::Refuse { code: 422, error: "unknown-recipient".into(), reason: "空号".into() };
    let accept = sms::Does::Accept { delivery_ms: None };
    cast.gateway = cast.gateway.with(LOST.1, &[sms::Does::LoseAnswer {}, accept]);
    cast.gateway = cast.gateway.with(WRONG.1, &[refused]);
    Ok(cast)
}

fn speaker_numbers() -> Vec<String> {
    let zones = [(5411, 4), (5431, 4), (5451, 9)];
    zones
        .into_iter()
        .flat_map(|(first, count): (u32, u32)| first..first + count)
        .map(|number| number.to_string())
        .collect()
}

async fn loudspeakers(village: &mut Village) -> Result<Speakers> {
    let mut words = vec!["secret", "make"];
    let numbers = speaker_numbers();
    words.extend(numbers.iter().flat_map(|number| ["--number", number.as_str()]));
    let made = village.ask(&words).await?;
    let registrar = village.cluster.node(NODE)?.ports.sip;
    let speaker = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        Speaker::new(text("number"), text("password"), registrar, "horn-rtcp")
    };
    let speakers: Vec<Speaker> =
        made.as_array().context("no secrets")?.iter().map(speaker).collect();
    let folder = village.cluster.folder().join("speakers");
    let mut started = Speakers::start(&folder, &speakers, 7)?;
    started.all_registered(PATIENCE).await?;
    Ok(started)
}

/// Every head at once, some at telephones of the site, some behind the trunk;
/// each presses in another way and is rung once.
async fn red(village: &mut Village, speakers: &Speakers) -> Result<()> {
    let activation = village.start("P-38-core").await?;
    let run = village.ended(&activation).await?;
    let (page, calls) = (&run["steps"][0], &run["steps"][1]);
    ensure!(page["state"] == "done" && calls["state"] == "done", "{run}");
    for number in speaker_numbers() {
        ensure!(speakers.calls_of(&number)?.len() == 1, "{number} was not paged once");
    }
    let heads = heads();
    for (person, number, _) in &heads {
        acknowledged_at_once(calls, person)?;
        let call = village.only_call(number)?;
        ensure!(call.keys.len() == 1, "{number} pressed {:?}", call.keys);
        ensure!(call.over.is_some_and(|(how, _)| how == Over::ByeIn), "{call:?}");
        ensure!(call.sound.sounding_ms > 500, "{number} heard nothing: {call:?}");
    }
    village.called_exactly(&heads.each_ref().map(|(_, number, _)| (*number, 1)))?;
    let all = village.people.calls()?;
    let last = all.iter().map(|call| call.invited_ms).max().context("no calls")?;
    let first_over = all.iter().filter_map(|call| call.over).map(|(_, at)| at).min();
    ensure!(first_over.is_some_and(|at| last < at), "not all at once: {all:?}");
    // What went through the trunk, and nothing else did.
    let through = village.people.calls_through(TRUNK)?;
    let through: BTreeSet<&str> = through.iter().map(|call| call.invite.to.as_str()).collect();
    let outside = heads.iter().map(|(_, number, _)| *number).filter(|it| it.starts_with('+'));
    ensure!(through == outside.collect(), "the trunk dialled {through:?}");
    for number in ["5102", "5103"] {
        let call = village.only_call(number)?;
        ensure!(call.invite.from == "5001", "a call shows the duty desk: {:?}", call.invite);
    }
    let words = spoken::chinese(village.cluster.folder(), CALL).await?;
    let pcm = village.only_call(PATIENT)?.heard()?;
    ensure!(!hearing::heard(&pcm, &words).is_empty(), "these were not the plan's words");
    Ok(())
}

/// The duty officers one after the other; then the county, the towns and the
/// villages by message, though the gateway was down.
async fn orange(village: &mut Village) -> Result<()> {
    village.sms.stop();
    let activation = village.start("P-37-core").await?;
    let calls = village.over(&activation, "s2").await?;
    for (person, number) in DUTY {
        acknowledged_at_once(&calls, person)?;
        village.only_call(number)?;
    }
    let (first, second) = (village.only_call(DUTY[0].1)?, village.only_call(DUTY[1].1)?);
    let over = first.over.context("the first is not over")?.1;
    ensure!(over <= second.invited_ms, "both officers were rung at once");

    let tried = village.step_where(&activation, "s4", |step| {
        let one = member(step, "county.liaison")?;
        ensure!(attempts(one)?.iter().any(|it| it.1 == "unreachable"), "{one}");
        Ok(())
    });
    tried.await?;
    village.sms.start_again().await?;
    let step = village.over(&activation, "s4").await?;
    ensure!(step["state"] == "failed", "one number is wrong: {step}");
    everyone_was_told_once(village, &step).await
}

async fn everyone_was_told_once(village: &mut Village, step: &Value) -> Result<()> {
    let targets = step["targets"].as_array().context("no targets")?;
    ensure!(targets.len() == 11, "{step}");
    for one in targets {
        let person = one["target"]["Person"].as_str().context("no person")?;
        let tried = attempts(one)?;
        let last = tried.last().context("never tried")?;
        let before = tried[..tried.len() - 1].iter().all(|it| it.1 == "unreachable");
        ensure!(before, "{person} was tried again after more than a refusal: {tried:?}");
        match person {
            _ if person == WRONG.0 => {
                ensure!(one["state"] == "failed" && last.1.contains("422"), "{one}");
            }
            // Unknown, unless the gateway was asked and had it.
            _ if person == LOST.0 && one["state"] == "unknown" => {}
            _ => ensure!(one["state"] == "done", "{one}"),
        }
    }
    let lost = village.sms.delivered(LOST.1, 1, PATIENCE).await?;
    ensure!(lost.len() == 1, "{lost:?}");
    let asked = village.sms.questions()?.contains(&lost[0].key);
    let said = member(step, LOST.0)?["state"] == "done";
    ensure!(asked || !said, "who said that it arrived? {step}");
    let posts = village.sms.posts()?;
    for number in [LOST.1, WRONG.1] {
        let sent = posts.iter().filter(|post| post.to.as_deref() == Some(number)).count();
        ensure!(sent == 1, "{number} was sent {sent} times: {posts:?}");
    }
    let deliveries = village.sms.deliveries()?;
    let to: BTreeSet<&str> = deliveries.iter().map(|message| message.to.as_str()).collect();
    ensure!(to.len() == 10 && deliveries.len() == 10, "delivered: {deliveries:?}");
    let well = |message: &sms::Message| {
        message.text.starts_with("青峰水库发布洪水橙色预警")
            && message.text.contains("Qingfeng reservoir: orange")
    };
    ensure!(deliveries.iter().all(well), "{deliveries:?}");
    Ok(())
}

/// The red plan pages the site and rings every village head at once until each has
/// pressed the key; the orange plan rings the duty officers in turn and tells the
/// county. Everybody once.
#[tokio::test(flavor = "multi_thread")]
async fn the_basins_plans_reach_everyone_once() -> Result<()> {
    let mut village = Village::gather(cast()?).await?;
    let speakers = loudspeakers(&mut village).await?;
    red(&mut village, &speakers).await?;
    orange(&mut village).await?;
    village.end()
}
