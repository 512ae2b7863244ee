//! Headquarters clicks; three zones sound.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Scene, recorded_ms, wall_ms, whole_ms};
use crate::api::Click;
use crate::checks::{Listening, heard_everywhere, red_plan_started};
use crate::place::{COMMANDER, HQ1, PLACES, R3, Zone, numbers_of, zones_of};
use crate::wait::until;

/// Enough words to know the sentence by.
const LISTEN: Duration = Duration::from_millis(2_500);
const PATIENCE: Duration = Duration::from_secs(8);

impl Scene<'_> {
    pub(super) async fn red_page(&mut self) -> Result<()> {
        let (at, click_ms) = (self.now(), wall_ms());
        let click = Click { who: COMMANDER, site: PLACES[R3].site, not_after_s: None };
        let sent = self.stage.nodes[HQ1].api().click_red(click).await;
        self.judge(at, "", red_plan_started(&sent));

        let wanted = numbers_of(R3);
        // Whether it came about is judged below, by what was recorded.
        let _ = until("every loudspeaker has played a while", PATIENCE, async || {
            let calls = self.calls_of(&wanted)?;
            let long = |call: &&_| recorded_ms(call) >= whole_ms(LISTEN);
            let playing = calls.iter().filter(long).count();
            ensure!(playing >= wanted.len(), "{playing} play");
            Ok(())
        })
        .await;
        let calls = self.stage.fakes.calls()?;
        let heard = self.heard(&self.calls_of(&wanted)?, LISTEN).await?;
        let zones: Vec<&str> = zones_of(R3).map(|zone: &Zone| zone.id).collect();
        let (wanted, calls) = (&wanted, &calls);
        let seen = Listening { click_ms, zones: &zones, wanted, calls, heard: &heard };
        self.judge(at, "", heard_everywhere(&seen));
        Ok(())
    }
}
