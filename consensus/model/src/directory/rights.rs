//! Rights: roles × site scope × rank. Who may do what, and where, in one table;
//! a refusal says which role would have been needed. Nothing here knows who is
//! signed in, or whether a link is up.

use serde::{Deserialize, Serialize};

use super::person::{Person, RoleKind, Scope};
use super::plan::{Authority, Level};
use super::word::Word;
use super::{Directory, RecordRef};
use crate::id::{PersonId, PlanId, SiteId};

/// Something that needs a right at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    StartPlan(Level),
    AbortPlan,
    /// Page a zone, or stop a page.
    Page,
    /// Answer a question that a plan asks this role, or a higher one.
    Confirm(RoleKind),
    BargeIn,
    Monitor,
    EditDirectory,
    ReadJournal,
}

impl Action {
    /// The table of rights.
    pub fn allowed_to(self, role: RoleKind) -> bool {
        use RoleKind::{Admin, ChiefDispatcher, Commander, Dispatcher, SiteDuty};
        match (self, role) {
            (Self::EditDirectory, Admin | Commander) => true,
            (Self::EditDirectory, ChiefDispatcher | Dispatcher | SiteDuty) => false,
            (Self::ReadJournal, _) => true,
            // An admin keeps the machine; the river is not the machine.
            (_, Admin) => false,
            // The duty officer has the red plan too: a cut-off site has nobody else.
            (Self::StartPlan(level), Dispatcher) => level < Level::Red,
            (Self::StartPlan(_), Commander | ChiefDispatcher | SiteDuty) => true,
            (Self::Confirm(asked), role) => role.rank() <= asked.rank(),
            (Self::AbortPlan | Self::Page, _) => true,
            (Self::BargeIn | Self::Monitor, SiteDuty) => false,
            (Self::BargeIn | Self::Monitor, Commander | ChiefDispatcher | Dispatcher) => true,
        }
    }
}

/// Why a person may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Denied {
    #[error("there is no {} {}; reload and choose again", .0.kind(), .0.id())]
    Unknown(RecordRef),
    #[error("{person} holds none of the roles {roles} that may do this; ask someone who does")]
    Role { person: PersonId, roles: String },
    #[error("{person} holds no such role at {site}; ask someone whose roles reach {site}")]
    Scope { person: PersonId, site: SiteId },
}

impl Denied {
    /// The refusal for a Chinese screen; `Display` is the English one.
    pub fn zh(&self) -> String {
        match self {
            Self::Unknown(what) => {
                format!("{} {} 不存在；请刷新后重选", what.kind().zh(), what.id())
            }
            Self::Role { person, roles } => {
                format!("{person} 没有可执行此操作的角色（{roles}）；请由有权限的人执行")
            }
            Self::Scope { person, site } => {
                format!("{person} 的角色不及于 {site}；请由管辖 {site} 的人执行")
            }
        }
    }
}

impl Directory {
    /// The highest role by which `person` may do `action` at `site`.
    ///
    /// # Errors
    /// When there is none; says whether the role or its scope is lacking.
    pub fn best_role(
        &self,
        person: &PersonId,
        action: Action,
        site: &SiteId,
    ) -> Result<RoleKind, Denied> {
        self.require_site(site)?;
        let who = self.require_person(person)?;
        let able: Vec<_> = who.roles.iter().filter(|held| action.allowed_to(held.role)).collect();
        if able.is_empty() {
            let roles = RoleKind::ALL.iter().filter(|role| action.allowed_to(**role));
            let roles = roles.map(|role| role.word()).collect::<Vec<_>>().join(", ");
            return Err(Denied::Role { person: person.clone(), roles });
        }
        let reaching = able.iter().filter(|held| held.sites.covers(site)).map(|held| held.role);
        let denied = Denied::Scope { person: person.clone(), site: site.clone() };
        reaching.min_by_key(|role| role.rank()).ok_or(denied)
    }

    /// The highest role by which `person` may do `action` at every site.
    ///
    /// # Errors
    /// When there is none; says whether the role or its scope is lacking.
    pub fn may_everywhere(&self, person: &PersonId, action: Action) -> Result<RoleKind, Denied> {
        let who = self.require_person(person)?;
        let able = who.roles.iter().filter(|held| action.allowed_to(held.role));
        let all = able.filter(|held| held.sites == Scope::All).map(|held| held.role);
        all.min_by_key(|role| role.rank()).ok_or_else(|| {
            let roles = RoleKind::ALL.iter().filter(|role| action.allowed_to(**role));
            let roles = roles.map(|role| format!("{}:all", role.word())).collect::<Vec<_>>();
            Denied::Role { person: person.clone(), roles: roles.join(", ") }
        })
    }

    /// Whether `person` may start `plan` at `site`, and by which role.
    ///
    /// # Errors
    /// When not; says whether the role or its scope is lacking.
    pub fn may_start(
        &self,
        person: &PersonId,
        plan: &PlanId,
        site: &SiteId,
    ) -> Result<RoleKind, Denied> {
        self.require_site(site)?;
        let who = self.require_person(person)?;
        let unknown = || Denied::Unknown(RecordRef::Plan(plan.clone()));
        let plan = self.plans.get(plan).ok_or_else(unknown)?;
        let able = |who: &&Authority| Action::StartPlan(plan.level).allowed_to(who.role);
        let named: Vec<_> = plan.authority.iter().filter(able).collect();
        let holds = |wanted: &Authority| who.roles.iter().any(|held| held.role == wanted.role);
        if !named.iter().any(|wanted| holds(wanted)) {
            let roles = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Denied::Role { person: person.clone(), roles });
        }
        let reaching = named.iter().filter(|wanted| reaches(who, wanted, site));
        let denied = Denied::Scope { person: person.clone(), site: site.clone() };
        reaching.map(|wanted| wanted.role).min_by_key(|role| role.rank()).ok_or(denied)
    }

    fn require_person(&self, person: &PersonId) -> Result<&Person, Denied> {
        let unknown = || Denied::Unknown(RecordRef::Person(person.clone()));
        self.people.get(person).ok_or_else(unknown)
    }

    fn require_site(&self, site: &SiteId) -> Result<(), Denied> {
        match self.sites.contains_key(site) {
            true => Ok(()),
            false => Err(Denied::Unknown(RecordRef::Site(site.clone()))),
        }
    }
}

fn reaches(who: &Person, wanted: &Authority, site: &SiteId) -> bool {
    who.roles.iter().filter(|held| held.role == wanted.role).any(|held| match wanted.own_site {
        true => held.sites.names(site),
        false => held.sites.covers(site),
    })
}
