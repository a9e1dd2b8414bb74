//! Whoever changes a bit of a signed order has an order that nobody signed.

use meshwork_orders::generate::{Config, Generator, Salts};
use meshwork_orders::sample::SAMPLE_V3;
use meshwork_orders::v3::SignedOrder;
use meshwork_orders::{AssetData, BadSignature, Network, SignatureCheck, Signing, U256, v4};
use proptest::prelude::*;

use crate::common::{NOW, ganache_key, v3_b, v4_c};

/// Where the bits of an order are: as many as it has, and a copy with one of them turned.
struct Bits(Vec<usize>);

impl Bits {
    fn of(signed: &SignedOrder) -> Self {
        let SignedOrder { order, signature } = signed;
        let assets = [
            order.maker_asset_data.len(),
            order.taker_asset_data.len(),
            order.maker_fee_asset_data.len(),
            order.taker_fee_asset_data.len(),
        ];
        let mut lens = vec![64];
        lens.extend([160; 5]);
        lens.extend([256; 6]);
        lens.extend(assets.map(|len| len * 8));
        lens.push(signature.len() * 8);
        Self(lens)
    }

    fn len(&self) -> usize {
        self.0.iter().sum()
    }

    fn turn(&self, signed: &SignedOrder, mut bit: usize) -> SignedOrder {
        let mut field = 0;
        while bit >= self.0[field] {
            bit -= self.0[field];
            field += 1;
        }
        let mut signed = signed.clone();
        let order = &mut signed.order;
        let address = |bytes: &mut [u8]| bytes[bit / 8] ^= 1 << (bit % 8);
        let number = |number: &mut U256| *number ^= U256::from(1) << bit;
        let data = |data: &mut AssetData| {
            let mut bytes = data.to_bytes().into_owned();
            bytes[bit / 8] ^= 1 << (bit % 8);
            *data = bytes.into();
        };
        match field {
            0 => order.chain_id ^= 1 << bit,
            1 => address(&mut order.exchange.0),
            2 => address(&mut order.maker.0),
            3 => address(&mut order.taker.0),
            4 => address(&mut order.sender.0),
            5 => address(&mut order.fee_recipient.0),
            6 => number(&mut order.maker_asset_amount),
            7 => number(&mut order.taker_asset_amount),
            8 => number(&mut order.maker_fee),
            9 => number(&mut order.taker_fee),
            10 => number(&mut order.expiration_time_seconds),
            11 => number(&mut order.salt),
            12 => data(&mut order.maker_asset_data),
            13 => data(&mut order.taker_asset_data),
            14 => data(&mut order.maker_fee_asset_data),
            15 => data(&mut order.taker_fee_asset_data),
            _ => {
                let mut bytes = signed.signature.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                signed.signature = bytes.into();
            }
        }
        signed
    }
}

/// Looks at the signature alone: no check of a field may stand in for it.
fn refused(original: &SignedOrder, changed: &SignedOrder) {
    assert_ne!(original, changed);
    match changed.signature_check() {
        SignatureCheck::Valid => panic!("still signed: {changed:?}"),
        SignatureCheck::Invalid(_) => {}
        // The kind itself was changed. No such order is taken either.
        SignatureCheck::NotCheckableOffline(_) => {
            assert_eq!(original.order, changed.order);
            let refusal = changed.verify(&Network::MAINNET, NOW).unwrap_err();
            assert_eq!(refusal.code(), "signature_offline");
        }
    }
}

#[test]
fn every_bit_of_an_order_counts() {
    let order = SignedOrder::from_json(SAMPLE_V3.lines().next().unwrap()).unwrap();
    assert_eq!(order.signature_check(), SignatureCheck::Valid);
    let bits = Bits::of(&order);
    assert!(bits.len() > 3_400, "{}", bits.len());
    for bit in 0..bits.len() {
        refused(&order, &bits.turn(&order, bit));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bit_of_any_order_counts(line in 0_usize..200, bit: prop::sample::Index) {
        let line = SAMPLE_V3.lines().nth(line).unwrap();
        let order = SignedOrder::from_json(line).unwrap();
        let bits = Bits::of(&order);
        refused(&order, &bits.turn(&order, bit.index(bits.len())));
    }

    #[test]
    fn any_bit_of_a_generated_order_counts(seed: [u8; 32], bit: prop::sample::Index) {
        let makers = 1.try_into().unwrap();
        let config = Config { salts: Salts::Random, makers, ..Config::default() };
        let order = Generator::new(seed, config).order();
        let bits = Bits::of(&order);
        refused(&order, &bits.turn(&order, bit.index(bits.len())));
    }
}

#[test]
fn every_bit_of_a_v4_signature_counts() {
    let order = v4_c();
    for bit in 0..256 + 256 + 8 + 8 {
        let mut changed = order.clone();
        let signature = &mut changed.signature;
        match bit {
            0..256 => signature.r[bit / 8] ^= 1 << (bit % 8),
            256..512 => signature.s[(bit - 256) / 8] ^= 1 << (bit % 8),
            512..520 => signature.v ^= 1 << (bit - 512),
            _ => signature.kind ^= 1 << (bit - 520),
        }
        let check = changed.signature_check();
        assert!(matches!(check, SignatureCheck::Invalid(_)), "{bit}: {check:?}");
    }
}

#[test]
fn every_bit_of_a_v4_order_counts() {
    type Change = fn(&mut v4::LimitOrder, usize);
    let fields: [(usize, Change); 14] = [
        (64, |order, bit| order.chain_id ^= 1 << bit),
        (160, |order, bit| order.verifying_contract.0[bit / 8] ^= 1 << (bit % 8)),
        (160, |order, bit| order.maker_token.0[bit / 8] ^= 1 << (bit % 8)),
        (160, |order, bit| order.taker_token.0[bit / 8] ^= 1 << (bit % 8)),
        (128, |order, bit| order.maker_amount ^= 1 << bit),
        (128, |order, bit| order.taker_amount ^= 1 << bit),
        (128, |order, bit| order.taker_token_fee_amount ^= 1 << bit),
        (160, |order, bit| order.maker.0[bit / 8] ^= 1 << (bit % 8)),
        (160, |order, bit| order.taker.0[bit / 8] ^= 1 << (bit % 8)),
        (160, |order, bit| order.sender.0[bit / 8] ^= 1 << (bit % 8)),
        (160, |order, bit| order.fee_recipient.0[bit / 8] ^= 1 << (bit % 8)),
        (256, |order, bit| order.pool[bit / 8] ^= 1 << (bit % 8)),
        (64, |order, bit| order.expiry ^= 1 << bit),
        (256, |order, bit| order.salt ^= U256::from(1) << bit),
    ];
    for (bits, change) in fields {
        for bit in 0..bits {
            let mut order = v4_c();
            change(&mut order.order, bit);
            let check = order.signature_check();
            assert!(matches!(check, SignatureCheck::Invalid(_)), "{bit}: {check:?}");
        }
    }
}

/// The order of the curve.
fn curve_order() -> U256 {
    "115792089237316195423570985008687907852837564279074904382605163141518161494337"
        .parse()
        .unwrap()
}

#[test]
fn the_twin_with_the_higher_s_is_refused() {
    let mut v4 = v4_c();
    let s = curve_order() - U256::from_be_bytes(v4.signature.s);
    v4.signature.s = s.to_be_bytes();
    v4.signature.v = 27 + 28 - v4.signature.v;
    assert_eq!(
        v4.signature_check(),
        SignatureCheck::Invalid(BadSignature::Key(ecdsa::BadSignature::HighS))
    );

    for how in [Signing::Eip712, Signing::EthSign] {
        let mut order = v3_b().sign(how, &ganache_key());
        let mut bytes: [u8; 66] = order.signature.as_bytes().try_into().unwrap();
        bytes[0] = 27 + 28 - bytes[0];
        let s = U256::try_from_be_slice(&bytes[33..65]).unwrap();
        bytes[33..65].copy_from_slice(&(curve_order() - s).to_be_bytes::<32>());
        order.signature = bytes[..].into();
        assert_eq!(
            order.signature_check(),
            SignatureCheck::Invalid(BadSignature::Key(ecdsa::BadSignature::HighS))
        );
    }
}
