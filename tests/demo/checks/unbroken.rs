//! A page goes on while the leader falls: no loudspeaker misses more than 60 ms,
//! none is started twice.

use weir_tests::hearing::Span;
use weir_tests::speakers::Call;

use super::{Verdict, some};

/// Longest missing source audio behind the loudspeakers' buffer of 200 ms.
const GAP_MS: u64 = 60;

/// What one recording holds.
pub(crate) struct Sounded {
    pub(crate) number: String,
    /// How often the warning was heard, whole.
    pub(crate) sentences: usize,
    /// What is not the warning.
    pub(crate) strange: Vec<Span>,
}

/// `sentences`: how often each must have said it by now.
pub(crate) fn unbroken(
    wanted: &[String],
    calls: &[Call],
    sounded: &[Sounded],
    sentences: usize,
) -> Verdict {
    let mut verdict = Verdict::new(
        "page-unbroken",
        "领导节点倒下时广播不断、不重",
        "the page neither breaks nor starts twice while the leader falls",
    );
    let of = |number: &String| calls.iter().filter(|call| call.number == *number).collect();
    let by_number: Vec<(&String, Vec<&Call>)> =
        wanted.iter().map(|number| (number, of(number))).collect();
    let gaps = || calls.iter().flat_map(|call| &call.gaps);
    let long = gaps().filter(|gap| gap.ms > GAP_MS).count();
    let longest = gaps().map(|gap| gap.ms).max().unwrap_or_default();
    let starts = by_number.iter().map(|(_, calls)| calls.len());
    let (fewest, most) = (starts.clone().min().unwrap_or(0), starts.max().unwrap_or(0));
    let not_once = by_number.iter().filter(|(_, calls)| calls.len() != 1);
    let not_once: Vec<String> =
        not_once.map(|(number, calls)| format!("{number}×{}", calls.len())).collect();
    let heard_ms = calls.iter().map(|call| call.rtp.audio_ms).min().unwrap_or_default();
    let odd = sounded.iter().filter_map(|one| {
        let first = one.strange.first()?;
        Some(format!("{}@{} ms", one.number, first.at_ms))
    });
    let odd: Vec<String> = odd.collect();
    let fewest_said = sounded.iter().map(|one| one.sentences).min().unwrap_or_default();

    verdict.must(long == 0, || format!("{long} gaps over {GAP_MS} ms, the longest {longest} ms"));
    verdict.must(not_once.is_empty(), || format!("not started once: {}", some(&not_once)));
    verdict.must(odd.is_empty(), || format!("something else sounded: {}", some(&odd)));
    verdict.must(fewest_said >= sentences, || {
        format!("the warning was said {fewest_said} of {sentences} times")
    });
    verdict.measure("gaps over 60 ms", long);
    verdict.measure("longest gap", format!("{longest} ms (at most {GAP_MS} ms)"));
    verdict.measure("starts per loudspeaker", format!("{fewest}–{most}"));
    verdict.measure("whole sentences, fewest", fewest_said);
    verdict.measure("judged audio, shortest", format!("{heard_ms} ms"));
    let starts = if fewest == most { format!("{most}") } else { format!("{fewest}–{most}") };
    let plural = if starts == "1" { "" } else { "s" };
    verdict.line = format!("page: {long} gaps, {starts} start{plural} per speaker");
    verdict
}
