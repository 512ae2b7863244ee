//! The fake relay box as a process of its own, and what its ledger says.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::program::weir_binary;

/// See the module. It ends with its story.
pub struct Relay {
    pub address: SocketAddr,
    ledger: PathBuf,
    process: Child,
}

/// A line of the ledger: `play` or `stop`, the effect's key, and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub word: String,
    pub key: String,
    pub zone: String,
}

impl Relay {
    /// # Errors
    /// When the binary was not built or there is no free port.
    pub fn start(folder: &Path, mute: bool) -> Result<Self> {
        let program = weir_binary()?.with_file_name("fake-relay");
        ensure!(
            program.is_file(),
            "没有 fake-relay 程序，请执行 make test / no fake-relay binary; run make test"
        );
        // Bound here first, so that the port is known to be free.
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let ledger = folder.join("relay.ledger");
        let mut command = Command::new(program);
        command.args(["--listen", &address.to_string(), "--ledger"]).arg(&ledger);
        if mute {
            command.arg("--mute");
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Ok(Self { address, ledger, process })
    }

    /// Everything it was told so far, in order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn orders(&self) -> Result<Vec<Order>> {
        let text = match std::fs::read_to_string(&self.ledger) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("the ledger cannot be read"),
        };
        // A line in the making has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(whole.lines().filter_map(order).collect())
    }

    /// The plays among them.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn plays(&self) -> Result<Vec<Order>> {
        Ok(self.orders()?.into_iter().filter(|order| order.word == "play").collect())
    }
}

fn order(line: &str) -> Option<Order> {
    let mut words = line.split_whitespace().skip(1);
    let (word, key) = (words.next()?.to_owned(), words.next()?.to_owned());
    let zone = words.nth(1).unwrap_or_default().to_owned();
    Some(Order { word, key, zone })
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
