//! Random sets: every way to make cells makes the same, and what differs comes out.

use std::collections::BTreeSet;

use meshwork_reconcile::{
    CheckWidth, DecodeError, Decoder, Encoder, Frozen, Key, Limits, Sketch, Status, Stream, Symbol,
};
use proptest::prelude::*;

use crate::{WIDE, decode, random_key, rng, set};

/// A set of `common` symbols, and one beside it with `only` others on each side.
fn pair<S: Symbol>(symbols: &[S], common: usize, only: [usize; 2]) -> (BTreeSet<S>, BTreeSet<S>) {
    let (common, rest) = symbols.split_at(common);
    let [remote, local] = [&rest[..only[0]], &rest[only[0]..only[0] + only[1]]]
        .map(|only| common.iter().chain(only).copied().collect());
    (remote, local)
}

fn check_difference<S: Symbol>(key: Key, remote: &BTreeSet<S>, local: &BTreeSet<S>) {
    let (decoder, took) = decode(key, remote, local);
    assert_eq!(set(decoder.remote_only()), remote - local);
    assert_eq!(set(decoder.local_only()), local - remote);
    let found = decoder.remote_only().len() + decoder.local_only().len();
    assert_eq!(found, (remote ^ local).len(), "something came twice");

    // All at once, and in blocks that grow.
    let [mut theirs, mut ours] = [remote, local].map(|set| Encoder::new(key, set.iter().copied()));
    let mut decoder = Decoder::new(key, CheckWidth::Low32, WIDE);
    let mut status = Status::NeedMore;
    while status == Status::NeedMore {
        let size = 1 + decoder.cells() / 3;
        status = decoder.extend(&theirs.block(size), &ours.block(size)).unwrap();
    }
    assert!(decoder.cells() >= took && decoder.cells() <= 1 + took * 4 / 3);
    assert_eq!(set(decoder.remote_only()), remote - local);
    assert_eq!(set(decoder.local_only()), local - remote);
}

fn symbols<S: Symbol>(strategy: impl Strategy<Value = S>) -> impl Strategy<Value = Vec<S>> {
    prop::collection::btree_set(strategy, 0..200).prop_map(|set| set.into_iter().collect())
}

/// Three parts of the whole, in thousandths.
fn parts(len: usize, [a, b]: [usize; 2]) -> (usize, [usize; 2]) {
    let common = len * a / 1_000;
    let left = (len - common) * b / 1_000;
    (common, [left, len - common - left])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn differences_of_numbers_come_out(
        key: [u8; 16], all in symbols(any::<u64>()), shares: [u16; 2],
    ) {
        let (common, only) = parts(all.len(), shares.map(|share| usize::from(share) % 1_001));
        let (remote, local) = pair(&all, common, only);
        check_difference(Key::from_bytes(key), &remote, &local);
    }

    #[test]
    fn differences_of_ids_come_out(
        key: [u8; 16], all in symbols(any::<[u8; 32]>()), shares: [u16; 2],
    ) {
        let (common, only) = parts(all.len(), shares.map(|share| usize::from(share) % 1_001));
        let (remote, local) = pair(&all, common, only);
        check_difference(Key::from_bytes(key), &remote, &local);
    }

    #[test]
    fn a_sketch_that_changed_is_that_of_what_it_became(
        key: [u8; 16],
        width in 0_usize..300,
        // Small numbers, so that the same come and go; some steps look at what was frozen before.
        steps in prop::collection::vec((0_u64..40, any::<bool>()), 0..200),
    ) {
        let key = Key::from_bytes(key);
        let mut sketch = Sketch::new(key, width);
        let mut held = BTreeSet::new();
        let mut frozen: Vec<(Frozen<u64>, BTreeSet<u64>)> = Vec::new();
        for (symbol, freeze) in steps {
            if held.remove(&symbol) {
                sketch.remove(symbol);
            } else {
                held.insert(symbol);
                sketch.insert(symbol);
            }
            if freeze {
                frozen.push((sketch.freeze(), held.clone()));
            }
        }
        frozen.push((sketch.freeze(), held));
        for (frozen, held) in frozen {
            let fresh = Sketch::from_symbols(key, width, held.iter().copied());
            prop_assert_eq!(frozen.cells(0..width), fresh.cells(0..width));
            prop_assert_eq!(frozen.len(), held.len() as u64);
        }
    }

    #[test]
    fn blocks_are_the_stream_cut(
        key: [u8; 16],
        all in symbols(any::<u64>()),
        sizes in prop::collection::vec(0_usize..90, 1..6),
    ) {
        let key = Key::from_bytes(key);
        let mut stream = Stream::new(key, all.iter().copied());
        let sketch = Sketch::from_symbols(key, sizes.iter().sum(), all.iter().copied());
        let mut encoder = Encoder::new(key, all);
        for size in sizes {
            let start = encoder.position();
            let block = encoder.block(size);
            prop_assert_eq!(&block, &stream.by_ref().take(size).collect::<Vec<_>>());
            prop_assert_eq!(block, sketch.cells(start..start + size));
        }
    }
}

#[test]
fn cells_are_cut_at_the_width_and_nowhere_else() {
    let key = random_key(&mut rng(1));
    let sketch = Sketch::from_symbols(key, 130, 0..1_000_u64);
    let all = sketch.cells(0..130);
    assert_eq!(all.len(), 130);
    for (start, end) in [(0, 64), (63, 65), (64, 128), (100, 130), (129, 130), (5, 5)] {
        assert_eq!(sketch.cells(start..end), all[start..end], "{start}..{end}");
    }
    for (start, end, len) in [(100, 200, 30), (130, 140, 0), (200, usize::MAX, 0)] {
        assert_eq!(sketch.cells(start..end).len(), len, "{start}..{end}");
    }
}

#[test]
fn equal_sets_are_told_by_one_cell_and_nothing_is_told_by_none() {
    let key = random_key(&mut rng(2));
    let cells = Sketch::from_symbols(key, 1, 0..50_u64).cells(0..1);
    let mut decoder = Decoder::new(key, CheckWidth::Full, WIDE);
    assert_eq!(decoder.extend(&[], &[]), Ok(Status::NeedMore));
    assert_eq!(decoder.extend(&cells, &cells), Ok(Status::Complete));
    assert!(decoder.remote_only().is_empty() && decoder.local_only().is_empty());
}

#[test]
fn more_cells_after_the_end_change_nothing() {
    let mut rng = rng(3);
    let key = random_key(&mut rng);
    let mut encoders = [0..120_u64, 20..140].map(|set| Encoder::new(key, set));
    let mut decoder = Decoder::new(key, CheckWidth::Low32, WIDE);
    for size in [100, 1, 50, 300] {
        let [theirs, ours] = encoders.each_mut().map(|encoder| encoder.block(size));
        assert_eq!(decoder.extend(&theirs, &ours), Ok(Status::Complete));
        assert_eq!(set(decoder.remote_only()), (0..20).collect());
        assert_eq!(set(decoder.local_only()), (120..140).collect());
    }
}

#[test]
fn limits_bind_exactly() {
    let key = random_key(&mut rng(4));
    let [theirs, ours] = [0..20_u64, 10..30].map(|set| Encoder::new(key, set).block(64));
    let run = |limits| Decoder::new(key, CheckWidth::Full, limits).extend(&theirs, &ours);
    assert_eq!(run(Limits { cells_max: 64, recovered_max: 20 }), Ok(Status::Complete));
    for limits in
        [Limits { cells_max: 63, recovered_max: 20 }, Limits { cells_max: 64, recovered_max: 19 }]
    {
        let mut decoder = Decoder::new(key, CheckWidth::Full, limits);
        let error = decoder.extend(&theirs, &ours).unwrap_err();
        says_its_bound(&error);
        assert_eq!(decoder.extend(&[], &[]), Err(error), "it goes on after an error");
    }
}

/// An error says its bound.
fn says_its_bound(error: &DecodeError) {
    let said = error.to_string();
    assert!(said.contains("63") || said.contains("19"), "{said}");
}
