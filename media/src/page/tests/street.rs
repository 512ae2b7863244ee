//! Loudspeakers without SIP: each has one line, a habit, and real sockets for
//! sound.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::{Duration, timeout};
use weir_model::directory::Codec;

use crate::page::{PhoneCall, Phones};
use crate::sip::{CallError, CallEvent, DialogNote, Ended, Outgoing, Transport};
use crate::voice::{Format, rtcp, rtp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Answers after so long, with this codec, and says what arrives.
    Answers {
        after_ms: u64,
        codec: Codec,
        reports: bool,
    },
    /// Says 486 so often before it answers.
    Busy {
        times: u32,
    },
    Rings,
    Silent,
    Offline,
    /// Hangs up after so long, the first time.
    Drops {
        after_ms: u64,
    },
    /// Its answer names no address.
    Nonsense,
}

pub(super) const PROMPT: Habit =
    Habit::Answers { after_ms: 150, codec: Codec::Pcma, reports: false };

pub(super) async fn after(ms: u64) {
    let _ = timeout(Duration::from_millis(ms), std::future::pending::<()>()).await;
}

/// One packet of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) seq: u16,
    pub(super) byte: u8,
}

struct Device {
    habit: Habit,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    got: Vec<Got>,
    refused: u32,
    dropped: bool,
}

#[derive(Default)]
struct State {
    devices: BTreeMap<String, Device>,
    /// Numbers whose one line is taken, and by which call.
    busy: BTreeMap<String, u64>,
    calls: u64,
    placed: Vec<String>,
    offers: Vec<String>,
    hung_up: Vec<String>,
    stale: Vec<DialogNote>,
    clashes: BTreeSet<String>,
    /// This life of the node was killed: it does nothing more.
    killed: bool,
}

#[derive(Clone)]
pub(super) struct Street(Arc<Mutex<State>>);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

impl Street {
    pub(super) fn new(habits: &[(u16, Habit)]) -> Self {
        let device = |habit: &Habit| Device {
            habit: *habit,
            rtp: socket(),
            rtcp: socket(),
            got: Vec::new(),
            refused: 0,
            dropped: false,
        };
        let devices = habits.iter().map(|(number, habit)| (number.to_string(), device(habit)));
        Self(Arc::new(Mutex::new(State { devices: devices.collect(), ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The node is gone; its calls stay as they are.
    pub(super) fn forget(&self) {
        self.state().killed = true;
    }

    /// The same street, as another life of the node finds it.
    pub(super) fn found_again(&self) -> Self {
        let mut old = self.state();
        let (devices, busy) = (std::mem::take(&mut old.devices), std::mem::take(&mut old.busy));
        let (calls, stale) = (old.calls, Vec::new());
        Self(Arc::new(Mutex::new(State { devices, busy, calls, stale, ..State::default() })))
    }

    pub(super) fn placed(&self) -> Vec<String> {
        self.state().placed.clone()
    }

    pub(super) fn offers(&self) -> Vec<String> {
        self.state().offers.clone()
    }

    pub(super) fn hung_up(&self) -> Vec<String> {
        self.state().hung_up.clone()
    }

    pub(super) fn stale(&self) -> Vec<DialogNote> {
        self.state().stale.clone()
    }

    pub(super) fn in_call(&self) -> usize {
        self.state().busy.len()
    }

    pub(super) fn clashes(&self) -> usize {
        self.state().clashes.len()
    }

    pub(super) fn got(&self, number: u16) -> Vec<Got> {
        let mut state = self.state();
        let device = state.devices.get_mut(&number.to_string()).unwrap();
        device.listen(false);
        device.got.clone()
    }
}

impl Device {
    /// Takes what arrived, and says so where it can.
    fn listen(&mut self, reports: bool) {
        let mut buffer = [0; 1_500];
        let mut highest = None;
        while let Ok(len) = self.rtp.recv(&mut buffer) {
            let packet = rtp::parse(&buffer[..len]).unwrap();
            highest = Some((packet.ssrc, packet.seq));
            self.got.push(Got {
                payload_type: packet.payload_type,
                marker: packet.marker,
                seq: packet.seq,
                byte: packet.payload[0],
            });
        }
        while let Ok((_, node)) = self.rtcp.recv_from(&mut buffer) {
            if let (true, Some((ssrc, seq))) = (reports, highest) {
                let highest_seq = u32::from(seq);
                let block = rtcp::Block { ssrc, highest_seq, ..rtcp::Block::default() };
                let mut datagram = Vec::new();
                rtcp::write_receiver(1, &block, &mut datagram);
                self.rtcp.send_to(&datagram, node).unwrap();
            }
        }
    }

    fn answer(&self, codec: Codec) -> String {
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let (number, rtp, rtcp) =
            (Format::of(codec).payload_type, port(&self.rtp), port(&self.rtcp));
        format!("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {rtp} RTP/AVP {number}\r\na=rtcp:{rtcp}\r\n")
    }
}

fn note(number: &str, call: u64) -> DialogNote {
    DialogNote {
        number: number.into(),
        transport: Transport::Udp,
        address: SocketAddr::from(([127, 0, 0, 1], 5060)),
        call_id: call.to_string(),
        from: "<sip:5403@weir>;tag=a".into(),
        to: format!("<sip:{number}@weir>;tag=b"),
        target: format!("sip:{number}@127.0.0.1"),
        route: Vec::new(),
        cseq: 1,
    }
}

pub(super) struct FakeCall {
    street: Street,
    number: String,
    call: u64,
    step: u32,
    over: bool,
}

impl Phones for Street {
    type Call = FakeCall;

    async fn call(&self, outgoing: Outgoing) -> Result<FakeCall, CallError> {
        let mut state = self.state();
        let number = outgoing.to;
        state.placed.push(number.clone());
        state.offers.push(outgoing.offer);
        state.calls += 1;
        let call = state.calls;
        match state.devices.get(&number).map(|device| device.habit) {
            None | Some(Habit::Offline) => return Err(CallError::NotRegistered(number)),
            Some(_) => {}
        }
        drop(state);
        Ok(FakeCall { street: self.clone(), number, call, step: 0, over: false })
    }

    async fn end_stale(&self, note: &DialogNote) -> Ended {
        after(20).await;
        let mut state = self.state();
        state.stale.push(note.clone());
        let theirs = state.busy.get(&note.number).map(u64::to_string);
        if theirs.as_deref() == Some(&note.call_id) {
            state.busy.remove(&note.number);
            return Ended::Done;
        }
        Ended::WasOver
    }
}

impl FakeCall {
    fn with<T>(&self, look: impl FnOnce(&mut Device) -> T) -> T {
        look(self.street.state().devices.get_mut(&self.number).unwrap())
    }

    /// Takes the line; `false` when it is taken.
    fn pick_up(&self) -> bool {
        let mut state = self.street.state();
        let free = !state.busy.contains_key(&self.number);
        if free {
            state.busy.insert(self.number.clone(), self.call);
        } else {
            state.clashes.insert(self.number.clone());
        }
        free
    }

    fn put_down(&mut self) {
        self.over = true;
        let mut state = self.street.state();
        if !state.killed && state.busy.get(&self.number) == Some(&self.call) {
            state.busy.remove(&self.number);
        }
    }

    async fn answered(&self, after_ms: u64, codec: Codec) -> CallEvent {
        after(after_ms).await;
        if !self.pick_up() {
            return CallEvent::Refused { code: 486, reason: "Busy Here".into() };
        }
        let sdp = self.with(|device| device.answer(codec));
        CallEvent::Answered { sdp, note: note(&self.number, self.call) }
    }

    async fn first(&self, habit: Habit) -> CallEvent {
        match habit {
            Habit::Answers { after_ms, codec, .. } => self.answered(after_ms, codec).await,
            Habit::Busy { times } => {
                let refused = self.with(|device| {
                    device.refused += 1;
                    device.refused <= times
                });
                match refused {
                    true => CallEvent::Refused { code: 486, reason: "Busy Here".into() },
                    false => self.answered(150, Codec::Pcma).await,
                }
            }
            Habit::Rings => CallEvent::Ringing { code: 180, sdp: String::new() },
            Habit::Silent | Habit::Offline => std::future::pending().await,
            Habit::Drops { .. } => self.answered(150, Codec::Pcma).await,
            Habit::Nonsense => CallEvent::Answered {
                sdp: "v=0\r\nm=audio 0 RTP/AVP 8\r\n".into(),
                note: note(&self.number, self.call),
            },
        }
    }

    /// In the call, until it hangs up by itself.
    async fn stays(&self, habit: Habit) -> CallEvent {
        let reports = matches!(habit, Habit::Answers { reports: true, .. });
        let leaves_ms = match habit {
            Habit::Drops { after_ms } if !self.with(|device| device.dropped) => after_ms,
            _ => u64::MAX,
        };
        let mut here_ms = 0;
        while here_ms < leaves_ms {
            after(100).await;
            here_ms += 100;
            self.with(|device| device.listen(reports));
        }
        self.with(|device| device.dropped = true);
        CallEvent::Ended { why: "BYE".into() }
    }
}

impl PhoneCall for FakeCall {
    async fn next(&mut self) -> Option<CallEvent> {
        if self.over {
            return None;
        }
        let habit = self.with(|device| device.habit);
        self.step += 1;
        let event = match self.step {
            1 if habit != Habit::Silent => CallEvent::Trying,
            1 | 2 => self.first(habit).await,
            _ => self.stays(habit).await,
        };
        if matches!(event, CallEvent::Refused { .. }) {
            self.over = true;
        }
        if matches!(event, CallEvent::Ended { .. }) {
            self.put_down();
        }
        Some(event)
    }

    async fn hang_up(mut self) {
        after(30).await;
        self.street.state().hung_up.push(self.number.clone());
        self.put_down();
    }
}

impl Drop for FakeCall {
    fn drop(&mut self) {
        self.put_down();
    }
}
