//! One after the other, all at once, no longer, not yet: who is rung when.

use anyhow::{Context, Result, ensure};
use weir_tests::people::{Does, Over, Way};
use weir_tests::sms;

use super::village::{
    CHIEF, COMMANDER, Cast, NODE, PATIENCE, SITE, Village, acknowledged_at_once, attempts, member,
    stands,
};

const PLANS: &str = r#"
[[roster]]
id = "turn"
members = [{ person = "nowhere" }, { person = "t1" }, { person = "t2" }, { person = "t3" }]

[[roster]]
id = "first"
members = [{ person = "f1" }, { person = "f2" }, { person = "f3" }]

[[roster]]
id = "everyone"
members = [{ person = "a1", substitutes = ["t3"] }, { person = "a2" }, { person = "a3" }]

[[roster]]
id = "two"
members = [{ person = "w1" }]

[[plan]]
id = "P-turn"
name_zh = "依次呼叫"
name_en = "One after the other"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "call.roster"
roster = "turn"
audio = "aud-call"
mode = "sequential"
timeout_s = 10
need = 1
island_ok = true

[[plan.step]]
id = "s2"
kind = "message"
roster = "turn"
text_zh = "{site}红色预警，请立即转移。"
text_en = "{site}: red warning, move at once."
island_ok = true

[[plan]]
id = "P-first"
name_zh = "一人即可"
name_en = "One will do"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "call.roster"
roster = "first"
audio = "aud-call"
mode = "blast"
timeout_s = 60
need = 1
island_ok = true

[[plan]]
id = "P-everyone"
name_zh = "全部呼叫"
name_en = "Everyone"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "call.roster"
roster = "everyone"
audio = "aud-call"
mode = "blast"
timeout_s = 60
retry = 1
island_ok = true

[[plan]]
id = "P-two"
name_zh = "两人启动"
name_en = "Started by two"
level = "red"
authority = ["commander", "chief_dispatcher"]
two_person = true

[[plan.step]]
id = "s1"
kind = "call.roster"
roster = "two"
audio = "aud-call"
timeout_s = 10
island_ok = true
"#;
const T1: &str = "5110";
const T2: &str = "+8619900000301";
const T3: &str = "5111";
const F1: &str = "+8619900000302";
const F2: &str = "5112";
const F3: &str = "+8619900000303";
const A1: &str = "5113";
const A2: &str = "+8619900000304";
const A3: &str = "+8619900000305";
const W1: &str = "5114";
const TEXT: &str = "青峰水库红色预警，请立即转移。\nQingfeng reservoir: red warning, move at once.";

fn cast() -> Cast {
    let right = || Does::presses("1", Way::Rfc4733);
    let never = || Does::NeverAnswers {};
    let mut cast = Cast::of_plans(PLANS)
        .unreachable("nowhere")
        .at("t1", T1, &[Does::Declines {}])
        .outside("t2", T2, &[right()])
        .at("t3", T3, &[right()])
        .outside("f1", F1, &[right()])
        .at("f2", F2, &[never()])
        .outside("f3", F3, &[never()])
        .at("a1", A1, &[never()])
        .outside("a2", A2, &[never()])
        .outside("a3", A3, &[Does::Answers { after_ms: 300, stays_ms: None }])
        .at("w1", W1, &[right()]);
    let not_now = || sms::Does::Unavailable { retry_after_s: None };
    let at_last = sms::Does::Accept { delivery_ms: None };
    cast.gateway = cast.gateway.with(T2, &[not_now(), not_now(), at_last]);
    cast
}

/// A drill goes the same way and ends in the drill sink: no telephone rings, no
/// message leaves.
async fn a_drill_rings_nobody(village: &mut Village) -> Result<()> {
    let sent = village.launch("P-turn", "drill", COMMANDER).await?;
    let activation = sent["activation"].as_str().context("no drill")?.to_owned();
    village.ended(&activation).await?;
    village.called_exactly(&[])?;
    let entries = village.sms.posts()?;
    ensure!(entries.is_empty(), "a drill sent {entries:?}");
    for number in [T1, T3] {
        ensure!(village.people.texts_to(number)?.is_empty(), "a drill sent {number} a text");
    }
    let log = std::fs::read_to_string(village.cluster.node(NODE)?.data().join("drill.log"))?;
    let marked = log.lines().filter(|line| line.contains("演习")).count();
    // One call at least, and three messages.
    ensure!(marked >= 4 && marked == log.lines().count(), "the sink holds:\n{log}");
    Ok(())
}

/// Down the list until one acknowledges; who comes later on it is not rung. Then
/// everybody on it gets the text once, by the way that they have.
async fn one_after_the_other(village: &mut Village) -> Result<()> {
    let activation = village.start("P-turn").await?;
    let step = village.over(&activation, "s1").await?;
    ensure!(step["state"] == "done", "{step}");
    stands(&step, "nowhere", ("failed", None), &[("nowhere", "no_number")])?;
    stands(&step, "t1", ("failed", None), &[("t1", "refused 603")])?;
    acknowledged_at_once(&step, "t2")?;
    stands(&step, "t3", ("skipped", None), &[])?;
    let (first, second) = (village.only_call(T1)?, village.only_call(T2)?);
    let over = first.over.context("the first is not over")?.1;
    ensure!(over <= second.invited_ms, "the second rang before the first was over");

    let step = village.over(&activation, "s2").await?;
    ensure!(step["state"] == "failed", "nobody can write to who has no number: {step}");
    stands(&step, "nowhere", ("failed", None), &[("nowhere", "no_number")])?;
    for (person, number) in [("t1", T1), ("t3", T3)] {
        stands(&step, person, ("done", Some(person)), &[(person, "done")])?;
        let texts: Vec<_> = village.people.texts_to(number)?;
        ensure!(texts.len() == 1 && texts[0].text == TEXT, "{number} got {texts:?}");
    }
    let tried = [("t2", "unreachable"), ("t2", "unreachable"), ("t2", "done")];
    stands(&step, "t2", ("done", Some("t2")), &tried)?;
    let delivered = village.sms.delivered(T2, 1, PATIENCE).await?;
    ensure!(delivered.len() == 1 && delivered[0].text == TEXT, "{delivered:?}");
    let posts = village.sms.posts()?;
    let same = posts.iter().all(|post| post.key.as_deref() == Some(&delivered[0].key));
    ensure!(posts.len() == 3 && same, "one message has one key: {posts:?}");
    Ok(())
}

/// Everybody rings, one acknowledges, and the others stop ringing.
async fn one_will_do(village: &mut Village) -> Result<()> {
    let activation = village.start("P-first").await?;
    let step = village.over(&activation, "s1").await?;
    ensure!(step["state"] == "done", "{step}");
    acknowledged_at_once(&step, "f1")?;
    let acknowledged = village.people.over(F1, PATIENCE).await?;
    for (person, number) in [("f2", F2), ("f3", F3)] {
        ensure!(member(&step, person)?["state"] == "skipped", "{step}");
        let call = village.people.over(number, PATIENCE).await?;
        ensure!(call.over.is_some_and(|(how, _)| how == Over::Cancelled), "{call:?}");
        ensure!(call.overlaps(&acknowledged), "{number} did not ring together with {F1}");
    }
    Ok(())
}

/// Whoever rings is cancelled, whoever listens is hung up on, nobody is tried
/// again and nobody stands in.
async fn an_abort_ends_every_call(village: &mut Village) -> Result<()> {
    let activation = village.start("P-everyone").await?;
    for number in [A1, A2] {
        village.people.rings(number, PATIENCE).await?;
    }
    village.people.answered(A3, PATIENCE).await?;
    let words = ["plan", "abort", &activation, "--site", SITE, "--mode", "real"];
    let stopped = village.ask(&[&words[..], &["--as", COMMANDER]].concat()).await?;
    ensure!(stopped["status"] == "aborted", "{stopped}");
    for (number, how) in [(A1, Over::Cancelled), (A2, Over::Cancelled), (A3, Over::ByeIn)] {
        let call = village.people.over(number, PATIENCE).await?;
        ensure!(call.over.is_some_and(|(is, _)| is == how), "{call:?}");
    }
    let run = village.ended(&activation).await?;
    ensure!(run["ended"][0].get("Aborted").is_some(), "{run}");
    for person in ["a1", "a2", "a3"] {
        let one = member(&run["steps"][0], person)?;
        ensure!(one["state"] == "vetoed" && attempts(one)?.len() == 1, "{one}");
    }
    Ok(())
}

/// One person's word is not enough, however often; another's is.
async fn two_start_it(village: &mut Village) -> Result<()> {
    let first = village.launch("P-two", "real", COMMANDER).await?;
    ensure!(first["status"] == "awaits-second", "{first}");
    let again = village.launch("P-two", "real", COMMANDER).await?;
    ensure!(again["status"] == "same-person", "{again}");
    let picture = village.ask(&["plan", "status"]).await?;
    let waiting = picture["awaiting"].as_array().context("nobody waits")?;
    ensure!(waiting.len() == 1 && waiting[0]["plan"] == "P-two", "{picture}");
    ensure!(waiting[0]["who"] == COMMANDER, "{picture}");
    ensure!(village.people.calls_to(W1)?.is_empty(), "it began with one person");
    let second = village.launch("P-two", "real", CHIEF).await?;
    ensure!(second["status"] == "started", "{second}");
    let activation = second["activation"].as_str().context("no activation")?.to_owned();
    let step = village.over(&activation, "s1").await?;
    acknowledged_at_once(&step, "w1")
}

/// One evening with four plans; at its end everybody was rung exactly as often
/// as the four together say.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_rung_when_and_who_is_not() -> Result<()> {
    let mut village = Village::gather(cast()).await?;
    a_drill_rings_nobody(&mut village).await?;
    one_after_the_other(&mut village).await?;
    one_will_do(&mut village).await?;
    an_abort_ends_every_call(&mut village).await?;
    two_start_it(&mut village).await?;
    let once = [T1, T2, F1, F2, F3, A1, A2, A3, W1].map(|number| (number, 1));
    village.called_exactly(&once)?;
    ensure!(village.sms.deliveries()?.len() == 1, "{:?}", village.sms.deliveries()?);
    village.end()
}
