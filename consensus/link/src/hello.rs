//! The first words on a connection and on a stream. Pure. Who dialled says which
//! cluster and node it is and what the connection is for; TLS has shown a
//! certificate by then, and the two must agree. It refuses unknown versions.

use weir_model::id::{ClusterId, NodeId};

use crate::class::{Class, Urgency};

const VERSION: u8 = 1;
pub(crate) const HELLO_BYTES: usize = 1 + 1 + 16 + 8 + 8;
/// The answer to a hello: come in.
pub(crate) const WELCOME: u8 = 1;

/// Between nodes, both with certificates.
pub(crate) const ALPN_NODE: &[u8] = b"weir/1";
/// From a newcomer without one.
pub(crate) const ALPN_JOIN: &[u8] = b"weir-join/1";

/// What the dialling side claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) class: Class,
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    /// Another one each time the node starts: its older connections are gone.
    pub(crate) boot: u64,
}

impl Hello {
    pub(crate) fn to_bytes(self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[0] = VERSION;
        bytes[1] = self.class.code();
        bytes[2..18].copy_from_slice(&self.cluster.0);
        bytes[18..26].copy_from_slice(&self.node.0.to_be_bytes());
        bytes[26..].copy_from_slice(&self.boot.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; HELLO_BYTES]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<2>()?;
        let (cluster, rest) = rest.split_first_chunk::<16>()?;
        let (node, rest) = rest.split_first_chunk::<8>()?;
        let (boot, _) = rest.split_first_chunk::<8>()?;
        if head[0] != VERSION {
            return None;
        }
        Some(Self {
            class: Class::from_code(head[1])?,
            cluster: ClusterId(*cluster),
            node: NodeId(u64::from_be_bytes(*node)),
            boot: u64::from_be_bytes(*boot),
        })
    }
}

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Call,
    Open,
}

pub(crate) const PREFACE_BYTES: usize = 2;

/// The first bytes of every stream after the hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preface {
    pub(crate) kind: StreamKind,
    pub(crate) urgency: Urgency,
}

impl Preface {
    pub(crate) fn to_bytes(self) -> [u8; PREFACE_BYTES] {
        let kind = match self.kind {
            StreamKind::Call => 1,
            StreamKind::Open => 2,
        };
        [kind, self.urgency.code()]
    }

    pub(crate) fn from_bytes(bytes: [u8; PREFACE_BYTES]) -> Option<Self> {
        let kind = match bytes[0] {
            1 => StreamKind::Call,
            2 => StreamKind::Open,
            _ => return None,
        };
        Some(Self { kind, urgency: Urgency::from_code(bytes[1])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_hello_reads_back_as_it_was_said(
            cluster: [u8; 16],
            node: u64,
            boot: u64,
            class in prop::sample::select(Class::ALL.to_vec()),
        ) {
            let (cluster, node) = (ClusterId(cluster), NodeId(node));
            let hello = Hello { class, cluster, node, boot };
            prop_assert_eq!(Hello::from_bytes(&hello.to_bytes()), Some(hello));
        }

        #[test]
        fn no_first_words_make_the_parsers_panic(bytes: [u8; HELLO_BYTES]) {
            let _ = Hello::from_bytes(&bytes);
            let _ = Preface::from_bytes([bytes[0], bytes[1]]);
        }
    }

    #[test]
    fn another_version_is_not_understood() {
        let (cluster, node) = (ClusterId([1; 16]), NodeId(2));
        let mut bytes = Hello { class: Class::Bulk, cluster, node, boot: 3 }.to_bytes();
        bytes[0] = 2;
        assert_eq!(Hello::from_bytes(&bytes), None);
    }
}
