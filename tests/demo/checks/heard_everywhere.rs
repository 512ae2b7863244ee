//! Every loudspeaker of the zones plays the red warning, and no other
//! loudspeaker plays anything.

use std::collections::BTreeMap;

use weir_tests::hearing::Heard;
use weir_tests::speakers::Call;

use super::{Verdict, seconds, some};

/// A valley hears it this soon after the click, or the page is late.
const FIRST_MS: u64 = 1_500;
/// A loudspeaker that picks up slowly included.
const ALL_MS: u64 = 3_000;
/// Of the words' sounding pieces, in what was recorded so far.
const SHARE: f64 = 0.9;

/// What was seen a few seconds after the click.
pub(crate) struct Listening<'a> {
    /// Wall clock.
    pub(crate) click_ms: u64,
    pub(crate) zones: &'a [&'static str],
    pub(crate) wanted: &'a [String],
    /// Every call since the click, whoever got it.
    pub(crate) calls: &'a [Call],
    /// By number: the warning, as heard in its recording.
    pub(crate) heard: &'a BTreeMap<String, Heard>,
}

pub(crate) fn heard_everywhere(seen: &Listening<'_>) -> Verdict {
    let mut verdict = Verdict::new(
        "speakers-receive",
        "三个广播区的每个喇叭都播出红色预警，别处没有声音",
        "every loudspeaker of the three zones plays the red warning, none elsewhere",
    );
    let sounds =
        |number: &&String| seen.heard.get(*number).is_some_and(|heard| heard.share >= SHARE);
    let (well, silent): (Vec<&String>, Vec<&String>) = seen.wanted.iter().partition(sounds);
    let silent: Vec<String> = silent.into_iter().cloned().collect();
    let mut strangers: Vec<String> = seen.calls.iter().map(|call| call.number.clone()).collect();
    strangers.retain(|number| !seen.wanted.contains(number));
    strangers.sort();
    strangers.dedup();
    let after = seen.calls.iter().filter(|call| seen.wanted.contains(&call.number));
    let after = after.filter_map(|call| call.sounded_ms?.checked_sub(seen.click_ms));
    let after: Vec<u64> = after.collect();
    let first = after.iter().min().copied().unwrap_or(u64::MAX);
    let last = after.iter().max().copied().unwrap_or(u64::MAX);
    let worst = seen.heard.values().map(|heard| heard.score).fold(1.0, f64::min);

    verdict.must(silent.is_empty(), || format!("without aud-red: {}", some(&silent)));
    verdict.must(strangers.is_empty(), || format!("called elsewhere: {}", some(&strangers)));
    verdict.must(first <= FIRST_MS, || format!("the first was heard later than {FIRST_MS} ms"));
    verdict.must(last <= ALL_MS, || format!("the last was heard later than {ALL_MS} ms"));
    verdict.measure("receiving aud-red", format!("{}/{}", well.len(), seen.wanted.len()));
    verdict.measure("likeness to the reference, lowest", format!("{worst:.2}"));
    let (first_at, last_at) = (after.is_empty(), seconds(last, 2));
    let first_at = if first_at { "never".to_owned() } else { seconds(first, 2) };
    verdict.measure("first after the click", format!("{first_at} (at most {FIRST_MS} ms)"));
    if !after.is_empty() {
        verdict.measure("last after the click", format!("{last_at} (at most {ALL_MS} ms)"));
    }
    verdict.measure("called elsewhere", strangers.len());
    verdict.line = format!(
        "{}/{} speakers of {} receiving aud-red, first after {first_at}, {} elsewhere",
        well.len(),
        seen.wanted.len(),
        seen.zones.join(" "),
        strangers.len()
    );
    verdict
}
