//! Two people talk: ring, answer, both ways, hold, keys, hang up.

use anyhow::{Context, Result, ensure};
use weir_tests::phones::{Answers, Callers, Codec, Conduct, Sipp, Way};
use weir_tests::wait::eventually;

use super::{G722, PATIENCE, PCMA, Site, TONE_HZ};
use super::{decoded_s, heard_all, hears, is_the_tone};
use weir_tests::hearing::tone;

/// Seconds of talk that are listened to.
const TALK_S: f64 = 3.0;

/// 5101 calls 5102; both hear the other, from the first word to the last, and the
/// node says who talks with whom. Three lines in the journal at most.
#[tokio::test(flavor = "multi_thread")]
async fn two_telephones_of_a_site_talk_and_both_hear_all() -> Result<()> {
    let mut site = Site::open().await?;
    let mut caller = site.baresip("5101", Answers::ByHand).await?;
    let mut callee = site.baresip("5102", Answers::ByHand).await?;
    caller.dial("5102")?;
    let shown = callee.called(PATIENCE).await?;
    ensure!(shown.contains("5101"), "it shows {shown}");
    caller.rings(PATIENCE).await?;
    let call = site.call_is("ringing").await?;
    ensure!(call["from"] == "5101" && call["dialled"] == "5102", "the node shows {call}");

    callee.answer()?;
    caller.talks(PATIENCE).await?;
    callee.talks(PATIENCE).await?;
    let call = site.call_is("talked").await?;
    ensure!(call["by"] == "5102" && call["emergency"] == false, "the node shows {call}");
    hears("5102", TALK_S, || decoded_s(&callee)).await?;
    hears("5101", TALK_S, || decoded_s(&caller)).await?;

    caller.hang_up()?;
    caller.over(PATIENCE).await?;
    callee.over(PATIENCE).await?;
    site.is_quiet().await?;
    heard_all(&caller, TALK_S - 0.2)?;
    heard_all(&callee, TALK_S - 0.2)?;
    let facts = site.ended_facts(1).await?;
    ensure!(facts == ["CallAnswered", "CallEnded"], "the journal shows {facts:?}");
    site.cluster.end()
}

/// Two telephones that speak nothing but Opus hear each other: sound is passed on
/// as it is.
#[tokio::test(flavor = "multi_thread")]
async fn opus_goes_from_end_to_end() -> Result<()> {
    let mut site = Site::open().await?;
    let mut caller = site.baresip_in("5101", Answers::ByHand, Codec::Opus).await?;
    let callee = site.baresip_in("5102", Answers::AtOnce, Codec::Opus).await?;
    caller.dial("5102")?;
    caller.talks(PATIENCE).await?;
    hears("5102", TALK_S, || decoded_s(&callee)).await?;
    hears("5101", TALK_S, || decoded_s(&caller)).await?;
    caller.hang_up()?;
    callee.over(PATIENCE).await?;
    for phone in [&caller, &callee] {
        let heard = phone.heard()?;
        let one = heard.first().context("nothing was recorded")?;
        is_the_tone(&phone.number, one.part(0.3, TALK_S), one.rate, TALK_S - 0.8)?;
    }
    site.cluster.end()
}

/// 5103 claims to be the commander at 5101. Whoever is called sees 5103.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_lies_is_shown_by_the_number_it_proved() -> Result<()> {
    let mut site = Site::open().await?;
    let mut callee = site.baresip("5102", Answers::ByHand).await?;
    let callers = Callers {
        pairs: vec![(site.user("5103")?, "5102".into())],
        claims: Some(("5101".into(), "Commander".into())),
        rate: 1,
        calls: 1,
        talk_ms: 500,
    };
    let node = site.sip()?;
    let mut liar = Sipp::callers(&site.folder("liar"), node, &callers)?;
    let shown = callee.called(PATIENCE).await?;
    ensure!(shown.contains("5103"), "it shows {shown}");
    ensure!(!shown.contains("5101") && !shown.contains("Commander"), "it believes {shown}");
    callee.answer()?;
    let tally = liar.finish(PATIENCE).await?;
    ensure!(tally.well == 1 && tally.failed == 0, "{tally:?}: {}", liar.complaints());
    callee.over(PATIENCE).await?;
    site.is_quiet().await?;
    site.cluster.end()
}

/// G.722 between two PJSIPs. 5101 puts 5102 on hold: both hear nothing; then it
/// goes on. The node says so, and the journal has three lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_held_in_silence_and_goes_on() -> Result<()> {
    let mut site = Site::open().await?;
    let mut caller = site.pjsua("5101", &Conduct::answers(&[G722, PCMA], None)).await?;
    let callee = site.pjsua("5102", &Conduct::answers(&[G722, PCMA], Some(200))).await?;
    caller.dial("5102")?;
    caller.talks(PATIENCE).await?;
    let codec = callee.sound_is("active", 1, PATIENCE).await?;
    ensure!(codec.contains("G722"), "they talk in {codec}");
    hears("5102", 1.5, || Ok(callee.heard_so_far()?.seconds())).await?;

    caller.hold()?;
    caller.sound_is("held_here", 1, PATIENCE).await?;
    callee.sound_is("held_there", 1, PATIENCE).await?;
    site.call_is("held").await?;
    let held = (caller.heard_so_far()?.seconds(), callee.heard_so_far()?.seconds());
    hears("5101", held.0 + 1.5, || Ok(caller.heard_so_far()?.seconds())).await?;
    hears("5102", held.1 + 1.5, || Ok(callee.heard_so_far()?.seconds())).await?;
    let until = (caller.heard_so_far()?.seconds(), callee.heard_so_far()?.seconds());

    caller.resume()?;
    caller.sound_is("active", 2, PATIENCE).await?;
    callee.sound_is("active", 2, PATIENCE).await?;
    site.call_is("talked").await?;
    let on = (caller.heard_so_far()?.seconds(), callee.heard_so_far()?.seconds());
    hears("5101", on.0 + 2.0, || Ok(caller.heard_so_far()?.seconds())).await?;
    hears("5102", on.1 + 2.0, || Ok(callee.heard_so_far()?.seconds())).await?;
    caller.hang_up()?;
    callee.over(PATIENCE).await?;
    site.is_quiet().await?;

    let facts = site.ended_facts(1).await?;
    ensure!(facts == ["CallAnswered", "CallChanged", "CallEnded"], "the journal shows {facts:?}");
    let heard = (caller.heard().await?, callee.heard().await?);
    let both = [("5101", heard.0, held.0, until.0, on.0), ("5102", heard.1, held.1, until.1, on.1)];
    for (who, wave, held, until, on) in both {
        is_the_tone(who, wave.part(0.5, held - 0.3), wave.rate, held - 1.2)?;
        // What was written lags behind by a quarter of a second; so do buffers.
        let silence = tone(wave.part(held + 0.6, until), wave.rate, TONE_HZ);
        ensure!(silence.seconds < 0.05, "{who} heard while held: {silence:?}");
        is_the_tone(who, wave.part(on + 0.6, on + 1.7), wave.rate, 0.9)?;
    }
    site.cluster.end()
}

/// A callee who is busy, one who does not pick up until the caller gives up, and
/// keys that arrive once each, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn busy_no_answer_and_keys_that_arrive_once() -> Result<()> {
    let mut site = Site::open().await?;
    let mut caller = site.baresip("5101", Answers::ByHand).await?;
    let mut callee = site.pjsua("5102", &Conduct::answers(&[PCMA], None)).await?;
    let busy = Conduct { refuse: Some(486), ..Conduct::answers(&[PCMA], None) };
    let busy = site.pjsua("5103", &busy).await?;

    caller.dial("5103")?;
    busy.called(PATIENCE).await?;
    let why = caller.over(PATIENCE).await?;
    ensure!(why.contains("486"), "it was told {why}");

    caller.dial("5102")?;
    callee.called(PATIENCE).await?;
    caller.rings(PATIENCE).await?;
    caller.hang_up()?;
    let code = callee.over(PATIENCE).await?;
    ensure!(code == 487, "the callee's call ended with {code}");
    site.is_quiet().await?;

    callee.forget();
    caller.dial("5102")?;
    callee.called(PATIENCE).await?;
    callee.answer()?;
    caller.talks(PATIENCE).await?;
    callee.talks(PATIENCE).await?;
    for key in ['1', '1', '#'] {
        let before = callee.keys().len();
        caller.press(key)?;
        eventually("the key arrives", PATIENCE, async || {
            let keys = callee.keys();
            (keys.len() > before).then_some(()).with_context(|| format!("it heard {keys:?}"))
        })
        .await?;
    }
    callee.press("70", Way::Rfc4733)?;
    eventually("keys arrive at the caller", PATIENCE, async || {
        let keys = caller.keys();
        (keys.len() >= 2).then_some(()).with_context(|| format!("it heard {keys:?}"))
    })
    .await?;
    let call = site.call_is("talked").await?;
    ensure!(call["keys"] == 5, "the node counts {} keys", call["keys"]);
    callee.hang_up()?;
    caller.over(PATIENCE).await?;
    ensure!(callee.keys() == "11#", "the callee heard {}", callee.keys());
    ensure!(caller.keys() == "70", "the caller heard {}", caller.keys());
    site.is_quiet().await?;
    // Two that nobody picked up, one talk.
    let facts = site.ended_facts(3).await?;
    ensure!(facts.len() <= 4, "the journal shows {facts:?}");
    site.cluster.end()
}
