//! Linear algebra against the checks: it works on who uses a key that is known beforehand.

use std::collections::BTreeSet;

use meshwork_reconcile::{CheckWidth, DecodeError, Decoder, Digest, Encoder, Key, Status};
use rand::RngExt;

use crate::{WIDE, decode, random_key, rng};

type Id = [u8; 32];

/// The sum and the check of an item, and a bit that is always set: 129 equations.
fn equations(key: Key, id: &Id) -> [u64; 3] {
    let symbol = key.short_id(id);
    [symbol, key.check(symbol), 1]
}

fn add<const N: usize>(to: &mut [u64; N], other: [u64; N]) {
    to.iter_mut().zip(other).for_each(|(word, other)| *word ^= other);
}

/// Items that cancel in every equation: an even number of them whose sums and checks add to zero.
fn cancelling(key: Key, candidates: &[Id]) -> Vec<Id> {
    let mut basis: Vec<([u64; 3], [u64; 4])> = Vec::new();
    for (number, id) in candidates.iter().enumerate() {
        let (mut row, mut made_of) = (equations(key, id), [0; 4]);
        made_of[number / 64] |= 1 << (number % 64);
        for (other, others) in &basis {
            // Each row of the basis owns its first bit.
            let word = other.iter().position(|word| *word != 0).unwrap();
            if row[word] & (1 << other[word].trailing_zeros()) != 0 {
                add(&mut row, *other);
                add(&mut made_of, *others);
            }
        }
        if row == [0; 3] {
            let chosen = |number: usize| made_of[number / 64] >> (number % 64) & 1 == 1;
            return (0..candidates.len())
                .filter(|at| chosen(*at))
                .map(|at| candidates[at])
                .collect();
        }
        basis.push((row, made_of));
    }
    panic!("{} candidates are too few", candidates.len());
}

/// Two sets that differ in items chosen against this key, and those items.
fn planted(key: Key) -> ([BTreeSet<Id>; 2], usize) {
    let mut rng = rng(11);
    let candidates: Vec<Id> = (0..140).map(|_| rng.random()).collect();
    let chosen = cancelling(key, &candidates);
    let (left, right) = chosen.split_at(chosen.len() / 2);
    assert_eq!(left.len(), right.len(), "an even number");
    let common: Vec<Id> = (0..200).map(|_| rng.random()).collect();
    ([left, right].map(|only| common.iter().chain(only).copied().collect()), chosen.len())
}

fn short(key: Key, ids: &BTreeSet<Id>) -> BTreeSet<u64> {
    ids.iter().map(|id| key.short_id(id)).collect()
}

/// What a decoder says of the first so many cells, and how much it found.
fn first_cells(
    key: Key,
    sets: &[BTreeSet<Id>; 2],
    cells: usize,
) -> Result<(Status, usize), DecodeError> {
    let [theirs, ours] = sets.each_ref().map(|ids| Encoder::new(key, short(key, ids)).block(cells));
    let mut decoder = Decoder::new(key, CheckWidth::Full, WIDE);
    let status = decoder.extend(&theirs, &ours)?;
    Ok((status, decoder.remote_only().len() + decoder.local_only().len()))
}

#[test]
fn a_known_key_is_fooled_and_the_digest_tells() {
    let known = Key::from_bytes(*b"everybody's key.");
    let (sets, planted) = planted(known);
    assert!((20..=130).contains(&planted), "{planted}");
    // Sum, check and count of the first cell are zero, although so much differs.
    assert_eq!(first_cells(known, &sets, 1), Ok((Status::Complete, 0)));
    // More cells are more equations, which these items were not chosen for: what is found there
    // contradicts the first cell.
    let impossible = DecodeError::Impossible { index: 0 };
    assert_eq!(first_cells(known, &sets, 400), Err(impossible));

    let [left, right] = sets.map(|ids| ids.iter().collect::<Digest>().finish());
    assert_eq!(left.count, right.count);
    assert_ne!(left.hash, right.hash);
}

#[test]
fn a_key_drawn_afterwards_is_not() {
    let (sets, planted) = planted(Key::from_bytes(*b"everybody's key."));
    let mut rng = rng(12);
    for _ in 0..20 {
        let key = random_key(&mut rng);
        assert_eq!(first_cells(key, &sets, 1), Ok((Status::NeedMore, 0)));
        let [remote, local] = sets.each_ref().map(|ids| short(key, ids));
        let (decoder, _) = decode(key, &remote, &local);
        assert_eq!(decoder.remote_only().len() + decoder.local_only().len(), planted);
        assert_eq!(&remote - &local, decoder.remote_only().iter().copied().collect());
    }
}
