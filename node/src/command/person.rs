//! `weir person`: passwords. A password is read from the terminal without being
//! shown, or from standard input; never from the command line, where everybody
//! on the host could read it.

use std::io::{BufRead, IsTerminal, Read, Write};

use anyhow::{Context, Result};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::cluster::show;
use crate::api::people::{NewPassword, PasswordSet};
use crate::cli::{PersonCommand, Target};
use crate::client::Client;
use crate::web::Password;

/// Standard input is not read further than this for a password.
const LINE_MAX_BYTES: u64 = 4096;

/// What was typed cannot be a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadPassword {
    #[error("口令须为 8 个字符以上、512 字节以内 / a password takes 8 characters to 512 bytes")]
    Length,
    #[error("两次输入不一致，未作更改 / the two do not match, nothing changed")]
    Mismatch,
    #[error("没有读到口令，未作更改 / no password was given, nothing changed")]
    Missing,
}

pub(super) async fn run(command: PersonCommand) -> Result<()> {
    match command {
        PersonCommand::Passwd { target, who } => passwd(&target, &who).await,
    }
}

async fn passwd(target: &Target, person: &str) -> Result<()> {
    let password = if std::io::stdin().is_terminal() { typed_twice()? } else { line()? };
    if !password.is_long_enough() {
        return Err(BadPassword::Length.into());
    }
    let client = Client::new(&target.socket, &target.asking);
    let path = format!("/api/v1/people/{person}/password");
    let set: PasswordSet = client.post(&path, &NewPassword { password }).await?;
    show(target.asking.output, &set, |_| {
        format!(
            "{person} 的口令已设定；此前的登录已失效 / password of {person} set; signed-in \
                 sessions of theirs have ended"
        )
    })
}

fn line() -> Result<Password, std::io::Error> {
    let mut text = String::new();
    std::io::BufReader::new(std::io::stdin().take(LINE_MAX_BYTES)).read_line(&mut text)?;
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(Password::new(text))
}

fn typed_twice() -> Result<Password> {
    let _quiet = Quiet::begin().context("cannot hide what is typed")?;
    let first = asked("口令 / password: ")?;
    if !first.is_long_enough() {
        return Err(BadPassword::Length.into());
    }
    let second = asked("再输一次 / once more: ")?;
    if first.matches(&second) { Ok(first) } else { Err(BadPassword::Mismatch.into()) }
}

fn asked(prompt: &str) -> Result<Password> {
    let mut out = std::io::stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let mut text = String::new();
    if std::io::stdin().lock().take(LINE_MAX_BYTES).read_line(&mut text)? == 0 {
        return Err(BadPassword::Missing.into());
    }
    writeln!(out)?;
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(Password::new(text))
}

/// The terminal shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO;
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // The shell mends a terminal that is left so.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
