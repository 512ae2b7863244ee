//! A site that is cut off knows it and acts at once; the centre knows it too.

use anyhow::Result;

use super::{Verdict, seconds, some};
use crate::api::Sent;

/// From the cut to certainty, on a satellite.
const WITHIN_MS: u64 = 15_000;
/// What looking takes: a request over HTTPS, ten or twenty times a second.
const LOOKING_MS: u64 = 300;
/// From the click at the site to its answer.
const AT_ONCE_MS: u64 = 1_000;

/// What was seen after the cut.
pub(crate) struct CutOff {
    pub(crate) sent: Result<Sent>,
    pub(crate) answered_ms: u64,
    pub(crate) wanted: Vec<String>,
    /// Those that played the warning.
    pub(crate) heard: Vec<String>,
    /// R5 says that it is in local mode, so long after the cut.
    pub(crate) here_ms: Result<u64>,
    /// The centre says that R5 is cut off.
    pub(crate) there_ms: Result<u64>,
}

pub(crate) fn local_mode(seen: &CutOff) -> Verdict {
    let mut verdict = Verdict::new(
        "local-mode",
        "云岭水库（R5）被切断后立即自行执行预案，两侧都显示 LOCAL MODE",
        "R5, cut off, runs its plan at once; LOCAL MODE shows on both sides",
    );
    match &seen.sent {
        Ok(sent) => {
            let status = sent.status.clone().unwrap_or_else(|| sent.delivery.clone());
            verdict.measure("R5's answer", format!("{status} in {}", seconds(seen.answered_ms, 2)));
            verdict.must(status == "started", || format!("R5 answered {status}: {}", sent.said));
        }
        Err(error) => verdict.failures.push(format!("{error:#}")),
    }
    verdict.must(seen.answered_ms <= AT_ONCE_MS, || {
        format!("R5 took {} ms to answer", seen.answered_ms)
    });
    let silent = seen.wanted.iter().filter(|number| !seen.heard.contains(number));
    let silent: Vec<String> = silent.cloned().collect();
    verdict.must(silent.is_empty(), || format!("without aud-red: {}", some(&silent)));
    verdict.measure("receiving aud-red", format!("{}/{}", seen.heard.len(), seen.wanted.len()));
    let sides = [("R5: local mode on", &seen.here_ms), ("centre: R5 cut", &seen.there_ms)];
    let mut certain = 0;
    for (side, after) in sides {
        match after {
            Ok(ms) => {
                verdict.measure(side, format!("{} (at most {WITHIN_MS} ms)", seconds(*ms, 1)));
                verdict
                    .must(*ms <= WITHIN_MS + LOOKING_MS, || format!("{side}: only after {ms} ms"));
                certain += 1;
            }
            Err(error) => verdict.failures.push(format!("{side}: {error:#}")),
        }
    }
    verdict.line = match certain {
        2 => "LOCAL MODE on both sides".to_owned(),
        1 => "LOCAL MODE on one side only".to_owned(),
        _ => "no LOCAL MODE".to_owned(),
    };
    verdict
}
