//! A click for a site that is cut off is void when its time has passed, and the
//! clicker is told.

use anyhow::Result;

use super::{Verdict, seconds};
use crate::api::Sent;

/// What was seen of the click.
pub(crate) struct LateClick {
    pub(crate) window_ms: u64,
    /// Its end, and how long after the click it was told.
    pub(crate) told: Result<(Sent, u64)>,
}

pub(crate) fn not_delivered(seen: &LateClick) -> Verdict {
    let mut verdict = Verdict::new(
        "not-delivered",
        "总部对被切断站点的点击过时作废，并如实告知",
        "a click for a site that is cut off expires, and says so",
    );
    let (sent, after_ms) = match &seen.told {
        Ok(told) => told,
        Err(error) => return verdict.blind(error),
    };
    verdict.measure("delivery", &sent.delivery);
    verdict.measure("told after", seconds(*after_ms, 1));
    verdict.must(sent.delivery == "not-delivered", || {
        format!("it is {}: {}", sent.delivery, sent.said)
    });
    let window = seen.window_ms;
    verdict.must(*after_ms + 500 >= window, || format!("given up {after_ms} of {window} ms"));
    verdict.line = sent.delivery.replace('-', " ");
    verdict
}
