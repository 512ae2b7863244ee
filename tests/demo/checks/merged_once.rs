//! A site that comes back brings everything it did, nothing is done again, and
//! what came too late stays undone.

use std::collections::BTreeSet;

use anyhow::Result;
use weir_tests::speakers::Call;

use super::{Verdict, some};
use crate::api::{Fact, Run, Sent, Verified};

/// What was seen when the link had healed and R5's page had gone on for a while.
pub(crate) struct Rejoined {
    /// R5's journal as R5 tells it.
    pub(crate) own: Vec<Fact>,
    /// As checked at headquarters before the link healed.
    pub(crate) before: Verified,
    /// As checked at R5 and at headquarters afterwards.
    pub(crate) there: Verified,
    pub(crate) here: Verified,
    /// At R5, from before the cut on.
    pub(crate) calls: Vec<Call>,
    /// R5's loudspeakers and zones.
    pub(crate) wanted: Vec<String>,
    pub(crate) zones: usize,
    pub(crate) runs: Vec<Run>,
    pub(crate) own_intent: String,
    pub(crate) late: Result<Sent>,
}

/// `n5.1.42` → 42
fn number(id: &str) -> Option<u64> {
    id.rsplit('.').next()?.parse().ok()
}

/// The numbers missing between the first fact and the last.
fn holes(facts: &[Fact]) -> Vec<String> {
    let there: BTreeSet<u64> = facts.iter().filter_map(|fact| number(&fact.id)).collect();
    let last = there.last().copied().unwrap_or_default();
    (1..=last).filter(|at| !there.contains(at)).map(|at| at.to_string()).collect()
}

fn count(facts: &[Fact], kind: &str) -> usize {
    facts.iter().filter(|fact| fact.kind == kind).count()
}

pub(crate) fn merged_once(seen: &Rejoined) -> Verdict {
    let mut verdict = Verdict::new(
        "merged-once",
        "R5 恢复后记录并入总部、可验证，无一重复执行，过时的点击不执行",
        "R5's record is merged and verifies, nothing ran twice, the late click stays undone",
    );
    record_is_whole(seen, &mut verdict);
    let twice = nothing_twice(seen, &mut verdict);
    let late = late_click_undone(seen, &mut verdict);
    let (own, here) = (&seen.there, &seen.here);
    for (side, journal) in [("R5", own), ("HQ", here)] {
        if let Some(why) = &journal.broken {
            verdict.failures.push(format!("{side}: the journal does not verify: {why}"));
        }
    }
    verdict.must(here.head.is_some() && own.head == here.head, || {
        format!("headquarters has R5's journal to {:?}, R5 to {:?}", here.head, own.head)
    });
    verdict.must(own.records == here.records, || {
        format!("headquarters has {} records of R5's {}", here.records, own.records)
    });
    let verified = own.broken.is_none() && here.broken.is_none() && own.head == here.head;
    verdict.measure("head, same at both", here.head.as_deref().unwrap_or("-"));
    verdict.measure("records verified at HQ", here.records);
    let merged = here.records.saturating_sub(seen.before.records);
    verdict.measure("facts merged", merged);
    verdict.line = format!(
        "R5 back: {merged} facts merged, {twice} run twice, the late click {late}, journal {}",
        if verified { "verified" } else { "NOT VERIFIED" }
    );
    verdict
}

fn record_is_whole(seen: &Rejoined, verdict: &mut Verdict) {
    let holes = holes(&seen.own);
    verdict.must(holes.is_empty(), || format!("numbers missing: {}", some(&holes)));
    let (told, kept) = (seen.own.len(), seen.there.records);
    verdict.must(told == kept, || format!("R5 tells {told} facts and keeps {kept}"));
    verdict.must(seen.here.records > seen.before.records, || "nothing was merged".to_owned());
    // What the loudspeakers saw must be in the record: each zone begun once, and
    // ended once if it is over.
    let (begun, ended) = (count(&seen.own, "EffectBegun"), count(&seen.own, "EffectOutcome"));
    let zones = seen.zones;
    let over = seen.calls.iter().all(|call| call.over.is_some());
    verdict.must(begun == zones && ended <= zones && (ended == zones || !over), || {
        format!("{zones} zones sounded; the record has {begun} begun and {ended} outcomes")
    });
    verdict.measure("pages begun, and over, in R5's record", format!("{begun}, {ended}"));
}

/// How many loudspeakers were started more than once.
fn nothing_twice(seen: &Rejoined, verdict: &mut Verdict) -> usize {
    let starts = |number: &String| seen.calls.iter().filter(|call| call.number == *number).count();
    let twice = seen.wanted.iter().filter(|number| starts(number) > 1);
    let twice: Vec<String> = twice.cloned().collect();
    let never = seen.wanted.iter().filter(|number| starts(number) == 0);
    let never: Vec<String> = never.cloned().collect();
    verdict.must(twice.is_empty(), || format!("started twice: {}", some(&twice)));
    verdict.must(never.is_empty(), || format!("never started: {}", some(&never)));
    verdict.measure("loudspeakers started twice", twice.len());
    twice.len()
}

fn late_click_undone(seen: &Rejoined, verdict: &mut Verdict) -> &'static str {
    verdict.must(seen.runs.len() == 1, || format!("R5 ran {} plans", seen.runs.len()));
    let launches = seen.runs.iter().flat_map(|run| &run.launches);
    let launches: Vec<String> = launches.map(ToString::to_string).collect();
    let own = launches.iter().filter(|launch| launch.contains(&seen.own_intent)).count();
    verdict.must(launches.len() == 1 && own == 1, || {
        format!("R5's run has the clicks {}", some(&launches))
    });
    verdict.measure("clicks in R5's run", launches.len());
    let expired = match &seen.late {
        Ok(sent) => sent.delivery == "not-delivered" || sent.status.as_deref() == Some("expired"),
        Err(_) => false,
    };
    verdict.must(expired, || format!("the late click is {:?}", seen.late));
    if expired && launches.len() == 1 { "expired" } else { "NOT EXPIRED" }
}
