//! Bytes that nobody meant well.
use proptest::prelude::*;

use super::super::{
    Piece, Receiver, ReceiverConfig, Report, SYMBOL_BYTES_MAX, Sender, SenderConfig, Symbol, Unit,
    UnitKind, read,
};

fn symbol() -> impl Strategy<Value = Symbol> {
    (any::<u16>(), any::<u16>(), 0_u32..40, 0_u16..2_048, 0_u16..513, 1_usize..136).prop_map(
        |(stream, seq, block, number, symbols, eighths)| Symbol {
            stream,
            seq,
            block,
            number: if symbols == 0 { number % 512 } else { number },
            symbols: (symbols != 0).then_some(symbols),
            symbol_bytes: (eighths * 8).min(SYMBOL_BYTES_MAX),
            bytes: vec![3; (eighths * 8).min(SYMBOL_BYTES_MAX)],
        },
    )
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(symbol in symbol()) {
        prop_assert_eq!(read(&symbol.write()), Ok(Piece::Symbol(symbol)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..1_200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn bytes_that_begin_well_are_read_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..1_200),
        sub in 0_u8..3,
    ) {
        let datagram: Vec<u8> = [81, 1, sub].into_iter().chain(bytes).collect();
        let _ = read(&datagram);
    }

    #[test]
    fn symbols_that_contradict_each_other_break_nothing(
        symbols in proptest::collection::vec(symbol(), 0..80),
    ) {
        let mut receiver = Receiver::new(1, ReceiverConfig::default());
        for (now_ms, mut symbol) in (0..).step_by(10).zip(symbols) {
            symbol.stream = 1;
            symbol.symbol_bytes = 16;
            symbol.bytes = vec![1; 16];
            let _ = receiver.take(now_ms, &symbol.write());
            let _ = receiver.poll(now_ms);
        }
    }
}

#[test]
fn a_report_is_read_again() {
    let report = Report {
        stream: 3,
        newest: 9,
        received: 70_000,
        lost: 12,
        blocks_lost: 1,
        wants_key: true,
    };
    assert_eq!(read(&report.write()), Ok(Piece::Report(report)));
}

#[test]
fn a_unit_that_no_block_holds_is_dropped_and_counted() {
    let mut sender = Sender::new(1, SenderConfig::at(100_000), 0);
    let bytes = vec![0; 390_000];
    sender.unit(0, &Unit { kind: UnitKind::Key, at_ms: 0, bytes });
    assert_eq!(sender.counters().units_dropped, 1);
    assert!(sender.needs_key());
}
