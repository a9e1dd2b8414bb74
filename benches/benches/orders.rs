//! What an order costs to take in: our verification beside the bare primitives it cannot do
//! without, our JSON beside `serde_json` on the same text.
//!
//! `cargo bench -p meshwork-benches --bench orders`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orders::generate::{Config, Generator, Salts};
use orders::v3::SignedOrder;
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use sha3::{Digest, Keccak256};

/// Orders in one iteration.
const ORDERS: usize = 100;

/// A time at which none has ended, in seconds of Unix time.
const NOW: u64 = 1_800_000_000;

fn made() -> Vec<SignedOrder> {
    let config = Config { salts: Salts::Random, ..Config::default() };
    Generator::new([1; 32], config).take(ORDERS).collect()
}

/// Recovers the key from a signature of `digest`, and hashes it to an address.
fn recover(digest: [u8; 32], signature: &[u8]) -> Option<[u8; 32]> {
    let (v, rs) = signature.get(..65)?.split_first()?;
    let which = RecoveryId::from_u8_masked(v.wrapping_sub(27));
    let signature = RecoverableSignature::from_compact(rs, which).ok()?;
    let key = signature.recover(Message::from_digest(digest)).ok()?.serialize_uncompressed();
    Some(Keccak256::digest(key.get(1..)?).into())
}

/// The hashes below that of an order: two tokens, fifteen words, prefix and two words.
fn hash(bytes: &[u8; 480]) -> [u8; 32] {
    for len in [36, 36, 480] {
        black_box(Keccak256::digest(bytes.get(..len).unwrap_or_default()));
    }
    Keccak256::digest(bytes.get(..66).unwrap_or_default()).into()
}

fn verify(criterion: &mut Criterion) {
    let (orders, network) = (made(), Config::default().network);
    let signed: Vec<_> = orders.iter().map(|order| (order.hash().0, &order.signature)).collect();
    let mut group = criterion.benchmark_group("orders/verify");
    group.throughput(Throughput::Elements(ORDERS.try_into().unwrap_or(u64::MAX)));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| orders::v3::verify_batch(black_box(&orders), &network, NOW));
    });
    group.bench_function("recover_and_keccak", |bencher| {
        bencher.iter(|| {
            for (digest, signature) in black_box(&signed) {
                black_box(hash(&[1; 480]));
                black_box(recover(*digest, signature.as_bytes()));
            }
        });
    });
    group.bench_function("hash_alone", |bencher| {
        bencher.iter(|| black_box(&orders).iter().map(SignedOrder::hash).max());
    });
    group.finish();
}

fn json(criterion: &mut Criterion) {
    let orders = made();
    let texts: Vec<_> = orders.iter().map(SignedOrder::to_json).collect();
    let mut group = criterion.benchmark_group("orders/json");
    group.throughput(Throughput::Bytes(texts.iter().map(String::len).sum::<usize>() as u64));
    group.bench_function("from_json", |bencher| {
        bencher.iter(|| {
            black_box(&texts).iter().filter_map(|text| SignedOrder::from_json(text).ok()).count()
        });
    });
    group.bench_function("serde_json_map_of_strings", |bencher| {
        let read = |text: &String| serde_json::from_str::<serde_json::Value>(text).ok();
        bencher.iter(|| black_box(&texts).iter().filter_map(read).count());
    });
    group.bench_function("to_json", |bencher| {
        bencher
            .iter(|| black_box(&orders).iter().map(|order| order.to_json().len()).sum::<usize>());
    });
    group.finish();
}

fn generate(criterion: &mut Criterion) {
    let mut generator = Generator::new([1; 32], Config::default());
    criterion.bench_function("orders/generate", |bencher| bencher.iter(|| generator.order()));
}

criterion_group!(benches, verify, json, generate);
criterion_main!(benches);
