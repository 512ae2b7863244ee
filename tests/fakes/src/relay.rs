//! A siren relay as a village has one: a box on the LAN that closes a contact
//! when a datagram tells it to, answers that it did, and knows for a while what
//! it was told. It keeps a ledger of every order that reached it, in the order
//! of arrival, synced line by line; it refuses nothing and dedupes nothing,
//! because such boxes do not.
//!
//! `fake-relay --listen ADDR --ledger FILE [--mute]`: `--mute` acts but never
//! answers, as behind a broken return path.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

struct Args {
    listen: String,
    ledger: String,
    mute: bool,
}

fn args() -> anyhow::Result<Args> {
    let (mut listen, mut ledger, mut mute) = (None, None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--listen" => listen = words.next(),
            "--ledger" => ledger = words.next(),
            "--mute" => mute = true,
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(Args {
        listen: listen.context("--listen ADDR is missing")?,
        ledger: ledger.context("--ledger FILE is missing")?,
        mute,
    })
}

fn main() -> anyhow::Result<()> {
    let Args { listen, ledger, mute } = args()?;
    let socket = UdpSocket::bind(&listen).with_context(|| format!("cannot listen on {listen}"))?;
    let mut ledger = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&ledger)
        .with_context(|| format!("cannot write {ledger}"))?;
    println!("listening on {}", socket.local_addr()?);
    let mut seen = BTreeSet::new();
    let mut buffer = [0; 2048];
    loop {
        let (len, from) = socket.recv_from(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["weir-relay", "1", "play", key, rest @ ..] => {
                note(&mut ledger, "play", key, rest)?;
                seen.insert((*key).to_owned());
                format!("ack {key}")
            }
            ["weir-relay", "1", "stop", key] => {
                note(&mut ledger, "stop", key, &[])?;
                format!("ack {key}")
            }
            ["weir-relay", "1", "query", key] => {
                let word = if seen.contains(*key) { "had" } else { "not" };
                format!("{word} {key}")
            }
            _ => continue,
        };
        if !mute {
            socket.send_to(answer.as_bytes(), from)?;
        }
    }
}

/// One line: time in milliseconds, order, key, and whatever came with it.
fn note(ledger: &mut File, order: &str, key: &str, rest: &[&str]) -> anyhow::Result<()> {
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    writeln!(ledger, "{at_ms} {order} {key} {}", rest.join(" "))?;
    ledger.sync_data()?;
    Ok(())
}
