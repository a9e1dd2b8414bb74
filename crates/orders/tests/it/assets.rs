//! What asset data says, and asset data that lies.

use meshwork_orders::asset::{Asset, BadAsset};
use meshwork_orders::{Address, AssetData, U256};
use proptest::collection::vec;
use proptest::prelude::*;

const TOKEN: Address = Address([0xaa; 20]);

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

fn address(address: Address) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(&address.0);
    word
}

/// Bytes as an argument: how many, and the bytes, filled up to words.
fn bytes(bytes: &[u8]) -> Vec<[u8; 32]> {
    let mut words = vec![word(bytes.len() as u64)];
    for part in bytes.chunks(32) {
        let mut filled = [0; 32];
        filled[..part.len()].copy_from_slice(part);
        words.push(filled);
    }
    words
}

/// An array of numbers as an argument.
fn numbers(numbers: &[u64]) -> Vec<[u8; 32]> {
    let count = word(numbers.len() as u64);
    std::iter::once(count).chain(numbers.iter().map(|number| word(*number))).collect()
}

enum Arg {
    Here([u8; 32]),
    There(Vec<[u8; 32]>),
}

/// Lays `args` out as the ABI does.
fn call(selector: u32, args: Vec<Arg>) -> Vec<u8> {
    let (mut heads, mut tails) = (Vec::new(), Vec::new());
    let first = args.len();
    for arg in args {
        match arg {
            Arg::Here(word) => heads.push(word),
            Arg::There(words) => {
                heads.push(word(32 * (first + tails.len()) as u64));
                tails.extend(words);
            }
        }
    }
    let mut out = selector.to_be_bytes().to_vec();
    out.extend(heads.into_iter().chain(tails).flatten());
    out
}

/// An array of bytes as an argument.
fn array(items: &[Vec<u8>]) -> Vec<[u8; 32]> {
    let (mut heads, mut tails) = (Vec::new(), Vec::new());
    for item in items {
        heads.push(word(32 * (items.len() + tails.len()) as u64));
        tails.extend(bytes(item));
    }
    let count = word(items.len() as u64);
    std::iter::once(count).chain(heads).chain(tails).collect()
}

fn erc20() -> Vec<u8> {
    call(0xf472_61b0, vec![Arg::Here(address(TOKEN))])
}

fn erc721() -> Vec<u8> {
    call(0x0257_1792, vec![Arg::Here(address(TOKEN)), Arg::Here(word(77))])
}

fn erc1155() -> Vec<u8> {
    let ids = Arg::There(numbers(&[1, 2, 3, 4, 5]));
    let values = Arg::There(numbers(&[10, 20, 30, 40, 50]));
    call(0xa7cb_5fb7, vec![Arg::Here(address(TOKEN)), ids, values, Arg::There(bytes(b"hello"))])
}

fn multi(amounts: &[u64], assets: &[Vec<u8>]) -> Vec<u8> {
    call(0x94cf_cdd7, vec![Arg::There(numbers(amounts)), Arg::There(array(assets))])
}

fn decode(bytes: &[u8]) -> Result<String, BadAsset> {
    let data = AssetData::from(bytes);
    data.decode().map(|asset| asset.to_string())
}

#[test]
fn all_kinds_are_read() {
    let token = TOKEN.to_string();
    assert_eq!(decode(&erc20()), Ok(format!("erc20:{token}")));
    assert_eq!(decode(&erc721()), Ok(format!("erc721:{token}/77")));
    assert_eq!(decode(&erc1155()), Ok(format!("erc1155:{token}/[1,2,3,4,+1]")));
    let call_args = vec![
        Arg::Here(address(TOKEN)),
        Arg::There(bytes(&0xd728_f5b7_u32.to_be_bytes())),
        Arg::Here([9; 32]),
    ];
    assert_eq!(decode(&call(0xc339_d10a, call_args)), Ok(format!("staticcall:{token}")));
    let bridge = vec![
        Arg::Here(address(TOKEN)),
        Arg::Here(address(Address([0xbb; 20]))),
        Arg::There(bytes(&[1; 40])),
    ];
    let text = format!("erc20bridge:{token}@{}", Address([0xbb; 20]));
    assert_eq!(decode(&call(0xdc16_00f3, bridge)), Ok(text));
    let both = multi(&[5, 6], &[erc20(), erc721()]);
    assert_eq!(decode(&both), Ok(format!("multi:[erc20:{token},erc721:{token}/77]")));
}

#[test]
fn arguments_are_those_of_the_bytes() {
    let data = AssetData::from(erc1155());
    let Ok(Asset::Erc1155 { ids, values, data, .. }) = data.decode() else { panic!() };
    assert_eq!(ids, [1, 2, 3, 4, 5].map(word));
    assert_eq!(values, [10, 20, 30, 40, 50].map(word));
    assert_eq!(data, b"hello");
    let data = AssetData::from(multi(&[5, 6], &[erc20(), erc1155()]));
    let Ok(Asset::Multi { amounts, assets }) = data.decode() else { panic!() };
    assert_eq!(amounts, [5, 6].map(word));
    assert_eq!(assets[0], Asset::Erc20 { token: TOKEN });
    assert!(matches!(assets[1], Asset::Erc1155 { .. }));
}

#[test]
fn what_is_no_asset_is_shown_as_such() {
    assert_eq!(AssetData::default().to_string(), "none");
    assert_eq!(AssetData::from(vec![0; 20]).to_string(), "unknown:20 bytes");
    assert_eq!(decode(&[]), Err(BadAsset::Kind));
    assert_eq!(decode(&[0xf4, 0x72, 0x61]), Err(BadAsset::Kind));
    assert_eq!(decode(&[0; 36]), Err(BadAsset::Kind));
}

#[test]
fn every_end_is_found() {
    for whole in [erc20(), erc721(), erc1155(), multi(&[5, 6], &[erc20(), erc721()])] {
        assert!(decode(&whole).is_ok());
        for len in 4..whole.len() {
            // What fills the last word up is not read.
            if whole[len..].iter().all(|byte| *byte == 0) {
                continue;
            }
            assert_eq!(decode(&whole[..len]), Err(BadAsset::Short), "{len}");
        }
    }
}

#[test]
fn an_address_has_nothing_in_front() {
    let mut data = erc20();
    data[15] = 1;
    assert_eq!(decode(&data), Err(BadAsset::Address));
    data.truncate(35);
    assert_eq!(decode(&data), Err(BadAsset::Short));
}

#[test]
fn amounts_and_assets_are_as_many() {
    let bad = BadAsset::Amounts { amounts: 1, assets: 2 };
    assert_eq!(decode(&multi(&[5], &[erc20(), erc20()])), Err(bad));
    let ids = Arg::There(numbers(&[1, 2]));
    let args =
        vec![Arg::Here(address(TOKEN)), ids, Arg::There(numbers(&[1])), Arg::There(bytes(b""))];
    assert_eq!(decode(&call(0xa7cb_5fb7, args)), Err(bad));
}

#[test]
fn depth_is_bounded() {
    let mut data = erc20();
    for _ in 0..Asset::DEPTH_MAX {
        data = multi(&[1], &[data]);
    }
    assert!(decode(&data).is_ok());
    assert_eq!(decode(&multi(&[1], &[data])), Err(BadAsset::Depth));
}

#[test]
fn assets_that_share_their_bytes_are_counted_each() {
    // Each level points many times at the one asset below it.
    let wide = |count: usize, inner: &[u8]| {
        let heads = vec![word(32 * count as u64); count];
        let nested = std::iter::once(word(count as u64)).chain(heads).chain(bytes(inner)).collect();
        let amounts = numbers(&vec![1; count]);
        call(0x94cf_cdd7, vec![Arg::There(amounts), Arg::There(nested)])
    };
    assert!(decode(&wide(100, &erc20())).is_ok());
    assert_eq!(decode(&wide(128, &erc20())), Err(BadAsset::Parts));
    let mut bomb = erc20();
    for _ in 0..Asset::DEPTH_MAX {
        bomb = wide(30, &bomb);
    }
    assert!(bomb.len() < 9_000, "an order has room for it: {}", bomb.len());
    assert_eq!(decode(&bomb), Err(BadAsset::Parts));
}

#[test]
fn lengths_and_places_that_lie_are_refused() {
    // The words that say where something is, and how much of it.
    let erc1155 = (erc1155(), &[1, 2, 3, 4, 10, 16][..]);
    let multi_words = &[0, 1, 2, 5, 6, 7, 8, 11][..];
    for (whole, words) in [erc1155, (multi(&[5, 6], &[erc20(), erc721()]), multi_words)] {
        for at in words.iter().map(|index| 4 + 32 * index) {
            for lie in
                [[0xff; 32], word(u64::MAX), word(u64::MAX - 31), word(1 << 40), word(10_000)]
            {
                let mut data = whole.clone();
                data[at..at + 32].copy_from_slice(&lie);
                let refused = decode(&data).unwrap_err();
                let found = matches!(refused, BadAsset::Short | BadAsset::Amounts { .. });
                assert!(found, "{at} {lie:?}: {refused}");
            }
        }
    }
    let mut endless = multi(&[], &[]);
    let count = endless.len() - 32;
    endless[count..].copy_from_slice(&[0xff; 32]);
    assert_eq!(decode(&endless), Err(BadAsset::Short));
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(
        selector in prop::sample::select(vec![
            0xf472_61b0_u32, 0x0257_1792, 0xa7cb_5fb7, 0x94cf_cdd7, 0xc339_d10a, 0xdc16_00f3,
        ]),
        words in vec(prop_oneof![(0_u64..400).prop_map(word), any::<[u8; 32]>()], 0..40),
        more in vec(any::<u8>(), 0..32),
    ) {
        let mut data = selector.to_be_bytes().to_vec();
        data.extend(words.into_iter().flatten());
        data.extend(more);
        let text = AssetData::from(data).to_string();
        prop_assert!(text.len() < 30_000);
    }
}
