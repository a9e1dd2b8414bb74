//! What is read is what was written.

use meshwork_orders::generate::{Config, Generator, Salts};
use meshwork_orders::sample::SAMPLE_V3;
use meshwork_orders::{
    Address, AssetData, Network, ORDER_LEN_MAX, OrderError, SignatureKind, Signing, U256, v3, v4,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{NOW, V3_C, v3_c};

#[test]
fn every_order_of_the_sample_verifies_and_keeps_its_bytes() {
    let mut kinds = [0; 2];
    for line in SAMPLE_V3.lines() {
        let order = v3::SignedOrder::from_json(line).unwrap();
        assert_eq!(order.to_json(), line);
        order.verify(&Network::MAINNET, NOW).unwrap();
        kinds[usize::from(order.signature.kind() == Some(SignatureKind::EthSign))] += 1;
    }
    assert_eq!(kinds.iter().sum::<i32>(), 200);
    assert!(kinds[1] >= 30, "both ways to sign are there: {kinds:?}");
}

#[test]
fn a_batch_is_judged_in_its_order() {
    let orders: Vec<_> =
        SAMPLE_V3.lines().take(3).map(|line| v3::SignedOrder::from_json(line).unwrap()).collect();
    let mut batch = orders.clone();
    batch[1].order.salt += U256::from(1);
    let verdicts = v3::verify_batch(&batch, &Network::MAINNET, NOW);
    assert_eq!(verdicts[0], Ok(orders[0].hash()));
    assert_eq!(verdicts[1].unwrap_err().code(), "signature_signer");
    assert_eq!(verdicts[2], Ok(orders[2].hash()));
}

#[test]
fn generated_orders_verify_and_differ() {
    for (salts, signing) in [
        (Salts::Timestamp, Signing::Eip712),
        (Salts::Timestamp, Signing::EthSign),
        (Salts::Random, Signing::Eip712),
        (Salts::Random, Signing::EthSign),
    ] {
        let config = Config { salts, signing, network: Network::GANACHE, ..Config::default() };
        let orders: Vec<_> = Generator::new([7; 32], config.clone()).take(40).collect();
        let mut hashes: Vec<_> =
            orders.iter().map(|order| order.verify(&Network::GANACHE, NOW).unwrap()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 40);
        assert!(orders.iter().all(|order| order.signature.kind()
            == Some(match signing {
                Signing::Eip712 => SignatureKind::Eip712,
                Signing::EthSign => SignatureKind::EthSign,
            })));
        assert!(orders.iter().any(|order| !order.order.maker_fee.is_zero()));
        assert!(orders.iter().any(|order| order.order.maker_fee.is_zero()));
        let other: Vec<_> = Generator::new([8; 32], config).take(40).collect();
        assert_ne!(orders, other);
    }
}

#[test]
fn an_order_takes_little_memory() {
    assert_eq!(size_of::<AssetData>(), 24);
    assert_eq!(size_of::<v3::Signature>(), 72);
    assert_eq!(size_of::<v3::SignedOrder>(), 472);
    assert_eq!(size_of::<v4::SignedOrder>(), 352);
}

#[test]
fn spaces_order_of_keys_and_unknown_keys_do_not_matter() {
    let fields: serde_json::Value = serde_json::from_str(V3_C).unwrap();
    let mut fields = fields.as_object().unwrap().clone();
    fields.insert("meta".into(), serde_json::json!({"chainId": [null, {"salt": 1}]}));
    let sorted = format!(" \n{:#}\r\n", serde_json::Value::Object(fields));
    assert_eq!(v3::SignedOrder::from_json(sorted).unwrap(), v3_c());
}

#[test]
fn letters_of_either_case_and_escapes_come_back_in_the_one_spelling() {
    let spelled = V3_C
        .replace("0x48bacb92", "0x48bAcB92")
        .replace("f47261b0", "F47261B0")
        .replace("1548619145450", "\\u00315486\\u00319145450")
        .replace("1c4e08e1e0", "1C4E08E1E0");
    assert_ne!(spelled, V3_C);
    assert_eq!(v3::SignedOrder::from_json(spelled).unwrap().to_json(), V3_C);
}

#[test]
fn an_order_may_be_16_000_bytes_and_no_more() {
    let mut order = v3_c();
    let fill = (ORDER_LEN_MAX - order.json_len()) / 2;
    order.order.taker_fee_asset_data = vec![1; fill].into();
    let json = order.to_json();
    assert_eq!(json.len(), 15_999);
    assert_eq!(v3::SignedOrder::from_json(&json).unwrap(), order);
    // Spaces do not count, up to twice the length.
    let wide = json.replace("\",\"", &format!("\",{}\"", " ".repeat(500)));
    assert!(wide.len() > ORDER_LEN_MAX);
    assert_eq!(v3::SignedOrder::from_json(&wide).unwrap(), order);
    let wider = format!("{}{wide}", " ".repeat(32_001 - wide.len()));
    let error = v3::SignedOrder::from_json(wider).unwrap_err();
    assert_eq!(error, OrderError::TooLong { len: 32_001, max: 32_000 });

    order.order.taker_fee_asset_data = vec![1; fill + 1].into();
    let error = v3::SignedOrder::from_json(order.to_json()).unwrap_err();
    assert_eq!(error, OrderError::TooLong { len: 16_001, max: 16_000 });
}

fn number() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::ZERO),
        Just(U256::MAX),
        any::<u64>().prop_map(U256::from),
        (any::<[u8; 32]>(), 0_usize..256).prop_map(|(bytes, by)| U256::from_be_bytes(bytes) >> by),
    ]
}

fn data() -> impl Strategy<Value = AssetData> {
    prop_oneof![
        Just(AssetData::default()),
        any::<[u8; 20]>().prop_map(|token| AssetData::erc20(Address(token))),
        any::<[u8; 36]>().prop_map(|bytes| AssetData::from(&bytes[..])),
        vec(any::<u8>(), 0..200).prop_map(AssetData::from),
    ]
}

prop_compose! {
    fn order()(
        chain_id in 1..=i64::MAX.unsigned_abs(),
        addresses in any::<[[u8; 20]; 5]>(),
        numbers in [number(), number(), number(), number(), number(), number()],
        assets in [data(), data(), data(), data()],
        signature in prop_oneof![vec(any::<u8>(), 66), vec(any::<u8>(), 0..100)],
    ) -> v3::SignedOrder {
        let [exchange, maker, taker, sender, fee_recipient] = addresses.map(Address);
        let [maker_asset_amount, taker_asset_amount, maker_fee, taker_fee, expiry, salt] = numbers;
        let [maker_asset_data, taker_asset_data, maker_fee_asset_data, taker_fee_asset_data] = assets;
        let order = v3::Order {
            chain_id, exchange, maker, taker, sender, fee_recipient, maker_asset_amount,
            taker_asset_amount, maker_fee, taker_fee, expiration_time_seconds: expiry, salt,
            maker_asset_data, taker_asset_data, maker_fee_asset_data, taker_fee_asset_data,
        };
        v3::SignedOrder { order, signature: signature.into() }
    }
}

prop_compose! {
    fn limit_order()(
        chain_id in 1..=i64::MAX.unsigned_abs(),
        addresses in any::<[[u8; 20]; 7]>(),
        amounts in any::<[u128; 3]>(),
        (expiry, salt) in (any::<u64>(), number()),
        (kind, v) in any::<(u8, u8)>(),
        words in any::<[[u8; 32]; 3]>(),
    ) -> v4::SignedOrder {
        let [verifying_contract, maker_token, taker_token, maker, taker, sender, fee_recipient] =
            addresses.map(Address);
        let [maker_amount, taker_amount, taker_token_fee_amount] = amounts;
        let [pool, r, s] = words;
        let order = v4::LimitOrder {
            chain_id, verifying_contract, maker_token, taker_token, maker_amount, taker_amount,
            taker_token_fee_amount, maker, taker, sender, fee_recipient, pool, expiry, salt,
        };
        v4::SignedOrder { order, signature: v4::Signature { kind, v, r, s } }
    }
}

proptest! {
    #[test]
    fn v3_orders_survive_their_json(order in order()) {
        let json = order.to_json();
        prop_assert_eq!(json.len(), order.json_len());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        prop_assert_eq!(v3::SignedOrder::from_json(&json), Ok(order));
    }

    #[test]
    fn v4_orders_survive_their_json(order in limit_order()) {
        let json = order.to_json();
        prop_assert_eq!(json.len(), order.json_len());
        prop_assert_eq!(v4::SignedOrder::from_json(&json), Ok(order));
    }

    #[test]
    fn asset_data_keeps_its_bytes(bytes in vec(any::<u8>(), 0..80), token in any::<[u8; 20]>()) {
        let data = AssetData::from(&bytes[..]);
        prop_assert_eq!(&data.to_bytes()[..], &bytes[..]);
        let data = AssetData::erc20(Address(token));
        let bytes = data.to_bytes().into_owned();
        prop_assert_eq!(bytes.len(), data.len());
        prop_assert_eq!(&AssetData::from(&bytes[..]), &data);
        prop_assert_eq!(AssetData::from(bytes), data);
    }

    #[test]
    fn what_is_read_from_anything_is_written_and_read_again(
        at in 0..V3_C.len(), with in vec(any::<u8>(), 0..4), drop in 0_usize..4,
    ) {
        let mut json = V3_C.as_bytes().to_vec();
        let end = (at + drop).min(json.len());
        json.splice(at..end, with);
        if let Ok(order) = v3::SignedOrder::from_json(&json) {
            prop_assert!(order.json_len() <= json.len(), "never longer than what was read");
            prop_assert_eq!(v3::SignedOrder::from_json(order.to_json()), Ok(order));
        }
    }
}
