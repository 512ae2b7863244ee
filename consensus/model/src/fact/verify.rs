//! Reads a journal back and says whether it is the one that was written. What
//! is wrong is named with its spot: a changed byte, a missing fact, a swap, a
//! false link. It trusts nothing but the bytes and, where one is given, a head
//! known from elsewhere; without one, a change in the very last fact cannot be
//! seen, because nothing after it vouches for it.

use std::fmt;

use super::{Fact, FactBody, FactId, Head};
use crate::codec::{self, DecodeError};
use crate::id::Hash;
use crate::refusal::Said;

/// Where a journal stops being what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Counted from 0, in records.
    pub position: u64,
    pub id: Option<FactId>,
    pub what: What,
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Empty,
    Undecodable(DecodeError),
    /// The record is not the one whose hash its successor, or the head, names.
    Changed,
    /// Facts with these numbers should stand here.
    Missing {
        from: u64,
        to: u64,
    },
    /// The fact stands here, though another belongs here.
    OutOfOrder {
        expected: u64,
    },
    /// The fact was written by another node, or for another site.
    Stranger,
    /// A journal begins with `Began`, and says so only once an incarnation.
    Beginning,
    /// The incarnation does not follow the one before it.
    Incarnation,
    /// This record and the one before do not fit; nothing after tells which of
    /// them changed.
    Unlinked,
}

/// Reads one node's journal, one or more incarnations, oldest first. `known` is
/// a head learnt elsewhere, such as from Raft or another site.
///
/// # Errors
/// Names the first record that is not what was written.
pub fn verify<I>(records: I, known: Option<&Head>) -> Result<Head, Broken>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut records = records.into_iter().peekable();
    let mut last: Option<Link> = None;
    let mut position = 0;
    while let Some(bytes) = records.next() {
        let bytes = bytes.as_ref();
        let fact: Fact =
            codec::decode(bytes).map_err(|why| broken(position, None, What::Undecodable(why)))?;
        let link = Link { position, head: Head { id: fact.id, hash: Fact::hash_of(bytes) }, fact };
        let next = records.peek().and_then(|next| codec::decode::<Fact>(next.as_ref()).ok());
        match &last {
            None => link.opens(None)?,
            Some(before) if before.fact.id.incarnation == link.fact.id.incarnation => {
                link.follows(before, next.as_ref(), known)?;
            }
            Some(before) if link.unmasks(before) => return Err(before.broken(What::Changed)),
            Some(before) => link.opens(Some(before))?,
        }
        if known.is_some_and(|known| known.id == link.head.id && known.hash != link.head.hash) {
            return Err(link.broken(What::Changed));
        }
        last = Some(link);
        position += 1;
    }
    let last = last.ok_or_else(|| broken(0, None, What::Empty))?;
    match known {
        Some(known) if is_later(&known.id, &last.head.id) => {
            let same = known.id.incarnation == last.head.id.incarnation;
            let from = if same { last.head.id.seq + 1 } else { 1 };
            Err(broken(position, None, What::Missing { from, to: known.id.seq }))
        }
        _ => Ok(last.head),
    }
}

fn is_later(one: &FactId, other: &FactId) -> bool {
    one.node == other.node && (one.incarnation, one.seq) > (other.incarnation, other.seq)
}

fn broken(position: u64, id: Option<FactId>, what: What) -> Broken {
    Broken { position, id, what }
}

/// A record that decoded, and where it stood.
struct Link {
    position: u64,
    head: Head,
    fact: Fact,
}

impl Link {
    fn broken(&self, what: What) -> Broken {
        broken(self.position, Some(self.fact.id), what)
    }

    /// Whether the record before would fit if it bore this one's names: then
    /// somebody changed the names in it. Nothing before it vouches for the
    /// names in a first fact.
    fn unmasks(&self, before: &Self) -> bool {
        let id = FactId { seq: before.fact.id.seq, ..self.fact.id };
        let named = Fact { id, site: self.fact.site.clone(), ..before.fact.clone() };
        named.hash().is_ok_and(|hash| hash == self.fact.previous)
    }

    /// The first fact of an incarnation.
    fn opens(&self, before: Option<&Self>) -> Result<(), Broken> {
        let FactBody::Began { after } = &self.fact.body else {
            return Err(match self.fact.id.seq {
                0 | 1 => self.broken(What::Beginning),
                seq => self.broken(What::Missing { from: 1, to: seq - 1 }),
            });
        };
        if self.fact.id.seq != 1 || self.fact.previous != Hash::default() {
            return Err(self.broken(What::Changed));
        }
        let Some(before) = before else { return Ok(()) };
        if before.fact.id.node != self.fact.id.node || before.fact.site != self.fact.site {
            return Err(self.broken(What::Stranger));
        }
        let last = &before.head;
        match after {
            _ if self.fact.id.incarnation <= last.id.incarnation => {
                Err(self.broken(What::Incarnation))
            }
            Some(named) if named.id == last.id && named.hash != last.hash => {
                Err(before.broken(What::Changed))
            }
            Some(named) if is_later(&named.id, &last.id) => {
                let from = last.id.seq + 1;
                Err(self.broken(What::Missing { from, to: named.id.seq }))
            }
            // An earlier head is what a node knows that lost its disk.
            Some(_) => Ok(()),
            None => Err(self.broken(What::Incarnation)),
        }
    }

    /// Any later fact.
    fn follows(
        &self,
        before: &Self,
        next: Option<&Fact>,
        known: Option<&Head>,
    ) -> Result<(), Broken> {
        let linked = self.fact.previous == before.head.hash;
        let expected = before.fact.id.seq.saturating_add(1);
        let seq = self.fact.id.seq;
        if seq != expected {
            let swapped = next.is_some_and(|next| next.id.seq == expected);
            return Err(self.broken(match () {
                // It fits where it stands: only its number was changed.
                () if linked => What::Changed,
                () if swapped || seq < expected => What::OutOfOrder { expected },
                () => What::Missing { from: expected, to: seq - 1 },
            }));
        }
        if self.fact.id.node != before.fact.id.node || self.fact.site != before.fact.site {
            return Err(match self.unmasks(before) {
                true => before.broken(What::Changed),
                false => self.broken(What::Stranger),
            });
        }
        if linked {
            return match &self.fact.body {
                FactBody::Began { .. } => Err(self.broken(What::Beginning)),
                _ => Ok(()),
            };
        }
        // One of the two changed. Whoever is vouched for from behind did not.
        let vouched = match (next, known) {
            (Some(next), _) if next.id.seq == expected.saturating_add(1) => Some(next.previous),
            (_, Some(known)) if known.id == self.head.id => Some(known.hash),
            _ => None,
        };
        Err(match vouched {
            Some(hash) if hash == self.head.hash => before.broken(What::Changed),
            Some(_) => self.broken(What::Changed),
            None => self.broken(What::Unlinked),
        })
    }
}

impl Broken {
    /// What to show a person.
    pub fn said(&self) -> Said {
        let (zh, en) = self.what.said();
        let place = self.position + 1;
        let (id_zh, id_en) = match self.id {
            Some(id) => (format!("（事实 {id}）"), format!(" (fact {id})")),
            None => (String::new(), String::new()),
        };
        Said {
            zh: format!("日志第 {place} 条{id_zh}：{zh}。请封存此副本，并从另一站点取一份核对"),
            en: format!(
                "journal record {place}{id_en}: {en}; seal this copy and compare another site's"
            ),
        }
    }
}

impl What {
    fn said(&self) -> (String, String) {
        match self {
            Self::Empty => ("没有任何记录".into(), "there are no records".into()),
            Self::Undecodable(why) => (format!("无法解读（{why}）"), format!("unreadable ({why})")),
            Self::Changed => {
                ("内容被改动".into(), "the record is not the one that was written".into())
            }
            Self::Missing { from, to } => (
                format!("缺少第 {from} 至 {to} 号事实"),
                format!("facts {from} to {to} are missing"),
            ),
            Self::OutOfOrder { expected } => (
                format!("顺序错误，此处应为第 {expected} 号"),
                format!("out of order, fact {expected} belongs here"),
            ),
            Self::Stranger => {
                ("由其他节点或站点写入".into(), "written by another node or site".into())
            }
            Self::Beginning => {
                ("起始记录不当".into(), "the mark of a beginning is misplaced".into())
            }
            Self::Incarnation => (
                "新一代日志没有接在上一代之后".into(),
                "the incarnation does not follow the one before".into(),
            ),
            Self::Unlinked => (
                "与前一条不相接，其中一条被改动".into(),
                "this record and the one before do not fit, one of them changed".into(),
            ),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for Broken {}
