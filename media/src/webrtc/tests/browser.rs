//! A browser: its own session, its own socket, and a depacketizer of its own.

use std::net::UdpSocket;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::*;

/// A packet that came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Browser {
    pub(crate) rtc: Rtc,
    pub(crate) socket: UdpSocket,
    pub(crate) connected: bool,
    pub(crate) closed: bool,
    pub(crate) got: Vec<Got>,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    due: Instant,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind((HERE, 0)).unwrap();
        SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(Instant::now());
        let here = Candidate::host(socket.local_addr().unwrap(), "udp").unwrap();
        rtc.add_local_candidate(here);
        Self {
            rtc,
            socket,
            connected: false,
            closed: false,
            got: Vec::new(),
            mid: None,
            pending: None,
            due: Instant::now(),
        }
    }

    pub(crate) fn offer(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        self.mid = Some(api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None));
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub(crate) fn accept(&mut self, answer: &Answer) {
        let sdp = SdpAnswer::from_sdp_string(&answer.sdp).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), sdp).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(due) => return self.due = due,
                Output::Transmit(datagram) => {
                    self.socket.send_to(&datagram.contents, datagram.destination).unwrap();
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::RtpPacket(packet)) => self.got.push(Got {
                    seq: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    marker: packet.header.marker,
                    payload: packet.payload.to_vec(),
                }),
                Output::Event(_) => {}
            }
        }
    }

    /// What came in the next moments.
    pub(crate) fn step(&mut self) {
        let mut datagram = [0; 2_000];
        if let Ok((length, source)) = self.socket.recv_from(&mut datagram) {
            let destination = self.socket.local_addr().unwrap();
            let contents = datagram[..length].try_into().unwrap();
            let receive = Receive { proto: Protocol::Udp, source, destination, contents };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            self.drain();
        }
        if self.due <= Instant::now() {
            self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            self.drain();
        }
    }

    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: it never came to that");
            self.step();
        }
    }

    pub(crate) fn ask_for_key(&mut self) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx_by_mid(self.mid.unwrap(), None).unwrap();
        stream.request_keyframe(KeyframeRequestKind::Pli);
        self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
        self.drain();
    }

    /// The access units that are whole, each with its time.
    pub(crate) fn units(&self) -> Vec<(u32, Vec<Vec<u8>>)> {
        let mut got = self.got.clone();
        got.sort_by_key(|got| got.seq);
        let mut units = Vec::new();
        let mut nals: Vec<Vec<u8>> = Vec::new();
        for (number, packet) in got.iter().enumerate() {
            let before = number.checked_sub(1).and_then(|before| got.get(before));
            if let Some(before) = before {
                assert_eq!(before.seq + 1, packet.seq, "a packet is missing");
            }
            depacketize(&packet.payload, &mut nals);
            if packet.marker {
                units.push((packet.timestamp, std::mem::take(&mut nals)));
            }
        }
        units
    }

    pub(crate) fn pictures(&self) -> Vec<Vec<Vec<u8>>> {
        self.units().into_iter().map(|(_, nals)| nals).collect()
    }

    /// How many units are whole, without looking into them.
    pub(crate) fn whole(&self) -> usize {
        self.got.iter().filter(|got| got.marker).count()
    }
}

/// RFC 6184 §5.6 to §5.8, from the receiver's side.
pub(crate) fn depacketize(payload: &[u8], nals: &mut Vec<Vec<u8>>) {
    match payload[0] & 0x1f {
        24 => {
            let mut rest = &payload[1..];
            while let [high, low, after @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                nals.push(after[..length].to_vec());
                rest = &after[length..];
            }
            assert!(rest.is_empty());
        }
        28 if payload[1] & 0x80 != 0 => {
            nals.push(vec![payload[0] & 0xe0 | payload[1] & 0x1f]);
            nals.last_mut().unwrap().extend_from_slice(&payload[2..]);
        }
        28 => {
            let nal = nals.last_mut().unwrap();
            assert_eq!((nal[0] & 0x1f, nal[0] & 0xe0), (payload[1] & 0x1f, payload[0] & 0xe0));
            nal.extend_from_slice(&payload[2..]);
        }
        _ => nals.push(payload.to_vec()),
    }
}
