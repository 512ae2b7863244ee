//! Calls to loudspeakers, with all that crosses on the way.

use super::device::field;
use super::*;

const SDP: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 5000 RTP/AVP 8\r\n";

/// Lets a speaker answer at once; the INVITE it got.
async fn answer(speaker: &mut Device) -> String {
    let invite = speaker.expect("INVITE").await;
    speaker.answer(&invite, "200 OK", "spk", SDP).await;
    speaker.expect("ACK").await;
    invite
}

async fn answered(call: &mut Call) -> DialogNote {
    loop {
        match next(call).await {
            Some(CallEvent::Trying | CallEvent::Ringing { .. }) => {}
            Some(CallEvent::Answered { sdp, note }) => {
                assert_eq!(sdp, SDP);
                return note;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_speaker_is_called_answers_and_is_hung_up() {
    let house = House::open(&["5403"]).await;
    for over_tcp in [false, true] {
        let mut speaker = if over_tcp {
            let mut device = house.tcp("5403").await;
            device.register_well().await;
            device
        } else {
            house.speaker("5403").await
        };
        let local = speaker.local;
        house
            .until("at its newest place", || {
                house.sip.bindings().borrow().iter().any(|b| b.address == local && b.reachable)
            })
            .await;
        let mut call = house.sip.call(page("5403")).await.unwrap();
        let invite = speaker.expect("INVITE").await;
        assert!(invite.contains("\r\nCall-Info: <sip:weir>;answer-after=0\r\n"), "{invite}");
        assert!(field(&invite, "From").starts_with("\"调度台\" <sip:5400@weir>;tag="));
        assert!(invite.ends_with(&page("5403").offer));
        speaker.answer(&invite, "100 Trying", "", "").await;
        speaker.answer(&invite, "180 Ringing", "spk", "").await;
        speaker.answer(&invite, "200 OK", "spk", SDP).await;
        assert_eq!(next(&mut call).await, Some(CallEvent::Trying));
        assert_eq!(
            next(&mut call).await,
            Some(CallEvent::Ringing { code: 180, sdp: String::new() })
        );
        let ack = speaker.expect("ACK").await;
        assert!(ack.starts_with(&format!("ACK sip:5403@{local}")), "{ack}");
        // Its 200 again, because our ACK was lost.
        speaker.answer(&invite, "200 OK", "spk", SDP).await;
        assert_eq!(speaker.expect("ACK").await, ack);
        assert!(call.note().is_none());
        let note = answered(&mut call).await;
        assert_eq!(call.note(), Some(note));

        let (bye, ()) = tokio::join!(
            async {
                let bye = speaker.expect("BYE").await;
                speaker.answer(&bye, "200 OK", "", "").await;
                bye
            },
            call.hang_up(),
        );
        assert_eq!(field(&bye, "CSeq"), "2 BYE");
        assert!(field(&bye, "To").ends_with(";tag=spk"), "{bye}");
    }
    let counters = house.sip.counters();
    assert_eq!((counters.calls_answered, counters.calls_now), (2, 0));
    house.close().await;
}

#[tokio::test]
async fn each_maker_is_told_in_its_own_dialect_to_answer_by_itself() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let dialects = [
        (AutoAnswer::CallInfo, "Call-Info: <sip:weir>;answer-after=0"),
        (AutoAnswer::AlertInfo, "Alert-Info: <http://weir>;info=alert-autoanswer;delay=0"),
        (AutoAnswer::AnswerMode, "Answer-Mode: Auto"),
        (AutoAnswer::Device, ""),
    ];
    for (auto_answer, line) in dialects {
        let mut call = house.sip.call(Outgoing { auto_answer, ..page("5403") }).await.unwrap();
        let invite = speaker.expect("INVITE").await;
        let told = invite.lines().filter(|l| {
            ["Call-Info", "Alert-Info", "Answer-Mode"].iter().any(|name| l.starts_with(name))
        });
        assert_eq!(told.collect::<Vec<_>>().join(""), line);
        speaker.answer(&invite, "486 Busy Here", "b", "").await;
        speaker.expect("ACK").await;
        let refused = CallEvent::Refused { code: 486, reason: "Busy Here".into() };
        assert_eq!(next(&mut call).await, Some(refused));
        assert_eq!(next(&mut call).await, None);
    }
    house.close().await;
}

#[tokio::test]
async fn a_speaker_that_wants_a_password_from_us_has_refused() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    for status in ["401 Unauthorized", "407 Proxy Authentication Required"] {
        let mut call = house.sip.call(page("5403")).await.unwrap();
        let invite = speaker.expect("INVITE").await;
        speaker.answer(&invite, status, "c", "").await;
        speaker.expect("ACK").await;
        assert!(matches!(next(&mut call).await, Some(CallEvent::Refused { code: 401 | 407, .. })));
    }
    house.close().await;
}

#[tokio::test]
async fn a_ringing_call_is_cancelled() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    speaker.answer(&invite, "180 Ringing", "spk", "").await;
    assert_eq!(next(&mut call).await, Some(CallEvent::Ringing { code: 180, sdp: String::new() }));
    tokio::join!(
        async {
            let cancel = speaker.expect("CANCEL").await;
            // The same transaction, or nobody would know what is meant.
            assert_eq!(field(&cancel, "Via"), field(&invite, "Via"));
            assert_eq!(field(&cancel, "CSeq"), "1 CANCEL");
            speaker.answer(&cancel, "200 OK", "spk", "").await;
            speaker.answer(&invite, "487 Request Terminated", "spk", "").await;
            speaker.expect("ACK").await;
        },
        call.hang_up(),
    );
    assert_eq!(house.sip.counters().calls_now, 0);
    house.close().await;
}

#[tokio::test]
async fn an_answer_that_crosses_our_cancel_does_not_leave_the_speaker_open() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    speaker.answer(&invite, "180 Ringing", "spk", "").await;
    assert_eq!(next(&mut call).await, Some(CallEvent::Ringing { code: 180, sdp: String::new() }));
    tokio::join!(
        async {
            let cancel = speaker.expect("CANCEL").await;
            // Answered a moment before the CANCEL came.
            speaker.answer(&invite, "200 OK", "spk", SDP).await;
            speaker.answer(&cancel, "200 OK", "spk", "").await;
            speaker.expect("ACK").await;
            let bye = speaker.expect("BYE").await;
            assert!(field(&bye, "To").ends_with(";tag=spk"));
            speaker.answer(&bye, "200 OK", "", "").await;
        },
        call.hang_up(),
    );
    let counters = house.sip.counters();
    assert_eq!((counters.calls_crossed, counters.calls_answered), (1, 0));
    house.close().await;
}

#[tokio::test]
async fn a_speaker_that_only_rings_or_says_nothing_is_given_up_in_time() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let brief = Outgoing { answer_within: Duration::from_millis(700), ..page("5403") };
    let mut call = house.sip.call(brief.clone()).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    speaker.answer(&invite, "180 Ringing", "spk", "").await;
    assert_eq!(next(&mut call).await, Some(CallEvent::Ringing { code: 180, sdp: String::new() }));
    assert_eq!(next(&mut call).await, Some(CallEvent::Silent));
    let cancel = speaker.expect("CANCEL").await;
    speaker.answer(&cancel, "200 OK", "spk", "").await;
    speaker.answer(&invite, "487 Request Terminated", "spk", "").await;
    speaker.expect("ACK").await;

    // Silence: the INVITE is repeated, and a CANCEL comes only once the speaker
    // has shown that it knows of the call.
    let mut call = house.sip.call(brief).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    assert_eq!(speaker.expect("INVITE").await, invite);
    assert_eq!(next(&mut call).await, Some(CallEvent::Silent));
    assert_eq!(next(&mut call).await, None);
    speaker.answer(&invite, "180 Ringing", "late", "").await;
    speaker.expect("CANCEL").await;
    assert_eq!(house.sip.counters().calls_silent, 2);
}

#[tokio::test]
async fn a_speaker_that_hangs_up_is_noticed() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = answer(&mut speaker).await;
    answered(&mut call).await;
    let bye = speaker.within(&invite, "spk", "BYE", 7, "");
    speaker.send(bye.as_bytes()).await;
    let ok = speaker.hear().await;
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert!(matches!(next(&mut call).await, Some(CallEvent::Ended { .. })));
    assert_eq!(next(&mut call).await, None);
    // The same BYE again: the same answer. A new one: there is no such call.
    speaker.send(bye.as_bytes()).await;
    assert_eq!(speaker.hear().await, ok);
    let again = speaker.within(&invite, "spk", "BYE", 8, "");
    speaker.send(again.as_bytes()).await;
    assert!(speaker.hear().await.starts_with("SIP/2.0 481"));
    house.close().await;
}

#[tokio::test]
async fn a_refresh_of_the_session_is_agreed_to_a_change_is_not() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = answer(&mut speaker).await;
    answered(&mut call).await;
    let refresh = speaker.within(&invite, "spk", "INVITE", 11, SDP);
    speaker.send(refresh.as_bytes()).await;
    let ok = speaker.hear().await;
    assert!(ok.starts_with("SIP/2.0 200") && ok.ends_with(&page("5403").offer), "{ok}");
    // Its ACK is late, so the 200 comes again.
    assert_eq!(speaker.hear().await, ok);
    let ack = speaker.within(&invite, "spk", "ACK", 11, "");
    speaker.send(ack.as_bytes()).await;
    let hold = format!("{SDP}a=sendonly\r\n");
    let change = speaker.within(&invite, "spk", "INVITE", 12, &hold);
    speaker.send(change.as_bytes()).await;
    assert!(speaker.hear().await.starts_with("SIP/2.0 488"));
    let stale = speaker.within(&invite, "spk", "BYE", 12, "");
    speaker.send(stale.as_bytes()).await;
    assert!(speaker.hear().await.starts_with("SIP/2.0 500"));
    // A stranger who knows the Call-ID but not the tag ends nothing.
    let foreign = speaker.within(&invite, "forged", "BYE", 99, "");
    speaker.send(foreign.as_bytes()).await;
    assert!(speaker.hear().await.starts_with("SIP/2.0 481"));
    assert_eq!(house.sip.counters().calls_now, 1);
    drop(call);
    speaker.expect("BYE").await;
}

#[tokio::test]
async fn a_second_answer_is_acknowledged_and_ended() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = answer(&mut speaker).await;
    answered(&mut call).await;
    speaker.answer(&invite, "200 OK", "fork", SDP).await;
    let ack = speaker.expect("ACK").await;
    assert!(field(&ack, "To").ends_with(";tag=fork"), "{ack}");
    let bye = speaker.expect("BYE").await;
    assert!(field(&bye, "To").ends_with(";tag=fork"), "{bye}");
    speaker.answer(&bye, "200 OK", "", "").await;
    let counters = house.sip.counters();
    assert_eq!((counters.calls_forked, counters.calls_now), (1, 1));
    drop(call);
    let bye = speaker.expect("BYE").await;
    assert!(field(&bye, "To").ends_with(";tag=spk"), "{bye}");
}

#[tokio::test]
async fn a_call_that_is_dropped_is_hung_up() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let call = house.sip.call(page("5403")).await.unwrap();
    answer(&mut speaker).await;
    drop(call);
    let bye = speaker.expect("BYE").await;
    speaker.answer(&bye, "200 OK", "", "").await;
    house.until("over", || house.sip.counters().calls_now == 0).await;
    house.close().await;
}

#[tokio::test]
async fn when_the_node_stops_its_calls_are_hung_up() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let _call = house.sip.call(page("5403")).await.unwrap();
    answer(&mut speaker).await;
    tokio::join!(house.close(), async {
        let bye = speaker.expect("BYE").await;
        speaker.answer(&bye, "200 OK", "", "").await;
    });
}

#[tokio::test]
async fn a_lost_connection_ends_the_call_over_it() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.tcp("5403").await;
    speaker.register_well().await;
    house.until_registered("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    answer(&mut speaker).await;
    answered(&mut call).await;
    drop(speaker);
    assert!(matches!(next(&mut call).await, Some(CallEvent::Ended { .. })));
    house.until("unreachable", || !house.sip.registered("5403")).await;
    assert_eq!(house.sip.bindings().borrow().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_number_that_is_not_registered_is_not_called() {
    let house = House::open(&["5403"]).await;
    let refused = house.sip.call(page("5403")).await.unwrap_err();
    assert_eq!(refused, CallError::NotRegistered("5403".into()));
    assert!(refused.to_string().contains("5403 未注册"));
    house.close().await;
}

#[tokio::test]
async fn one_call_more_than_there_is_room_for_is_refused() {
    let limits = SipLimits { calls: 1, ..SipLimits::default() };
    let house = House::with(&["5403"], limits, Vec::new()).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    assert_eq!(house.sip.call(page("5403")).await.unwrap_err(), CallError::TooMany(1));
    answer(&mut speaker).await;
    answered(&mut call).await;
    house.close().await;
}

/// A page of a whole valley.
#[tokio::test]
async fn forty_speakers_are_called_at_once_and_none_waits_for_another() {
    let numbers: Vec<String> = (5000..5040).map(|n| n.to_string()).collect();
    let names: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let house = House::open(&names).await;
    let mut speakers = Vec::new();
    for number in &names {
        speakers.push(house.speaker(number).await);
    }
    let began = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for number in &names {
        calls.push(house.sip.call(page(number)).await.unwrap());
    }
    // All ring before the first is answered.
    let mut invites = Vec::new();
    for speaker in &mut speakers {
        invites.push(speaker.expect("INVITE").await);
    }
    assert_eq!(house.sip.counters().calls_now, 40);
    for (speaker, invite) in speakers.iter_mut().zip(&invites) {
        speaker.answer(invite, "200 OK", "spk", SDP).await;
    }
    for call in &mut calls {
        answered(call).await;
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(calls);
    for speaker in &mut speakers {
        let bye = speaker.expect("BYE").await;
        speaker.answer(&bye, "200 OK", "", "").await;
    }
    house.until("over", || house.sip.counters().calls_now == 0).await;
    house.close().await;
}

/// Who has seen one INVITE knows what branches look like. That answers no call: a
/// pick-up counts from where the INVITE went, under its own Call-ID, only.
#[tokio::test]
async fn a_forged_answer_connects_and_refuses_nobody() {
    let house = House::open(&["5403"]).await;
    let mut speaker = house.speaker("5403").await;
    let mut call = house.sip.call(page("5403")).await.unwrap();
    let invite = speaker.expect("INVITE").await;
    let mut stranger = Device::udp_from("127.0.0.9:0", house.sip.local(), "5403").await;
    for status in ["200 OK", "486 Busy Here"] {
        stranger.answer(&invite, status, "forged", SDP).await;
        // From the right place, with all but the Call-ID.
        let mine = field(&invite, "Call-ID");
        let other = invite.replace(&mine, "guessed");
        speaker.answer(&other, status, "forged", SDP).await;
    }
    speaker.answer(&invite, "180 Ringing", "spk", "").await;
    let ringing = CallEvent::Ringing { code: 180, sdp: String::new() };
    assert_eq!(next(&mut call).await, Some(ringing));
    speaker.answer(&invite, "200 OK", "spk", SDP).await;
    assert!(speaker.expect("ACK").await.contains(";tag=spk"));
    answered(&mut call).await;
    assert_eq!(house.sip.counters().responses_stray, 4);
    house.close().await;
}
