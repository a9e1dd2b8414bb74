//! The orders of the reference.

use meshwork_orders::v3::{Order, Signature, SignedOrder};
use meshwork_orders::{AssetData, U256, v4};

/// V3-c of the reference as JSON, as 0x-Mesh writes it.
pub(crate) const V3_C: &str = r#"{"chainId":1337,"exchangeAddress":"0x48bacb9266a570d521063ef5dd96e61686dbe788","makerAddress":"0x5409ed021d9299bf6814279a6a1411a7e866a631","makerAssetData":"0xf47261b0000000000000000000000000871dd7c2b4b25e1aa18728e9d5f2af4c4e431f5c","makerFeeAssetData":"0x","makerAssetAmount":"100000000000000000000","makerFee":"0","takerAddress":"0x0000000000000000000000000000000000000000","takerAssetData":"0xf47261b00000000000000000000000000b1ba0af832d7c05fd64161e0db78e85978e8082","takerFeeAssetData":"0x","takerAssetAmount":"50000000000000000000","takerFee":"0","senderAddress":"0x0000000000000000000000000000000000000000","feeRecipientAddress":"0xa258b39954cef5cb142fd567a46cddb31a670124","expirationTimeSeconds":"1893456000","salt":"1548619145450","signature":"0x1c4e08e1e04eef2109f774d8e5db82ddf9d288b8e21fb473f717e9fc3bc6fd33ea0d98fc78114e4b2b43333246cf36347f042abbc9305d9f57bc5a4ecd39677fe502"}"#;

/// V4-c of the reference as JSON, as 0x-Mesh writes it.
pub(crate) const V4_C: &str = r#"{"chainId":8008,"verifyingContract":"0x6701704d2421c64ee9aa93ec7f96ede81c4be77d","makerToken":"0x349e8d89e8b37214d9ce3949fc5754152c525bc3","takerToken":"0x83c62b2e67dea0df2a27be0def7a22bd7102642c","makerAmount":"1234","takerAmount":"5678","takerTokenFeeAmount":"9101112","maker":"0x05cac48d17ecc4d8a9db09dde766a03959b98367","taker":"0x615312fb74c31303eab07dea520019bb23f4c6c2","sender":"0x70f2d6c7acd257a6700d745b76c602ceefeb8e20","feeRecipient":"0xcc3c7ea403427154ec908203ba6c418bd699f7ce","pool":"0x0bbff69b85a87da39511aefc3211cb9aff00e1a1779dc35b8f3635d8b5ea2680","expiry":"1001","salt":"2001","signatureType":"3","signatureR":"0x5d4fe9b4c8f94efc46ef9e7e3f996c238f9c930fd5c03014ec6db6d4d18a34e5","signatureV":"28","signatureS":"0x0949269d29524aec1ba5b19236c392a3d1866ca39bb8c7b6345e90a3fbf404fc"}"#;

/// A time at which V3-c has not ended.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn v3_c() -> SignedOrder {
    SignedOrder::from_json(V3_C).unwrap()
}

pub(crate) fn v4_c() -> v4::SignedOrder {
    v4::SignedOrder::from_json(V4_C).unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let text = text.strip_prefix("0x").unwrap();
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

pub(crate) fn signature(text: &str) -> Signature {
    hex(text).into()
}

/// V3-a: nearly everything zero.
pub(crate) fn v3_a() -> Order {
    let data = AssetData::from(vec![0; 20]);
    Order {
        chain_id: 1337,
        exchange: "0x1dc4c1cefef38a777b15aa20260a54e584b16c48".parse().unwrap(),
        maker_asset_data: data.clone(),
        taker_asset_data: data.clone(),
        maker_fee_asset_data: data.clone(),
        taker_fee_asset_data: data,
        ..Order::default()
    }
}

/// V3-b: every number another.
pub(crate) fn v3_b() -> Order {
    Order {
        chain_id: 1337,
        exchange: "0x48bacb9266a570d521063ef5dd96e61686dbe788".parse().unwrap(),
        maker: "0x5409ed021d9299bf6814279a6a1411a7e866a631".parse().unwrap(),
        salt: U256::from(200),
        maker_fee: U256::from(201),
        taker_fee: U256::from(202),
        maker_asset_amount: U256::from(203),
        taker_asset_amount: U256::from(204),
        expiration_time_seconds: U256::from(205),
        maker_asset_data: vec![0; 20].into(),
        taker_asset_data: vec![0; 20].into(),
        ..Order::default()
    }
}

/// The key of the maker of V3-b and V3-c, which everybody knows.
pub(crate) fn ganache_key() -> secp256k1::SecretKey {
    key("0xf2f48ee19680706196e2e339e5da3491186e0c4c5030670656b0e0164837257d")
}

pub(crate) fn key(text: &str) -> secp256k1::SecretKey {
    secp256k1::SecretKey::from_secret_bytes(hex(text).try_into().unwrap()).unwrap()
}
