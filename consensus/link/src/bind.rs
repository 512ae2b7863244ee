//! Sockets and endpoints, one a class. quinn's tasks are spawned through the
//! link's tracker, so that closing the link ends them too.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    AsyncTimer, AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, ServerConfig, TokioRuntime,
};
use socket2::SockRef;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::class::Class;
use crate::config::{LinkConfig, Satellite};
use crate::error::BindError;
use crate::shaped::ShapedSocket;
use crate::socket::MarkedSocket;
use crate::transport::{Side, transport};
use crate::uplink::{Lane, MeteredSocket, Uplink, Uplinks};

/// How many runs of ports are tried where any would do.
const PORT_TRIES: usize = 64;

const BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// tokio, with every task tracked.
#[derive(Debug)]
pub(crate) struct TrackedRuntime(pub(crate) TaskTracker);

impl Runtime for TrackedRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

/// # Errors
/// When the ports are taken.
pub(crate) fn endpoints(
    config: &LinkConfig,
    tls: &Arc<QuicServerConfig>,
    uplinks: &Arc<Uplinks>,
    tasks: &TaskTracker,
    stop_sockets: &CancellationToken,
) -> Result<Vec<Endpoint>, BindError> {
    let runtime = Arc::new(TrackedRuntime(tasks.clone()));
    let mut endpoints = Vec::with_capacity(Class::ALL.len());
    for (class, (addr, socket)) in Class::ALL.into_iter().zip(sockets(config.listen)?) {
        let at = |source| BindError::Socket { addr, source };
        let marked = Arc::new(MarkedSocket::new(socket, config.class(class).dscp).map_err(at)?);
        let socket: Arc<dyn AsyncUdpSocket> = match &config.shaper {
            None => marked,
            Some(uplink) => {
                let shaped = ShapedSocket::new(marked, uplink.clone());
                tasks.spawn(shaped.clone().run(stop_sockets.clone()));
                shaped
            }
        };
        let socket = MeteredSocket::new(socket, lane(class), uplinks.clone());
        let server = server_config(config, class, config.satellite.as_ref(), None, tls)?;
        let endpoint = Endpoint::new_with_abstract_socket(
            EndpointConfig::default(),
            Some(server),
            socket,
            runtime.clone(),
        );
        endpoints.push(endpoint.map_err(at)?);
    }
    Ok(endpoints)
}

/// How a class answers on a path.
///
/// # Errors
/// When a time-out is beyond what QUIC can say.
pub(crate) fn server_config(
    config: &LinkConfig,
    class: Class,
    satellite: Option<&Satellite>,
    uplink: Option<Arc<Uplink>>,
    tls: &Arc<QuicServerConfig>,
) -> Result<ServerConfig, BindError> {
    let mut server = ServerConfig::with_crypto(tls.clone());
    server
        .transport_config(transport(config, class, satellite, uplink, Side::Answering)?)
        .max_incoming(config.limits.connections);
    Ok(server)
}

/// What a class is to the scheduler of an uplink.
fn lane(class: Class) -> Lane {
    match class {
        Class::Control => Lane::Control,
        Class::Bulk => Lane::Bulk,
        Class::Voice => Lane::Voice,
        Class::Video => Lane::Video,
    }
}

/// One socket a class, on neighbouring ports.
fn sockets(listen: SocketAddr) -> Result<Vec<(SocketAddr, UdpSocket)>, BindError> {
    if listen.port() != 0 {
        return run_of_sockets(listen);
    }
    for _ in 0..PORT_TRIES {
        let at = |source| BindError::Socket { addr: listen, source };
        // The system names a free port; its neighbours may still be taken.
        let found = UdpSocket::bind(listen).and_then(|first| first.local_addr()).map_err(at)?;
        if let Ok(run) = run_of_sockets(found) {
            return Ok(run);
        }
    }
    Err(BindError::NoFreePorts(Class::ALL.len()))
}

fn run_of_sockets(base: SocketAddr) -> Result<Vec<(SocketAddr, UdpSocket)>, BindError> {
    let open = |class: Class| {
        let addr = class_addr(base, class).ok_or(BindError::PortTooHigh(base.port()))?;
        let socket = UdpSocket::bind(addr).map_err(|source| BindError::Socket { addr, source })?;
        // As much as the system grants; a burst of snapshots overflows the default.
        SockRef::from(&socket).set_recv_buffer_size(BUFFER_BYTES).ok();
        SockRef::from(&socket).set_send_buffer_size(BUFFER_BYTES).ok();
        Ok((addr, socket))
    };
    Class::ALL.into_iter().map(open).collect()
}

/// Where a class listens, given where [`Class::Control`] does.
pub(crate) fn class_addr(base: SocketAddr, class: Class) -> Option<SocketAddr> {
    let port = base.port().checked_add(class.port_offset())?;
    Some(SocketAddr::new(base.ip(), port))
}
