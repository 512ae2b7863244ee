//! Home sites through a night of crashes, cuts and dying disks: journal, home
//! machine, outbox and shipping as they ship.

use super::{caught, clean, repeats};
use weir_simulation::planted::Planted;
use weir_simulation::sites::run;

#[test]
fn the_same_seed_gives_the_same_night() {
    repeats(run, 500);
}

#[test]
fn nothing_sounds_twice_late_or_unrecorded_whatever_falls() {
    clean(run, 1..151);
}

#[test]
fn a_fact_called_synced_before_it_is_is_caught() {
    caught(run, Planted::FactUnsynced);
}

#[test]
fn an_ignored_expiry_is_caught() {
    caught(run, Planted::ExpiryIgnored);
}

#[test]
fn a_dropped_dedupe_is_caught() {
    caught(run, Planted::DedupeDropped);
}

#[test]
fn a_removed_fence_is_caught() {
    caught(run, Planted::FenceRemoved);
}

#[test]
fn an_effect_that_begins_unwritten_is_caught() {
    caught(run, Planted::BegunNotJournaled);
}

#[test]
fn an_unbounded_repeat_is_caught() {
    caught(run, Planted::RepeatUnbounded);
}

#[test]
fn a_dropped_join_is_caught() {
    caught(run, Planted::JoinDropped);
}

#[test]
fn a_merge_that_does_again_what_others_did_is_caught() {
    caught(run, Planted::MergeReexecutes);
}

#[test]
fn a_wrong_order_of_facts_is_caught() {
    caught(run, Planted::WrongFactOrder);
}

#[test]
fn a_person_tried_again_of_whom_nobody_knows_is_caught() {
    caught(run, Planted::UnknownRetried);
}

#[test]
fn a_person_rung_again_who_acknowledged_is_caught() {
    caught(run, Planted::AcknowledgedForgotten);
}

#[test]
fn a_claimed_outcome_is_caught() {
    caught(run, Planted::OutcomeClaimed);
}

#[test]
fn a_conference_opened_again_unasked_is_caught() {
    caught(run, Planted::ConferenceReopened);
}

#[test]
fn too_few_in_a_conference_taken_for_enough_are_caught() {
    caught(run, Planted::JoinedRoundedUp);
}
