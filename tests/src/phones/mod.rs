//! Telephones as others make them, each a process of its own: baresip, PJSIP and
//! sipp. They are told what to do and say what they saw; what they heard lies in
//! a file. They judge nothing, outlive no story, and share no code with Weir.

mod baresip;
mod pjsua;
mod said;
mod sipp;
mod sound;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

pub use baresip::{Answers, Baresip, Codec};
pub use pjsua::{Conduct, Pjsua, Way};
pub use sipp::{Callers, Sipp, Tally, User};
pub use sound::{Wave, sine};

use crate::wait::eventually;

/// Below the ports of nodes (`crate::ports`), whose SIP may be anywhere there.
const FIRST: u16 = 8_100;
const LAST: u16 = 14_900;
/// Ports for the sound of one telephone.
const RUN: u16 = 20;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A number, its password and where it registers.
#[derive(Debug, Clone)]
pub struct Account {
    pub number: String,
    pub password: String,
    pub registrar: SocketAddr,
}

impl Account {
    pub fn new(number: &str, password: &str, registrar: SocketAddr) -> Self {
        Self { number: number.to_owned(), password: password.to_owned(), registrar }
    }
}

/// The first of [`RUN`] free ports for sound.
///
/// # Errors
/// When there are none.
fn sound_ports() -> Result<u16> {
    let runs = (LAST - FIRST) / RUN;
    let start = u16::try_from(std::process::id() % u32::from(runs)).unwrap_or(0);
    for _ in 0..runs {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let base = FIRST + ((start + step) % runs) * RUN;
        let is_free = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (base..base + RUN).all(is_free) {
            return Ok(base);
        }
    }
    None.context("no free ports between 8100 and 14900; what else runs on this machine?")
}

/// A program that ends with its story.
struct Process(Child);

impl Process {
    /// Waits until it ends by itself.
    async fn ended(&mut self, what: &str, patience: Duration) -> Result<ExitStatus> {
        eventually(what, patience, async || self.0.try_wait()?.context("it still runs")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone, then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As a program's settings write it.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
