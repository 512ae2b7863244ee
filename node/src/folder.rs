//! What a node keeps in its data folder besides the database: who it is, and
//! which cluster it belongs to. Written once, by `weir init` or `weir join`.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weir_model::decision::{Member, Profile};
use weir_model::id::{ClusterId, NodeId};

/// Why the folder is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error(
        "{0} 尚无节点身份；请先执行 weir init 或 weir join / no node lives in {0}; run weir init or \
         weir join first"
    )]
    Empty(PathBuf),
    #[error(
        "{0} 已有节点身份；换一个目录，或直接 weir run / a node lives in {0} already; choose \
         another folder, or weir run"
    )]
    Taken(PathBuf),
    #[error("{path} 读写失败 / {path} cannot be read or written: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} 已损坏 / {path} is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "身份证书属于 {found}，而本目录属于 {expected}；请恢复原来的 identity 目录，或让节点重新加入 / \
         the certificate belongs to {found}, this folder to {expected}; put the right identity \
         folder back, or join the node anew"
    )]
    OtherIdentity { expected: NodeId, found: NodeId },
}

/// The membership of this node, as it was when it was founded or joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Belonging {
    pub(crate) cluster: String,
    pub(crate) node: u64,
    pub(crate) profile: Profile,
    /// True on the node that founds the cluster when it first runs.
    pub(crate) founder: bool,
    /// Whom to expect before the cluster's state has arrived.
    pub(crate) members: Vec<Member>,
}

impl Belonging {
    pub(crate) fn node(&self) -> NodeId {
        NodeId(self.node)
    }

    /// Others would refuse a node that speaks with another's certificate.
    pub(crate) fn must_be_of(&self, found: NodeId) -> Result<(), FolderError> {
        let expected = self.node();
        if found == expected { Ok(()) } else { Err(FolderError::OtherIdentity { expected, found }) }
    }
}

pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.0.join("identity")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    fn belonging(&self) -> PathBuf {
        self.0.join("cluster.json")
    }

    pub(crate) fn must_be_empty(&self) -> Result<(), FolderError> {
        if self.belonging().exists() {
            return Err(FolderError::Taken(self.0.clone()));
        }
        // Nobody but the owner: keys live here, and so does the local API.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|source| self.io(source))
    }

    pub(crate) fn load(&self) -> Result<Belonging, FolderError> {
        let path = self.belonging();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(FolderError::Empty(self.0.clone()));
            }
            Err(source) => return Err(self.io(source)),
        };
        serde_json::from_str(&text)
            .map_err(|error| FolderError::Damaged { path, reason: error.to_string() })
    }

    /// The last file written: where it is, the identity is too.
    pub(crate) fn save(&self, belonging: &Belonging) -> Result<(), FolderError> {
        let path = self.belonging();
        let text = serde_json::to_string_pretty(belonging).map_err(|error| {
            FolderError::Damaged { path: path.clone(), reason: error.to_string() }
        })?;
        let unfinished = path.with_extension("unfinished");
        let write = || {
            let mut file = std::fs::File::create(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            std::fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(|source| self.io(source))
    }

    fn io(&self, source: std::io::Error) -> FolderError {
        FolderError::Io { path: self.0.clone(), source }
    }
}

pub(crate) fn cluster_id(belonging: &Belonging) -> Option<ClusterId> {
    belonging.cluster.parse().ok()
}
