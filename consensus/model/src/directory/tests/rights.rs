//! Who may do what, and what those hear who may not.

use super::super::{Action, Denied, Level, RoleKind};
use super::{demo, id};

#[test]
fn a_duty_officer_starts_the_red_plan_at_home_and_nowhere_else() {
    let demo = demo();
    let start = |who, site| demo.may_start(&id(who), &id("P-38-page"), &id(site));
    assert_eq!(start("li.qingsong", "R3"), Ok(RoleKind::SiteDuty));
    let denied = start("li.qingsong", "R4").unwrap_err();
    assert_eq!(denied, Denied::Scope { person: id("li.qingsong"), site: id("R4") });
    assert!(denied.to_string().contains("ask someone whose roles reach R4"));
    assert!(denied.zh().contains("R4"));
    assert_eq!(start("lin.guodong", "R4"), Ok(RoleKind::Commander));
}

#[test]
fn a_dispatcher_is_told_which_roles_may_start_the_red_plan() {
    let demo = demo();
    let denied = demo.may_start(&id("ma.xiaolan"), &id("P-38-page"), &id("R3")).unwrap_err();
    let said = denied.to_string();
    assert!(said.contains("commander, chief_dispatcher, site_duty:own"), "{said}");
}

#[test]
fn the_chief_dispatcher_cannot_sound_the_all_clear_that_the_plan_keeps_for_others() {
    let demo = demo();
    let start = |who| demo.may_start(&id(who), &id("P-39-clear"), &id("R3"));
    assert!(matches!(start("zhao.wenhui"), Err(Denied::Role { .. })));
    assert_eq!(start("gao.yanfei"), Ok(RoleKind::SiteDuty));
}

/// "Own site" means a site that the role names; a role that holds everywhere
/// names none.
#[test]
fn a_duty_role_for_all_sites_has_no_own_site() {
    let mut demo = demo();
    let duty = demo.people.get_mut("li.qingsong").unwrap();
    duty.roles[0].sites = super::super::Scope::All;
    let denied = demo.may_start(&id("li.qingsong"), &id("P-38-page"), &id("R3"));
    assert!(matches!(denied, Err(Denied::Scope { .. })));
}

#[test]
fn an_admin_commands_nobody() {
    let demo = demo();
    let best = |action| demo.best_role(&id("shen.lu"), action, &id("HQ"));
    assert_eq!(best(Action::EditDirectory), Ok(RoleKind::Admin));
    for action in [Action::Page, Action::AbortPlan, Action::StartPlan(Level::Clear)] {
        assert!(matches!(best(action), Err(Denied::Role { .. })));
    }
}

#[test]
fn a_higher_role_may_answer_for_a_lower_one_within_its_scope() {
    let demo = demo();
    let answer =
        |who, site| demo.best_role(&id(who), Action::Confirm(RoleKind::SiteDuty), &id(site));
    assert_eq!(answer("lin.guodong", "R5"), Ok(RoleKind::Commander));
    assert_eq!(answer("qiu.haitao", "R5"), Ok(RoleKind::Dispatcher));
    assert!(matches!(answer("tang.yue", "R5"), Err(Denied::Scope { .. })));
    let commander = Action::Confirm(RoleKind::Commander);
    assert!(demo.best_role(&id("li.qingsong"), commander, &id("R3")).is_err());
}

#[test]
fn unknown_names_are_refused_by_name() {
    let demo = demo();
    let denied = |who, plan, site| demo.may_start(&id(who), &id(plan), &id(site)).unwrap_err();
    assert!(denied("nobody", "P-38-page", "R3").to_string().contains("person nobody"));
    assert!(denied("li.qingsong", "P-1", "R3").to_string().contains("plan P-1"));
    assert!(denied("li.qingsong", "P-38-page", "R9").to_string().contains("site R9"));
}
