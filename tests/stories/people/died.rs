//! The node dies while people ring, listen and are written to. Nobody is rung or
//! written to twice for that.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use weir_tests::people::{Does, Way};
use weir_tests::sms::{self, Event};
use weir_tests::wait::eventually;

use super::village::{
    Cast, NODE, PATIENCE, Village, acknowledged_at_once, attempts, member, stands,
};

const PLANS: &str = r#"
[[roster]]
id = "night"
members = [
  { person = "rung", substitutes = ["deputy"] },
  { person = "spoken" },
  { person = "quick" },
  { person = "other", substitutes = ["quick"] },
]

[[plan]]
id = "P-night"
name_zh = "夜间呼叫"
name_en = "Calls in the night"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "call.roster"
roster = "night"
audio = "aud-call"
mode = "blast"
timeout_s = 120
retry = 1
island_ok = true

[[plan]]
id = "P-tell"
name_zh = "短信通知"
name_en = "Messages"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "message"
roster = "tell"
text_zh = "{site}红色预警，请立即转移。"
island_ok = true
"#;
const RUNG: &str = "5110";
const QUICK: &str = "5111";
const SPOKEN: &str = "+8619900000401";
const OTHER: &str = "+8619900000402";
const DEPUTY: &str = "+8619900000403";
/// The gateway takes this one's message at once and says so.
const TOLD: &str = "+8619900000410";
/// It has this one's and never says so.
const HELD: &str = "+8619900000411";
/// It never takes note of this one's first.
const LOST: &str = "+8619900000412";
/// It has these people's at once and says so three seconds later.
const SLOW: usize = 12;

fn slow(nth: usize) -> (String, String) {
    (format!("slow.{nth}"), format!("+86199000005{nth:02}"))
}

fn cast() -> Cast {
    let right = || Does::presses("1", Way::Rfc4733);
    let never = || Does::NeverAnswers {};
    let written = ["told", "held", "lost"].map(str::to_owned).into_iter();
    let members = written.chain((0..SLOW).map(|nth| slow(nth).0));
    let members: Vec<String> = members.map(|id| format!("{{ person = {id:?} }}")).collect();
    let roster = format!("[[roster]]\nid = \"tell\"\nmembers = [{}]\n", members.join(", "));
    let mut cast = Cast::of_plans(&format!("{PLANS}\n{roster}"))
        .at("rung", RUNG, &[never(), right()])
        .outside("spoken", SPOKEN, &[Does::Answers { after_ms: 300, stays_ms: None }, right()])
        .at("quick", QUICK, &[right()])
        .outside("other", OTHER, &[never(), right()])
        .outside("deputy", DEPUTY, &[right()])
        .outside("told", TOLD, &[])
        .outside("held", HELD, &[])
        .outside("lost", LOST, &[]);
    for (id, number) in (0..SLOW).map(slow) {
        cast = cast.outside(&id, &number, &[]);
    }
    let accept = || sms::Does::Accept { delivery_ms: None };
    let hang = |accepts| sms::Does::Hang { accepts };
    let gateway = cast.gateway.with(TOLD, &[accept()]);
    let mut gateway =
        gateway.with(HELD, &[hang(true), accept()]).with(LOST, &[hang(false), accept()]);
    gateway.messages = vec![sms::Does::Slow { ms: 3_000 }];
    cast.gateway = gateway;
    cast
}

/// One acknowledged, one listens, two ring.
async fn calls_are_under_way(village: &mut Village) -> Result<String> {
    let activation = village.start("P-night").await?;
    for number in [RUNG, OTHER] {
        village.people.rings(number, PATIENCE).await?;
    }
    let listens = "hears the announcement";
    let hears = |call: &weir_tests::people::Call| call.sound.sounding_ms > 0;
    village.people.call(SPOKEN, listens, PATIENCE, hears).await?;
    let acknowledged = village.step_where(&activation, "s1", |step| {
        let one = member(step, "quick")?;
        ensure!(one["state"] == "done", "{one}");
        Ok(())
    });
    acknowledged.await?;
    Ok(activation)
}

/// One has its answer, two wait for one, of many the gateway has a few.
async fn messages_are_under_way(village: &mut Village) -> Result<String> {
    let activation = village.start("P-tell").await?;
    let sms = &village.sms;
    eventually("the batch is half sent", PATIENCE, async || {
        let asked: BTreeSet<_> = sms.posts()?.into_iter().filter_map(|post| post.to).collect();
        for number in [TOLD, HELD, LOST] {
            ensure!(asked.contains(number), "no message yet for {number}");
        }
        ensure!(asked.len() >= 6, "only for {asked:?}");
        Ok(())
    })
    .await?;
    let told = village.step_where(&activation, "s1", |step| {
        let one = member(step, "told")?;
        ensure!(one["state"] == "done", "{one}");
        Ok(())
    });
    told.await?;
    Ok(activation)
}

fn accepted(village: &Village) -> Result<Vec<sms::Message>> {
    let accepted = |entry: sms::Entry| match entry.event {
        Event::Accepted(message) => Some(message),
        _ => None,
    };
    Ok(village.sms.entries()?.into_iter().filter_map(accepted).collect())
}

/// Whoever may have been reached is not rung again; whoever stands in is, but for
/// one who acknowledged before.
async fn nobody_was_rung_again(village: &mut Village, activation: &str) -> Result<()> {
    let step = village.over(activation, "s1").await?;
    ensure!(step["state"] == "unknown", "{step}");
    let stood_in = [("rung", "unknown"), ("deputy", "done")];
    stands(&step, "rung", ("done", Some("deputy")), &stood_in)?;
    stands(&step, "spoken", ("unknown", None), &[("spoken", "unknown")])?;
    stands(&step, "other", ("done", Some("quick")), &[("other", "unknown")])?;
    acknowledged_at_once(&step, "quick")?;
    village.ended(activation).await?;
    village.called_exactly(&[RUNG, QUICK, SPOKEN, OTHER, DEPUTY].map(|number| (number, 1)))
}

/// Done means one delivery; without an answer from anybody it is *unknown*; twice
/// is never.
async fn nobody_was_written_to_twice(village: &mut Village, activation: &str) -> Result<()> {
    let step = village.over(activation, "s1").await?;
    village.ended(activation).await?;
    let people = [("told", TOLD), ("held", HELD), ("lost", LOST)];
    let people = people.map(|(id, number)| (id.to_owned(), number.to_owned()));
    let accepted = accepted(village)?;
    let questions = village.sms.questions()?;
    for (id, number) in people.into_iter().chain((0..SLOW).map(slow)) {
        let one = member(&step, &id)?;
        let has = accepted.iter().filter(|message| message.to == number).count();
        match one["state"].as_str().unwrap_or_default() {
            "done" => {
                let delivered = village.sms.delivered(&number, 1, PATIENCE).await?;
                ensure!(delivered.len() == 1, "{id} got {delivered:?}");
            }
            "unknown" => ensure!(has <= 1, "{id} is unknown and was sent {has}"),
            _ => ensure!(false, "neither done nor unknown: {one}"),
        }
    }
    // The gateway still knew, and was asked before anything was said of it.
    stands(&step, "told", ("done", Some("told")), &[("told", "done")])?;
    let held = member(&step, "held")?;
    ensure!(held["state"] == "done" && attempts(held)?.len() == 1, "{held}");
    let key = accepted.iter().find(|message| message.to == HELD).context("HELD")?.key.clone();
    ensure!(questions.contains(&key), "nobody asked about {key}: {questions:?}");
    let posts = village.sms.posts()?;
    for number in [TOLD, HELD] {
        let sent = posts.iter().filter(|post| post.to.as_deref() == Some(number)).count();
        ensure!(sent == 1, "{number} was sent {sent}");
    }
    Ok(())
}

/// A node dies in the middle of everything and comes back: who acknowledged is
/// left in peace, who may have been reached too, and who stands in for them is
/// rung; every message arrives once, or is said to be unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_rings_and_writes_to_nobody_twice() -> Result<()> {
    let mut village = Village::gather(cast()).await?;
    let calls = calls_are_under_way(&mut village).await?;
    let messages = messages_are_under_way(&mut village).await?;
    village.cluster.node(NODE)?.kill()?;
    let answered = village.sms.entries()?.into_iter();
    let answered = answered.filter(|entry| matches!(entry.event, Event::Answer { code: 202, .. }));
    ensure!(answered.count() < SLOW, "the story wants it in the middle of the batch");
    village.cluster.node(NODE)?.start().await?;
    nobody_was_rung_again(&mut village, &calls).await?;
    nobody_was_written_to_twice(&mut village, &messages).await?;
    village.end()
}
