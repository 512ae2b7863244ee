//! How QUIC behaves on each kind of path. It refuses what satellites cannot
//! afford: path MTU probes, short idle time-outs, loss taken for congestion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{IdleTimeout, TransportConfig, VarInt};

use crate::class::{Buffers, Class};
use crate::config::{LinkConfig, Satellite};
use crate::error::BindError;
use crate::rate::RateConfig;
use crate::uplink::Uplink;

/// Until measured, on the ground; quinn's third of a second would let one lost
/// packet cost a whole connect time-out.
const GROUND_RTT: Duration = Duration::from_millis(100);
/// What QUIC asks of every path (RFC 9000 §14).
const DATAGRAM_MTU: u16 = 1_200;
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Which side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Keeps it alive: one side does, so that an idle link is paid once.
    Dialling,
    Answering,
}

/// # Errors
/// When a time-out is beyond what QUIC can say.
pub(crate) fn transport(
    config: &LinkConfig,
    class: Class,
    satellite: Option<&Satellite>,
    uplink: Option<Arc<Uplink>>,
    side: Side,
) -> Result<Arc<TransportConfig>, BindError> {
    let times = config.times(class, satellite);
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle_timeout(times.idle_timeout)?))
        .keep_alive_interval(times.keep_alive.filter(|_| side == Side::Dialling))
        .max_concurrent_bidi_streams(VarInt::from_u32(config.limits.streams_per_connection))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .initial_rtt(GROUND_RTT);
    if let Some(buffers) = class.datagrams() {
        datagrams_only(&mut transport, buffers, side);
    }
    if let Some(path) = satellite {
        // The address may have been named a moment ago; then it is measured alone.
        let uplink = uplink.unwrap_or_else(|| Uplink::new(Instant::now(), path));
        let is_metered = class != Class::Control;
        let rate = RateConfig { uplink, is_metered, initial_rtt: path.rtt };
        transport
            .initial_rtt(path.rtt)
            .mtu_discovery_config(None)
            // A batch would stand in the modem, and control behind it.
            .enable_segmentation_offload(false)
            .congestion_controller_factory(Arc::new(rate));
    }
    Ok(Arc::new(transport))
}

/// Only the hello comes on a stream. Every path carries QUIC's smallest packet,
/// which holds [`crate::DATAGRAM_MAX_BYTES`]: nothing is gained by probing.
fn datagrams_only(transport: &mut TransportConfig, buffers: Buffers, side: Side) {
    let streams = match side {
        Side::Dialling => 0,
        Side::Answering => 1,
    };
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .initial_mtu(DATAGRAM_MTU)
        .min_mtu(DATAGRAM_MTU)
        .mtu_discovery_config(None)
        .datagram_send_buffer_size(buffers.send_bytes)
        .datagram_receive_buffer_size(Some(buffers.receive_bytes));
}

/// What a newcomer joins with; it does not know yet what kind of path it has.
pub(crate) fn join_transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(15_000))))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None);
    Arc::new(transport)
}

fn idle_timeout(time: Duration) -> Result<IdleTimeout, BindError> {
    IdleTimeout::try_from(time).map_err(|_| BindError::IdleTimeout(time))
}
