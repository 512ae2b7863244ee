//! What headquarters sees of a reservoir.

use super::*;

fn mirrored(bench: &Bench) -> Mirror {
    let mut mirror = Mirror::new(site(), NodeId(3));
    for fact in &bench.journal {
        assert!(mirror.fold(fact, &bench.directory));
    }
    mirror
}

fn assert_alike(mirror: &Mirror, bench: &Bench) {
    let (theirs, ours) = (bench.home.picture(), mirror.picture());
    assert_eq!(ours.activations, theirs.activations);
}

/// Whatever stands on the reservoir's own board stands on the other's too.
#[test]
fn a_mirror_shows_what_the_site_itself_shows() {
    let mut bench = Bench::new();
    bench.launch(1, "wang", "P-38-page");
    assert_alike(&mirrored(&bench), &bench);
    bench.all_heard();
    bench.wait_ms(21_000);
    let mirror = mirrored(&bench);
    assert_alike(&mirror, &bench);
    let until = mirror.waits_until(run_of(1), &StepId::new("s3").unwrap()).unwrap();
    assert!(until > bench.wall(), "the question is open until then");
    let zone = Target::Zone(ZoneId::new("5401").unwrap());
    assert_eq!(mirror.began(run_of(1), &zone), Some(START));

    bench.restart_after(5_000);
    bench.abort(2, "wang", 1);
    assert_alike(&mirrored(&bench), &bench);
    assert_eq!(bench.ended(1), Some(Ending::Aborted { intent: IntentId([2; 16]) }));
}

/// The same fact shipped twice, another node's fact, an older one: no change.
#[test]
fn a_mirror_takes_each_fact_once_and_only_its_own_nodes() {
    let mut bench = Bench::new();
    bench.launch(1, "wang", "P-38");
    let mut mirror = mirrored(&bench);
    for fact in &bench.journal {
        assert!(!mirror.fold(fact, &bench.directory));
    }
    let mut other = bench.journal.last().unwrap().clone();
    other.id.node = NodeId(9);
    other.id.seq += 1;
    assert!(!mirror.fold(&other, &bench.directory));
    assert_alike(&mirror, &bench);
}

/// The facts came before the directory did.
#[test]
fn a_mirror_knows_that_it_would_tell_more_once_the_plan_is_here() {
    let mut bench = Bench::new();
    bench.launch(1, "wang", "P-38");
    let mut mirror = Mirror::new(site(), NodeId(3));
    let nothing = Directory::default();
    bench.journal.iter().for_each(|fact| assert!(mirror.fold(fact, &nothing)));
    assert!(!mirror.would_tell_more(&nothing));
    assert!(mirror.would_tell_more(&bench.directory));
    assert!(!mirrored(&bench).would_tell_more(&bench.directory));
    assert_eq!(mirror.picture().activations.len(), 1);
}

/// A journal that names ever new steps, attempts and runs fills no memory.
#[test]
fn an_endless_journal_ends_at_the_limits_of_a_site() {
    let bench = Bench::new();
    let mut mirror = Mirror::new(site(), NodeId(3));
    let mut last = bench.journal.last().unwrap().clone();
    let mut fold = |mirror: &mut Mirror, body: FactBody| {
        last.id.seq += 1;
        last.body = body;
        assert!(mirror.fold(&last, &bench.directory));
    };
    for n in 0..(ACTIVATIONS_MAX + ACTIVATIONS_SHOWN + 50) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let started = FactBody::ActivationStarted {
            activation: ActivationId(id),
            intent: IntentId(id),
            agreed: None,
            plan: PlanId::new("gone").unwrap(),
            version: Hash::default(),
            level: Level::Red,
            mode: Mode::Real,
            who: PersonId::new("wang").unwrap(),
            since: START.plus_ms(n as u64),
        };
        fold(&mut mirror, started);
        for step in 0..80 {
            let step = StepId::new(format!("s{step}")).unwrap();
            let until = START.plus_ms(9);
            fold(&mut mirror, FactBody::StepWaits { activation: ActivationId(id), step, until });
        }
    }
    let picture = mirror.picture();
    assert_eq!(picture.activations.len(), ACTIVATIONS_MAX + ACTIVATIONS_SHOWN);
    assert!(picture.activations.iter().all(|run| run.steps.len() == limits::STEPS_PER_PLAN_MAX));
}
