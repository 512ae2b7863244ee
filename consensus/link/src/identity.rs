//! Who this node is: its certificate, its key and the CA it trusts. It refuses
//! parts that do not belong together.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use weir_model::id::{ClusterId, Hash, NodeId, NodeName, SiteId};

use crate::folder::{self, FolderError, Pem, Secrecy};
use crate::key::{KeyError, PublicKey, SecretKey, fingerprint};
use crate::names::{any_node, carries, node_name};

/// Why parts do not make an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the certificate is for another key")]
    OtherKey,
    #[error("the certificate is for another node than {0}")]
    OtherNode(NodeId),
    #[error("the certificate is for another cluster than {0}")]
    OtherCluster(ClusterId),
}

/// What an identity is made of.
#[derive(Debug)]
pub struct IdentityParts {
    pub node: NodeId,
    pub name: NodeName,
    pub site: SiteId,
    pub cluster: ClusterId,
    /// From [`crate::Ca::issue`].
    pub certificate_der: Vec<u8>,
    pub ca_der: Vec<u8>,
    pub key: SecretKey,
}

/// A node's identity within its cluster.
#[derive(Debug)]
pub struct Identity {
    parts: IdentityParts,
}

impl Identity {
    /// A key for a node that is about to join; its public half goes into the
    /// join request.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn create_key() -> Result<SecretKey, KeyError> {
        SecretKey::generate()
    }

    /// # Errors
    /// When the certificate is not this key's, node's and cluster's.
    pub fn new(parts: IdentityParts) -> Result<Self, IdentityError> {
        if PublicKey::from_certificate_der(&parts.certificate_der)? != parts.key.public() {
            return Err(IdentityError::OtherKey);
        }
        PublicKey::from_certificate_der(&parts.ca_der)?;
        let identity = Self { parts };
        let leaf = identity.leaf();
        if !carries(&leaf, &any_node(identity.cluster())) {
            return Err(IdentityError::OtherCluster(identity.cluster()));
        }
        if !carries(&leaf, &node_name(identity.node(), identity.cluster())) {
            return Err(IdentityError::OtherNode(identity.node()));
        }
        Ok(identity)
    }

    /// Parts taken as they are, for a node that lies about itself.
    #[cfg(test)]
    pub(crate) fn unchecked(parts: IdentityParts) -> Self {
        Self { parts }
    }

    pub fn node(&self) -> NodeId {
        self.parts.node
    }

    pub fn name(&self) -> &NodeName {
        &self.parts.name
    }

    pub fn site(&self) -> &SiteId {
        &self.parts.site
    }

    pub fn cluster(&self) -> ClusterId {
        self.parts.cluster
    }

    pub fn certificate_der(&self) -> &[u8] {
        &self.parts.certificate_der
    }

    pub fn ca_der(&self) -> &[u8] {
        &self.parts.ca_der
    }

    /// Of the node's certificate; what revocation names.
    pub fn fingerprint(&self) -> Hash {
        fingerprint(&self.parts.certificate_der)
    }

    pub fn ca_fingerprint(&self) -> Hash {
        fingerprint(&self.parts.ca_der)
    }

    pub fn public_key(&self) -> PublicKey {
        self.parts.key.public()
    }

    /// Ed25519 over the message, with the certificate's key.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.parts.key.sign(message)
    }

    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.parts.certificate_der.clone())
    }

    pub(crate) fn ca(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.parts.ca_der.clone())
    }

    pub(crate) fn key(&self) -> &SecretKey {
        &self.parts.key
    }

    /// Keeps `node.key`, `ca.pem` and, last, `node.pem` in `folder`: where
    /// `node.pem` is, the rest is too.
    ///
    /// # Errors
    /// When the disk refuses, or the folder is a CA's own with another `ca.pem`.
    pub fn save(&self, folder: &Path) -> Result<(), FolderError> {
        folder::make(folder)?;
        let parts = &self.parts;
        let key = Pem { lines: Vec::new(), der: parts.key.pkcs8().to_vec() };
        folder::replace(&folder.join("node.key"), &key.to_text("PRIVATE KEY"), Secrecy::Private)?;
        self.save_ca(&folder.join("ca.pem"))?;
        let lines = vec![
            ("node".to_owned(), parts.node.0.to_string()),
            ("name".to_owned(), parts.name.to_string()),
            ("site".to_owned(), parts.site.to_string()),
            ("cluster".to_owned(), parts.cluster.to_string()),
        ];
        let leaf = Pem { lines, der: parts.certificate_der.clone() };
        let text = leaf.to_text("CERTIFICATE");
        folder::replace(&folder.join("node.pem"), &text, Secrecy::Public)
    }

    /// The node that holds the CA keeps both in one folder: same file, same text.
    fn save_ca(&self, path: &Path) -> Result<(), FolderError> {
        if path.with_file_name("ca.key").exists() {
            let present = folder::read_pem(path, "CERTIFICATE")?;
            if present.der != self.parts.ca_der {
                return Err(FolderError::Exists { path: path.to_owned() });
            }
        }
        let lines = vec![("cluster".to_owned(), self.parts.cluster.to_string())];
        let ca = Pem { lines, der: self.parts.ca_der.clone() };
        folder::replace(path, &ca.to_text("CERTIFICATE"), Secrecy::Public)
    }

    /// # Errors
    /// When files are missing, exposed, damaged or not each other's.
    pub fn load(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join("node.pem");
        let leaf = folder::read_pem(&path, "CERTIFICATE")?;
        let ca = folder::read_pem(&folder.join("ca.pem"), "CERTIFICATE")?;
        let key_path = folder.join("node.key");
        let key = folder::read_secret_pem(&key_path, "PRIVATE KEY")?;
        let key = SecretKey::from_pkcs8(&key.der)
            .map_err(|source| FolderError::Key { path: key_path, source })?;
        let missing = |line| FolderError::NoLine { path: path.clone(), line };
        let line = |name: &'static str| leaf.line(name).ok_or_else(|| missing(name));
        let parts = IdentityParts {
            node: NodeId(line("node")?.parse().map_err(|_| missing("node"))?),
            name: line("name")?.parse().map_err(|_| missing("name"))?,
            site: line("site")?.parse().map_err(|_| missing("site"))?,
            cluster: line("cluster")?.parse().map_err(|_| missing("cluster"))?,
            certificate_der: leaf.der.clone(),
            ca_der: ca.der,
            key,
        };
        Self::new(parts).map_err(|error| match error {
            IdentityError::Key(source) => FolderError::Key { path, source },
            IdentityError::OtherKey => {
                FolderError::Mismatch { path, what: "node.key is another certificate's" }
            }
            IdentityError::OtherNode(_) => {
                FolderError::Mismatch { path, what: "its lines name another node" }
            }
            IdentityError::OtherCluster(_) => {
                FolderError::Mismatch { path, what: "its lines name another cluster" }
            }
        })
    }
}
