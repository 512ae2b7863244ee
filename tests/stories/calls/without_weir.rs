//! The telephones by themselves: what the other stories trust.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use weir_tests::phones::{Account, Answers, Baresip, Codec, Conduct, Pjsua, Way};
use weir_tests::wait::eventually;

use super::{PATIENCE, PCMA, decoded_s, hears, is_the_tone};

/// baresip calls PJSIP, no node between them: each hears the other's tone whole,
/// and each key once. If this fails, the machine is not fit to judge Weir.
#[tokio::test(flavor = "multi_thread")]
async fn telephones_hear_each_other_without_a_node() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("weir-story-").tempdir()?;
    // Nobody is there to register at.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let account = |number: &str| Account::new(number, "none", nowhere);
    let at = |name: &str| folder.path().join(name);
    let conduct = Conduct::answers(&[PCMA], Some(100));
    let mut callee = Pjsua::start(&at("5102"), &account("5102"), &conduct).await?;
    let mut caller =
        Baresip::start(&at("5101"), &account("5101"), Answers::ByHand, Codec::Pcma).await?;

    caller.dial_address(&format!("sip:5102@{}", callee.sip))?;
    let shown = callee.called(PATIENCE).await?;
    ensure!(shown.contains("5101"), "it shows {shown}");
    caller.talks(PATIENCE).await?;
    callee.talks(PATIENCE).await?;
    hears("5102", 2.0, || Ok(callee.heard_so_far()?.seconds())).await?;
    hears("5101", 2.0, || decoded_s(&caller)).await?;
    caller.press('5')?;
    callee.press("7", Way::Rfc4733)?;
    eventually("both keys arrive", PATIENCE, async || {
        let keys = (caller.keys(), callee.keys());
        (keys == ("7".into(), "5".into())).then_some(()).with_context(|| format!("{keys:?}"))
    })
    .await?;
    caller.hang_up()?;
    caller.over(PATIENCE).await?;
    callee.over(PATIENCE).await?;
    ensure!(!caller.in_call() && !callee.in_call(), "somebody is still in the call");
    // A key of PJSIP's takes the tone's place while it lasts.
    let stretches = caller.heard()?;
    let heard = stretches.first().context("5101 heard nothing")?;
    let before_keys = is_the_tone("5101", heard.part(0.0, 1.9), heard.rate, 1.7)?;
    ensure!(before_keys.breaks == 0, "5101 missed packets: {before_keys:?}");
    let heard = callee.heard().await?;
    is_the_tone("5102", heard.part(0.4, 1.9), heard.rate, 1.2)?;
    Ok(())
}
