//! 112 finds somebody.

use std::time::Duration;

use anyhow::{Result, ensure};
use weir_tests::phones::Answers;

use super::{PATIENCE, Site, decoded_s, hears};

/// Longest that a telephone of the site may ring in vain before the next one does.
const NEXT: Duration = Duration::from_secs(40);

/// 112 rings the duty desk. Nobody picks up there, so the next person on duty is
/// rung, who does. The node shows it as an emergency.
#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_call_rings_the_duty_desk_and_then_the_next() -> Result<()> {
    let mut site = Site::open().await?;
    let desk = site.baresip("5001", Answers::ByHand).await?;
    let mut next = site.baresip("5101", Answers::ByHand).await?;
    let mut caller = site.baresip("5102", Answers::ByHand).await?;
    caller.dial("112")?;
    caller.rings(PATIENCE).await?;
    let shown = desk.called(PATIENCE).await?;
    ensure!(shown.contains("5102"), "the desk shows {shown}");
    ensure!(!next.was_called(), "the next one rang with the desk");
    let call = site.call_is("ringing").await?;
    ensure!(call["emergency"] == true && call["dialled"] == "112", "the node shows {call}");

    let shown = next.called(NEXT).await?;
    ensure!(shown.contains("5102"), "the next one shows {shown}");
    next.answer()?;
    caller.talks(PATIENCE).await?;
    let call = site.call_is("talked").await?;
    ensure!(call["emergency"] == true && call["by"] == "5101", "the node shows {call}");
    hears("5101", 1.0, || decoded_s(&next)).await?;
    // The desk rings no more.
    desk.over(PATIENCE).await?;
    caller.hang_up()?;
    next.over(PATIENCE).await?;
    site.is_quiet().await?;
    let facts = site.ended_facts(1).await?;
    ensure!(facts.len() <= 3, "the journal shows {facts:?}");
    site.cluster.end()
}
