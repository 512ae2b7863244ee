//! Zones driven by a relay box: one datagram makes a siren sound. It refuses to
//! send an order twice: without an answer the outcome is unknown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_consensus::site::Report;
use weir_model::directory::{Grade, Sound};
use weir_model::fact::{EffectKey, EffectResult, Proof};
use weir_model::home::{EffectAction, EffectOrder};

/// How long a relay may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Most orders waiting for an answer; of more, the new ones stay unknown.
const WAITING: usize = 256;

/// What a relay says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Acknowledged,
    Had,
    HadNot,
}

type Waiting = Mutex<BTreeMap<String, oneshot::Sender<Said>>>;

/// See the module.
pub(crate) struct Relay {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    waiting: Arc<Waiting>,
    tasks: TaskTracker,
}

impl Relay {
    pub(crate) async fn start(
        address: SocketAddr,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let waiting: Arc<Waiting> = Arc::default();
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = Arc::new(UdpSocket::bind(any).await?);
        tasks.spawn(listen(socket.clone(), address, waiting.clone(), stop));
        Ok(Self { socket, address, waiting, tasks })
    }

    fn say(&self, words: String, key: &EffectKey) -> impl Future<Output = Option<Said>> + use<> {
        let (socket, to) = (self.socket.clone(), self.address);
        let (told, said) = oneshot::channel();
        let key = key.to_string();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < WAITING {
                waiting.insert(key.clone(), told);
            }
        }
        let all = self.waiting.clone();
        async move {
            let sent = socket.send_to(words.as_bytes(), to).await.is_ok();
            let said = if sent { timeout(ANSWER, said).await.ok() } else { None };
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            said.and_then(Result::ok)
        }
    }

    pub(crate) fn begin(&self, order: &EffectOrder, report: Report) {
        let said = self.say(play(order), &order.key);
        self.tasks.spawn(async move {
            let (result, proof) = match said.await {
                Some(_) => answered(),
                None => silent(),
            };
            report.ended(result, proof).await;
        });
    }

    pub(crate) fn cease(&self, key: &EffectKey) {
        let said = self.say(format!("weir-relay 1 stop {key}"), key);
        self.tasks.spawn(async move {
            // A siren that does not hear the stop ends by itself.
            let _ = said.await;
        });
    }

    pub(crate) fn ask(&self, key: &EffectKey, within: Duration, report: Report) {
        let said = self.say(format!("weir-relay 1 query {key}"), key);
        self.tasks.spawn(async move {
            let (result, proof) = match timeout(within, said).await {
                Ok(Some(Said::Had | Said::Acknowledged)) => answered(),
                Ok(Some(Said::HadNot)) => (EffectResult::NotBegun, Proof::default()),
                // Silence: whether it sounded stays unknown.
                Ok(None) | Err(_) => silent(),
            };
            report.ended(result, proof).await;
        });
    }
}

async fn listen(
    socket: Arc<UdpSocket>,
    relay: SocketAddr,
    waiting: Arc<Waiting>,
    stop: CancellationToken,
) {
    let mut buffer = [0; 512];
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let Ok((len, from)) = received else { continue };
        // Anybody can send to an open port; only the relay is listened to.
        if from != relay {
            continue;
        }
        if let Some((said, key)) = understand(&buffer[..len]) {
            let told = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            if let Some(told) = told {
                let _ = told.send(said);
            }
        }
    }
}

/// `ack KEY`, `had KEY` or `not KEY`; anything else is nothing.
fn understand(datagram: &[u8]) -> Option<(Said, &str)> {
    let (word, key) = std::str::from_utf8(datagram).ok()?.trim_end().split_once(' ')?;
    let said = match word {
        "ack" => Said::Acknowledged,
        "had" => Said::Had,
        "not" => Said::HadNot,
        _ => return None,
    };
    Some((said, key))
}

fn answered() -> (EffectResult, Proof) {
    (EffectResult::Done, Proof { grade: Some(Grade::Answered), reached: 1, of: 1, siren: false })
}

fn silent() -> (EffectResult, Proof) {
    let why = "the relay did not answer / 继电器无应答".to_owned();
    (
        EffectResult::Unknown { why },
        Proof { grade: Some(Grade::Sent), reached: 1, of: 1, siren: false },
    )
}

pub(crate) fn play(order: &EffectOrder) -> String {
    let named = |sound: &Sound| match sound {
        Sound::Audio(id) => id.to_string(),
        Sound::Text(_) => "text".into(),
    };
    let what = match &order.action {
        EffectAction::Page { zone, sound, repeat, .. } => {
            format!("{zone} {repeat} {}", named(sound))
        }
        // Only the drill sink writes these: no relay calls or writes to people.
        EffectAction::Call { person, numbers, sound, .. } => {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!("call {person} {} {}", numbers.join(","), named(sound))
        }
        EffectAction::Message { person, to, .. } => format!("message {person} {to}"),
        EffectAction::Confer { number, members, .. } => {
            let members: Vec<_> = members.iter().map(|one| one.person.as_str()).collect();
            format!("confer {number} {}", members.join(","))
        }
    };
    format!("weir-relay 1 play {} {} {what}", order.key, order.epoch)
}
