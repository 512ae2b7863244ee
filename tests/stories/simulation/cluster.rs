//! The cluster under crashes, cuts and loss: consensus, its store and its
//! framing as they ship.

use super::{caught, clean, repeats};
use weir_simulation::planted::Planted;
use weir_simulation::run::run;

#[test]
fn the_same_seed_gives_the_same_run() {
    repeats(run, 3_000);
}

#[test]
fn nothing_answered_is_lost_or_doubled_whatever_falls() {
    clean(run, 1..151);
}

#[test]
fn a_vote_answered_before_its_sync_is_caught() {
    caught(run, Planted::VoteUnsynced);
}

#[test]
fn an_append_acknowledged_before_its_sync_is_caught() {
    caught(run, Planted::AcknowledgedBeforeSync);
}

#[test]
fn a_last_applied_written_apart_from_the_state_is_caught() {
    caught(run, Planted::AppliedTorn);
}

#[test]
fn answers_that_a_restart_forgets_are_caught() {
    caught(run, Planted::AnswersForgotten);
}

#[test]
fn a_retry_under_a_new_key_is_caught() {
    caught(run, Planted::RetryRekeyed);
}

#[test]
fn a_time_out_taken_for_success_is_caught() {
    caught(run, Planted::TimeoutTakenForSuccess);
}

#[test]
fn a_time_out_taken_for_failure_is_caught() {
    caught(run, Planted::TimeoutTakenForFailure);
}

#[test]
fn voters_that_a_restart_forgets_are_caught() {
    caught(run, Planted::VotersForgotten);
}

#[test]
fn a_snapshot_of_which_only_the_position_is_kept_is_caught() {
    caught(run, Planted::SnapshotPositionOnly);
}
