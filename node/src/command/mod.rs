//! What each command does. A command prints to standard output what was asked
//! for and nothing else; everything about the way there goes to standard error.

mod apply;
mod call;
mod cluster;
mod conference;
mod found;
mod journal;
mod person;
mod plan;
mod secret;
mod sound;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::api::plans::PageOrder;
use crate::cli::{Args, BoardCommand, Command, LinkCommand, MemberCommand, TokenCommand};
use crate::client::ClientError;
use crate::config::Config;

/// 1: failed. 3: refused. 4: outcome unknown. 5: no node or no leader in reach.
/// (2 is a wrong command line.)
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoNode { .. }) => 5,
        Some(ClientError::Silent(_)) => 4,
        Some(ClientError::Problem(problem)) => match problem.status {
            504 => 4,
            503 => 5,
            500 => 1,
            _ => 3,
        },
        Some(ClientError::Answer(_)) | None => {
            if let Some(not_joined) = error.downcast_ref::<found::NotJoined>() {
                return not_joined.exit_code();
            }
            let refused = error.is::<apply::Mistaken>()
                || error.is::<found::BadToken>()
                || error.is::<person::BadPassword>();
            if refused { 3 } else { 1 }
        }
    }
}

/// The error and its causes, each said once.
pub(crate) fn story(error: &anyhow::Error) -> String {
    let mut story = String::new();
    for part in error.chain().map(ToString::to_string) {
        if !story.contains(&part) {
            story += if story.is_empty() { "" } else { ": " };
            story += &part;
        }
    }
    story
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    if let Command::Run { config } = args.command {
        start_logging();
        let config = Config::load(&config.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")?;
        return runtime.block_on(crate::node::run(config));
    }
    if let Command::MediaWorker = args.command {
        weir_media_worker::run();
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(ask(args.command))
}

fn start_logging() {
    let filter = EnvFilter::try_from_env("WEIR_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,openraft=error,quinn=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

async fn ask(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { .. } => Ok(()),
        Command::Init { config, profile } => {
            found::init(&Config::load(&config.config)?, profile.into())
        }
        Command::Join { config, token, role } => {
            found::join(&Config::load(&config.config)?, &token, role.into()).await
        }
        Command::Status { target } => cluster::status(&target).await,
        Command::Token(TokenCommand::Create { target, role, ttl }) => {
            cluster::create_token(&target, role.into(), ttl).await
        }
        Command::Member(MemberCommand::List { target }) => cluster::members(&target).await,
        Command::Member(MemberCommand::Remove { target, name }) => {
            cluster::remove(&target, &name).await
        }
        Command::Apply { target, file, dry_run } => apply::apply(&target, &file, dry_run).await,
        Command::Board(BoardCommand::List { target }) => cluster::board(&target).await,
        Command::Board(BoardCommand::Set { target, key, text }) => {
            cluster::post(&target, key, text).await
        }
        Command::Person(command) => person::run(command).await,
        Command::Plan(command) => plan::run(command).await,
        Command::Page { target, zone, audio, repeat, mode, not_after } => {
            let order = PageOrder { audio, repeat, mode: mode.into(), not_after_s: not_after };
            plan::send(&target, &format!("/api/v1/zones/{zone}/page"), &order).await
        }
        Command::MediaWorker => Ok(()),
        Command::Call(command) => call::run(command).await,
        Command::Conference(command) => conference::run(command).await,
        Command::Secret(command) => secret::run(command).await,
        Command::Sound(command) => sound::run(command).await,
        Command::Journal(command) => journal::run(command).await,
        Command::Link(LinkCommand::Cut { target }) => cluster::shape(&target, true).await,
        Command::Link(LinkCommand::Heal { target }) => cluster::shape(&target, false).await,
    }
}
