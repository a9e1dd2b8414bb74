//! Cells that no set has: nothing panics, nothing is endless, and no lie ends well.

use std::collections::BTreeSet;

use meshwork_reconcile::{
    Cell, CheckWidth, DecodeError, Decoder, Encoder, Key, Limits, Mapping, Status,
};
use proptest::prelude::*;
use rand::RngExt;

use crate::{WIDE, random_key, rng};

fn key() -> Key {
    random_key(&mut rng(21))
}

/// Feeds cells against nothing of our own.
fn feed(cells: &[Cell<u64>]) -> (Decoder<u64>, Result<Status, DecodeError>) {
    let mut decoder = Decoder::new(key(), CheckWidth::Full, WIDE);
    let outcome = decoder.extend(cells, &vec![Cell::default(); cells.len()]);
    (decoder, outcome)
}

/// A cell with one symbol.
fn pure(symbol: u64, count: i64) -> Cell<u64> {
    Cell { sum: symbol, check: key().check(symbol), count }
}

fn maps_to(symbol: u64, index: u64) -> bool {
    let mut walk = Mapping::new(key().check(symbol));
    while walk.index() < index {
        walk.advance();
    }
    walk.index() == index
}

#[test]
fn a_symbol_that_is_not_in_all_its_cells_is_impossible() {
    let symbol = (0..99).find(|symbol| maps_to(*symbol, 1)).unwrap();
    let (_, outcome) = feed(&[pure(symbol, 1), Cell::default()]);
    assert_eq!(outcome, Err(DecodeError::Impossible { index: 1 }));
}

#[test]
fn a_symbol_in_a_cell_that_it_does_not_map_to_is_never_believed() {
    let symbol = (0..99).find(|symbol| !maps_to(*symbol, 1)).unwrap();
    let (decoder, outcome) = feed(&[Cell::default(), pure(symbol, 1)]);
    assert_eq!(outcome, Ok(Status::NeedMore));
    assert!(decoder.remote_only().is_empty());
}

#[test]
fn a_symbol_on_both_sides_does_not_go_to_and_fro() {
    // Cell 0 has it, cell 1 the contrary: each removal makes the other pure again.
    let symbol = (0..99).find(|symbol| maps_to(*symbol, 1)).unwrap();
    let (decoder, outcome) = feed(&[pure(symbol, 1), pure(symbol, -1)]);
    assert!(matches!(outcome, Ok(Status::NeedMore) | Err(DecodeError::Impossible { .. })));
    assert!(decoder.remote_only().len() + decoder.local_only().len() <= 2);
}

#[test]
fn a_symbol_is_not_taken_twice() {
    // Twice in the count and check of nothing: two of one symbol add to zero.
    let twice = Cell { sum: 0, check: 0, count: 2 };
    assert_eq!(feed(&[twice]).1, Ok(Status::NeedMore));
    // Three times look like once in all but the count.
    assert_eq!(feed(&[pure(5, 3)]).1, Ok(Status::NeedMore));
}

#[test]
fn blocks_sent_again_do_not_decode() {
    let mut encoders = [0..300_u64, 100..400].map(|set| Encoder::new(key(), set));
    let [theirs, ours] = encoders.each_mut().map(|encoder| encoder.block(150));
    let mut decoder = Decoder::new(key(), CheckWidth::Full, WIDE);
    assert_eq!(decoder.extend(&theirs, &ours), Ok(Status::NeedMore));
    for _ in 0..20 {
        let ours = encoders[1].block(150);
        match decoder.extend(&theirs, &ours) {
            Ok(status) => assert_eq!(status, Status::NeedMore),
            Err(error) => assert!(matches!(error, DecodeError::Impossible { .. }), "{error}"),
        }
    }
}

#[test]
fn sides_of_unequal_length_are_refused() {
    let mut decoder = Decoder::<u64>::new(key(), CheckWidth::Full, WIDE);
    let outcome = decoder.extend(&[Cell::default(); 2], &[Cell::default(); 3]);
    assert_eq!(outcome, Err(DecodeError::Uneven { remote: 2, local: 3 }));
}

#[test]
fn a_flood_of_differences_ends_at_its_limit() {
    let remote = Encoder::new(key(), 0..10_000_u64).block(20_000);
    let limits = Limits { cells_max: 20_000, recovered_max: 500 };
    let mut decoder = Decoder::new(key(), CheckWidth::Low32, limits);
    let outcome = decoder.extend(&remote, &vec![Cell::default(); 20_000]);
    assert_eq!(outcome, Err(DecodeError::TooManyRecovered { max: 500 }));
    assert_eq!(decoder.remote_only().len(), 500);
}

#[test]
fn one_wrong_bit_never_ends_well() {
    let mut rng = rng(22);
    let [theirs, ours] = [0..300_u64, 10..310].map(|set| Encoder::new(key(), set).block(60));
    for _ in 0..300 {
        let mut theirs = theirs.clone();
        let cell = &mut theirs[rng.random_range(0..60)];
        let bit = rng.random_range(0..64);
        match rng.random_range(0..3) {
            0 => cell.sum ^= 1 << bit,
            1 => cell.check ^= 1 << bit,
            _ => cell.count ^= 1 << bit,
        }
        let mut decoder = Decoder::new(key(), CheckWidth::Full, WIDE);
        assert_ne!(decoder.extend(&theirs, &ours), Ok(Status::Complete));
        assert_ne!(decoder.status(), Status::Complete);
    }
}

/// Cells made of few symbols, so that many are pure, right or wrong.
fn made_up() -> impl Strategy<Value = Vec<Cell<u64>>> {
    let part = (0_u64..12, -2_i64..3);
    let cell = prop::collection::vec(part, 0..4).prop_map(|parts| {
        parts.into_iter().fold(Cell::default(), |cell, (symbol, count)| {
            let other = pure(symbol, count);
            Cell {
                sum: cell.sum ^ other.sum,
                check: cell.check ^ other.check,
                count: cell.count + count,
            }
        })
    });
    prop::collection::vec(cell, 0..60)
}

/// Whether the cells are those of the difference that was found in them.
fn explains(decoder: &Decoder<u64>, cells: &[Cell<u64>]) -> bool {
    let [remote, local] = [decoder.remote_only(), decoder.local_only()].map(|found| {
        let set: BTreeSet<u64> = found.iter().copied().collect();
        assert_eq!(set.len(), found.len(), "found twice");
        Encoder::new(key(), set).block(cells.len())
    });
    remote.iter().zip(&local).zip(cells).all(|((remote, local), cell)| remote.minus(local) == *cell)
}

proptest! {
    #[test]
    fn what_is_complete_explains_every_cell(cells in made_up(), cut in 0_usize..60) {
        let cut = cut.min(cells.len());
        let mut decoder = Decoder::new(key(), CheckWidth::Full, WIDE);
        let mut last = Ok(Status::NeedMore);
        for part in [&cells[..cut], &cells[cut..]] {
            last = decoder.extend(part, &vec![Cell::default(); part.len()]);
            let found = decoder.remote_only().len() + decoder.local_only().len();
            prop_assert!(found <= decoder.cells(), "{found} found in {}", decoder.cells());
        }
        if last == Ok(Status::Complete) {
            prop_assert!(explains(&decoder, &cells));
        }
    }

    #[test]
    fn anything_at_all_is_survived(
        cells in prop::collection::vec((any::<u64>(), any::<u64>(), any::<i64>()), 0..40),
        ours in prop::collection::vec((any::<u64>(), any::<u64>(), any::<i64>()), 40),
    ) {
        let [theirs, ours] = [cells, ours].map(|cells| {
            let cell = |(sum, check, count)| Cell { sum, check, count };
            cells.into_iter().map(cell).collect::<Vec<Cell<u64>>>()
        });
        let mut decoder = Decoder::new(key(), CheckWidth::Low32, WIDE);
        let outcome = decoder.extend(&theirs, &ours[..theirs.len()]);
        prop_assert_ne!(outcome, Ok(Status::Complete));
    }
}
