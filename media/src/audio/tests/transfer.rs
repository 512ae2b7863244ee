//! A sound on its way to another node, cut as links are.

use weir_model::id::Hash;

use super::*;

async fn library(folder: &TempDir) -> Library {
    Library::open(folder.path().to_owned(), 1 << 22).await.unwrap()
}

/// Takes pieces until `enough`, from where it stands.
async fn ship(from: &Library, to: &mut Partial, hash: Hash, enough: u64) {
    while to.have() < enough && !to.is_whole() {
        let (_, piece) = from.chunk(hash, to.have()).await.unwrap();
        to.write(to.have(), piece).await.unwrap();
    }
}

#[tokio::test]
async fn a_transfer_goes_on_where_it_was_cut_even_after_a_restart() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let from = library(&here).await;
    let bytes = staged_sound(1_000);
    let len = bytes.len() as u64;
    let hash = from.put(bytes.clone()).await.unwrap();
    {
        let to = library(&there).await;
        let mut partial = to.receive(hash, len).await.unwrap();
        ship(&from, &mut partial, hash, 200_000).await;
    }
    let to = library(&there).await;
    assert!(matches!(to.get(hash).await, Err(GetError::Missing(_))));
    let mut partial = to.receive(hash, len).await.unwrap();
    assert_eq!(partial.have(), 4 * CHUNK_BYTES as u64);
    ship(&from, &mut partial, hash, len).await;
    assert_eq!(partial.finish().await.unwrap(), hash);
    assert_eq!(to.get(hash).await.unwrap(), bytes);
    assert_eq!(to.used(), len);
    assert_eq!(from.chunk(hash, len).await.unwrap(), (len, Bytes::new()));
}

#[tokio::test]
async fn pieces_out_of_order_are_refused_with_the_place_to_go_on() {
    let folder = TempDir::new().unwrap();
    let to = library(&folder).await;
    let bytes = staged_sound(1);
    let (hash, len) = (hash_of(&bytes), bytes.len() as u64);
    let mut partial = to.receive(hash, len).await.unwrap();
    partial.write(0, bytes.slice(..100)).await.unwrap();
    for (at, piece) in [(0, bytes.slice(..100)), (200, bytes.slice(200..)), (100, bytes.clone())] {
        let wrong = partial.write(at, piece).await;
        assert!(matches!(wrong, Err(PartialError::Order { expected: 100 })), "{wrong:?}");
    }
    assert!(matches!(to.receive(hash, len).await, Err(PartialError::Held(_))));
    assert!(matches!(partial.finish().await, Err(PartialError::Order { expected: 100 })));
    assert_eq!(to.receive(hash, len).await.unwrap().have(), 100);
}

#[tokio::test]
async fn a_sound_that_arrives_wrong_is_dropped_and_begun_anew() {
    let folder = TempDir::new().unwrap();
    let to = library(&folder).await;
    let bytes = staged_sound(1);
    let (hash, len) = (hash_of(&bytes), bytes.len() as u64);
    let mut partial = to.receive(hash, len).await.unwrap();
    partial.write(0, vec![0; bytes.len()].into()).await.unwrap();
    assert!(matches!(partial.finish().await, Err(PartialError::Corrupt(_))));
    assert_eq!((to.used(), to.list()), (0, vec![]));
    let mut partial = to.receive(hash, len).await.unwrap();
    partial.write(0, bytes).await.unwrap();
    partial.finish().await.unwrap();
    assert!(matches!(to.receive(hash, len).await, Err(PartialError::Here(_))));
}

#[tokio::test]
async fn a_corrupt_sound_is_not_shipped() {
    let folder = TempDir::new().unwrap();
    let from = library(&folder).await;
    let hash = from.put(staged_sound(1_000)).await.unwrap();
    std::fs::write(folder.path().join(hash.to_string()), vec![7; 400_000]).unwrap();
    assert!(matches!(from.chunk(hash, 0).await, Err(GetError::Corrupt(_))));
    assert!(matches!(from.chunk(hash, 65_536).await, Err(GetError::Missing(_))));
}

/// Room promised to a transfer is taken; one that nobody holds makes way.
#[tokio::test]
async fn a_transfer_has_its_room_and_gives_it_back() {
    let folder = TempDir::new().unwrap();
    let to = Library::open(folder.path().to_owned(), 600_000).await.unwrap();
    let bytes = staged_sound(1_000);
    let (hash, len) = (hash_of(&bytes), bytes.len() as u64);
    let mut partial = to.receive(hash, len).await.unwrap();
    partial.write(0, bytes.slice(..CHUNK_BYTES)).await.unwrap();
    assert!(matches!(to.put(staged_sound(500)).await, Err(PutError::Full { .. })));
    drop(partial);
    to.put(staged_sound(500)).await.unwrap();
    assert_eq!(to.receive(hash, 100_000).await.unwrap().have(), CHUNK_BYTES as u64);
    to.put(staged_sound(700)).await.unwrap();
    assert_eq!(to.receive(hash, 10).await.unwrap().have(), 0);
}
