//! Sounds on a disk that lies, fills up and is cut off.

use std::fs;

use super::*;

const ROOM: u64 = 1 << 20;

async fn library(folder: &TempDir) -> Library {
    Library::open(folder.path().join("sounds"), ROOM).await.unwrap()
}

fn file(folder: &TempDir, name: impl std::fmt::Display) -> PathBuf {
    folder.path().join("sounds").join(name.to_string())
}

#[tokio::test]
async fn a_sound_put_in_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let bytes = staged_sound(3);
    let hash = library(&folder).await.put(bytes.clone()).await.unwrap();
    let reopened = library(&folder).await;
    assert_eq!(reopened.get(hash).await.unwrap(), bytes);
    assert_eq!(reopened.staged(hash).await.unwrap().ms, 60);
    assert_eq!(reopened.list(), [(hash, bytes.len() as u64)]);
    reopened.remove(hash).await.unwrap();
    assert!(matches!(reopened.get(hash).await, Err(GetError::Missing(_))));
    assert_eq!(reopened.used(), 0);
}

/// One bit of any byte turned over while nobody looked.
#[tokio::test]
async fn a_corrupt_sound_is_set_aside_and_never_served() {
    let folder = TempDir::new().unwrap();
    let library = library(&folder).await;
    let bytes = staged_sound(1);
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let hash = library.put(bytes.clone()).await.unwrap();
        let mut broken = bytes.to_vec();
        broken[at] ^= 1;
        fs::write(file(&folder, hash), &broken).unwrap();
        assert!(matches!(library.get(hash).await, Err(GetError::Corrupt(_))));
        assert!(matches!(library.get(hash).await, Err(GetError::Missing(_))));
        assert_eq!(fs::read(file(&folder, format!("{hash}.bad"))).unwrap(), broken);
        assert_eq!(library.list(), []);
        // Put again, it is good again, and nothing bad is kept.
        library.put(bytes.clone()).await.unwrap();
        assert!(!file(&folder, format!("{hash}.bad")).exists());
        assert_eq!(library.get(hash).await.unwrap(), bytes);
    }
}

/// The name is right, the file is rotten, and nobody read it since.
#[tokio::test]
async fn putting_a_sound_again_repairs_it() {
    let folder = TempDir::new().unwrap();
    let library = library(&folder).await;
    let bytes = staged_sound(1);
    let hash = library.put(bytes.clone()).await.unwrap();
    fs::write(file(&folder, hash), b"rotten").unwrap();
    library.put(bytes.clone()).await.unwrap();
    assert_eq!(library.get(hash).await.unwrap(), bytes);
}

/// The power went before the rename: nobody was told, nothing is left.
#[tokio::test]
async fn an_unfinished_write_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let hash = library(&folder).await.put(staged_sound(1)).await.unwrap();
    fs::write(file(&folder, format!("{hash}.7.tmp")), b"half").unwrap();
    fs::write(file(&folder, "README"), b"somebody's").unwrap();
    let reopened = library(&folder).await;
    assert!(!file(&folder, format!("{hash}.7.tmp")).exists());
    assert!(file(&folder, "README").exists());
    assert_eq!(reopened.list().len(), 1);
}

#[tokio::test]
async fn a_full_library_refuses_and_says_so() {
    let folder = TempDir::new().unwrap();
    let library = library(&folder).await;
    let kept = library.put(staged_sound(1_000)).await.unwrap();
    let full = library.put(staged_sound(1_200)).await.unwrap_err();
    assert!(matches!(full, PutError::Full { .. }), "{full}");
    library.remove(kept).await.unwrap();
    library.put(staged_sound(1_200)).await.unwrap();
    assert!(matches!(library.put(Bytes::new()).await, Err(PutError::Size(0))));
}

/// Two writers, room for one: never both.
#[tokio::test]
async fn the_last_room_is_given_once() {
    let folder = TempDir::new().unwrap();
    let library = library(&folder).await;
    let (one, two) =
        tokio::join!(library.put(staged_sound(1_200)), library.put(staged_sound(1_201)));
    assert_ne!(one.is_ok(), two.is_ok());
    assert!(library.used() <= ROOM);
}
