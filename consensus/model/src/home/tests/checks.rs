//! What must hold of a site whatever happens to it. Returns every breach in
//! words; an empty list is a pass.

use std::collections::BTreeMap;

use super::conference::MIN_JOIN;
use super::*;

pub(super) fn breaches(site: &Bench) -> Vec<String> {
    let mut found = site.broken.clone();
    late_starts(site, &mut found);
    runs_side_by_side(site, &mut found);
    needless_repeats(site, &mut found);
    claimed_outcomes(site, &mut found);
    begun_again_after_a_crash(site, &mut found);
    people_left_in_peace(site, &mut found);
    conferences(site, &mut found);
    found
}

/// Late is never.
fn late_starts(site: &Bench, found: &mut Vec<String>) {
    let mut until = BTreeMap::new();
    for fact in &site.journal {
        match &fact.body {
            FactBody::IntentReceived { signed } => {
                let intent = signed.open().unwrap();
                until.insert(intent.id, intent.not_after);
            }
            FactBody::ActivationStarted { intent, activation, .. }
                if until.get(intent).is_some_and(|until| fact.at > *until) =>
            {
                found.push(format!("{activation} started too late"));
            }
            _ => {}
        }
    }
}

/// One run of a plan at a time, in each mode.
fn runs_side_by_side(site: &Bench, found: &mut Vec<String>) {
    let mut running = BTreeMap::new();
    let mut winding = Vec::new();
    for fact in &site.journal {
        match &fact.body {
            FactBody::ActivationStarted { activation, plan, mode, .. } => {
                running.retain(|run, _| !winding.contains(run));
                if running.values().any(|one| *one == (plan.clone(), *mode)) {
                    found.push(format!("{plan} runs twice at once"));
                }
                running.insert(*activation, (plan.clone(), *mode));
            }
            // A run that was declined begins nothing more.
            FactBody::Confirmed { activation, answer: Some(false) | None, .. } => {
                winding.push(*activation);
            }
            FactBody::ActivationEnded { activation, .. } => drop(running.remove(activation)),
            _ => {}
        }
    }
}

/// Unasked, nothing is repeated but an evacuation page of unknown outcome, and
/// that once.
fn needless_repeats(site: &Bench, found: &mut Vec<String>) {
    let mut repeats = BTreeMap::new();
    let pages = site.sounded.iter().filter(|one| matches!(one.key.target, Target::Zone(_)));
    for one in pages {
        let of = (one.key.activation, one.key.step.clone(), one.key.target.clone());
        let unasked: &mut u32 = repeats.entry(of).or_default();
        *unasked += u32::from(!matches!(one.why, Why::Person(_)));
        if *unasked > 2 {
            found.push(format!("{} was repeated more than once", one.key));
        }
    }
}

/// Unasked, nobody is called or written to again who acknowledged, or of whom
/// nobody knows.
fn people_left_in_peace(site: &Bench, found: &mut Vec<String>) {
    let mut callees = BTreeMap::new();
    let mut settled = BTreeMap::new();
    for fact in &site.journal {
        match &fact.body {
            FactBody::PersonCalled { key, callee } => {
                callees.insert(key.clone(), callee.clone());
            }
            FactBody::EffectBegun { key, why, .. } => {
                let Some(callee) = callees.get(key) else { continue };
                let of = (key.activation, key.step.clone(), callee.clone());
                let asked = matches!(why, Why::Person(_));
                if let Some(how) = settled.get(&of).filter(|_| !asked) {
                    found.push(format!("{key} tries {callee} again, who was {how}"));
                }
                // Until something else is said, nobody knows.
                settled.insert(of, "not settled");
            }
            FactBody::EffectOutcome { key, result, proof, .. } => {
                let Some(callee) = callees.get(key) else { continue };
                let of = (key.activation, key.step.clone(), callee.clone());
                let heard = proof.grade.is_some();
                match result {
                    EffectResult::Done if heard => drop(settled.insert(of, "reached")),
                    EffectResult::Unknown { .. } => drop(settled.insert(of, "unknown")),
                    _ => drop(settled.remove(&of)),
                }
            }
            _ => {}
        }
    }
}

/// Unasked, a conference is opened once; and it is done when enough have joined.
fn conferences(site: &Bench, found: &mut Vec<String>) {
    let mut opened = BTreeSet::new();
    for one in &site.sounded {
        let EffectAction::Confer { .. } = &one.action else { continue };
        let of = (one.key.activation, one.key.step.clone());
        if !matches!(one.why, Why::Person(_)) && !opened.insert(of) {
            found.push(format!("{} was opened again unasked", one.key));
        }
    }
    for fact in &site.journal {
        if let FactBody::EffectOutcome { key, result: EffectResult::Done, proof, .. } = &fact.body
            && matches!(key.target, Target::Conference(_))
            && u32::from(proof.reached) < MIN_JOIN
        {
            found.push(format!("{key} is called done, and too few joined"));
        }
    }
}

/// No outcome without evidence: what the journal calls done was reported done.
fn claimed_outcomes(site: &Bench, found: &mut Vec<String>) {
    for fact in &site.journal {
        if let FactBody::EffectOutcome { key, result: EffectResult::Done, .. } = &fact.body
            && !site.heard.contains(key)
        {
            found.push(format!("{key} was claimed to be done"));
        }
    }
}

/// Wherever the node fell, coming back begins nothing that was begun.
fn begun_again_after_a_crash(site: &Bench, found: &mut Vec<String>) {
    for kept in 1..=site.journal.len() {
        let journal = &site.journal[..kept];
        let mut home = Home::replay(self::site(), NodeId(3), 99, journal, &site.directory);
        #[cfg(feature = "planted")]
        home.plant(site.planted);
        let now = Now { wall: journal[kept - 1].at.plus_ms(1_000), mono_ms: 7 };
        let mut outputs = home.step(now, &site.directory, Input::Recovered);
        let later = Now { wall: now.wall.plus_ms(ASK_MS), mono_ms: 7 + ASK_MS };
        outputs.extend(home.step(later, &site.directory, Input::Tick));
        for output in outputs {
            let Output::Effect(order) = output else { continue };
            let begun = |fact: &Fact| begins(fact, &order.key);
            if journal.iter().any(begun) {
                found.push(format!("{} was begun again after a crash", order.key));
            }
        }
    }
}
