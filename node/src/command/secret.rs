//! `weir secret`: passwords for devices, shown once to whoever sets them up.

use anyhow::Result;

use super::cluster::show;
use crate::api::secrets::{Made, Wanted};
use crate::cli::SecretCommand;
use crate::client::Client;

pub(super) async fn run(command: SecretCommand) -> Result<()> {
    let SecretCommand::Make { target, site, numbers } = command;
    let wanted = Wanted { site, numbers };
    let client = Client::new(&target.socket, &target.asking);
    let made: Vec<Made> = client.post("/api/v1/secrets", &wanted).await?;
    show(target.asking.output, &made, |made| {
        let line = |one: &Made| format!("{:<8} {}\n", one.number, one.password);
        match made.is_empty() {
            true => "全部设备已有口令；重设请写明号码 / every device has one; name the numbers to \
                     renew"
                .to_owned(),
            false => made.iter().map(line).collect(),
        }
    })
}
