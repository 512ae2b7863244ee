//! Which destination lies on which uplink. Built anew when the peers change, looked
//! up for every packet: two hash lookups where a satellite is known at all, one
//! flag where none is. It refuses to guess: an address that nobody named lies where
//! this node's own paths do.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use weir_model::id::NodeId;

use super::Uplink;
use crate::class::Class;
use crate::config::{PeerAddress, Satellite};

#[derive(Debug, Default)]
struct Table {
    /// Peers dial from the port they listen on; behind NAT only the host is left.
    exact: HashMap<SocketAddr, Option<Arc<Uplink>>>,
    hosts: HashMap<IpAddr, Option<Arc<Uplink>>>,
}

/// Every uplink of this node.
#[derive(Debug)]
pub(crate) struct Uplinks {
    /// All of this node's paths share the dish that it stands behind.
    dish: Option<Arc<Uplink>>,
    of_peers: Mutex<HashMap<NodeId, Arc<Uplink>>>,
    table: RwLock<Arc<Table>>,
    any: AtomicBool,
}

impl Uplinks {
    pub(crate) fn new(dish: Option<&Satellite>) -> Self {
        Self {
            dish: dish.map(|path| Uplink::new(Instant::now(), path)),
            of_peers: Mutex::default(),
            table: RwLock::default(),
            any: AtomicBool::new(false),
        }
    }

    /// What is still named keeps what was learned of it.
    pub(crate) fn set_peers(&self, peers: &[PeerAddress]) {
        if self.dish.is_some() {
            return;
        }
        let mut of_peers = self.of_peers.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut kept, mut table) = (HashMap::new(), Table::default());
        for peer in peers {
            let uplink = peer.satellite.as_ref().map(|path| {
                let known = of_peers.get(&peer.id).cloned();
                let uplink = known.unwrap_or_else(|| Uplink::new(Instant::now(), path));
                uplink.configure(Instant::now(), path);
                kept.insert(peer.id, uplink.clone());
                uplink
            });
            for addr in &peer.addrs {
                let host = addr.ip().to_canonical();
                for class in Class::ALL {
                    let port = addr.port().saturating_add(class.port_offset());
                    table.exact.insert(SocketAddr::new(host, port), uplink.clone());
                }
                table.hosts.entry(host).or_insert_with(|| uplink.clone());
            }
        }
        self.any.store(!kept.is_empty(), Ordering::Release);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        *of_peers = kept;
    }

    /// `None`: on the ground.
    pub(crate) fn towards(&self, to: SocketAddr) -> Option<Arc<Uplink>> {
        if self.dish.is_some() {
            return self.dish.clone();
        }
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner).clone();
        let host = to.ip().to_canonical();
        let exact = table.exact.get(&SocketAddr::new(host, to.port()));
        exact.or_else(|| table.hosts.get(&host)).cloned().flatten()
    }

    /// `None`: on the ground.
    pub(crate) fn of_peer(&self, node: NodeId) -> Option<Arc<Uplink>> {
        let of_peers = || self.of_peers.lock().unwrap_or_else(PoisonError::into_inner);
        self.dish.clone().or_else(|| of_peers().get(&node).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: u64, addr: &str, satellite: bool) -> PeerAddress {
        let satellite = satellite.then(|| Satellite::new(256_000));
        PeerAddress { id: NodeId(id), addrs: vec![addr.parse().unwrap()], satellite }
    }

    fn at(addr: &str) -> SocketAddr {
        addr.parse().unwrap()
    }

    #[test]
    fn a_hub_knows_its_satellite_sites_by_port_and_behind_nat_by_host() {
        let uplinks = Uplinks::new(None);
        assert!(uplinks.towards(at("10.0.0.3:4000")).is_none());
        uplinks.set_peers(&[peer(2, "10.0.0.2:4000", false), peer(3, "10.0.0.3:4000", true)]);
        let site = uplinks.of_peer(NodeId(3)).unwrap();
        for addr in ["10.0.0.3:4000", "10.0.0.3:4001", "10.0.0.3:9", "[::ffff:10.0.0.3]:4000"] {
            assert!(Arc::ptr_eq(&uplinks.towards(at(addr)).unwrap(), &site), "{addr}");
        }
        assert!(uplinks.towards(at("10.0.0.2:4001")).is_none());
        assert!(uplinks.towards(at("10.0.0.9:4000")).is_none());
        // Named again: the same uplink, with what was learned.
        uplinks.set_peers(&[peer(3, "10.0.0.4:4000", true)]);
        assert!(Arc::ptr_eq(&uplinks.towards(at("10.0.0.4:4000")).unwrap(), &site));
        uplinks.set_peers(&[]);
        assert!(uplinks.towards(at("10.0.0.4:4000")).is_none());
    }

    #[test]
    fn behind_a_dish_every_way_is_the_same() {
        let uplinks = Uplinks::new(Some(&Satellite::new(128_000)));
        uplinks.set_peers(&[peer(3, "10.0.0.3:4000", true)]);
        let dish = uplinks.towards(at("192.0.2.1:7")).unwrap();
        assert!(Arc::ptr_eq(&dish, &uplinks.of_peer(NodeId(3)).unwrap()));
        assert!(Arc::ptr_eq(&dish, &uplinks.of_peer(NodeId(9)).unwrap()));
    }
}
