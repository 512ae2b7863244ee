//! One process of the demo: it has a log, and it dies with the demo whatever
//! ends that. The kernel sees to it (`setpriv --pdeathsig`), because a demo that
//! was killed can no longer see to anything. Refuses to share the terminal's
//! Ctrl-C, so that the demo decides in which order things end.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// Where a program of this checkout lies: beside the demo's own.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe().context("who am I?")?.with_file_name(name);
    anyhow::ensure!(
        path.is_file(),
        "没有 {name} 程序，请执行 make demo / there is no {name} binary at {}; run make demo",
        path.display()
    );
    Ok(path)
}

/// What to run, and where it writes.
pub(crate) struct Order<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(&'a str, OsString)>,
    pub(crate) log: &'a Path,
}

/// See the module.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(order: Order<'_>) -> Result<Self> {
        let log = File::options().create(true).append(true).open(order.log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(order.program).args(order.args);
        command.envs(order.env).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| {
            let program = order.program.display();
            format!("无法启动 / cannot start {program}: setpriv (util-linux)")
        })?;
        Ok(Self { child })
    }

    /// `setpriv` becomes the program, so this is the program's.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_end(&self) {
        let pid = self.pid().to_string();
        // Gone already, then.
        let _ = Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &pid]).status();
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        // Either fails only for a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
