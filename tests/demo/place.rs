//! Where the demo stands: five nodes on loopback addresses of their own, and the
//! loudspeakers around them. The figures are the flood night's; the judge reads
//! from here what should sound, and refuses to ask Weir for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// QUIC, and the next port above it.
pub(crate) const LINK: u16 = 7400;
pub(crate) const SIP: u16 = 5060;
pub(crate) const HTTPS: u16 = 8443;
pub(crate) const METRICS: u16 = 9400;

/// The emulated dish of a site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dish {
    pub(crate) rtt_ms: u32,
    pub(crate) up_kbps: u32,
    pub(crate) down_kbps: u32,
    pub(crate) loss_ppm: u32,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) site: &'static str,
    /// Last number of its loopback address.
    pub(crate) host: u8,
    pub(crate) role: &'static str,
    pub(crate) dish: Option<Dish>,
}

pub(crate) const HQ1: usize = 0;
pub(crate) const RC1: usize = 1;
pub(crate) const R3: usize = 2;
pub(crate) const R4: usize = 3;
pub(crate) const R5: usize = 4;

pub(crate) const PLACES: [Place; 5] = [
    Place { name: "hq1", site: "HQ", host: 11, role: "voter", dish: None },
    Place { name: "rc1", site: "RC", host: 12, role: "voter", dish: None },
    Place { name: "r3", site: "R3", host: 13, role: "voter", dish: None },
    Place {
        name: "r4",
        site: "R4",
        host: 14,
        role: "learner",
        dish: Some(Dish { rtt_ms: 620, up_kbps: 512, down_kbps: 256, loss_ppm: 5_000 }),
    },
    Place {
        name: "r5",
        site: "R5",
        host: 15,
        role: "learner",
        dish: Some(Dish { rtt_ms: 640, up_kbps: 384, down_kbps: 128, loss_ppm: 10_000 }),
    },
];

impl Place {
    pub(crate) fn ip(&self) -> IpAddr {
        Ipv4Addr::new(127, 0, 0, self.host).into()
    }

    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        (self.ip(), port).into()
    }
}

/// A row of loudspeakers, numbered upwards.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) id: &'static str,
    pub(crate) node: usize,
    pub(crate) first: u16,
    pub(crate) count: u16,
    /// Of the fakes; what the directory says of the row must fit it.
    pub(crate) profile: &'static str,
}

const fn zone(id: &'static str, node: usize, (first, count): (u16, u16)) -> Zone {
    let profile = if node == R4 { "column" } else { "horn-rtcp" };
    Zone { id, node, first, count, profile }
}

/// Every zone of a site that has a node here.
pub(crate) const ZONES: [Zone; 7] = [
    zone("5401", R3, (5411, 4)),
    zone("5402", R3, (5431, 4)),
    zone("5403", R3, (5451, 9)),
    zone("6401", R4, (6411, 4)),
    zone("6403", R4, (6451, 6)),
    zone("7401", R5, (7411, 2)),
    zone("7403", R5, (7451, 5)),
];

impl Zone {
    pub(crate) fn numbers(&self) -> impl Iterator<Item = String> {
        (self.first..self.first + self.count).map(|number| number.to_string())
    }
}

/// The loudspeakers of one node's site.
pub(crate) fn numbers_of(node: usize) -> Vec<String> {
    zones_of(node).flat_map(Zone::numbers).collect()
}

pub(crate) fn zones_of(node: usize) -> impl Iterator<Item = &'static Zone> {
    const { &ZONES }.iter().filter(move |zone| zone.node == node)
}

/// Of the flood-night directory: who may launch the red plan, and what it says.
pub(crate) const COMMANDER: &str = "lin.guodong";
pub(crate) const DUTY_R5: &str = "yang.yunfeng";
pub(crate) const RED_PLAN: &str = "P-38-page";
pub(crate) const RED_TEXT: &str = "洪水红色预警，请立即向安置点转移，不要返回。";
pub(crate) const RED_SENTENCES: usize = 5;
