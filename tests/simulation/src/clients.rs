//! Those who want something decided: through any node, with a key, asking again
//! with the same key for as long as the outcome is unknown, and with a new one
//! once it was surely not proposed. They post to a line of their own, whose
//! every revision they foresee, and to one that they share.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use weir_consensus::{ProposeError, Wish};
use weir_model::decision::{Answer, Author, Decision, Outcome};
use weir_model::id::{NodeId, RequestKey};

use crate::dice::Dice;
use crate::invariants::{Posted, Seen};
use crate::planted::Planted;
use crate::world::World;

/// How long one try waits, in milliseconds.
const WAIT_MS: std::ops::Range<u64> = 300..4000;
/// The line that everybody writes to.
const SHARED: &str = "shared";

/// What came of asking one node once.
enum Asked {
    Answered(Answer),
    /// The node is down, or surely did not propose it.
    Surely,
    /// Nobody knows.
    Perhaps,
}

/// Asks a node, as somebody sitting at it would: when it falls, so does the
/// question.
async fn ask(world: &World, node: NodeId, wish: Wish, wait: Duration) -> Asked {
    let Some((consensus, group)) = world.consensus(node) else { return Asked::Surely };
    let asking = async move { consensus.propose(wish, wait).await };
    match group.spawn(world.next_seed(), asking).await {
        Ok(Ok(answer)) => Asked::Answered(answer),
        Ok(Err(ProposeError::NoLeader)) => Asked::Surely,
        Ok(Err(ProposeError::Unknown { .. })) | Err(_) => Asked::Perhaps,
        Ok(Err(ProposeError::TooLarge(error))) => {
            world.found("a small proposal is not too large", error.to_string());
            Asked::Surely
        }
    }
}

/// Asks until there is an answer, or until the time is up. `None` also when
/// this run's mistake is to take silence for success.
pub async fn insist(
    world: &World,
    dice: &mut Dice,
    decision: &Decision,
    until: Duration,
) -> Option<Answer> {
    let (mut key, mut perhaps) = (RequestKey(dice.id()), false);
    while world.elapsed() < until {
        let node = dice.pick(&world.ids()).unwrap_or_default();
        let author = Author { node, person: None };
        let wish = Wish { key, author, decision: decision.clone() };
        let wait = Duration::from_millis(dice.between(WAIT_MS));
        match ask(world, node, wish, wait).await {
            Asked::Answered(answer) => return Some(answer),
            Asked::Surely => {}
            Asked::Perhaps if world.planted == Some(Planted::TimeoutTakenForSuccess) => {
                return None;
            }
            Asked::Perhaps => perhaps = true,
        }
        if !perhaps || world.planted == Some(Planted::RetryRekeyed) {
            key = RequestKey(dice.id());
        }
        sleep(Duration::from_millis(dice.between(5..100))).await;
    }
    world.found("good weather brings an answer", format!("{decision:?}"));
    None
}

/// Posts until `last`, and waits for the last answer until `until`.
pub async fn post(world: Arc<World>, client: u64, last: Duration, until: Duration) {
    let mut dice = world.dice(1000 + client);
    let own = format!("c{client}");
    let mut written = 0;
    let mut number = 0;
    while world.elapsed() < last {
        sleep(Duration::from_millis(dice.between(10..150))).await;
        number += 1;
        let shared = dice.permille(300);
        let line = if shared { SHARED.to_owned() } else { own.clone() };
        let text = format!("{client}-{number}");
        let decision = Decision::Post { key: line.clone(), text: text.clone() };
        let answer = insist(&world, &mut dice, &decision, until).await;
        let expected = (!shared).then_some(written + 1);
        let Some(answer) = answer.or_else(|| claimed(&world, expected)) else { continue };
        written += u64::from(!shared);
        world.note("posted", [client, number, answer.index]);
        let posted = Posted { line, text, revision: expected, answer };
        world.saw(&Seen::Posted(&posted));
    }
}

/// What a client believes that takes silence for success.
fn claimed(world: &World, expected: Option<u64>) -> Option<Answer> {
    let planted = world.planted == Some(Planted::TimeoutTakenForSuccess);
    let revision = expected.filter(|_| planted)?;
    Some(Answer { index: 0, result: Ok(Outcome::Posted { revision }) })
}
