//! What a worker says, as it is and as it should not be.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::frame::{self, HEAD, Head, Kind, Report};
use super::*;

fn head(kind: u8, len: u32, order: u32, taken_ns: u64, taken_ms: u64) -> Vec<u8> {
    let mut bytes = vec![b'W', b'c', 1, kind];
    bytes.extend(len.to_be_bytes());
    bytes.extend(order.to_be_bytes());
    bytes.extend(taken_ns.to_be_bytes());
    bytes.extend(taken_ms.to_be_bytes());
    bytes.extend([0; 4]);
    bytes
}

proptest! {
    #[test]
    fn a_head_says_what_was_written(
        len in 1_u32..=2 << 20,
        order: u32,
        taken_ns: u64,
        taken_ms: u64,
    ) {
        let bytes = head(2, len, order, taken_ns, taken_ms);
        let read = Head::parse(bytes.as_slice().try_into().unwrap()).unwrap();
        prop_assert_eq!(read, Head { kind: Kind::Delta, len, order, taken_ns, taken_ms });
    }

    #[test]
    fn no_head_makes_it_ask_for_more_than_a_picture(
        bytes: [u8; HEAD],
        ours: bool,
        kind in 0_u8..12,
    ) {
        let mut bytes = bytes;
        if ours {
            bytes[..4].copy_from_slice(&[b'W', b'c', 1, kind]);
            bytes[28..].fill(0);
        }
        if let Ok(head) = Head::parse(&bytes) {
            prop_assert!(head.len <= 2 << 20);
            prop_assert!(head.kind != Kind::State || head.len <= 8 << 10);
        }
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes: Vec<u8>, len in 0_u32..200) {
        let mut said = head(1, len, 1, 2, 3);
        said.extend(&bytes);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut input = said.as_slice();
        let mut frames = 0;
        while let Ok(frame) = runtime.block_on(frame::read(&mut input)) {
            prop_assert_eq!(frame.body.len(), frame.head.len as usize);
            frames += 1;
        }
        prop_assert!(frames <= said.len() / HEAD);
    }

    #[test]
    fn a_state_s_words_cannot_flood_a_log(why: String, body: Vec<u8>) {
        let _ = Report::parse(&body);
        let json = serde_json::json!(
            {"state": "no-stream", "why": why, "source_bps": 1, "lost": 0}
        );
        let report = Report::parse(json.to_string().as_bytes()).unwrap();
        prop_assert_eq!(report.state, State::NoStream);
        prop_assert!(report.why.chars().count() <= 200);
        prop_assert!(!report.why.contains(char::is_control));
    }
}

/// A pipe hands on what it has, not what was written at once.
#[tokio::test]
async fn frames_in_pieces_are_frames() {
    let (mut writes, mut reads) = tokio::io::duplex(7);
    let mut said = head(3, 5, 1, 2, 3);
    said.extend(b"image");
    let both = [said.clone(), said].concat();
    let written = async { writes.write_all(&both).await.unwrap() };
    let read = async {
        for _ in 0..2 {
            assert_eq!(&frame::read(&mut reads).await.unwrap().body[..], b"image");
        }
    };
    within(async { tokio::join!(written, read) }).await;
}
