//! `weir conference`: who is in a conference of this site, and what is ordered of it.

use anyhow::Result;

use super::cluster::show;
use crate::api::conferences::{ConferenceAnswer, MemberAnswer, OpenAsked, OrderAsked, Ordered};
use crate::cli::{ConferenceCommand, OnOff, Target};
use crate::client::Client;

pub(super) async fn run(command: ConferenceCommand) -> Result<()> {
    use ConferenceCommand as C;
    match command {
        C::List { target } => {
            let client = Client::new(&target.socket, &target.asking);
            let all: Vec<ConferenceAnswer> = client.get("/api/v1/conferences").await?;
            show(target.asking.output, &all, |all| match all.is_empty() {
                true => "没有会商 / no conferences".into(),
                false => all.iter().map(head).collect(),
            })
        }
        C::Show { target, room } => {
            let client = Client::new(&target.socket, &target.asking);
            let one: ConferenceAnswer = client.get(&format!("/api/v1/conferences/{room}")).await?;
            show(target.asking.output, &one, |one| {
                head(one) + &one.members.iter().map(line).collect::<String>()
            })
        }
        C::Open { target, room, members, confirm } => {
            let client = Client::new(&target.socket, &target.asking);
            let asked = OpenAsked { room, members, confirm };
            let opened: Ordered = client.post("/api/v1/conferences", &asked).await?;
            show(target.asking.output, &opened, |one| format!("{} 已召集 / opened", one.id))
        }
        C::Mute { target, room, who } => order(&target, &room, "mute", who, true).await,
        C::Unmute { target, room, who } => order(&target, &room, "mute", who, false).await,
        C::Lecture { target, room, turn } => {
            order(&target, &room, "lecture", None, turn == OnOff::On).await
        }
        C::Lock { target, room } => order(&target, &room, "lock", None, true).await,
        C::Unlock { target, room } => order(&target, &room, "lock", None, false).await,
        C::Remove { target, room, who } => order(&target, &room, "remove", Some(who), true).await,
        C::Invite { target, room, who } => order(&target, &room, "invite", Some(who), true).await,
        C::Redial { target, room, who } => order(&target, &room, "redial", Some(who), true).await,
        C::End { target, room } => order(&target, &room, "end", None, true).await,
    }
}

/// Mute without anybody named is for all.
async fn order(
    target: &Target,
    room: &str,
    word: &str,
    who: Option<String>,
    on: bool,
) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let word = if word == "mute" && who.is_none() { "mute-all" } else { word };
    let asked = OrderAsked { order: word.into(), who, on };
    let done: Ordered = client.post(&format!("/api/v1/conferences/{room}/orders"), &asked).await?;
    show(target.asking.output, &done, |one| format!("{} 已下达 / ordered", one.id))
}

fn head(one: &ConferenceAnswer) -> String {
    let locked = if one.locked { " 锁定 locked" } else { "" };
    let lecture = if one.lecture { " 讲话模式 lecture" } else { "" };
    let missing = match one.missing.is_empty() {
        true => String::new(),
        false => format!("  未连通 missing: {}", one.missing.join(",")),
    };
    format!(
        "{}  {}  {}  {} 人在会 joined{locked}{lecture}{missing}\n",
        one.id, one.number, one.title, one.joined
    )
}

fn line(one: &MemberAnswer) -> String {
    let mute = if one.muted { " 静音 mute" } else { "" };
    let speaks = if one.speaks { " 发言 speaks" } else { "" };
    format!("  {:<20} {:<8} {}{mute}{speaks}\n", one.who, one.site, one.state)
}
