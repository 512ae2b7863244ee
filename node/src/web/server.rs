//! HTTP/1.1 over TLS for browsers, on a LAN that anybody may be on. Bounded in
//! every direction: connections, connections of one network, the time a
//! handshake, a request's head or a stuck write may take. It refuses to wait for
//! anybody, and whatever is wrong with a request ends that connection only.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::patient::Patient;

const CONNECTIONS: usize = 256;
/// Of one network: a control room behind one router is served, one stranger
/// does not take every place.
const OF_ONE_NETWORK: usize = 128;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// For a request's head, and so also for a connection without a request.
const HEAD: Duration = Duration::from_secs(10);
/// A write that makes no progress for so long has nobody at the other end.
const STUCK: Duration = Duration::from_secs(15);
const HEADERS: usize = 64;
const HEAD_BYTES: usize = 32 << 10;
/// How long a connection may take to end when the node stops.
const DRAIN: Duration = Duration::from_secs(2);
/// After an `accept` that failed, for instance for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source(pub(super) IpAddr);

impl Source {
    /// What is counted as one: an IPv4 address, an IPv6 /64, whose host may take
    /// any address in it.
    pub(super) fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) tls: TlsAcceptor,
    pub(super) app: Router,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) sources: Arc<Sources>,
}

/// How many connections each network holds.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<HashMap<IpAddr, usize>>);

struct Place {
    sources: Arc<Sources>,
    network: IpAddr,
}

impl Sources {
    fn enter(self: &Arc<Self>, network: IpAddr) -> Option<Place> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(network).or_default();
        if *count >= OF_ONE_NETWORK {
            return None;
        }
        *count += 1;
        Some(Place { sources: self.clone(), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get_mut(&self.network).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            held.remove(&self.network);
        }
    }
}

impl Server {
    pub(super) async fn run(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let place = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                place = places.clone().acquire_owned() => place,
            };
            let Ok(place) = place else { return };
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let source = Source(from.ip().to_canonical());
            let Some(held) = self.sources.enter(source.network()) else { continue };
            let server = self.clone();
            self.tasks.spawn(async move {
                server.connection(stream, source).await;
                drop((place, held));
            });
        }
    }

    async fn connection(self, stream: TcpStream, source: Source) {
        // Only speed is lost if the system refuses.
        let _ = stream.set_nodelay(true);
        let stream = tokio::select! {
            () = self.stop.cancelled() => return,
            stream = timeout(HANDSHAKE, self.tls.accept(Patient::new(stream, STUCK))) => stream,
        };
        let Ok(Ok(stream)) = stream else { return };
        let app = TowerToHyperService::new(self.app.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(source);
            let answer = app.call(request);
            async move {
                match answer.await {
                    Ok(response) => Ok::<_, Infallible>(response),
                    Err(never) => match never {},
                }
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(HEADERS)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(2 * HEAD_BYTES);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, from = %source.0, "a browser's connection ended");
                }
                return;
            }
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = timeout(DRAIN, connection).await;
    }
}
