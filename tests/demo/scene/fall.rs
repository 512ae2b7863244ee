//! The leader is killed in the middle of the page, and started again later.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::{Scene, recorded_ms, whole_ms};
use crate::api::Api;
use crate::checks::{Fall, new_leader, unbroken};
use crate::place::{HQ1, R3, RC1, numbers_of};
use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(10);
/// How much of the page after the fall is listened to before the first verdict.
const LISTEN: Duration = Duration::from_secs(3);

impl Scene<'_> {
    pub(super) async fn leader_falls(&mut self) -> Result<()> {
        let at = self.now();
        let wanted = numbers_of(R3);
        let before: BTreeMap<String, u64> = self
            .calls_of(&wanted)?
            .iter()
            .map(|call| (call.number.clone(), recorded_ms(call)))
            .collect();
        let killed = self.stage.nodes[HQ1].name().to_owned();
        let others = [RC1, R3].map(|at| self.stage.nodes[at].api());
        let led = others[0].status().await.map(|status| status.leader);
        self.stage.nodes[HQ1].kill();
        let seen = Fall { led, ..followed(killed, &others).await };
        self.judge(at, &format!("{} killed", seen.killed), new_leader(&seen));

        // Until the loudspeakers' own tallies tell of that time; whether they do
        // is judged below.
        let listened = self.now();
        let _ = until("the page goes on", PATIENCE, async || {
            for call in self.calls_of(&wanted)? {
                let then = before.get(&call.number).copied().unwrap_or_default();
                let (now, number) = (call.rtp.audio_ms, &call.number);
                ensure!(now >= then + whole_ms(LISTEN), "{number}: {now} ms");
            }
            Ok(())
        })
        .await;
        let calls = self.calls_of(&wanted)?;
        let sounded = self.sounded(&calls).await?;
        self.judge(listened, "", unbroken(&wanted, &calls, &sounded, 0));
        self.stage.nodes[HQ1].spawn()
    }
}

/// Waits for a leader whom both others follow, and for a decision.
async fn followed(killed: String, others: &[Api; 2]) -> Fall {
    let fell = Instant::now();
    let leader = until("another node leads", PATIENCE, async || {
        let (one, two) = (others[0].status().await?, others[1].status().await?);
        ensure!(one.leader == two.leader && one.term == two.term, "{one:?}, {two:?}");
        let leader = one.leader.context("nobody leads")?;
        ensure!(leader != killed, "{leader} is still followed");
        Ok(leader)
    });
    let leader = leader.await.map(|leader| (leader, whole_ms(fell.elapsed())));
    let decided = until("a decision goes through", PATIENCE, async || {
        others[0].decide("演示：新领导节点作出决定 / demo: the new leader decides").await
    });
    let decided_ms = decided.await.map(|()| whole_ms(fell.elapsed()));
    Fall { led: Ok(None), killed, leader, decided_ms }
}
