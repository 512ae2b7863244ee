//! How quickly a dead leader is noticed. Two profiles, chosen when the cluster
//! is founded; the numbers are bound to the round trips between voters.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, ConfigError, SnapshotPolicy};
use weir_model::decision::Profile;

/// Milliseconds of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub heartbeat_ms: u64,
    pub election_min_ms: u64,
    pub election_max_ms: u64,
}

pub fn timing(profile: Profile) -> Timing {
    match profile {
        Profile::Lan => Timing { heartbeat_ms: 50, election_min_ms: 150, election_max_ms: 300 },
        Profile::Wan => Timing { heartbeat_ms: 150, election_min_ms: 450, election_max_ms: 900 },
    }
}

impl Timing {
    /// How long one try to reach the leader may take before asking who leads.
    pub fn attempt(self) -> Duration {
        Duration::from_millis(self.election_max_ms * 2)
    }
}

/// Entries between snapshots.
const SNAPSHOT_EVERY: u64 = 20_000;
/// Entries kept behind a snapshot for those who lag: a night of a cut-off site.
const KEEP_ENTRIES: u64 = 50_000;

pub(crate) fn config(profile: Profile) -> Result<Arc<Config>, ConfigError> {
    let timing = timing(profile);
    let config = Config {
        cluster_name: "weir".into(),
        heartbeat_interval: timing.heartbeat_ms,
        election_timeout_min: timing.election_min_ms,
        election_timeout_max: timing.election_max_ms,
        // A node that was cut off must not disturb the others by its return.
        enable_pre_vote: Some(true),
        // Lease and longest election: openraft takes nothing shorter.
        quorum_loss_probe_interval: Some(timing.election_max_ms * 2),
        // A leader replicates before its own sync: one that restarts with its
        // old term after losing an unsynced tail could give a log index twice.
        enable_leader_restore: Some(false),
        max_payload_entries: 300,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
        max_in_snapshot_log_to_keep: KEEP_ENTRIES,
        purge_batch_size: 1024,
        // The transfer bounds itself by the progress it makes.
        install_snapshot_timeout: 600_000,
        ..Config::default()
    };
    config.validate().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_profiles_are_such_as_openraft_accepts() {
        for profile in [Profile::Lan, Profile::Wan] {
            config(profile).unwrap();
        }
    }
}
