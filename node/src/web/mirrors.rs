//! The runs and calls of every site as far as their journals have come here: one
//! mirror a node, fed from the disk, which holds what screens forget. It reads; it never
//! writes, and nothing that it reads is carried out. A journal that cannot be
//! read on leaves its site marked as stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use weir_consensus::disk::Limit;
use weir_model::codec;
use weir_model::directory::Directory;
use weir_model::fact::{EffectKey, Fact, FactId, Target};
use weir_model::home::{
    ActivationPicture, AwaitingPicture, CallsPicture, ConferencesPicture, Mirror, Picture,
};
use weir_model::id::{ActivationId, CallId, NodeId, PersonId, SiteId, StepId, WallMs};

use super::Web;
use super::told::{Acknowledged, Times, Told};
use crate::node::Node;

/// Between two looks.
const APART: Duration = Duration::from_millis(250);
/// Journals are looked into this often even when nothing says that they grew:
/// what arrives late may not be among the newest facts.
const SWEEP: Duration = Duration::from_secs(2);
const PAGE: Limit = Limit { count: 512, bytes: 1 << 20 };
/// How far back a journal is read after a start, in facts; what ended earlier is
/// in the journal, not on the board.
const BACK: u64 = 20_000;

/// What is shown of one site.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteSeen {
    /// Oldest first.
    pub(crate) runs: Vec<ActivationPicture>,
    /// Until when a step waits, by that site's clock.
    pub(crate) waits: BTreeMap<(ActivationId, StepId), WallMs>,
    /// When the newest attempt at a target began.
    pub(crate) began: BTreeMap<(ActivationId, Target), WallMs>,
    /// When attempts at people began and ended.
    pub(crate) attempts: BTreeMap<EffectKey, Times>,
    /// Half launches, by the node that judged them.
    pub(crate) awaiting: BTreeMap<NodeId, Vec<AwaitingPicture>>,
    /// By the node that held them.
    pub(crate) calls: BTreeMap<NodeId, CallsPicture>,
    /// By the node that leads them.
    pub(crate) conferences: BTreeMap<NodeId, ConferencesPicture>,
    /// The last acknowledgement of each person to this site's calls.
    pub(crate) acknowledged: BTreeMap<PersonId, Acknowledged>,
    /// Missed emergencies, of whatever site, that somebody here has seen.
    pub(crate) seen: BTreeMap<CallId, (PersonId, WallMs)>,
    /// A journal of the site cannot be read on: there may be more than this.
    pub(crate) stale: bool,
}

pub(crate) type Seen = BTreeMap<SiteId, SiteSeen>;

impl SiteSeen {
    /// What a node of the site shows beside its runs; replaces what it showed.
    pub(crate) fn show(&mut self, of: NodeId, picture: &Picture) {
        self.awaiting.insert(of, picture.awaiting.clone());
        self.calls.insert(of, picture.calls.clone());
        self.conferences.insert(of, picture.conferences.clone());
    }

    fn tell(&mut self, told: &Told) {
        let people =
            told.attempts.iter().filter(|(key, _)| matches!(key.target, Target::Person(_)));
        self.attempts.extend(people.map(|(key, times)| (key.clone(), *times)));
        for (who, new) in &told.acknowledged {
            let last = self.acknowledged.entry(who.clone()).or_insert(*new);
            *last = if last.at < new.at { *new } else { *last };
        }
        self.seen.extend(told.seen.iter().map(|(call, by)| (*call, by.clone())));
    }
}

/// A node's journal as it is followed.
struct Followed {
    site: SiteId,
    mirror: Mirror,
    told: Told,
}

/// Why a journal cannot be read on.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("磁盘读取失败 / the disk cannot be read: {0}")]
    Disk(#[from] std::io::Error),
    #[error("事实属于其他版本或已损坏 / a fact is of another version or damaged: {0}")]
    Fact(#[from] codec::DecodeError),
    #[error("事实不在其应在之处 / facts are not where they belong")]
    Misplaced,
}

/// The one task that waits for the disk, so that nobody else does. What it has
/// read lies in [`Web::seen`].
pub(super) async fn keep(web: Arc<Web>) {
    let (mut site, mut agreed) = (web.node.site.view(), web.node.consensus.view());
    let mut mirrors = Mirrors::new(web.node.clone());
    loop {
        let began = Instant::now();
        // Marked as seen before it is read: what comes meanwhile is looked at
        // again.
        site.mark_unchanged();
        agreed.mark_unchanged();
        let changed = tokio::select! {
            () = web.stop.cancelled() => return,
            changed = mirrors.follow() => changed,
        };
        if changed || web.seen.borrow().is_none() {
            web.seen.send_replace(Some(Arc::new(mirrors.seen())));
        }
        web.mirrored.beat();
        let goes_on = tokio::select! {
            () = web.stop.cancelled() => return,
            changed = site.changed() => changed.is_ok(),
            changed = agreed.changed() => changed.is_ok(),
            () = sleep(SWEEP) => true,
        };
        // Their owners are gone: the node is ending.
        if !goes_on {
            return;
        }
        sleep_until(began + APART).await;
    }
}

struct Mirrors {
    node: Arc<Node>,
    mirrors: BTreeMap<NodeId, Followed>,
    /// Whose journals cannot be read on.
    stale: BTreeSet<NodeId>,
    /// Of whom that was said once.
    warned: BTreeSet<NodeId>,
    /// Of the directory when runs were last looked through for missing plans.
    directory: u64,
}

impl Mirrors {
    fn new(node: Arc<Node>) -> Self {
        let (stale, warned) = (BTreeSet::new(), BTreeSet::new());
        Self { node, mirrors: BTreeMap::new(), stale, warned, directory: 0 }
    }

    /// Takes in what has come since; returns whether there was anything.
    async fn follow(&mut self) -> bool {
        let state = self.node.consensus.view().borrow().state.clone();
        let members = &state.members;
        let gone = |id: &NodeId, site: &SiteId| members.get(id).is_none_or(|m| m.site != *site);
        let before = self.mirrors.len();
        self.mirrors.retain(|id, one| !gone(id, &one.site));
        self.stale.retain(|id| members.contains_key(id));
        self.warned.retain(|id| members.contains_key(id));
        let mut changed = self.mirrors.len() < before;
        if self.directory != state.directory.version {
            self.directory = state.directory.version;
            self.mirrors.retain(|_, one| !one.mirror.would_tell_more(&state.directory));
        }
        for member in members.values() {
            let head = state.heads.get(&member.id).map(|head| head.id);
            let fresh = || Followed::new(member.site.clone(), member.id);
            let one = self.mirrors.entry(member.id).or_insert_with(fresh);
            let before = one.mirror.last();
            let read = catch_up(&self.node, one, member.id, head, &state.directory).await;
            changed |= one.mirror.last() != before;
            changed |= self.note(member.id, read);
        }
        changed
    }

    /// Whether it can be read on; returns whether that is news.
    fn note(&mut self, of: NodeId, read: Result<(), Unread>) -> bool {
        let Err(error) = read else { return self.stale.remove(&of) };
        if self.warned.insert(of) {
            tracing::warn!(
                %of, %error,
                "该节点的日志读不下去，其站点的显示已停在此处；请查磁盘和版本 / a journal cannot be \
                 read on, its site's board stands still; see to the disk and to the versions"
            );
        }
        self.stale.insert(of)
    }

    fn seen(&mut self) -> Seen {
        let mut seen = Seen::new();
        for (id, one) in &mut self.mirrors {
            let seen = seen.entry(one.site.clone()).or_default();
            seen.stale |= self.stale.contains(id);
            let picture = one.mirror.picture();
            one.told.keep(&picture.activations);
            seen.tell(&one.told);
            seen.show(*id, &picture);
            for run in picture.activations {
                note_times(seen, &one.mirror, &run);
                seen.runs.push(run);
            }
        }
        for site in seen.values_mut() {
            site.runs.sort_by_key(|run| (run.started, run.id));
        }
        seen
    }
}

impl Followed {
    fn new(site: SiteId, node: NodeId) -> Self {
        Self { mirror: Mirror::new(site.clone(), node), site, told: Told::default() }
    }
}

fn note_times(seen: &mut SiteSeen, mirror: &Mirror, run: &ActivationPicture) {
    if run.ended.is_some() {
        return;
    }
    for step in &run.steps {
        if let Some(until) = mirror.waits_until(run.id, &step.id) {
            seen.waits.insert((run.id, step.id.clone()), until);
        }
        for one in &step.targets {
            if let Some(at) = mirror.began(run.id, &one.target) {
                seen.began.insert((run.id, one.target.clone()), at);
            }
        }
    }
}

/// Reads on where the mirror stopped. A journal that cannot be read is left as
/// it is and tried again: what is known of it stays on the screen.
async fn catch_up(
    node: &Node,
    followed: &mut Followed,
    of: NodeId,
    head: Option<FactId>,
    directory: &Directory,
) -> Result<(), Unread> {
    let skipped = head.filter(|head| head.seq > BACK);
    let start = skipped.map(|head| FactId { seq: head.seq - BACK, ..head });
    loop {
        let after = followed.mirror.last().or(start);
        let page = node.site.reader().page(of, after, PAGE).await?;
        let full = page.len() >= PAGE.count;
        for bytes in page {
            let fact = codec::decode::<Fact>(&bytes)?;
            if followed.mirror.fold(&fact, directory) {
                followed.told.fold(&fact);
            }
        }
        if !full {
            return Ok(());
        }
        // The same page would come again, for ever.
        if followed.mirror.last().or(start) == after {
            return Err(Unread::Misplaced);
        }
    }
}
