//! The binary `weir`: one program for the node and for the people who run it.

mod admission;
mod api;
mod calls;
mod cli;
mod client;
mod command;
mod config;
mod drill;
mod edge;
mod effects;
mod folder;
mod inbound;
mod journal_file;
mod node;
mod people;
mod planted;
mod relay;
mod rooms;
mod sites;
mod sms;
mod sounds;
mod speakers;
mod staging;
mod telephony;
mod web;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    match command::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {}", command::story(&error));
            ExitCode::from(command::exit_code(&error))
        }
    }
}
