//! A site: a place with nodes, its number prefix and its links to other sites.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::{Findings, fault};
use super::limits::{LINKS_PER_SITE_MAX, NODES_PER_SITE_MAX};
use super::word::words;
use crate::id::{NodeName, SiteId};

words! {
    SiteClass {
        Headquarters = "headquarters", "总部";
        Regional = "regional", "区域中心";
        Reservoir = "reservoir", "水库";
    }
}

words! {
    LinkKind {
        Fibre = "fibre", "光纤";
        Microwave = "microwave", "微波";
        Lte = "lte", "4G";
        /// A geostationary satellite.
        Geo = "geo", "卫星";
    }
}

/// One way from a site to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteLink {
    pub to: SiteId,
    pub kind: LinkKind,
    /// There and back, unloaded.
    pub rtt_ms: u32,
    /// From this site.
    pub up_kbps: u32,
    /// To this site.
    pub down_kbps: u32,
    /// Lost packets in a million.
    pub loss_ppm: u32,
    /// Paid by volume, so that bulk keeps off it.
    pub metered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub id: SiteId,
    pub name_zh: String,
    pub name_en: Option<String>,
    /// First digits of every number at the site.
    pub prefix: String,
    pub class: SiteClass,
    pub links: Vec<SiteLink>,
    pub nodes: Vec<NodeName>,
}

impl Site {
    pub(super) fn check(&self, found: &mut Findings<'_>) {
        found.label("name_zh", &self.name_zh);
        if let Some(name) = &self.name_en {
            found.label("name_en", name);
        }
        let prefix = &self.prefix;
        if !(1..=4).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            let fault = fault!(
                BadValue,
                "号码前缀 {prefix:?} 不是 1 到 4 位数字",
                "the prefix {prefix:?} is not one to four digits",
                "写 1 到 4 位数字，例如 \"5\"",
                "write one to four digits, such as \"5\"",
            );
            found.add("prefix", fault);
        }
        found.at_most("links", self.links.len(), LINKS_PER_SITE_MAX);
        for (at, link) in self.links.iter().enumerate() {
            link.check(&self.id, &format!("links.{at}"), found);
        }
        found.at_most("nodes", self.nodes.len(), NODES_PER_SITE_MAX);
        let mut seen = BTreeSet::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if !seen.insert(node) {
                found.twice(format!("nodes.{at}"), node);
            }
        }
    }
}

impl SiteLink {
    fn check(&self, from: &SiteId, path: &str, found: &mut Findings<'_>) {
        if self.to == *from {
            let fault = fault!(
                BadValue,
                "链路通向本站点 {from}",
                "the link leads to its own site {from}",
                "写对端站点",
                "name the site at the other end",
            );
            found.add(format!("{path}.to"), fault);
        }
        found.range(format!("{path}.rtt_ms"), self.rtt_ms, 0, 10_000);
        found.range(format!("{path}.up_kbps"), self.up_kbps, 1, 400_000_000);
        found.range(format!("{path}.down_kbps"), self.down_kbps, 1, 400_000_000);
        found.range(format!("{path}.loss_ppm"), self.loss_ppm, 0, 1_000_000);
    }
}
