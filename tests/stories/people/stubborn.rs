//! People who do not answer, and machines that do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use weir_tests::hearing;
use weir_tests::people::{Call, Does, Over, Way};
use weir_tests::spoken;

use super::village::{CALL, Cast, PATIENCE, TRUNK, Village, acknowledged_at_once, stands};

const PLANS: &str = r#"
[[roster]]
id = "stubborn"
members = [
  { person = "sleeper", substitutes = ["deputy"] },
  { person = "machine", substitutes = ["second", "deputy"] },
  { person = "clumsy" },
  { person = "wrong" },
  { person = "decliner" },
  { person = "colour" },
  { person = "busy" },
  { person = "hasty" },
  { person = "patient" },
  { person = "late" },
  { person = "nowhere" },
  { person = "absent" },
]

[[plan]]
id = "P-stubborn"
name_zh = "逐人通知"
name_en = "Call everyone"
level = "red"
authority = ["commander"]

[[plan.step]]
id = "s1"
kind = "call.roster"
roster = "stubborn"
audio = "aud-call"
mode = "blast"
timeout_s = 10
retry = 1
island_ok = true
"#;
const SLEEPER: &str = "5110";
const SECOND: &str = "5111";
const CLUMSY: &str = "5112";
const BUSY: &str = "5113";
const HASTY: &str = "5114";
const ABSENT: &str = "5115";
const MACHINE: &str = "+8619900000201";
const DEPUTY: &str = "+8619900000202";
const WRONG: &str = "+8619900000203";
const DECLINER: &str = "+8619900000204";
const COLOUR: &str = "+8619900000205";
const PATIENT: &str = "+8619900000206";
const LATE: &str = "+8619900000207";
/// How long the plan lets it ring, and how far a busy machine may be off.
const RING: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(3);

fn cast() -> Cast {
    let right = Does::presses("1", Way::Rfc4733);
    let hears = Does::PressesAfterHearing { times: 2, keys: "1".into(), way: Way::Info };
    Cast::of_plans(PLANS)
        .at("sleeper", SLEEPER, &[Does::NeverAnswers {}])
        .outside("machine", MACHINE, &[Does::VoiceMail { stays_ms: Some(3_000) }])
        .at("second", SECOND, &[Does::Declines {}])
        .outside("deputy", DEPUTY, std::slice::from_ref(&right))
        .at("clumsy", CLUMSY, &[Does::WrongThenRight { way: Way::Rfc4733 }])
        .outside("wrong", WRONG, &[Does::presses("777", Way::Inband)])
        .outside("decliner", DECLINER, &[Does::Declines {}])
        .outside("colour", COLOUR, &[Does::EarlyMedia { sounds_ms: 3_000, after_ms: None }])
        .at("busy", BUSY, &[Does::Busy {}, right])
        .at("hasty", HASTY, &[Does::HangsUp { stays_ms: 500 }])
        .outside("patient", PATIENT, &[hears])
        .outside("late", LATE, &[Does::presses_late(7_000, "1", Way::Inband)])
        .unreachable("nowhere")
        .absent("absent", ABSENT)
}

/// Rang for as long as the plan says and was cancelled.
fn rang_in_vain(call: &Call) -> Result<()> {
    let (how, at) = call.over.context("it still rings")?;
    let rang = Duration::from_millis(at.saturating_sub(call.invited_ms));
    ensure!(how == Over::Cancelled && call.answered_ms.is_none(), "{call:?}");
    ensure!(rang + Duration::from_secs(1) > RING && rang < RING + SLACK, "it rang for {rang:?}");
    Ok(())
}

/// What the plan says of each.
fn told(step: &Value) -> Result<()> {
    let twice = |person, word| [(person, word), (person, word)];
    let failed = ("failed", None);
    ensure!(step["state"] == "failed", "{step}");
    stands(step, "sleeper", ("done", Some("deputy")), &twice("sleeper", "no_answer"))?;
    let all = [
        ("machine", "not_acknowledged"),
        ("machine", "not_acknowledged"),
        ("second", "refused 603"),
        ("second", "refused 603"),
        ("deputy", "done"),
    ];
    stands(step, "machine", ("done", Some("deputy")), &all)?;
    stands(step, "wrong", failed, &twice("wrong", "wrong_key"))?;
    stands(step, "decliner", failed, &twice("decliner", "refused 603"))?;
    stands(step, "colour", failed, &twice("colour", "no_answer"))?;
    let second_time = [("busy", "busy"), ("busy", "done")];
    stands(step, "busy", ("done", Some("busy")), &second_time)?;
    stands(step, "hasty", failed, &twice("hasty", "not_acknowledged"))?;
    stands(step, "nowhere", failed, &[("nowhere", "no_number")])?;
    stands(step, "absent", ("unreachable", None), &twice("absent", "unreachable"))?;
    for person in ["clumsy", "patient", "late"] {
        acknowledged_at_once(step, person)?;
    }
    Ok(())
}

/// Twelve people, each stubborn in a way of their own. Ringing, colour-ring, a
/// machine's answer and a wrong key acknowledge nothing; each is tried as often
/// as the plan says, then those who stand in, and who stands in for two is rung
/// once.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_right_key_is_an_acknowledgement() -> Result<()> {
    let mut village = Village::gather(cast()).await?;
    let activation = village.start("P-stubborn").await?;
    let step = village.over(&activation, "s1").await?;
    village.ended(&activation).await?;
    told(&step)?;

    let outside = [(MACHINE, 2), (DEPUTY, 1), (WRONG, 2), (DECLINER, 2), (COLOUR, 2)];
    let outside = [&outside[..], &[(PATIENT, 1), (LATE, 1)]].concat();
    let inside = [(SLEEPER, 2), (SECOND, 2), (CLUMSY, 1), (BUSY, 2), (HASTY, 2)];
    village.called_exactly(&[&outside[..], &inside].concat())?;
    let through: usize = outside.iter().map(|(_, count)| count).sum();
    ensure!(village.people.calls_through(TRUNK)?.len() == through, "the trunk was used for more");

    for number in [SLEEPER, COLOUR] {
        for call in village.people.calls_to(number)? {
            rang_in_vain(&call)?;
            ensure!(call.sound.sounding_ms == 0, "{number} was spoken to while it rang: {call:?}");
        }
    }
    for call in village.people.calls_to(MACHINE)? {
        ensure!(call.keys.is_empty() && call.sound.sounding_ms > 0, "{call:?}");
    }
    let clumsy: Vec<_> = village.only_call(CLUMSY)?.keys.into_iter().map(|it| it.key).collect();
    ensure!(clumsy == ["7", "1"], "{clumsy:?}");
    ensure!(village.only_call(DEPUTY)?.keys.len() == 1, "the deputy pressed more than once");
    let late = village.only_call(LATE)?;
    ensure!(late.over.is_some_and(|(how, _)| how == Over::ByeIn), "{late:?}");

    // Over and over until the key: heard whole, twice, the plan's own words.
    let patient = village.people.over(PATIENT, PATIENCE).await?;
    ensure!(patient.heard_times >= 2, "{patient:?}");
    let words = spoken::chinese(village.cluster.folder(), CALL).await?;
    let times = hearing::heard(&patient.heard()?, &words);
    ensure!(times.len() >= 2, "the announcement was heard {times:?}");
    village.end()
}
