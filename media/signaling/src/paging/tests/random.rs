//! Anything at all, in any order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Page { n: u8, zone: u8, priority: usize, repeat: u32, clip_ms: u32, grade: Option<usize> },
    Cease { n: u8 },
    Hear { call: usize, event: usize },
    Wait { ms: u64 },
    Polite { polite: bool },
}

const PRIORITIES: [Priority; 3] = [Priority::Notice, Priority::Alert, Priority::Evacuation];
const GRADES: [Grade; 3] = [Grade::Sent, Grade::Answered, Grade::Receiving];
const EVENTS: [Event; 15] = [
    Event::Sent,
    Event::Trying,
    Event::Ringing,
    Event::Answered,
    Event::Answered,
    Event::Answered,
    Event::Sounding,
    Event::Receiving,
    Event::Refused { code: 486 },
    Event::Refused { code: 404 },
    Event::Silent,
    Event::Ended,
    Event::Unregistered,
    Event::Unsent,
    Event::Unplayable,
];

fn acts() -> impl Strategy<Value = Act> {
    let page = (1..30_u8, 0..3_u8, 0..3_usize, 0..4_u32, 0..20_000_u32)
        .prop_flat_map(|fields| (Just(fields), prop::option::of(0..3_usize)))
        .prop_map(|((n, zone, priority, repeat, clip_ms), grade)| Act::Page {
            n,
            zone,
            priority,
            repeat,
            clip_ms,
            grade,
        });
    prop_oneof![
        3 => page,
        1 => (1..30_u8).prop_map(|n| Act::Cease { n }),
        8 => (0..12_usize, 0..EVENTS.len()).prop_map(|(call, event)| Act::Hear { call, event }),
        3 => prop_oneof![0..700_u64, 0..30_000_u64].prop_map(|ms| Act::Wait { ms }),
        1 => any::<bool>().prop_map(|polite| Act::Polite { polite }),
    ]
}

/// Zones share a device with each neighbour.
fn in_zone(zone_n: u8, page: Page) -> Page {
    let first = 10 + u16::from(zone_n) * 2;
    let speakers = (first..first + 3).map(horn).collect();
    Page { zone: zone(&format!("540{zone_n}")), speakers, ..page }
}

fn act(site: &mut Bench, act: &Act) -> Option<EffectKey> {
    match *act {
        Act::Page { n, zone, priority, repeat, clip_ms, grade } => {
            let evidence = grade.map(|grade| Evidence { grade: GRADES[grade], within_s: 8 });
            let window_ends_ms = site.now_ms + 30_000;
            let priority = PRIORITIES[priority];
            let plain =
                Page { priority, repeat, clip_ms, evidence, window_ends_ms, ..page(n, &[]) };
            site.order(in_zone(zone, plain));
            return Some(key(n));
        }
        Act::Cease { n } => site.cease(n),
        Act::Hear { call, event } => {
            let open: Vec<CallId> = site.open.keys().copied().collect();
            if let Some(call) = open.get(call) {
                site.hear(*call, EVENTS[event]);
            }
        }
        Act::Wait { ms } => site.wait(ms),
        Act::Polite { polite } => site.polite = polite,
    }
    None
}

/// No page waits for, and no due loudspeaker is held by, what is lower.
fn outranked(site: &Bench) -> Option<String> {
    let mut waiting = site.paging.waiting.iter();
    let behind_lower = waiting.find(|one| {
        let mut running = site.paging.running.values();
        running.any(|run| run.page.zone == one.page.zone && run.page.priority < one.page.priority)
    });
    if let Some(one) = behind_lower {
        return Some(format!("{} waits for a lower page", one.page.key));
    }
    for run in site.paging.running.values() {
        for speaker in run.speakers.iter().filter(|speaker| speaker.is_due(site.now_ms)) {
            if let Some(lines::Held::By(..)) = site.paging.line_of(&speaker.who.number) {
                return Some(format!("{} waits at {}", run.page.key, speaker.who.id));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_page_is_reported_once_and_leaves_no_call(
        acts in prop::collection::vec(acts(), 1..80),
    ) {
        let mut site = Bench::new();
        let mut ordered = BTreeSet::new();
        for one in &acts {
            ordered.extend(act(&mut site, one));
            prop_assert_eq!(outranked(&site), None);
        }
        // A page that was stopped before it was ordered is not stopped.
        site.wait(3_600_000);
        prop_assert_eq!(&site.breaches, &Vec::<String>::new());
        let reported: BTreeSet<EffectKey> = site.reports.keys().cloned().collect();
        prop_assert_eq!(reported, ordered);
        prop_assert_eq!(site.paging.calls(), 0);
        prop_assert!(site.paging.running.is_empty() && site.paging.waiting.is_empty());
        for reports in site.reports.values() {
            let (result, proof) = &reports[0];
            let seen = proof.reached > 0 && proof.grade.is_some();
            prop_assert!(*result != EffectResult::Done || seen, "claimed without proof");
            prop_assert!(proof.reached <= proof.of);
        }
    }
}
