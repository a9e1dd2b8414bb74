//! Cells as bytes: what goes in comes out, and nothing else is taken.

use meshwork_reconcile::packed::{BadCells, CELL_MAX, CELL_MIN, expected, pack, unpack};
use meshwork_reconcile::{Cell, Sketch};
use proptest::prelude::*;
use rand::RngExt;

use crate::{random_key, rng};

fn cells(len: u64, width: usize) -> Vec<Cell<u64>> {
    Sketch::from_symbols(random_key(&mut rng(len)), width, 0..len).cells(0..width)
}

/// What is left of a cell on the wire.
fn halved(cell: &Cell<u64>) -> Cell<u64> {
    Cell { check: cell.check & 0xffff_ffff, ..*cell }
}

#[test]
fn cells_come_back_from_any_index_on() {
    for len in [0, 1, 2, 100, 5_000] {
        let cells = cells(len, 200);
        for (start, end) in [(0, 200), (0, 1), (1, 2), (50, 77), (9, 9)] {
            let bytes = pack(&cells[start..end], start as u64, len);
            let back = unpack(&bytes, start as u64, end - start, len).unwrap();
            assert!(back.iter().eq(&cells[start..end].iter().map(halved).collect::<Vec<_>>()));
        }
    }
}

#[test]
fn a_cell_takes_little_more_than_thirteen_bytes() {
    let len = 20_000;
    for (width, most) in [(20, 13.9), (200, 13.4), (2_000, 13.1)] {
        let each = pack(&cells(len, width), 0, len).len() as f64 / width as f64;
        assert!(each < most, "{each} bytes for each of {width}");
    }
}

#[test]
fn the_average_count_is_rounded_half_up() {
    for (set_len, index, count) in [
        (0, 0, 0),
        (7, 0, 7),
        (7, 1, 5), // 4.67
        (7, 2, 4), // 3.5
        (5, 2, 3), // 2.5
        (100, 7, 22),
        (1, 2, 1), // 0.5
        (1, 3, 0), // 0.4
        (u64::MAX, 0, i64::MAX),
        (u64::MAX, u64::MAX, 2),
        (3, u64::MAX, 0),
    ] {
        assert_eq!(expected(set_len, index), count, "{set_len} at {index}");
    }
}

#[test]
fn what_is_not_cells_is_refused_and_named() {
    let (len, cells) = (9, cells(9, 3));
    let good = pack(&cells, 0, len);
    assert_eq!(good.len(), 39, "three counts of one byte");
    let with = |at: usize, tail: &[u8]| unpack(&[&good[..at], tail].concat(), 0, 3, len);
    let length = |bytes| Err(BadCells::Length { bytes, cells: 3 });

    assert_eq!(with(38, &[]), length(38));
    assert_eq!(with(39, &[0; 28]), length(67));
    assert_eq!(
        unpack(&good, 0, usize::MAX, len).unwrap_err(),
        BadCells::Length { bytes: 39, cells: usize::MAX }
    );
    assert_eq!(with(39, &[0]), Err(BadCells::Trailing { bytes: 1 }));
    assert_eq!(with(38, &[0x80]), Err(BadCells::Truncated { index: 2 }));
    // The second count in two bytes leaves one too few for the third cell.
    assert_eq!(
        unpack(&[&good[..25], &[0x82, 0x01], &good[26..38]].concat(), 0, 3, len),
        Err(BadCells::Count { index: 1, count: 71, set_len: 9 })
    );
    // Zero in two bytes.
    assert_eq!(with(38, &[0x80, 0]), Err(BadCells::Varint { index: 2 }));
    // Ten bytes hold 70 bits, of which the last six must not be there; nor an eleventh byte.
    let mut long = [0xff; 10];
    long[9] = 2;
    assert_eq!(with(38, &long), Err(BadCells::Varint { index: 2 }));
    long[9] = 0x81;
    assert_eq!(with(38, &long), Err(BadCells::Varint { index: 2 }));
}

#[test]
fn counts_that_no_set_has_are_refused() {
    let len = 9;
    let with = |index: u64, count| {
        let cell = Cell { sum: 1, check: 2, count };
        unpack(&pack(&[cell], index, len), index, 1, len)
    };
    for count in [-1, 10, i64::MIN, i64::MAX] {
        for index in [0, 1, 1_000] {
            assert_eq!(with(index, count), Err(BadCells::Count { index, count, set_len: len }));
        }
    }
    // All are in the first cell, and may be in another.
    assert_eq!(with(0, 8), Err(BadCells::Count { index: 0, count: 8, set_len: 9 }));
    assert!(with(0, 9).is_ok() && with(1, 9).is_ok() && with(1, 0).is_ok());
}

proptest! {
    #[test]
    fn every_block_has_one_form(
        (set_len, counts) in (0_u64..=u64::MAX >> 1).prop_flat_map(|len| {
            (Just(len), prop::collection::vec(0..=len, 0..9))
        }),
        first in 1_u64..1 << 60,
        seed: u64,
    ) {
        let mut rng = rng(seed);
        let cells: Vec<_> = counts
            .into_iter()
            .map(|count| Cell {
                sum: rng.random(),
                check: u64::from(rng.random::<u32>()),
                count: count.cast_signed(),
            })
            .collect();
        let bytes = pack(&cells, first, set_len);
        prop_assert!((cells.len() * CELL_MIN..=cells.len() * CELL_MAX).contains(&bytes.len()));
        prop_assert_eq!(unpack(&bytes, first, cells.len(), set_len), Ok(cells));
    }

    #[test]
    fn what_is_taken_is_written_the_same(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        small: bool,
        first in 0_u64..20,
        cells in 0_usize..5,
        set_len in 0_u64..1_000,
    ) {
        if small {
            // Counts of one byte, so that many are taken.
            bytes.truncate(cells * CELL_MIN);
            bytes.iter_mut().skip(12).step_by(13).for_each(|byte| *byte &= 0x3f);
        }
        if let Ok(unpacked) = unpack(&bytes, first, cells, set_len) {
            prop_assert_eq!(pack(&unpacked, first, set_len), bytes);
        }
    }
}
