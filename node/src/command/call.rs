//! `weir call`: who talks with whom at this site, and ending a call.

use anyhow::Result;

use super::cluster::show;
use crate::api::calls::{CallAnswer, CallOver};
use crate::cli::CallCommand;
use crate::client::Client;

pub(super) async fn run(command: CallCommand) -> Result<()> {
    match command {
        CallCommand::List { target } => {
            let client = Client::new(&target.socket, &target.asking);
            let calls: Vec<CallAnswer> = client.get("/api/v1/calls").await?;
            show(target.asking.output, &calls, |calls| match calls.is_empty() {
                true => "没有通话 / no calls".into(),
                false => calls.iter().map(line).collect(),
            })
        }
        CallCommand::End { target, id } => {
            let client = Client::new(&target.socket, &target.asking);
            let over: CallOver = client.delete(&format!("/api/v1/calls/{id}")).await?;
            show(target.asking.output, &over, |over| format!("{} 已结束 / ended", over.id))
        }
    }
}

fn line(call: &CallAnswer) -> String {
    let at = call.at.as_ref().map(|site| format!(" @{site}")).unwrap_or_default();
    let urgent = if call.emergency { " 紧急 EMERGENCY" } else { "" };
    format!(
        "{}  {:<8} → {:<8} {:<16} {}{at}{urgent}\n",
        call.id,
        call.from,
        call.dialled,
        call.by.clone().unwrap_or_else(|| call.rings.join(",")),
        call.state
    )
}
