//! Names in certificates. TLS itself compares them, so that a node is the one
//! that was dialled. They are never resolved by DNS.

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use weir_model::id::{ClusterId, NodeId};

/// One node: what its peers dial.
pub(crate) fn node_name(node: NodeId, cluster: ClusterId) -> String {
    format!("{node}.{cluster}.weir.internal")
}

/// Any node of the cluster: what a newcomer dials, who knows no node yet.
pub(crate) fn any_node(cluster: ClusterId) -> String {
    format!("node.{cluster}.weir.internal")
}

/// Whether the certificate carries the name; its issuer is not asked here.
pub(crate) fn carries(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else {
        return false;
    };
    ServerName::try_from(name)
        .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
}
