//! One loudspeaker: its account, its one call, its faults, in one task. It
//! refuses a second call, and knows nothing that did not come over its sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rsip::{Response, SipMessage};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::call::{Call, Past};
use crate::config::Speaker;
use crate::profile::{Fault, Profile};
use weir_fakes::ledger::Ledger;
use weir_fakes::sip::dice::Dice;
use weir_fakes::sip::media::Noted;
use weir_fakes::sip::message;
use weir_fakes::sip::registration::{Around, Identity, Registration};
use weir_fakes::sip::transaction::{Repeat, Turn};
use weir_fakes::sip::wire::{Heard, Link, Transport};

/// From picking up to a fault in mid-page, when nobody says.
const STRIKES_MS: (u64, u64) = (1_500, 3_000);
/// Until it is back after losing power.
const REBOOT_MS: u64 = 40_000;
const PAST_MAX: usize = 16;
const FAREWELLS_MAX: usize = 4;
/// For when nothing is due.
const LONG: Duration = Duration::from_secs(3_600);

/// A BYE of the device's own, until it is answered.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) call_id: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) to: SocketAddr,
    pub(crate) repeat: Repeat,
}

pub(crate) struct Device {
    pub(crate) identity: Identity,
    pub(crate) profile: &'static Profile,
    pub(crate) ledger: Ledger,
    pub(crate) folder: PathBuf,
    pub(crate) dice: Dice,
    /// None while it is without power.
    pub(crate) link: Option<Link>,
    /// Where it sits after power came back.
    seat: SocketAddr,
    pub(crate) local: SocketAddr,
    registration: Registration,
    pub(crate) call: Option<Call>,
    pub(crate) past: VecDeque<Past>,
    pub(crate) farewells: VecDeque<Farewell>,
    pub(crate) calls: u32,
    fault: Option<Fault>,
    fault_left: u32,
    fault_after_ms: Option<u64>,
    reboot: Duration,
    powered_at: Option<Instant>,
}

impl Device {
    pub(crate) async fn new(
        speaker: Speaker,
        seed: u64,
        ledger: Ledger,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        use anyhow::Context;
        let profile = speaker.known_profile()?;
        let seat = speaker.seat()?;
        let link = Link::open(profile.transport, seat, speaker.registrar).await;
        let link = link
            .with_context(|| format!("{}: 无法监听 / cannot listen on {seat}", speaker.number))?;
        let mut dice = Dice::new(seed, &speaker.number);
        let identity = Identity {
            number: speaker.number,
            password: speaker.password,
            registrar: speaker.registrar,
            transport: profile.transport,
            hash: profile.hash,
            allow: message::ALLOW,
            expires_s: speaker.expires_s.unwrap_or(profile.expires_s),
        };
        let local = link.local()?;
        Ok(Self {
            // The port of a connection that just ended cannot be had again.
            seat: if profile.transport == Transport::Udp { local } else { seat },
            local,
            registration: Registration::new(Instant::now(), &identity, &mut dice),
            identity,
            profile,
            ledger,
            folder,
            dice,
            link: Some(link),
            call: None,
            past: VecDeque::new(),
            farewells: VecDeque::new(),
            calls: 0,
            fault: speaker.fault,
            fault_left: speaker
                .fault_times
                .unwrap_or_else(|| speaker.fault.map_or(0, Fault::times)),
            fault_after_ms: speaker.fault_after_ms,
            reboot: Duration::from_millis(speaker.reboot_ms.unwrap_or(REBOOT_MS)),
            powered_at: None,
        })
    }

    /// Until `stop`. Ending is losing power: nobody is told.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let due = self.due().unwrap_or_else(|| Instant::now() + LONG);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                came = Call::next(&mut self.call) => {
                    let now = Instant::now();
                    let media = self.call.as_mut().and_then(|call| call.media.as_mut());
                    let notes = media.map(|media| media.take(now, came));
                    self.write_down(notes.unwrap_or_default());
                }
                heard = next(&mut self.link) => self.heard(heard).await,
                () = sleep_until(due) => self.tick(Instant::now()).await,
            }
        }
        self.hang_up_quietly();
        self.note("stopped", None, json!({}));
    }

    fn due(&self) -> Option<Instant> {
        if self.link.is_none() {
            return self.powered_at;
        }
        let farewells = self.farewells.iter().map(|farewell| farewell.repeat.due());
        let call = self.call.as_ref().and_then(Call::due);
        let media_timeout = self.media_timeout();
        let rest = [self.registration.due(), call, media_timeout];
        rest.into_iter().flatten().chain(farewells).min()
    }

    /// When the present call ends for want of sound.
    pub(crate) fn media_timeout(&self) -> Option<Instant> {
        let media = self.call.as_ref()?.media.as_ref()?;
        Some(media.last() + self.profile.media_timeout?)
    }

    pub(crate) fn note(&self, event: &str, call_id: Option<&str>, more: Value) {
        self.ledger.note(&self.identity.number, event, call_id, more);
    }

    pub(crate) fn write_down(&self, notes: Vec<Noted>) {
        let call_id = self.call.as_ref().map(|call| call.key.call_id.as_str());
        for Noted { event, more } in notes {
            self.note(event, call_id, more);
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8], to: SocketAddr) {
        if let Some(link) = &mut self.link {
            link.send(bytes, to).await;
        }
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Message(bytes, from) => match message::read(&bytes) {
                Some(SipMessage::Request(request)) => self.asked(request, from).await,
                Some(SipMessage::Response(response)) => self.answered(&response).await,
                // An empty line keeps a way through a NAT open.
                None if bytes.trim_ascii().is_empty() => {}
                None => self.note("unreadable", None, json!({ "bytes": bytes.len() })),
            },
            Heard::Connected => {
                if let Some(Ok(local)) = self.link.as_ref().map(Link::local) {
                    self.local = local;
                }
                self.registration.connected(Instant::now());
            }
            Heard::Lost => {
                let (registration, mut around) = self.registrar();
                registration.lost(&mut around);
            }
        }
    }

    fn registrar(&mut self) -> (&mut Registration, Around<'_>) {
        let around = Around {
            now: Instant::now(),
            identity: &self.identity,
            local: self.local,
            dice: &mut self.dice,
            ledger: &self.ledger,
        };
        (&mut self.registration, around)
    }

    async fn answered(&mut self, response: &Response) {
        let call_id = message::call_id(response);
        if response.status_code.code() >= 200 {
            self.farewells.retain(|farewell| farewell.call_id != call_id);
        }
        let (registration, mut around) = self.registrar();
        if let Some(bytes) = registration.heard(response, &mut around) {
            self.send(&bytes, self.identity.registrar).await;
        }
    }

    async fn tick(&mut self, now: Instant) {
        if self.link.is_none() {
            self.power_up(now).await;
            return;
        }
        self.register(now).await;
        self.say_farewell(now).await;
        self.attend(now).await;
    }

    async fn register(&mut self, now: Instant) {
        let stands = self.link.as_ref().is_some_and(Link::stands);
        if !stands {
            if self.registration.wants_link(now)
                && let Some(link) = &mut self.link
            {
                link.dial();
            }
            return;
        }
        let (registration, mut around) = self.registrar();
        if let Some(bytes) = registration.tick(&mut around) {
            self.send(&bytes, self.identity.registrar).await;
        }
    }

    async fn say_farewell(&mut self, now: Instant) {
        let mut copies = Vec::new();
        self.farewells.retain_mut(|farewell| match farewell.repeat.turn(now) {
            Turn::NotYet => true,
            Turn::Again => {
                copies.push((farewell.bytes.clone(), farewell.to));
                true
            }
            Turn::GiveUp => false,
        });
        for (bytes, to) in copies {
            self.send(&bytes, to).await;
        }
    }

    pub(crate) fn part(&mut self, farewell: Farewell) {
        if self.farewells.len() == FAREWELLS_MAX {
            self.farewells.pop_front();
        }
        self.farewells.push_back(farewell);
    }

    pub(crate) fn remember(&mut self, past: Past) {
        if self.past.len() == PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }

    /// The fault that strikes the next call, if it still has one.
    pub(crate) fn strike(&mut self) -> Option<Fault> {
        let fault = self.fault.filter(|_| self.fault_left > 0)?;
        self.fault_left -= 1;
        Some(fault)
    }

    /// When a fault of this kind strikes a call that was picked up now.
    pub(crate) fn strikes(&mut self, now: Instant, fault: Option<Fault>) -> Option<Instant> {
        match fault? {
            Fault::Reboot | Fault::DropsMidPage => {
                let after = match self.fault_after_ms {
                    Some(ms) => Duration::from_millis(ms),
                    None => self.dice.ms(STRIKES_MS.0..=STRIKES_MS.1),
                };
                Some(now + after)
            }
            Fault::Ringing | Fault::NoAutoAnswer | Fault::Mute | Fault::Busy | Fault::Deaf => None,
        }
    }

    /// What its memory held is gone, the account excepted.
    pub(crate) fn lose_power(&mut self, now: Instant) {
        self.hang_up_quietly();
        let away_ms = u64::try_from(self.reboot.as_millis()).unwrap_or(u64::MAX);
        self.note("reboot", None, json!({ "away_ms": away_ms }));
        self.link = None;
        self.past.clear();
        self.farewells.clear();
        self.powered_at = Some(now + self.reboot);
    }

    async fn power_up(&mut self, now: Instant) {
        let Identity { transport, registrar, .. } = &self.identity;
        match Link::open(*transport, self.seat, *registrar).await {
            Ok(link) => {
                self.link = Some(link);
                self.registration = Registration::new(now, &self.identity, &mut self.dice);
            }
            // Somebody else sits there; perhaps not for long.
            Err(_) => self.powered_at = Some(now + Duration::from_secs(1)),
        }
    }

    fn hang_up_quietly(&mut self) {
        if let Some(media) = self.call.as_mut().and_then(|call| call.media.as_mut()) {
            let notes = media.finish(Instant::now());
            self.write_down(notes);
        }
        self.call = None;
    }
}

async fn next(link: &mut Option<Link>) -> Heard {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}
