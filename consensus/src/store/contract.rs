//! openraft's own storage suite, on the real disk. It does not test crashes;
//! `tests/` does that, from outside.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft_rt_tokio::TokioRuntime;
use tempfile::TempDir;

use super::{LogStore, Machine};
use crate::disk::RocksDisk;
use crate::types::Types;

struct OnRocks;

type Log = LogStore<TokioRuntime, RocksDisk>;

impl StoreBuilder<Types<TokioRuntime>, Log, Machine<RocksDisk>, TempDir> for OnRocks {
    async fn build(
        &self,
    ) -> Result<(TempDir, Log, Machine<RocksDisk>), StorageError<Types<TokioRuntime>>> {
        let folder = TempDir::new().unwrap();
        let disk = RocksDisk::open(folder.path()).unwrap();
        let (machine, _view) = Machine::open(disk.clone()).await.unwrap();
        Ok((folder, LogStore::new(disk), machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_what_openraft_expects_of_it() {
    Suite::test_all(OnRocks).await.unwrap();
}
