//! The leader is killed; another one leads and decides.

use anyhow::Result;

use super::{Verdict, seconds};

/// What PRODUCT promises of a lost leader.
const WITHIN_MS: u64 = 3_000;

/// What was seen after the kill.
pub(crate) struct Fall {
    /// Who led until then.
    pub(crate) led: Result<Option<String>>,
    pub(crate) killed: String,
    /// Whom both other voters follow, and after how long.
    pub(crate) leader: Result<(String, u64)>,
    /// Until a decision went through.
    pub(crate) decided_ms: Result<u64>,
}

pub(crate) fn new_leader(seen: &Fall) -> Verdict {
    let mut verdict = Verdict::new(
        "new-leader",
        "领导节点被杀，另一节点接任并能作决定",
        "the leading node is killed, another one leads and decides",
    );
    let (leader, after_ms) = match &seen.leader {
        Ok(leader) => leader,
        Err(error) => return verdict.blind(error),
    };
    let led = seen.led.as_ref().ok().and_then(Option::as_ref);
    verdict.must(led == Some(&seen.killed), || {
        format!("{} was killed, but the leader was {:?}", seen.killed, seen.led)
    });
    verdict.measure("killed, while it led", &seen.killed);
    verdict.measure("new leader", leader);
    verdict.measure("after", format!("{} (at most {WITHIN_MS} ms)", seconds(*after_ms, 2)));
    verdict.must(*leader != seen.killed, || format!("{leader} was killed and leads"));
    verdict.must(*after_ms <= WITHIN_MS, || format!("it took {after_ms} ms"));
    match &seen.decided_ms {
        Ok(ms) => verdict.measure("first decision after", seconds(*ms, 2)),
        Err(error) => verdict.failures.push(format!("nothing is decided: {error:#}")),
    }
    verdict.line = format!("new leader {leader} in {}", seconds(*after_ms, 1));
    verdict
}
