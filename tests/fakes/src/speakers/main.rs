//! SIP loudspeakers, many in one process, each after the habits of a class of
//! real devices (`profile`). They register, answer, listen and keep a ledger of
//! what they saw and a file of what they played. They refuse to know Weir: SIP
//! is read by another library than the node's, everything else is written here.
//!
//! `fake-speakers --config FILE.json --ledger FILE --audio DIR`
//!
//! The config is `{"speakers": [{"number", "password", "registrar", "profile"}],
//! "seed"}`, and for each speaker, if wanted, `listen`, `expires_s`, and a
//! `fault` with `fault_after_ms`, `fault_times`, `reboot_ms`.
//!
//! The ledger has one JSON object a line: `t_ms` (wall clock), `mono_ms`,
//! `number`, `event`, `call_id` where there is a call, and more by event:
//! `registered`, `register-refused`, `registrar-silent` · `invite` (`auto`: it
//! asks, in the device's dialect, to be answered), `answered`, `refused`,
//! `cancel`, `reinvite`, `bye-in`, `bye-out`, `timeout` · `rtp-first`, `rtp`
//! (once a second and at the end, about the whole call so far), `gap` (audio
//! that never came), `rtp-restarted`, `stranger` (RTP from where the caller is
//! not) · `unreadable`, `reboot`, `stopped`.
//!
//! The audio of a device's n-th answered call is `DIR/NUMBER-n.pcm`, 16-bit
//! little endian, 8,000 samples a second, whose sample 0 came at the `t_ms` of
//! `rtp-first`; G.722 is kept as it came in `.g722`, 8 bytes a millisecond.

mod answering;
mod call;
mod config;
mod device;
mod profile;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::device::Device;
use weir_fakes::ledger::Ledger;

/// For every device to write its last line.
const FAREWELL: Duration = Duration::from_secs(5);

struct Args {
    config: PathBuf,
    ledger: PathBuf,
    audio: PathBuf,
}

fn args() -> anyhow::Result<Args> {
    let (mut config, mut ledger, mut audio) = (None, None, None);
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        let place = match word.to_str() {
            Some("--config") => &mut config,
            Some("--ledger") => &mut ledger,
            Some("--audio") => &mut audio,
            _ => bail!("无法识别的参数 / unknown argument {}", word.display()),
        };
        *place = words.next().map(PathBuf::from);
    }
    Ok(Args {
        config: config.context("缺少 / missing: --config FILE")?,
        ledger: ledger.context("缺少 / missing: --ledger FILE")?,
        audio: audio.context("缺少 / missing: --audio DIR")?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Args { config, ledger, audio } = args()?;
    let config = Config::read(&config)?;
    let ledger = Ledger::open(&ledger)?;
    std::fs::create_dir_all(&audio)
        .with_context(|| format!("无法建立目录 / cannot make {}", audio.display()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut devices = Vec::new();
    for speaker in config.speakers {
        devices.push(Device::new(speaker, config.seed, ledger.clone(), audio.clone()).await?);
    }
    println!("ready: {}", devices.len());
    for device in devices {
        tasks.spawn(device.run(stop.clone()));
    }
    tasks.close();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    if timeout(FAREWELL, tasks.wait()).await.is_err() {
        bail!("有喇叭未能停下 / not every speaker ended within {FAREWELL:?}");
    }
    Ok(())
}
