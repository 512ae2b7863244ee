//! How a device's SIP messages travel: a UDP socket, or one TCP connection to
//! the registrar that calls come in over, too. It refuses messages that are
//! longer than any a loudspeaker gets.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

const DATAGRAM_MAX: usize = 8_192;
const BUFFER_MAX: usize = 65_536;
/// For a connection to come about, and for one message to be taken.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the device reaches its registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

#[derive(Debug)]
pub enum Heard {
    Message(Vec<u8>, SocketAddr),
    /// The TCP connection stands.
    Connected,
    /// The TCP connection is gone, or did not come about.
    Lost,
}

type Dialing = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// The connection of a device that keeps one.
pub enum Stream {
    Down,
    Broken,
    Dialing(Dialing),
    Up { stream: TcpStream, buffer: Vec<u8> },
}

pub enum Link {
    Udp { socket: UdpSocket, buffer: Vec<u8> },
    Tcp { seat: SocketAddr, local: SocketAddr, registrar: SocketAddr, stream: Stream },
}

impl Link {
    pub async fn open(
        transport: Transport,
        seat: SocketAddr,
        registrar: SocketAddr,
    ) -> io::Result<Self> {
        match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(seat).await?;
                Ok(Self::Udp { socket, buffer: vec![0; DATAGRAM_MAX] })
            }
            Transport::Tcp => {
                // A seat that is taken shall be known at once.
                if seat.port() != 0 {
                    dialer(seat)?;
                }
                Ok(Self::Tcp { seat, local: seat, registrar, stream: Stream::Down })
            }
        }
    }

    pub fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp { socket, .. } => socket.local_addr(),
            Self::Tcp { local, .. } => Ok(*local),
        }
    }

    /// Whether a message sent now can arrive, as far as the device knows.
    pub fn stands(&self) -> bool {
        match self {
            Self::Udp { .. } => true,
            Self::Tcp { stream, .. } => matches!(stream, Stream::Up { .. }),
        }
    }

    /// Begins a connection if there is none; [`Heard::Connected`] or
    /// [`Heard::Lost`] follows.
    pub fn dial(&mut self) {
        let Self::Tcp { seat, registrar, stream, .. } = self else { return };
        if !matches!(stream, Stream::Down) {
            return;
        }
        let (seat, registrar) = (*seat, *registrar);
        *stream = Stream::Dialing(Box::pin(async move {
            let dialing = dialer(seat)?.connect(registrar);
            timeout(PATIENCE, dialing).await.map_err(|_| io::ErrorKind::TimedOut)?
        }));
    }

    /// May be dropped at any await without losing anything.
    pub async fn next(&mut self) -> Heard {
        match self {
            Self::Udp { socket, buffer } => loop {
                // What comes back by ICMP is no message; silence tells enough.
                if let Ok((len, from)) = socket.recv_from(buffer).await {
                    return Heard::Message(buffer[..len].to_vec(), from);
                }
            },
            Self::Tcp { registrar, stream, local, .. } => match stream {
                Stream::Down => pending().await,
                Stream::Broken => lost(stream),
                Stream::Dialing(dialing) => match dialing.await {
                    Ok(up) => {
                        *local = up.local_addr().unwrap_or(*local);
                        *stream = Stream::Up { stream: up, buffer: Vec::new() };
                        Heard::Connected
                    }
                    Err(_) => lost(stream),
                },
                Stream::Up { stream: up, buffer } => match message(up, buffer).await {
                    Some(bytes) => Heard::Message(bytes, *registrar),
                    None => lost(stream),
                },
            },
        }
    }

    /// Lost messages are told by what follows from it, as on a real wire.
    pub async fn send(&mut self, bytes: &[u8], to: SocketAddr) {
        match self {
            Self::Udp { socket, .. } => {
                let _ = socket.send_to(bytes, to).await;
            }
            Self::Tcp { stream, .. } => {
                if let Stream::Up { stream: up, .. } = stream
                    && !matches!(timeout(PATIENCE, up.write_all(bytes)).await, Ok(Ok(())))
                {
                    *stream = Stream::Broken;
                }
            }
        }
    }
}

fn lost(stream: &mut Stream) -> Heard {
    *stream = Stream::Down;
    Heard::Lost
}

fn dialer(seat: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if seat.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The port of a connection that just ended may be taken again.
    socket.set_reuseaddr(true)?;
    socket.bind(seat)?;
    Ok(socket)
}

/// The next whole message; None when the connection is over.
async fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        // Empty lines between messages keep a connection alive (RFC 5626 §4.4.1).
        let idle = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        buffer.drain(..idle);
        if let Some(len) = length(buffer)? {
            return Some(buffer.drain(..len).collect());
        }
        if buffer.len() > BUFFER_MAX || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// How long the first message is, if all of it is there; the outer None says
/// that it can never be.
fn length(buffer: &[u8]) -> Option<Option<usize>> {
    let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Some(None);
    };
    let text = String::from_utf8_lossy(&buffer[..head]);
    let body: usize = match text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        let is = name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("l");
        is.then(|| value.trim())
    }) {
        Some(value) => value.parse().ok().filter(|len| *len <= BUFFER_MAX)?,
        // A stream without it cannot be cut (RFC 3261 §18.3).
        None => return None,
    };
    let len = head + 4 + body;
    Some((buffer.len() >= len).then_some(len))
}
