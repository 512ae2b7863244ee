//! Long-lived streams of frames.

use super::*;
use crate::StreamError;

async fn open(from: &Node, first: &'static str) -> FrameStream {
    let first = Bytes::from_static(first.as_bytes());
    from.link.open(N2, Class::Control, Urgency::Ordinary, first, SOON).await.unwrap()
}

#[tokio::test]
async fn frames_arrive_whole_and_in_order() {
    let (one, _two) = two();
    let (mut sender, mut receiver) = open(&one, "first").await.split();
    let frame = |number: usize| Bytes::from(vec![u8::try_from(number % 251).unwrap(); number * 37]);
    let sending = async {
        for number in 0..2_000 {
            sender.send(frame(number)).await.unwrap();
        }
        sender.finish().await.unwrap();
        assert_eq!(sender.send(Bytes::new()).await, Err(StreamError::Finished));
    };
    let receiving = async {
        assert_eq!(receiver.recv().await.unwrap().unwrap(), "first");
        for number in 0..2_000 {
            assert_eq!(receiver.recv().await.unwrap().unwrap(), frame(number));
        }
        assert_eq!(receiver.recv().await, Ok(None));
    };
    tokio::join!(sending, receiving);
}

#[tokio::test]
async fn a_stream_that_was_dropped_never_looks_finished() {
    let (one, _two) = two();
    let mut stream = open(&one, "first").await;
    assert_eq!(stream.recv().await.unwrap().unwrap(), "first");
    stream.send(Bytes::from_static(b"drop it")).await.unwrap();
    assert_eq!(stream.recv().await, Err(StreamError::Reset));
}

#[tokio::test]
async fn a_dropped_receive_loses_nothing() {
    let (one, _two) = two();
    let mut stream = open(&one, "first").await;
    let large = Bytes::from(vec![5; 300_000]);
    let (mut received, mut sent) = (Vec::new(), false);
    while received.len() < 2 {
        if received.len() == 1 && !sent {
            stream.send(large.clone()).await.unwrap();
            sent = true;
        }
        // Polled once or a few times, then dropped, again and again.
        tokio::select! {
            biased;
            frame = stream.recv() => received.push(frame.unwrap().unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(received[1], large);
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_by_its_sender() {
    let (one, _two) = two();
    let mut stream = open(&one, "first").await;
    let max = crate::FRAME_MAX_BYTES;
    let refused = stream.send(Bytes::from(vec![0; max + 1])).await;
    assert_eq!(refused, Err(StreamError::TooLong { len: max + 1, max }));
    assert_eq!(stream.recv().await.unwrap().unwrap(), "first");
}

#[tokio::test]
async fn an_open_stream_keeps_its_connection_from_being_retired() {
    let (one, two) = two();
    let (a, b) = tokio::join!(one.say(N2, "a"), two.say(N1, "b"));
    assert!(a.is_ok() && b.is_ok());
    let mut stream = open(&one, "first").await;
    let later = std::time::Instant::now() + Duration::from_secs(60);
    one.link.retire_spares(later);
    two.link.retire_spares(later);
    assert_eq!(stream.recv().await.unwrap().unwrap(), "first");
    stream.send(Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(stream.recv().await.unwrap().unwrap(), "second");
}
