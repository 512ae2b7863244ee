//! `weir sound`: what plans play, and where it lies.

use anyhow::Result;

use super::cluster::show;
use crate::api::sounds::{SoundAnswer, SoundsAnswer};
use crate::cli::SoundCommand;
use crate::client::Client;

pub(super) async fn run(command: SoundCommand) -> Result<()> {
    let SoundCommand::List { target } = command;
    let client = Client::new(&target.socket, &target.asking);
    let answer: SoundsAnswer = client.get("/api/v1/sounds").await?;
    show(target.asking.output, &answer, text)
}

fn text(answer: &SoundsAnswer) -> String {
    let mut text: String = answer.sounds.iter().map(line).collect();
    for (node, said) in &answer.nodes {
        let mark = if said.have == said.of { "齐 all" } else { "缺 some missing" };
        text += &format!(
            "{node:<8} {}/{} {mark} (directory v{})\n",
            said.have, said.of, said.directory
        );
    }
    text
}

fn line(sound: &SoundAnswer) -> String {
    let (name, text) = (&sound.name, &sound.text);
    let place = match (&sound.file, sound.here) {
        (None, _) => "未生成 not rendered".to_owned(),
        (Some(_), false) => "未到本节点 not here yet".to_owned(),
        (Some(file), true) => file.chars().take(12).collect(),
    };
    let seconds = f64::from(sound.ms.unwrap_or(0)) / 1000.0;
    format!("{name:<16} {seconds:>5.1} s  {place:<24} {text}\n")
}
