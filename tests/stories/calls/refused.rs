//! What cannot be connected says why, with the code that telephones know.

use anyhow::{Result, ensure};
use weir_tests::phones::{Account, Answers, Baresip, Codec, Conduct};

use super::{G722, PATIENCE, Site};

/// A number that nobody has, one that is not registered, one that knows no common
/// codec, and a telephone with a wrong password.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_connected_says_why() -> Result<()> {
    let mut site = Site::open().await?;
    let mut caller = site.baresip("5101", Answers::ByHand).await?;
    let other = site.pjsua("5102", &Conduct::answers(&[G722], Some(0))).await?;
    // 5104 is in the directory and nowhere else.
    for (number, code) in [("5999", "404"), ("5104", "480"), ("5102", "488")] {
        caller.dial(number)?;
        let why = caller.over(PATIENCE).await?;
        ensure!(why.contains(code), "calling {number} it was told {why}, not {code}");
    }
    ensure!(!other.in_call(), "5102 talks with nobody");

    let account = Account::new("5103", "not-the-password", site.sip()?);
    let folder = site.folder("5103");
    let mut stranger = Baresip::start(&folder, &account, Answers::ByHand, Codec::Pcma).await?;
    stranger.refused(PATIENCE).await?;
    caller.forget();
    stranger.dial("5101")?;
    let why = stranger.over(PATIENCE).await?;
    ensure!(why.contains("401") || why.contains("403"), "with a wrong password: {why}");
    ensure!(!caller.was_called(), "a wrong password rang 5101");
    site.is_quiet().await?;
    let facts = site.call_facts().await?;
    ensure!(!facts.iter().any(|kind| kind == "CallAnswered"), "the journal shows {facts:?}");
    site.cluster.end()
}
