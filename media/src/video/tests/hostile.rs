//! Bytes and questions that nobody meant well.

use proptest::prelude::*;
use weir_model::codec;
use weir_model::refusal::Said;
use weir_signaling::picture::{Report, Symbol};

use super::super::{Answer, Request, Sends, Show, Trouble, TroubleKind};
use super::world::World;
use super::*;

fn camera() -> impl Strategy<Value = CameraId> {
    "[a-z]{1,8}".prop_map(|name| CameraId::new(name).unwrap())
}

fn request() -> impl Strategy<Value = Request> {
    (camera(), any::<u16>(), any::<bool>(), 0..3).prop_map(|(camera, stream, dished, kind)| {
        match kind {
            0 => Request::Watch { camera, stream, dished },
            1 => Request::Renew { camera, stream },
            _ => Request::Leave { camera, stream },
        }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    (any::<u64>(), "\\PC{0,400}", 0..6).prop_map(|(number, words, kind)| {
        let said = Said { zh: words.clone(), en: words };
        let trouble = Some(Trouble::new(TroubleKind::Lost, &said));
        let sends = Sends::Still { every_ms: number };
        match kind {
            0 => Answer::Sent { show: Show { sends, trouble } },
            1 => Answer::Sent { show: Show { sends: Sends::Moving, trouble: None } },
            2 => Answer::Follow { node: NodeId(number % 6) },
            3 => Answer::Gone,
            4 => Answer::Left,
            _ => Answer::Refused { why: said },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_question_and_an_answer_are_read_again(request in request(), answer in answer()) {
        let bytes = codec::encode(&request).unwrap();
        prop_assert_eq!(codec::decode::<Request>(&bytes), Ok(request));
        let bytes = codec::encode(&answer).unwrap();
        prop_assert_eq!(codec::decode::<Answer>(&bytes), Ok(answer));
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        kind in 67_u8..69,
    ) {
        let _ = codec::decode::<Request>(&bytes);
        bytes.splice(0..0, [kind, 1]);
        let _ = codec::decode::<Request>(&bytes);
        let _ = codec::decode::<Answer>(&bytes);
    }

    /// Whatever comes from whomever, a viewer elsewhere sees the picture.
    #[test]
    fn strangers_break_nothing(
        datagrams in proptest::collection::vec(
            (1_u64..6, proptest::collection::vec(any::<u8>(), 0..200), 0_u16..2_048), 0..60),
        requests in proptest::collection::vec((1_u64..40, request()), 0..60),
        answers in proptest::collection::vec((0_u64..6, answer()), 0..20),
    ) {
        let mut world = World::new(1);
        let eyes = world.watch(OFFICE);
        for node in [DAM, CENTRE, OFFICE] {
            let director = &mut world.machines.get_mut(&node).unwrap().director;
            for (from, request) in &requests {
                director.asked(10, NodeId(*from), request.clone());
            }
            for (id, answer) in &answers {
                director.answered(10, *id, Some(answer.clone()));
            }
            for (from, bytes, number) in &datagrams {
                director.datagram(10, NodeId(*from), bytes);
                let stream = number % 7;
                let symbol = Symbol {
                    stream, seq: *number, block: u32::from(*number), number: *number,
                    symbols: Some(9), symbol_bytes: 16, bytes: vec![1; 16],
                };
                director.datagram(10, NodeId(*from), &symbol.write());
                let report = Report { stream, newest: *number, ..Report::default() };
                director.datagram(10, NodeId(*from), &report.write());
            }
        }
        world.run(1_000);
        world.until(40_000, |world| world.state(eyes) == super::super::WatchState::Moving);
    }
}
