//! In good weather the nodes come together: one leader, everybody at the same
//! index with the same members, voters and board.

use weir_model::decision::Role;

use super::{Final, Invariant, Seen};

#[derive(Default)]
pub(super) struct AllAlike;

/// Says what still differs.
///
/// # Errors
/// While the nodes are not alike.
pub(crate) fn alike(nodes: &[Final]) -> Result<(), String> {
    let mut first: Option<&Final> = None;
    for node in nodes {
        let id = node.node;
        let (Some(view), Some(status)) = (&node.view, &node.status) else {
            return Err(format!("{id} is not up"));
        };
        let Some(leader) = status.leader else { return Err(format!("{id} knows no leader")) };
        let voters = view.state.members.values().filter(|member| member.role == Role::Voter);
        if !view.voters.iter().eq(voters.map(|member| &member.id)) {
            return Err(format!("{id}: not every voter agreed on votes"));
        }
        let Some(known) = first else {
            first = Some(node);
            continue;
        };
        let (Some(other), Some(its)) = (&known.view, &known.status) else { continue };
        if Some(leader) != its.leader {
            return Err(format!("{id} follows {leader}, {} follows {:?}", known.node, its.leader));
        }
        if view.applied != other.applied {
            let (one, two) = (view.applied, other.applied);
            return Err(format!("{id} is at {one}, {} at {two}", known.node));
        }
        if view.state != other.state {
            return Err(format!("{id} and {} hold different states", known.node));
        }
        if (&view.voters, &view.learners) != (&other.voters, &other.learners) {
            return Err(format!("{id} and {} know different voters", known.node));
        }
    }
    Ok(())
}

impl Invariant for AllAlike {
    fn name(&self) -> &'static str {
        "all alike in the end"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Ended { nodes } => alike(nodes),
            _ => Ok(()),
        }
    }
}
