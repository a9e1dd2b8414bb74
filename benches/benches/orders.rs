//! What an order costs to take in: our verification beside the bare primitives it cannot do
//! without, our JSON beside `serde_json` on the same text.
//!
//! `orders/together`: signatures checked 250 at a time, as a node does, as a share of the time that
//! recovering the key of each takes. By the number of makers: with their keys known, with none known,
//! and when one of the signatures is bad.
//!
//! `cargo bench -p meshwork-benches --bench orders`

use std::hint::black_box;
use std::num::NonZeroU16;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orders::generate::{Config, Generator, Salts};
use orders::v3::SignedOrder;
use orders::{Claim, SignatureCheck, Verifier};
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use sha3::{Digest, Keccak256};
use tokio::time::Instant;

/// Orders in one iteration.
const ORDERS: usize = 100;

/// Signatures that a node checks in one job.
const JOB: usize = 250;

/// How often each is timed.
const ROUNDS: usize = 40;

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

/// Claims of orders of so many makers, the last one after its order was changed if so wanted.
fn claims(makers: NonZeroU16, spoilt: bool) -> Vec<Claim> {
    let config = Config { makers, ..Config::default() };
    let mut orders: Vec<_> = Generator::new([2; 32], config).take(JOB).collect();
    if let Some(last) = orders.last_mut().filter(|_| spoilt) {
        last.order.expiration_time_seconds = last.order.salt;
    }
    let claim = |it: &SignedOrder| it.signature.claim(&it.hash(), &it.order.maker);
    orders.iter().map(claim).collect()
}

/// The shortest of several times: whatever else the machine does adds to it.
struct Best(Duration);

impl Best {
    fn time(&mut self, work: impl FnOnce() -> Vec<SignatureCheck>) {
        let start = Instant::now();
        black_box(work());
        self.0 = self.0.min(start.elapsed());
    }
}

#[expect(clippy::print_stdout, reason = "the report is the result of the program")]
fn together(_: &mut Criterion) {
    for (name, makers) in [("1", 1), ("20", 20), ("200", 200), ("only_different", 10_000)] {
        let makers = NonZeroU16::new(makers).unwrap_or(NonZeroU16::MIN);
        let (good, spoilt) = (claims(makers, false), claims(makers, true));
        let verifier = Verifier::new();
        black_box(verifier.check(&good));
        let [mut alone, mut known, mut first, mut bad] = [Duration::MAX; 4].map(Best);
        for _ in 0..ROUNDS {
            alone.time(|| good.iter().map(Claim::check).collect());
            known.time(|| verifier.check(&good));
            first.time(|| Verifier::new().check(&good));
            bad.time(|| verifier.check(&spoilt));
        }
        for (part, ours) in [("known", known), ("first", first), ("one_bad", bad)] {
            let ratio = ours.0.as_secs_f64() / alone.0.as_secs_f64();
            let (ours, alone) = (ours.0, alone.0);
            println!(
                "ratio orders/together/{part}/{name}_makers {ratio:.3} ({JOB} signatures: {ours:.1?}, each alone {alone:.1?})"
            );
        }
    }
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

criterion_group!(benches, together, verify, json, generate);
criterion_main!(benches);
