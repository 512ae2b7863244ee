//! People with telephones, many in one process, and trunks to the outside world
//! with people behind them. Each answers, or does not, as its list says for this
//! call and that one, presses keys, and keeps a ledger of what it saw and a file
//! of what it heard. They refuse to know Weir: SIP is read by another library
//! than the node's, everything else is written here.
//!
//! `fake-people --config FILE.json --ledger FILE --audio DIR`
//!
//! The config, where all but `number`, `password` and `registrar` may be left
//! out:
//!
//! ```json
//! {"seed": 1,
//!  "people": [{"number": "2101", "password": "…", "registrar": "127.0.0.1:5060",
//!    "listen": "127.0.0.9:0", "expires_s": 3600, "hash": "md5", "lines": 1,
//!    "calls": [{"does": "never-answers"}, {"does": "presses", "keys": "1"}],
//!    "tone_hz": 470, "codec": "pcma", "message_code": 200,
//!    "dials": [{"to": "1500", "after_ms": 0, "talks_ms": 8000, "gives_up_ms": 9000,
//!      "holds_at_ms": 4000, "held_ms": 2000}]}],
//!  "tones_hz": [440],
//!  "trunks": [{"number": "P290", "password": "…", "registrar": "127.0.0.1:5060",
//!    "lines": 4, "ledger": "trunk.ledger",
//!    "outside": {"13900000001": [{"does": "presses", "way": "inband"}]},
//!    "calls": [{"does": "never-answers"}]}]}
//! ```
//!
//! The n-th call (copies of an INVITE are not calls) meets the n-th of `calls`,
//! and the last one over and over; a trunk counts for each number outside, and
//! its `calls` are for those not in `outside`. Without `calls`, nobody answers.
//! A call for which no line is free is refused with 486 and not counted. What
//! people may do, with what is assumed when it is not said:
//!
//! - `never-answers`: rings until CANCEL.
//! - `answers`: `after_ms` 300, `stays_ms` (until BYE).
//! - `presses`: `keys` "1", `way` "rfc4733" (or "info", "inband", "all"),
//!   `after_ms` 300, `first_after_ms` 1500 from the answer, `gap_ms` 1000.
//! - `presses-after-hearing`: `times` 2, then as `presses`, but `first_after_ms`
//!   300 from the end of the announcement, which must be played over and over.
//! - `wrong-key`: as `presses`, with "7".
//! - `wrong-then-right`: as `presses`, with "71" and `gap_ms` 3000.
//! - `voice-mail`: `after_ms` 0, `stays_ms` 60000: speech-like noise for 3 s, a
//!   beep of 1 kHz, then it records.
//! - `early-media`: 183 and `sounds_ms` 3000 of colour-ring, then silence and 180;
//!   `after_ms` (never answers).
//! - `busy`, `declines`: 486, 603, `after_ms` 300.
//! - `refuses`: `code` 480, `reason`, `after_ms` 300.
//! - `hangs-up`: answers after `after_ms` 300 and hangs up `stays_ms` 0 later.
//! - `unreachable`: says nothing at all to the call, whose only line is `invite`.
//!
//! Somebody with `tone_hz` speaks that tone, at a tenth of the full scale, from the
//! answer (or the last key) until the call is over, and listens for `tones_hz` and
//! the tones of all the others. Somebody with `dials` makes those calls, each
//! `after_ms` 0 after everybody here was registered once; `talks_ms`, `gives_up_ms` (CANCEL)
//! and `holds_at_ms` (for `held_ms` 3000) are never when they are not said.
//! `codec` ("pcma" or "pcmu") is the only one then; without it both are taken, and
//! A-law is offered.
//!
//! A text (SIP MESSAGE) is answered with `message_code`; 0 is no answer.
//!
//! The ledger has one JSON object a line: `t_ms` (wall clock), `mono_ms`,
//! `number` (the account), `event`, `call_id` where there is a call, and more by
//! event. A copy of a message makes no line.
//!
//! - Account: `registered` `expires_s`, `register-refused` `code`,
//!   `registrar-silent` `why`, `unreadable`, `stopped`; `message` (`from`,
//!   `from_name`, `text`, `code`).
//! - Call: `invite` (`from`, `from_name`, `asserted`, `to`, `source`, `attempt`,
//!   `does`), `ringing` (`code`, `audio` of early media), `answered` (`codec`,
//!   `audio`, `after_ms`, `keys`: how they may travel), `refused` (`code`, `why`),
//!   `ack` `code`, `reinvite` (`sends`, `receives`), `info` (one came: `code`,
//!   `body`), `cancel` and `bye-in` (by the caller), `bye-out` `why` (by the
//!   person), `bye-answered` `code`, `timeout` `waited_for`.
//! - A call of their own: `dialled` `to`, `progress` `code`, `answered` as above,
//!   `call-refused` (`code`, `why`: the code's name, `words`: of Warning), `held`
//!   and `resumed` `code`; the rest as in calls that came.
//! - Keys: `key` (`key`, `ways`, `at_ms` since the answer), `key-lost` (no way was
//!   there), `info-answered` `code`.
//! - Sound: `rtp-first`, `rtp` (once a second and at the end, about the whole call
//!   so far: `audio_ms` received, `sounding_ms` of it not silence), `gap`,
//!   `rtp-restarted`, `stranger`, as of `fake-speakers`; `heard` (`times` that the
//!   announcement was heard to its end); five times a second `tones` (`at_ms` since
//!   the answer, `hz`: those heard in the last 200 ms, `levels_db` of every tone
//!   known, `holes` that ended: `hz`, `at_ms`, `ms`; `gap_ms`: the longest time
//!   without a packet since the line before).
//!
//! What was heard in the n-th call with media is `DIR/NUMBER-n.pcm`, 16-bit
//! little endian, 8,000 samples a second, whose sample 0 came at the `t_ms` of
//! `rtp-first`, which may be before the answer.

mod call;
mod caller;
mod config;
mod dialog;
mod ear;
mod listener;
mod mouth;
mod phone;
mod script;
mod voice;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_fakes::ledger::Ledger;

use crate::config::Config;
use crate::phone::Phone;

/// For every call to write its last line.
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
    let mut phones = Vec::new();
    let accounts = config.accounts(&ledger)?;
    let (lacking, _) = watch::channel(accounts.len());
    for account in accounts {
        let ends = (&tasks, &stop);
        phones.push(Phone::new(account, config.seed, &audio, &lacking, ends).await?);
    }
    println!("ready: {}", phones.len());
    for phone in phones {
        tasks.spawn(phone.run());
    }
    tasks.close();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    if timeout(FAREWELL, tasks.wait()).await.is_err() {
        bail!("有电话未能停下 / not every telephone ended within {FAREWELL:?}");
    }
    Ok(())
}
