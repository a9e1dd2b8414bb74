//! Orders that are signed and still not taken, and signatures of all kinds.

use meshwork_orders::asset::BadAsset;
use meshwork_orders::network::FLASH_WALLET;
use meshwork_orders::v3::SignedOrder;
use meshwork_orders::{
    Address, AssetData, BadSignature, Network, Refusal, SignatureCheck, SignatureKind, Signing,
    U256, v4,
};

use crate::common::{NOW, ganache_key, v3_c, v4_c};

fn with(change: impl FnOnce(&mut SignedOrder)) -> Result<(), Refusal> {
    let mut order = v3_c();
    change(&mut order);
    order.check(&Network::GANACHE, NOW)
}

#[test]
fn a_good_order_is_taken() {
    assert_eq!(with(|_| {}), Ok(()));
    assert_eq!(v3_c().verify(&Network::GANACHE, NOW), Ok(v3_c().hash()));
    assert_eq!(with(|order| order.order.taker = FLASH_WALLET), Ok(()));
}

type Change<'a> = Box<dyn FnOnce(&mut SignedOrder) + 'a>;

#[test]
fn each_reason_has_its_name() {
    let one = Address([1; 20]);
    let junk = || AssetData::from(vec![1, 2, 3]);
    let cases: [(&str, Change<'_>); 14] = [
        ("chain_id", Box::new(|order| order.order.chain_id = 1)),
        ("exchange", Box::new(|order| order.order.exchange = one)),
        ("sender", Box::new(|order| order.order.sender = one)),
        ("taker", Box::new(|order| order.order.taker = one)),
        ("maker_amount", Box::new(|order| order.order.maker_asset_amount = U256::ZERO)),
        ("taker_amount", Box::new(|order| order.order.taker_asset_amount = U256::ZERO)),
        ("maker_asset", Box::new(|order| order.order.maker_asset_data = junk())),
        ("taker_asset", Box::new(|order| order.order.taker_asset_data = junk())),
        (
            "maker_fee_asset",
            Box::new(|order| {
                order.order.maker_fee = U256::from(1);
                order.order.maker_fee_asset_data = junk();
            }),
        ),
        (
            "taker_fee_asset",
            Box::new(|order| {
                order.order.taker_fee = U256::from(1);
                order.order.taker_fee_asset_data = junk();
            }),
        ),
        ("expiry", Box::new(|order| order.order.expiration_time_seconds = U256::from(1_u64 << 63))),
        ("expiry", Box::new(|order| order.order.expiration_time_seconds = U256::MAX)),
        ("expired", Box::new(|order| order.order.expiration_time_seconds = U256::from(NOW))),
        ("too_long", Box::new(|order| order.order.maker_fee_asset_data = vec![1; 8_000].into())),
    ];
    for (code, change) in cases {
        assert_eq!(with(change).unwrap_err().code(), code);
    }
}

#[test]
fn fee_assets_matter_only_where_a_fee_is_paid() {
    let junk = || AssetData::from(vec![1, 2, 3]);
    assert_eq!(with(|order| order.order.maker_fee_asset_data = junk()), Ok(()));
    assert_eq!(with(|order| order.order.taker_fee_asset_data = junk()), Ok(()));
    assert_eq!(with(|order| order.order.taker_fee = U256::from(1)), Ok(()));
}

#[test]
fn an_order_ends_with_its_second() {
    let at = |expiry| with(|order| order.order.expiration_time_seconds = U256::from(expiry));
    assert_eq!(at(NOW + 1), Ok(()));
    assert_eq!(at(NOW), Err(Refusal::Expired { expiry: NOW, now: NOW }));
    assert_eq!(at((1 << 63) - 1), Ok(()));
}

#[test]
fn an_empty_asset_is_none() {
    let refusal = with(|order| order.order.maker_asset_data = AssetData::default());
    assert_eq!(refusal, Err(Refusal::MakerAsset(BadAsset::Kind)));
}

fn v4_with(change: impl FnOnce(&mut v4::LimitOrder)) -> Result<(), Refusal> {
    let mut signed = v4_c();
    signed.order.taker = Address::ZERO;
    signed.order.sender = Address::ZERO;
    signed.order.chain_id = 1337;
    signed.order.verifying_contract = Network::v4(1337).unwrap().exchange;
    change(&mut signed.order);
    signed.check(&Network::v4(1337).unwrap(), 1_000)
}

#[test]
fn v4_orders_are_checked_alike() {
    let one = Address([1; 20]);
    let code = |change: fn(&mut v4::LimitOrder)| v4_with(change).unwrap_err().code();
    assert_eq!(v4_with(|_| {}), Ok(()));
    assert_eq!(v4_with(|order| order.taker = FLASH_WALLET), Ok(()));
    assert_eq!(code(|order| order.chain_id = 1), "chain_id");
    assert_eq!(code(|order| order.verifying_contract = Address::ZERO), "exchange");
    assert_eq!(v4_with(|order| order.sender = one), Err(Refusal::Sender { sender: one }));
    assert_eq!(v4_with(|order| order.taker = one), Err(Refusal::Taker { taker: one }));
    assert_eq!(code(|order| order.maker_amount = 0), "maker_amount");
    assert_eq!(code(|order| order.taker_amount = 0), "taker_amount");
    assert_eq!(code(|order| order.expiry = 1_000), "expired");
    assert_eq!(code(|order| order.expiry = 1 << 63), "expiry");
}

#[test]
fn v4_orders_are_taken_with_the_signature_of_their_maker_only() {
    let network = Network::v4(1337).unwrap();
    let order = v4::LimitOrder {
        chain_id: network.chain_id,
        verifying_contract: network.exchange,
        maker: v3_c().order.maker,
        taker: Address::ZERO,
        sender: Address::ZERO,
        ..v4_c().order
    };
    for how in [Signing::Eip712, Signing::EthSign] {
        let signed = order.clone().sign(how, &ganache_key());
        assert_eq!(signed.verify(&network, 1_000), Ok(order.hash()));
        assert_eq!(signed.verify(&network, 1_001).unwrap_err().code(), "expired");
        let mut forged = signed.clone();
        forged.order.taker_amount += 1;
        let verdicts = v4::verify_batch(&[forged, signed], &network, 1_000);
        assert_eq!(verdicts[0].unwrap_err().code(), "signature_signer");
        assert_eq!(verdicts[1], Ok(order.hash()));
    }
}

fn judge(signature: &[u8]) -> SignatureCheck {
    SignedOrder { signature: signature.into(), ..v3_c() }.signature_check()
}

#[test]
fn signatures_of_contracts_are_known_and_left_to_the_chain() {
    for (kind, least) in [
        (SignatureKind::Wallet, 1),
        (SignatureKind::Validator, 21),
        (SignatureKind::PreSigned, 1),
        (SignatureKind::Eip1271Wallet, 1),
    ] {
        let of = |len: usize| {
            let mut bytes = vec![9; len];
            bytes[len - 1] = kind.to_byte();
            bytes
        };
        assert_eq!(judge(&of(least)), SignatureCheck::NotCheckableOffline(kind));
        assert_eq!(judge(&of(100)), SignatureCheck::NotCheckableOffline(kind));
        assert_eq!(SignatureKind::from_byte(kind.to_byte()), Some(kind));
        let order = SignedOrder { signature: of(66).into(), ..v3_c() };
        let refusal = order.verify(&Network::GANACHE, NOW);
        assert_eq!(refusal, Err(Refusal::NotCheckableOffline { kind }));
    }
    let short = BadSignature::Length { len: 20, expected: 21 };
    assert_eq!(judge(&[5; 20]), SignatureCheck::Invalid(short));
}

#[test]
fn signatures_that_cannot_hold_are_named() {
    let bad = |signature: &[u8]| match judge(signature) {
        SignatureCheck::Invalid(bad) => bad,
        other => panic!("{other:?}"),
    };
    assert_eq!(bad(&[]), BadSignature::Empty);
    for byte in [0, 1, 8, 9, 255] {
        let mut bytes = v3_c().signature.as_bytes().to_vec();
        *bytes.last_mut().unwrap() = byte;
        assert_eq!(bad(&bytes), BadSignature::Kind { byte });
        assert_eq!(bad(&[byte]), BadSignature::Kind { byte });
    }
    for kind in [2, 3] {
        for len in [1, 2, 65, 67, 131] {
            assert_eq!(bad(&vec![kind; len]), BadSignature::Length { len, expected: 66 });
        }
        for v in [0, 1, 2, 26, 29, 35, 255] {
            let mut bytes = v3_c().signature.as_bytes().to_vec();
            (bytes[0], bytes[65]) = (v, kind);
            assert_eq!(bad(&bytes), BadSignature::Key(ecdsa::BadSignature::Recovery { v }));
        }
        // r or s zero, and r over the order of the curve.
        for (r, s) in [(0, 1), (1, 0), (0xff, 1)] {
            let mut bytes = [27; 66];
            bytes[1..33].fill(r);
            bytes[33..65].fill(s);
            bytes[65] = kind;
            assert_eq!(bad(&bytes), BadSignature::Key(ecdsa::BadSignature::NoKey), "{r} {s}");
        }
    }
}

#[test]
fn v4_has_two_kinds_of_signature() {
    for byte in (0..=255).filter(|byte| ![2, 3].contains(byte)) {
        let mut order = v4_c();
        order.signature.kind = byte;
        let check = order.signature_check();
        assert_eq!(check, SignatureCheck::Invalid(BadSignature::Kind { byte }));
    }
}
