//! Sums that were computed by others.

use std::collections::BTreeSet;

use meshwork_reconcile::{
    Cell, CheckWidth, Decoder, Encoder, Key, Mapping, Sketch, Status, Stream,
};

use crate::{WIDE, decode};

/// The key of the example, which everybody knows: 123 and 456.
fn key() -> Key {
    Key::from_bytes([123_u64, 456].map(u64::to_le_bytes).concat().try_into().unwrap())
}

fn sets() -> [BTreeSet<u64>; 2] {
    [(1..=10).collect(), (3..=11).chain([1]).collect()]
}

/// Index, then sum, check and count of the cell in each set.
type Row = (usize, (u64, u64, i64), (u64, u64, i64));

const ROWS: [Row; 6] = [
    (0, (11, 0x5905_a501_ee00_b861, 10), (2, 0xe5d4_29ad_5884_418d, 10)),
    (1, (11, 0x1b06_1646_6955_6a85, 6), (0, 0x3020_1809_0727_ace5, 7)),
    (2, (2, 0xdd9d_560d_e061_f19b, 5), (2, 0xdd9d_560d_e061_f19b, 5)),
    (3, (11, 0x3ad5_4e9a_ca96_d220, 5), (9, 0xad22_cc79_1260_edac, 4)),
    (4, (15, 0x750e_fabc_842d_2709, 4), (15, 0x750e_fabc_842d_2709, 4)),
    (7, (10, 0x0857_b162_c09e_49b1, 5), (8, 0x9fa0_3381_1868_763d, 4)),
];

fn cell((sum, check, count): (u64, u64, i64)) -> Cell<u64> {
    Cell { sum, check, count }
}

#[test]
fn checks_and_walks_of_the_example() {
    for (symbol, check) in
        [(1, 0x04a6_d787_ba66_d8c3), (2, 0x97f7_82e3_d8f6_3f8c), (11, 0x2b26_0e4f_6e72_c660)]
    {
        assert_eq!(key().check::<u64>(symbol), check);
    }
    for (symbol, indices) in [
        (1, [0, 1, 2, 3, 4, 5, 6, 27, 53]),
        (2, [0, 3, 7, 8, 12, 19, 22, 75, 115]),
        (3, [0, 4, 7, 9, 20, 48, 55, 102, 213]),
        (11, [0, 1, 12, 13, 14, 16, 28, 65, 73]),
    ] {
        let mut walk = Mapping::new(key().check::<u64>(symbol));
        let walked = [(); 9].map(|()| {
            let index = walk.index();
            walk.advance();
            index
        });
        assert_eq!(walked, indices, "{symbol}");
    }
}

#[test]
fn cells_of_the_example_from_every_encoder() {
    for (side, symbols) in sets().into_iter().enumerate() {
        let sketch = Sketch::from_symbols(key(), 8, symbols.iter().copied()).cells(0..8);
        let stream: Vec<_> = Stream::new(key(), symbols.iter().copied()).take(8).collect();
        let block = Encoder::new(key(), symbols).block(8);
        assert_eq!(sketch, stream);
        assert_eq!(sketch, block);
        for (index, first, second) in ROWS {
            assert_eq!(sketch[index], cell([first, second][side]), "cell {index} of set {side}");
        }
    }
}

#[test]
fn the_example_is_decoded_after_two_cells() {
    let [a, b] = sets();
    let (decoder, took) = decode(key(), &a, &b);
    assert_eq!((decoder.remote_only(), decoder.local_only(), took), (&[2][..], &[11][..], 2));
}

#[test]
fn the_differences_of_the_example_decode_by_themselves() {
    // All of its cells at once, beside nothing of our own.
    let rows: Vec<_> = ROWS.iter().take(5).map(|row| cell(row.1).minus(&cell(row.2))).collect();
    assert_eq!(rows[0], cell((9, 0xbcd1_8cac_b684_f9ec, 0)));
    assert_eq!(rows[1], cell((11, 0x2b26_0e4f_6e72_c660, -1)));
    assert_eq!(rows[3], cell((2, 0x97f7_82e3_d8f6_3f8c, 1)));
    let mut decoder = Decoder::new(key(), CheckWidth::Full, WIDE);
    assert_eq!(decoder.extend(&rows, &[Cell::default(); 5]), Ok(Status::Complete));
    assert_eq!((decoder.remote_only(), decoder.local_only()), (&[2][..], &[11][..]));
}
