//! Batches: nothing lost, one encoding, the sizes that were aimed at, and hostile bytes.
#![expect(clippy::arithmetic_side_effects, reason = "a test")]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::generate::{Config, Generator, Salts};
use crate::sample::SAMPLE_V3;
use crate::v3::Signature;
use crate::{Address, U256};

fn sample() -> Vec<SignedOrder> {
    static SAMPLE: LazyLock<Vec<SignedOrder>> = LazyLock::new(|| {
        SAMPLE_V3.lines().map(|line| SignedOrder::from_json(line).unwrap()).collect()
    });
    SAMPLE.clone()
}

/// Encodes, decodes, and says how long the encoding is.
fn round(orders: &[SignedOrder]) -> usize {
    let bytes = encode(orders);
    let decoded = decode(&bytes, orders.len()).unwrap();
    assert_eq!(decoded, orders);
    for (decoded, order) in decoded.iter().zip(orders) {
        assert_eq!(decoded.to_json(), order.to_json());
    }
    bytes.len()
}

#[test]
fn real_orders_come_back_and_cost_what_was_aimed_at() {
    let orders = sample();
    assert_eq!(orders.len(), 200);
    // Half of the sample has random salts, which nothing shortens.
    for hundred in orders.chunks(100) {
        assert!(round(hundred) <= 128 * 100, "{}", round(hundred));
    }
    assert!(round(&orders) <= 118 * 200, "{}", round(&orders));
    // Alone an order costs more, since nothing is shared.
    assert!(orders.chunks(1).all(|one| round(one) <= 270));
}

#[test]
fn generated_orders_cost_little_more_than_what_cannot_shrink() {
    for (salts, most) in [(Salts::Timestamp, 99), (Salts::Random, 127)] {
        let config = Config { salts, ..Config::default() };
        let orders: Vec<_> = Generator::new([7; 32], config).take(500).collect();
        let each = round(&orders).div_ceil(500);
        assert!(each <= most, "{salts:?}: {each} bytes an order");
    }
}

#[test]
fn nothing_is_two_bytes() {
    let nothing: [SignedOrder; 0] = [];
    assert_eq!(encode(&nothing), [1, 0]);
    assert_eq!(decode(&[1, 0], 0), Ok(vec![]));
    assert_eq!(decode(&[1, 64], 0), Err(BadBatch::NotCanonical));
    assert_eq!(decode(&[1, 0, 0], 0), Err(BadBatch::Trailing { bytes: 1 }));
    assert_eq!(decode(&[], 0), Err(BadBatch::Truncated));
    assert_eq!(decode(&[1], 0), Err(BadBatch::Truncated));
    assert_eq!(decode(&[2, 0], 0), Err(BadBatch::Version { given: 2 }));
}

/// An order with something odd in every place where something can be odd.
fn odd(pick: usize, order: &mut SignedOrder) {
    let multi = |words: usize| {
        let mut bytes = vec![0x94, 0xcf, 0xcd, 0xd7];
        bytes.extend((0..words * 32).map(|at| if at % 32 < 30 { 0 } else { 7 }));
        AssetData::from(bytes)
    };
    let fields = &mut order.order;
    match pick % 16 {
        0 => fields.maker_asset_data = multi(9),
        1 => fields.taker_asset_data = multi(0),
        2 => fields.maker_fee_asset_data = vec![1, 2, 3].into(),
        3 => fields.taker_fee_asset_data = vec![0xff; 37].into(),
        4 => order.signature = Signature::from(vec![6]),
        5 => order.signature = Signature::from(vec![]),
        6 => order.signature = Signature::from(vec![5; 500]),
        7 => {
            let mut bytes = order.signature.as_bytes().to_vec();
            if let Some(v) = bytes.first_mut() {
                *v = 29;
            }
            order.signature = bytes.into();
        }
        8 => fields.salt = U256::MAX,
        9 => fields.expiration_time_seconds = U256::MAX,
        10 => fields.maker_asset_amount = U256::MAX,
        11 => fields.taker_asset_amount = U256::from(10).pow(U256::from(77)),
        12 => fields.chain_id = i64::MAX.unsigned_abs(),
        13 => fields.sender = Address([9; 20]),
        14 => fields.maker = Address::ZERO,
        _ => fields.salt = U256::ZERO,
    }
}

#[test]
fn odd_orders_come_back_byte_for_byte() {
    for pick in 0..16 {
        let mut orders = sample();
        orders.truncate(3);
        odd(pick, &mut orders[1]);
        round(&orders);
        round(&orders[1..2]);
    }
    // Collectibles and bundles take their words, not their padding.
    let mut orders = sample();
    orders.truncate(100);
    let plain = round(&orders);
    for (id, order) in orders.iter_mut().enumerate() {
        let mut bytes = vec![0x02, 0x57, 0x17, 0x92];
        bytes.extend(
            [[0; 12].as_slice(), &[0xcc; 20], &[0; 31], &[u8::try_from(id).unwrap()]].concat(),
        );
        order.order.maker_asset_data = bytes.into();
    }
    assert!(round(&orders) <= plain + 100 * 28);
}

#[test]
fn one_order_is_never_longer_than_its_bound() {
    let mut order = sample().swap_remove(0);
    for len in (6_000..8_000).step_by(4) {
        let random = (0..len).map(|at: u32| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[0] | 0x80);
        order.order.maker_asset_data = random.collect::<Vec<u8>>().into();
        if order.json_len() <= ORDER_LEN_MAX {
            assert!(encode(&[&order]).len() < 9_000);
        }
    }
}

#[test]
fn what_would_decode_to_too_much_is_refused() {
    let mut order = sample().swap_remove(0);
    // One asset of 7 kB, in a few bytes for each order that trades it.
    order.order.maker_asset_data = vec![0xee; 7_001].into();
    order.signature = Signature::from(vec![6]);
    let mut orders = vec![order; 1_300];
    let bytes = encode(&orders);
    assert!(bytes.len() < 20_000);
    assert_eq!(decode(&bytes, 1_300), Err(BadBatch::TooLarge { bound: DECODED_MAX }));
    // As many as a frame of ordersync holds.
    assert_eq!(decode(&encode(&orders[..1_024]), 1_024), Ok(orders[..1_024].to_vec()));
    // More than the caller wants.
    let found = decode(&encode(&orders[..500]), 499);
    assert_eq!(found, Err(BadBatch::Count { bound: 499 }));
    // More than any order may have.
    for (data, bound) in [(8_001, 8_000), (4 + 32 * 250, 250)] {
        orders[0].order.maker_asset_data = vec![0xee; data].into();
        let found = decode(&encode(&orders[..1]), 1);
        assert!(
            matches!(found, Err(BadBatch::Index { .. } | BadBatch::OrderTooLong { .. })),
            "{found:?} {bound}"
        );
    }
    orders[0].order.maker_asset_data = vec![0xee; 7_990].into();
    assert_eq!(decode(&encode(&orders[..1]), 1), Err(BadBatch::OrderTooLong { index: 0 }));
    orders[0].order.maker_asset_data = AssetData::default();
    orders[0].order.chain_id = 0;
    assert_eq!(decode(&encode(&orders[..1]), 1), Err(BadBatch::ChainId));
    orders[0].order.chain_id = u64::MAX;
    assert_eq!(decode(&encode(&orders[..1]), 1), Err(BadBatch::ChainId));
}

#[test]
fn every_prefix_and_every_flipped_bit_is_refused_or_is_another_batch() {
    let orders = sample();
    let orders = &orders[..4];
    let bytes = encode(orders);
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end], 500).is_err(), "cut at {end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = decode(&changed, 500) {
            assert_ne!(decoded, orders, "bit {bit}");
            assert_eq!(encode(&decoded), changed, "bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_orders_they_come_back(
        start in 0..180_usize,
        picks in prop::collection::vec((0..20_usize, 0..16_usize), 0..10),
    ) {
        let mut orders = sample();
        let mut orders = orders.split_off(start);
        orders.truncate(20);
        for (at, pick) in picks {
            odd(pick, &mut orders[at]);
        }
        round(&orders);
    }

    #[test]
    fn garbage_is_refused_or_is_the_one_encoding(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        count in 0..8_u8,
    ) {
        // The version and a small count, so that more of it is looked at.
        if let [version, first, ..] = bytes.as_mut_slice() {
            *version = 1;
            *first = (*first & 0xc0) | count;
        }
        if let Ok(orders) = decode(&bytes, 500) {
            prop_assert_eq!(encode(&orders), bytes);
        }
    }

    #[test]
    fn changed_batches_are_refused_or_are_the_one_encoding(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        many in 1..30_usize,
    ) {
        let mut bytes = encode(&sample()[..many]);
        for (at, byte) in changes {
            // Most of a batch is signatures, where any change is another batch.
            let at = at.index(bytes.len().min(40 + many * 4));
            bytes[at] = byte;
        }
        if let Ok(orders) = decode(&bytes, 500) {
            prop_assert_eq!(encode(&orders), bytes);
        }
    }
}
