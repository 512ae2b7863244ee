//! What another site's node may not do to us.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_peer_gets_no_more_calls_than_its_own() {
    let mut land = Land::new(36_800);
    let mut kept = Vec::new();
    let mut taken = 0;
    for number in 0..300_u32 {
        let (wire, says, mut heard) = stranger();
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_be_bytes());
        let mut message = Message::read(&setup(0, 70)).unwrap();
        if let Word::Setup(setup) = &mut message.word {
            setup.call = CallKey(key);
        }
        land.there.between.arrived(NodeId(9), message.bytes().unwrap().into(), wire);
        match hears(&mut heard).await {
            Word::Heard => taken += 1,
            Word::Refused { code, .. } => assert_eq!(code, 503),
            other => panic!("{other:?}"),
        }
        kept.push((says, heard));
    }
    // The rest is kept for emergencies.
    assert_eq!(taken, 80);
    // Another peer is served.
    let (_near, _far) = {
        let mut arrivals = land.there.arrivals.take().unwrap();
        for _ in 0..taken {
            drop(arrivals.recv().await);
        }
        land.there.arrivals = Some(arrivals);
        land.talk().await
    };
    drop(kept);
    land.until("given back", || land.there.between.calls() == 1).await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn nonsense_takes_nothing() {
    let mut land = Land::new(39_200);
    for first in [&b"\x40\x01"[..], b"", b"\x40\x09abc", b"\x41\x01\x00"] {
        let (wire, _says, _heard) = stranger();
        land.there.between.arrived(HERE, Bytes::copy_from_slice(first), wire);
    }
    let unknown = Message { number: 0, expects: 4, word: Word::Resume { call: CallKey([4; 16]) } };
    let (wire, _says, mut heard) = stranger();
    land.there.between.arrived(HERE, unknown.bytes().unwrap().into(), wire);
    assert_eq!(hears(&mut heard).await, Word::Unknown);
    let (wire, _says, mut heard) = stranger();
    land.there.between.arrived(HERE, setup(1, 0), wire);
    assert!(matches!(hears(&mut heard).await, Word::Refused { code: 483, .. }));
    // It reads as a call, and goes on as none.
    let (wire, says, mut heard) = stranger();
    land.there.between.arrived(HERE, setup(2, 70), wire);
    assert_eq!(hears(&mut heard).await, Word::Heard);
    let mut incoming = land.arrival().await;
    says.send(Bytes::from_static(b"what?")).await.unwrap();
    assert_eq!(next(&mut incoming.call).await, Some(CallEvent::Ended { why: Closing::Fault }));
    drop((incoming, says));
    land.until_empty().await;
    land.close().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_over_the_call_of_another_node() {
    let mut land = Land::new(41_600);
    let (wire, _says, mut heard) = stranger();
    land.there.between.arrived(HERE, setup(7, 70), wire);
    assert_eq!(hears(&mut heard).await, Word::Heard);
    let incoming = land.arrival().await;
    let resume = Message { number: 0, expects: 1, word: Word::Resume { call: CallKey([7; 16]) } };
    let (wire, _thief, mut stolen) = stranger();
    land.there.between.arrived(NodeId(66), resume.bytes().unwrap().into(), wire);
    assert_eq!(hears(&mut stolen).await, Word::Unknown);
    incoming.call.ring(180, None).await;
    assert_eq!(hears(&mut heard).await, Word::Ring { code: 180 });
    assert!(stolen.recv().await.is_none());
    drop(incoming);
    land.close().await;
}
