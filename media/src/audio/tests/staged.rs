//! The staged file, read back and attacked.

use proptest::prelude::*;

use super::*;

#[test]
fn what_was_packed_is_read_back() {
    let file = staged_sound(5);
    let sound = parse(&file).unwrap();
    assert_eq!((sound.ms, sound.loudness_centi_lufs), (100, -1_600));
    assert_eq!(
        sound.clips.keys().copied().collect::<Vec<_>>(),
        [Codec::Pcma, Codec::Pcmu, Codec::G722]
    );
    assert!(sound.clips[&Codec::Pcma].payload.iter().all(|&byte| byte == 2));
}

#[test]
fn the_order_in_which_codecs_are_handed_in_does_not_matter() {
    let clips: Vec<Clip> = parse(&staged_sound(2)).unwrap().clips.into_values().collect();
    let mut turned = clips.clone();
    turned.reverse();
    assert_eq!(pack(-1_600, &clips).unwrap(), pack(-1_600, &turned).unwrap());
}

#[test]
fn every_shortened_file_is_refused_and_every_longer_one() {
    let file = staged_sound(1);
    for len in 0..file.len() {
        assert!(parse(&file.slice(..len)).is_err(), "{len}");
    }
    let longer = [&file[..], &[0]].concat();
    assert_eq!(parse(&longer.into()), Err(StagedError::Wrong("end")));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let mut file = staged_sound(1).to_vec();
    file[1] = 2;
    assert_eq!(parse(&file.into()), Err(StagedError::Newer(2)));
}

#[test]
fn clips_of_different_lengths_and_twice_one_codec_are_not_packed() {
    let clip = |codec, frames| Clip::new(codec, vec![0; frames * FRAME_BYTES].into()).unwrap();
    assert!(pack(0, &[clip(Codec::Pcma, 1), clip(Codec::Pcmu, 2)]).is_err());
    assert!(pack(0, &[clip(Codec::Pcma, 1), clip(Codec::Pcma, 1)]).is_err());
    assert!(pack(0, &[]).is_err());
    assert_eq!(Clip::new(Codec::Pcma, vec![0; 161].into()), None);
}

/// The same sound in another order would have another hash.
#[test]
fn a_table_out_of_order_or_with_one_codec_twice_is_refused() {
    let file = staged_sound(1);
    let mut swapped = file.to_vec();
    (swapped[16], swapped[28]) = (file[28], file[16]);
    assert_eq!(parse(&swapped.into()), Err(StagedError::Wrong("order of codecs")));
    let mut twice = file.to_vec();
    twice[28] = file[16];
    assert_eq!(parse(&twice.into()), Err(StagedError::Wrong("order of codecs")));
    let mut unknown = file.to_vec();
    unknown[40] = 18;
    assert_eq!(parse(&unknown.into()), Err(StagedError::Wrong("codec")));
}

/// Whatever is accepted is exactly what would have been written.
fn strict(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let file = Bytes::from(bytes);
    if let Ok(sound) = parse(&file) {
        let clips: Vec<Clip> = sound.clips.into_values().collect();
        prop_assert_eq!(pack(sound.loudness_centi_lufs, &clips).unwrap(), file);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let headed = [&[70, 1, b's', b'o', b'u', b'n', b'd', 0], &bytes[..]].concat();
        strict(bytes)?;
        strict(headed)?;
    }

    #[test]
    fn a_changed_byte_is_refused_or_harmless(
        frames in 1_usize..3,
        changes in prop::collection::vec((0_usize..52, any::<u8>()), 1..4),
    ) {
        let mut file = staged_sound(frames).to_vec();
        for (at, byte) in changes {
            file[at] = byte;
        }
        strict(file)?;
    }
}
