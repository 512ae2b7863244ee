//! Hostile bytes, and limits.

use proptest::prelude::*;
use weir_model::directory::Codec;

use super::*;

fn setup() -> Setup {
    let said = Said { codecs: vec![Codec::Pcma], events: true, direction: Direction::Both };
    Setup {
        call: KEY,
        from: "5401".into(),
        from_name: "甲".into(),
        dialled: "5402".into(),
        emergency: true,
        max_forwards: 70,
        media: Media { said, channel: 9 },
    }
}

fn read(number: u32, word: Word) -> Result<Message, MessageError> {
    Message::read(&Message { number, expects: 1, word }.bytes().unwrap())
}

#[test]
fn what_is_said_reads_back() {
    let message = Message { number: 1, expects: 1, word: Word::Setup(setup()) };
    let bytes = message.bytes().unwrap();
    assert_eq!(bytes[..2], [64, 1]);
    assert_eq!(Message::read(&bytes), Ok(message));
}

#[test]
fn what_would_be_two_lines_of_sip_is_refused() {
    let with = |change: &dyn Fn(&mut Setup)| {
        let mut setup = setup();
        change(&mut setup);
        read(1, Word::Setup(setup))
    };
    assert!(with(&|_| {}).is_ok());
    assert!(with(&|setup| setup.from = "54\r\n01".into()).is_err());
    assert!(with(&|setup| setup.from = String::new()).is_err());
    assert!(with(&|setup| setup.from_name = "a\r\nb".into()).is_err());
    assert!(with(&|setup| setup.from_name = "a".repeat(300)).is_err());
    assert!(with(&|setup| setup.dialled = "9".repeat(33)).is_err());
    assert!(with(&|setup| setup.media.said.codecs = vec![]).is_err());
    assert!(with(&|setup| setup.media.said.codecs = vec![Codec::Pcma; 2]).is_err());
    assert!(with(&|setup| setup.media.said.codecs = vec![Codec::Pcma; 5]).is_err());
    let info = |kind: &str, len: usize| Word::Info { kind: kind.into(), body: vec![0; len] };
    assert!(read(2, info("a/b", 2_000)).is_ok());
    assert!(read(2, info("a/b", 2_046)).is_err());
    assert!(read(2, info("a/b\r\nX: y", 1)).is_err());
    assert!(read(2, Word::Refused { code: 200, words: String::new() }).is_err());
    assert!(read(2, Word::Ring { code: 200 }).is_err());
    assert!(read(0, Word::Confirmed).is_err(), "not counted");
    assert!(read(3, Word::Heard).is_err(), "counted");
    assert!(read(2, Word::Setup(setup())).is_err(), "the second first word");
}

#[test]
fn a_longer_reason_is_cut_between_letters() {
    let cut = short(&"满".repeat(200));
    assert!(cut.len() <= TEXT_MAX_BYTES && cut.chars().all(|letter| letter == '满'));
    assert_eq!(short("a\r\nb"), "ab");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_reads_reads_again(bytes: Vec<u8>) {
        let mut headed = vec![64, 1];
        headed.extend(&bytes);
        for bytes in [bytes, headed] {
            if let Ok(message) = Message::read(&bytes) {
                prop_assert_eq!(Message::read(&message.bytes().unwrap()), Ok(message));
            }
        }
    }

    /// Of every record one byte is another.
    #[test]
    fn a_changed_byte_does_no_harm(at in 0..64_usize, value: u8) {
        let bytes = Message { number: 1, expects: 1, word: Word::Setup(setup()) }.bytes().unwrap();
        let mut changed = bytes;
        let at = at % changed.len();
        changed[at] = value;
        let Ok(message) = Message::read(&changed) else { return Ok(()) };
        let Word::Setup(setup) = &message.word else { return Ok(()) };
        let end = End::new(1, at_any(), SAME);
        if let Ok((mut far, offer)) = Far::called(0, setup, 1, end) {
            prop_assert!(sdp::read(&offer).is_ok());
            far.step(0, Input::Begin);
        }
    }
}

fn at_any() -> SocketAddr {
    at("203.0.113.9:40000")
}
