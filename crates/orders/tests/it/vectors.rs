//! The vectors of the reference, computed there with two other implementations.

use meshwork_orders::{BadSignature, SignatureCheck, Signing, v3, v4};

use crate::common::{V3_C, V4_C, ganache_key, hex, key, signature, v3_a, v3_b, v3_c, v4_c};

fn signed(order: v3::Order, text: &str) -> v3::SignedOrder {
    v3::SignedOrder { order, signature: signature(text) }
}

#[test]
fn v3_a_has_its_hash() {
    let hash = "0xcb36e4fedb36508fb707e2c05e21bffc7a72766ccae93f8ff096693fff7f1714";
    assert_eq!(v3_a().hash().to_string(), hash);
}

#[test]
fn v3_b_has_its_hash_and_signatures() {
    let hash = "0x107d7a956fc5d81c903dbd83af0d53eb48dae97376fbb7316bd7102bc58d6a7e";
    assert_eq!(v3_b().hash().to_string(), hash);
    for (how, text) in [
        (
            Signing::EthSign,
            "0x1befcf4b6b1da4d207067a4b06e9bfbf21f85e2b6644f3ecf3a15f009e484756f251e3e00e909447ce45a16c620d14920a9acf516d9f4fe45bc36c914be6c9ec2703",
        ),
        (
            Signing::Eip712,
            "0x1bdd7b5c328876b4c08bdb327e7a4d4241cb26f06f9c0afbaacfb1cbf50cc0ed1b39b986e1b9ffb7d42149171536571afc51cadcbe60f2f0eded5f8738ca8f063e02",
        ),
    ] {
        assert_eq!(v3_b().sign(how, &ganache_key()).signature.to_string(), text);
        assert_eq!(signed(v3_b(), text).signature_check(), SignatureCheck::Valid);
    }
}

#[test]
fn v3_c_has_its_json_hash_and_signatures() {
    let order = v3_c();
    assert_eq!((V3_C.len(), order.json_len()), (889, 889));
    assert_eq!(order.to_json(), V3_C);
    let hash = "0x770b2a2a61535e737251c645756637632ad9d6984adcb5ecd0d1a31662743ab4";
    assert_eq!(order.hash().to_string(), hash);
    assert_eq!(order.signature_check(), SignatureCheck::Valid);
    assert_eq!(order.order.clone().sign(Signing::Eip712, &ganache_key()), order);

    let eth_sign = "0x1c560af1c51a568753ccb899909dcc4ffded9281cd152374fdcc9219442e85cba92f8bb4bf396cdf883e08df0d5ca5a8f8fe96e5a85e8c734e55a96e9f25af99be03";
    let order = order.order.sign(Signing::EthSign, &ganache_key());
    assert_eq!(order.signature.to_string(), eth_sign);
    assert_eq!(order.signature_check(), SignatureCheck::Valid);
}

#[test]
fn v3_d_is_well_formed_and_signed_by_somebody_else() {
    let json = V3_C
        .replace(
            "0x5409ed021d9299bf6814279a6a1411a7e866a631",
            "0x6ecbe1db9ef729cbe972c83fb886247691fb6beb",
        )
        .replace("1893456000", "1575499721");
    let text = "0x1b0d147219c5c92262f0902727a8d72b09ea5165ac2ede14bccbfbf6559343d8305978e22516dc1ea75e10af2c8954cd45da562ec907ce5723a62728272c566a3f02";
    let order = v3::SignedOrder::from_json(json).unwrap().order;
    let hash = "0x1342e67ab4c49f8feedf37f9df95e6894b6f0f30b107e6adc075a8db4f0ebcd3";
    assert_eq!(order.hash().to_string(), hash);
    let recovered = "0xf23B21746B27756A6C4FcB729797f142a06A3242".parse().unwrap();
    let signer =
        SignatureCheck::Invalid(BadSignature::Key(ecdsa::BadSignature::Signer { recovered }));
    assert_eq!(signed(order, text).signature_check(), signer);
}

fn v4_a() -> v4::LimitOrder {
    let maker = "0x8d5e5b5b5d187bdce2e0143eb6b3cc44eef3c0cb".parse().unwrap();
    v4::LimitOrder { maker, ..v4_c().order }
}

#[test]
fn v4_a_and_b_have_their_hashes() {
    let a = "0x8bb1f6e880b3b4f91a901897c4b914ec606dc3b8b59f64983e1638a45bdf3116";
    assert_eq!(v4_a().hash().to_string(), a);
    let contract = "0x5315e44798395d4a952530d131249fe00f554565".parse().unwrap();
    let order = v4::LimitOrder { chain_id: 1337, verifying_contract: contract, ..v4_a() };
    let b = "0xbefb7f65e67f5d5bf8384130396cff2e206553f07c0143962f3e59653c7ff564";
    assert_eq!(order.hash().to_string(), b);
}

#[test]
fn v4_c_has_its_json_hash_and_signatures() {
    let order = v4_c();
    assert_eq!((V4_C.len(), order.json_len()), (799, 799));
    assert_eq!(order.to_json(), V4_C);
    let hash = "0xddee5b1b08f4df161cafa12fd347e374779573773161906999a19a1cf5f692cc";
    assert_eq!(order.hash().to_string(), hash);
    assert_eq!(order.signature_check(), SignatureCheck::Valid);

    let key = key("0xee094b79aa0315914955f2f09be9abe541dcdc51f0aae5bec5453e9f73a471a6");
    assert_eq!(order.order.clone().sign(Signing::EthSign, &key), order);
    let order = order.order.sign(Signing::Eip712, &key);
    let r = "0x030e27e0a261dda1139154d9ba7e814932bd6b8d15231a8c2cd78d634ff22c2b";
    let s = "0x50af45e0d6e81b721905bd35748168f1f348be34fe03073d7a2f2b053cbdca2d";
    assert_eq!(order.signature.kind, 2);
    assert_eq!(order.signature.v, 27);
    assert_eq!(order.signature.r[..], hex(r));
    assert_eq!(order.signature.s[..], hex(s));
    assert_eq!(order.signature_check(), SignatureCheck::Valid);
}

#[test]
fn v4_a_is_not_signed_by_its_maker() {
    let order = v4::SignedOrder { order: v4_a(), signature: v4_c().signature };
    let check = order.signature_check();
    assert!(
        matches!(
            check,
            SignatureCheck::Invalid(BadSignature::Key(ecdsa::BadSignature::Signer { .. }))
        ),
        "{check:?}"
    );
}
