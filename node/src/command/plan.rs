//! `weir plan`: what a duty officer does when the console is out of reach.

use anyhow::Result;
use serde_json::json;
use weir_model::home::{ActivationPicture, Picture};

use super::cluster::show;
use crate::api::plans::{About, How, Launch, PlanAnswer, Sent};
use crate::cli::{PlanCommand, RunArgs, Target, YesNo};
use crate::client::Client;

pub(super) async fn run(command: PlanCommand) -> Result<()> {
    match command {
        PlanCommand::List { target } => list(&target).await,
        PlanCommand::Start { target, plan, site, mode, not_after } => {
            let launch = Launch { site, mode: mode.into(), not_after_s: not_after };
            send(&target, &format!("/api/v1/plans/{plan}/launch"), &launch).await
        }
        PlanCommand::Status { target } => status(&target).await,
        PlanCommand::Abort { target, activation, run } => {
            act(&target, &activation, "abort", about(run)).await
        }
        PlanCommand::Confirm { target, activation, step, answer, run } => {
            let yes = Some(answer == YesNo::Yes);
            let about = About { step: Some(step), yes, ..about(run) };
            act(&target, &activation, "confirm", about).await
        }
        PlanCommand::Repeat { target, activation, step, zone, attempt, run } => {
            let (step, zone) = (Some(step), Some(zone));
            let about = About { step, zone, attempt: Some(attempt), ..about(run) };
            act(&target, &activation, "repeat", about).await
        }
        PlanCommand::Delivery { target, intent } => {
            let client = Client::new(&target.socket, &target.asking);
            let how: How = client.get(&format!("/api/v1/intents/{intent}")).await?;
            show(target.asking.output, &how, |how| how.said.clone())
        }
    }
}

fn about(run: RunArgs) -> About {
    About {
        site: run.site,
        mode: run.mode.into(),
        step: None,
        yes: None,
        person: None,
        zone: None,
        conference: None,
        attempt: None,
    }
}

async fn act(target: &Target, activation: &str, verb: &str, about: About) -> Result<()> {
    send(target, &format!("/api/v1/activations/{activation}/{verb}"), &about).await
}

pub(super) async fn send(target: &Target, path: &str, body: &impl serde::Serialize) -> Result<()> {
    let sent: Sent = Client::new(&target.socket, &target.asking).post(path, body).await?;
    show(target.asking.output, &sent, |sent| {
        format!("{}\nintent 请求号 {}", sent.how.said, sent.intent)
    })
}

async fn list(target: &Target) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let plans: Vec<PlanAnswer> = client.get("/api/v1/plans").await?;
    show(target.asking.output, &plans, |plans| {
        let line = |p: &PlanAnswer| {
            let (id, level) = (&p.id, &p.level);
            format!("{id:<14} {level:<8} v{:<4} {} / {}\n", p.version, p.name_zh, p.name_en)
        };
        plans.iter().map(line).collect()
    })
}

async fn status(target: &Target) -> Result<()> {
    let client = Client::new(&target.socket, &target.asking);
    let picture: Picture = client.get("/api/v1/activations").await?;
    let text = |_: &serde_json::Value| {
        picture.activations.iter().map(activation).collect::<Vec<_>>().join("\n")
    };
    show(target.asking.output, &json!(picture), text)
}

fn activation(run: &ActivationPicture) -> String {
    let how = run.ended.as_ref().map_or("running 执行中".into(), |(how, _)| format!("{how:?}"));
    let mut text = format!("{} {} {:?} {how}\n", run.id, run.plan, run.mode);
    for step in &run.steps {
        text += &format!("  {:<6} {:?}\n", step.id, step.state);
        for target in &step.targets {
            let attempts = target.attempts.len();
            text += &format!("    {:<8} {:?} ({attempts})\n", target.target, target.state);
        }
    }
    text
}
