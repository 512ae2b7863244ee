//! Restarts: what an earlier life left, and what a later one may say.

use super::street::PROMPT;
use super::*;

async fn written(site: &Bench, calls: usize) {
    let seen = async {
        loop {
            let text = tokio::fs::read_to_string(&site.notes).await.unwrap_or_default();
            if text.matches("\"call_id\"").count() == calls && text.contains("\"version\"") {
                return;
            }
            street::after(10).await;
        }
    };
    timeout(PATIENCE, seen).await.expect("the notes are never written");
}

/// A cheap horn stays in the dead node's call for ever. The next life ends that
/// call before anybody asks for the page's repeat.
#[tokio::test(start_paused = true)]
async fn a_restarted_node_frees_the_horns_that_it_left_in_a_call() {
    let site = Bench::new(&[(11, PROMPT), (12, PROMPT)]).await;
    let _never = site.page(PageOrder { repeat: 20, ..order(1, &[11, 12]) });
    site.until(|street| street.in_call() == 2).await;
    written(&site, 2).await;
    let (street, folder) = site.crash();
    assert_eq!(street.in_call(), 2);

    let again = Bench::again(street.found_again(), folder).await;
    let (result, _) = again.pager.ask(key(1)).await;
    let EffectResult::Unknown { why } = result else { panic!("{result:?}") };
    assert!(why.contains("restarted") && why.contains("重启"), "{why}");
    assert_eq!((again.street.stale().len(), again.street.in_call()), (2, 0));
    written(&again, 0).await;
    let repeat = again.page(order(2, &[11, 12]));
    assert_eq!(ended(repeat).await, (EffectResult::Done, proof(Grade::Answered, 2, 2)));
    assert_eq!(again.street.clashes(), 0);
    assert_eq!(again.pager.counters().stale_ended, 2);
    again.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_stopped_hangs_up_and_leaves_nothing_behind() {
    let site = Bench::new(&[(11, PROMPT), (12, Habit::Rings)]).await;
    let page = site.page(PageOrder { repeat: 20, ..order(1, &[11, 12]) });
    site.until(|street| street.in_call() == 1).await;
    site.stops().await;
    assert_eq!(site.street.in_call(), 0);
    assert_eq!(site.street.hung_up().len(), 2);
    // Nobody can say how much was heard, so nothing is said.
    assert!(page.await.is_err());
    drop(site.pager);
    let text = std::fs::read_to_string(&site.notes).unwrap();
    assert!(!text.contains("call_id"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn orders_after_the_end_are_refused_not_lost() {
    let site = Bench::new(&[(11, PROMPT)]).await;
    site.stops().await;
    let (result, seen) = ended(site.page(order(1, &[11]))).await;
    let EffectResult::Failed { why } = result else { panic!("{result:?}") };
    assert!(why.contains("stopping") && seen.of == 1, "{why}");
    assert!(matches!(site.pager.ask(key(1)).await.0, EffectResult::Unknown { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_of_calls_is_put_aside_and_paging_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("calls.json"), b"{\"version\":1,\"calls\":[{").unwrap();
    let site = Bench::again(Street::new(&[(11, PROMPT)]), folder).await;
    assert_eq!(ended(site.page(order(1, &[11]))).await.0, EffectResult::Done);
    assert!(site.notes.with_extension("bad").exists());
    site.stops().await;
}

/// Nothing is known of a page that this life never saw; the question is
/// answered within its two seconds and a half even while a horn is silent.
#[tokio::test(start_paused = true)]
async fn a_question_is_answered_in_time() {
    let site = Bench::new(&[]).await;
    let asked = Instant::now();
    assert!(matches!(site.pager.ask(key(9)).await.0, EffectResult::Unknown { .. }));
    assert!(asked.elapsed() < Duration::from_secs(3));
    site.stops().await;
}
